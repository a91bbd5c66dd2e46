package managedidentity_test

import (
	"context"
	"crypto/sha1" // the platform names its certificate by this hash
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/managedidentity"
)

var (
	byClient   = managedidentity.Identity{Kind: managedidentity.ClientID, Value: entratest.DefaultIdentityClientID}
	byObject   = managedidentity.Identity{Kind: managedidentity.ObjectID, Value: strings.ToUpper(entratest.DefaultIdentityObjectID)}
	byResource = managedidentity.Identity{Kind: managedidentity.ResourceID, Value: entratest.DefaultIdentityResourceID}
	bySystem   = managedidentity.Identity{}
)

// Pain 53: every host with every kind of identity. What a host cannot be asked
// for is refused when the client is made; what it can yields that identity.
func TestPain53HostsAndKinds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host entratest.Endpoint
		want string // parameter by client, object and resource ID; - is not supported
		base string // parameters of every request
	}{
		{entratest.EndpointIMDS, "client_id object_id msi_res_id", "api-version=2018-02-01"},
		{entratest.EndpointAppService, "client_id object_id mi_res_id", "api-version=2019-08-01"},
		{entratest.EndpointAzureML, "clientid - -", "api-version=2017-09-01"},
		{entratest.EndpointCloudShell, "- - -", ""},
		{entratest.EndpointAzureArc, "client_id object_id msi_res_id", "api-version=2020-06-01"},
		{entratest.EndpointServiceFabric, "- - -", "api-version=2019-07-01-preview"},
	} {
		t.Run(string(tt.host), func(t *testing.T) {
			t.Parallel()
			keys := t.TempDir()
			s := entratest.NewServer(&entratest.Config{ArcKeyDirectory: keys})
			t.Cleanup(s.Close)
			for i, id := range []managedidentity.Identity{bySystem, byClient, byObject, byResource} {
				parameter := "none"
				if i > 0 {
					parameter = strings.Fields(tt.want)[i-1]
				}
				c, err := newClient(s.Environment(tt.host), id, policy.ClientOptions{Transport: s.Client()}, keys)
				if (err != nil) != (parameter == "-") {
					t.Errorf("%v: got %v", id, err)
				}
				if err != nil {
					continue
				}
				tok, err := c.Token(t.Context(), managedidentity.Request{Resource: resource})
				c.Close()
				if err != nil {
					t.Errorf("%v: %v", id, err)
					continue
				}
				want := entratest.DefaultIdentityObjectID
				if i == 0 {
					want = entratest.DefaultManagedIdentities()[0].ObjectID
				}
				if got := claims(t, tok.Value)["oid"]; got != want {
					t.Errorf("%v: the token is of %v, want %v", id, got, want)
				}
				entry, _ := s.LastRequest(tt.host)
				sent := entry.Query
				if entry.Method == http.MethodPost {
					sent = entry.Form
				}
				if parameter != "none" && sent.Get(parameter) != id.Value {
					t.Errorf("%v: sent %v, want %s", id, sent, parameter)
				}
				if name, value, ok := strings.Cut(tt.base, "="); ok && sent.Get(name) != value || sent.Get("resource") != resource {
					t.Errorf("%v: sent %v, want %s and the resource", id, sent, tt.base)
				}
				if i == 0 && len(sent) > 2 {
					t.Errorf("without an ID, sent %v", sent)
				}
			}
		})
	}
}

func TestEmptyIDIsRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []managedidentity.Kind{managedidentity.ClientID, managedidentity.ObjectID, managedidentity.ResourceID} {
		_, err := newClient(nil, managedidentity.Identity{Kind: kind, Value: " "}, policy.ClientOptions{}, "")
		if err == nil || !strings.Contains(err.Error(), "is empty") {
			t.Errorf("%v: got %v", kind, err)
		}
	}
}

// Azure ML names the identity of its compute in a variable.
func TestAzureMLDefaultIdentity(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	env := e.Environment(entratest.EndpointAzureML)
	env["DEFAULT_IDENTITY_CLIENT_ID"] = entratest.DefaultIdentityClientID
	c := mustClient(t, env, bySystem, policy.ClientOptions{Transport: e.Transport()}, "")
	tok, err := c.Token(t.Context(), managedidentity.Request{Resource: resource})
	if err != nil {
		t.Fatal(err)
	}
	if got := claims(t, tok.Value)["appid"]; got != entratest.DefaultIdentityClientID {
		t.Errorf("the token is of %v", got)
	}
}

// An endpoint that has a query keeps it.
func TestQueryOfTheEndpointIsKept(t *testing.T) {
	t.Parallel()
	var query string
	env := map[string]string{"IDENTITY_ENDPOINT": "http://localhost/t?a=b", "IDENTITY_HEADER": "h"}
	c := mustClient(t, env, bySystem, policy.ClientOptions{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		query = r.URL.RawQuery
		return reply(r, 200, goodAnswer), nil
	})}, "")
	if _, err := c.Token(t.Context(), managedidentity.Request{Resource: resource}); err != nil || !strings.HasPrefix(query, "a=b&api-version=") {
		t.Errorf("the query is %q, error %v", query, err)
	}
}

// Pain 54: Service Fabric's certificate is the one that the platform names, or
// nothing is sent.
func TestPain54ServiceFabricPin(t *testing.T) {
	t.Parallel()
	s := entratest.NewServer(nil)
	t.Cleanup(s.Close)
	env := s.Environment(entratest.EndpointServiceFabric)
	right := env["IDENTITY_SERVER_THUMBPRINT"]
	var pairs []string
	for pair := range slices.Chunk([]byte(strings.ToUpper(right)), 2) {
		pairs = append(pairs, string(pair))
	}
	for _, form := range []string{right, strings.ToUpper(right), strings.Join(pairs, ":"), "\u200e" + strings.Join(pairs, " ")} {
		env["IDENTITY_SERVER_THUMBPRINT"] = form
		// Without a transport of the caller's, the self-signed certificate
		// would not be trusted but for the pin.
		c := mustClient(t, env, bySystem, policy.ClientOptions{}, "")
		if _, err := c.Token(t.Context(), managedidentity.Request{Resource: resource}); err != nil {
			t.Errorf("%q: %v", form, err)
		}
		c.Close()
	}
	before := len(s.Requests(func(entratest.Entry) bool { return true }))
	env["IDENTITY_SERVER_THUMBPRINT"] = strings.Repeat("0", 40)
	for _, transport := range []policy.Transporter{nil, s.Client(), &http.Client{}} {
		c := mustClient(t, env, bySystem, policy.ClientOptions{Transport: transport}, "")
		_, err := c.Token(t.Context(), managedidentity.Request{Resource: resource})
		var e *managedidentity.Error
		if !errors.As(err, &e) || e.Verdict != managedidentity.Fatal || e.Tries != 1 || !strings.Contains(err.Error(), "THUMBPRINT") {
			t.Errorf("with another certificate, got %v", err)
		}
		c.Close()
	}
	if after := len(s.Requests(func(entratest.Entry) bool { return true })); after != before {
		t.Errorf("%d requests reached a server with another certificate", after-before)
	}
	for _, transport := range []policy.Transporter{
		transportFunc(nil),
		&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{VerifyConnection: func(tls.ConnectionState) error { return nil }}}},
		&http.Client{Transport: http.NewFileTransport(nil)},
	} {
		if _, err := newClient(env, bySystem, policy.ClientOptions{Transport: transport}, ""); err == nil {
			t.Errorf("%T cannot be pinned and was taken", transport)
		}
	}
}

// Service Fabric is told which token a challenge is about.
func TestServiceFabricRevocation(t *testing.T) {
	t.Parallel()
	s := entratest.NewServer(nil)
	t.Cleanup(s.Close)
	c := mustClient(t, s.Environment(entratest.EndpointServiceFabric), bySystem, policy.ClientOptions{}, "")
	for i, r := range []managedidentity.Request{{}, {CAE: true}, {CAE: true, Refused: "test_token"}, {Refused: "test_token"}} {
		r.Resource = resource
		if _, err := c.Token(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		entry, _ := s.LastRequest(entratest.EndpointServiceFabric)
		if got := entry.Query.Get("xms_cc") == "cp1"; got != r.CAE {
			t.Errorf("%d: xms_cc is %v", i, got)
		}
		if got := entry.Query.Has("token_sha256_to_refresh"); got != (i == 2) {
			t.Errorf("%d: token_sha256_to_refresh is sent: %v", i, got)
		}
	}
}

// Pain 29: no redirect is followed, whoever made the client, so that the secret
// goes nowhere else.
func TestPain29RedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = io.WriteString(w, goodAnswer)
	}))
	t.Cleanup(other.Close)
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(first.Close)
	node := httptest.NewTLSServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(node.Close)
	sum := sha1.Sum(node.Certificate().Raw)
	env := map[string]string{"IDENTITY_ENDPOINT": first.URL, "IDENTITY_HEADER": "h"}
	own := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(own.CloseIdleConnections)
	for source, host := range map[managedidentity.Source]map[string]string{
		managedidentity.IMDS:       {"AZURE_POD_IDENTITY_AUTHORITY_HOST": first.URL},
		managedidentity.AppService: env,
		managedidentity.AzureML:    {"MSI_ENDPOINT": first.URL, "MSI_SECRET": "h"},
		managedidentity.CloudShell: {"MSI_ENDPOINT": first.URL},
		managedidentity.AzureArc:   {"IDENTITY_ENDPOINT": first.URL, "IMDS_ENDPOINT": first.URL},
		managedidentity.ServiceFabric: {
			"IDENTITY_ENDPOINT": node.URL, "IDENTITY_HEADER": "h", "IDENTITY_SERVER_THUMBPRINT": hex.EncodeToString(sum[:]),
		},
	} {
		for _, transport := range []policy.Transporter{nil, &http.Client{}, own} {
			c := mustClient(t, host, bySystem, policy.ClientOptions{Transport: transport}, t.TempDir())
			_, err := c.Token(t.Context(), managedidentity.Request{Resource: resource})
			want := managedidentity.Fatal
			if source == managedidentity.IMDS {
				want = managedidentity.Unavailable // a portal, not the service
			}
			var e *managedidentity.Error
			if c.Source() != source || !errors.As(err, &e) || e.Status != http.StatusTemporaryRedirect || e.Verdict != want {
				t.Errorf("%s: got %v", source, err)
			}
			c.Close()
		}
	}
	if n := elsewhere.Load(); n > 0 {
		t.Errorf("%d requests were redirected", n)
	}
	// A transport that follows redirects by itself is found out.
	c := mustClient(t, env, bySystem, policy.ClientOptions{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		moved := r.Clone(context.Background())
		moved.URL.Host = "elsewhere.example.com"
		return reply(moved, 200, goodAnswer), nil
	})}, "")
	if _, err := c.Token(t.Context(), managedidentity.Request{Resource: resource}); err == nil {
		t.Error("a token from elsewhere was taken")
	}
}

// Pain 52: a proxy in the environment, which answers everything, never sees
// requests for the machine's own endpoints.
func TestPain52NoProxyBetween(t *testing.T) {
	var seen atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		seen.Add(1)
		_, _ = io.WriteString(w, goodAnswer)
	}))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	keys := t.TempDir()
	s := entratest.NewServer(&entratest.Config{ArcKeyDirectory: keys})
	t.Cleanup(s.Close)
	for _, host := range []entratest.Endpoint{
		entratest.EndpointIMDS, entratest.EndpointAppService, entratest.EndpointAzureML,
		entratest.EndpointCloudShell, entratest.EndpointAzureArc, entratest.EndpointServiceFabric,
	} {
		c := mustClient(t, s.Environment(host), bySystem, policy.ClientOptions{}, keys)
		if _, err := c.Token(t.Context(), managedidentity.Request{Resource: resource}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		c.Close()
	}
	direct.CloseIdleConnections()
	if n := seen.Load(); n > 0 {
		t.Errorf("the proxy saw %d requests", n)
	}
}
