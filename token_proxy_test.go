package azidentity_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// bound is a cluster with an identity binding: an emulator that trusts tokens
// for it, a proxy, and the environment of a pod.
func bound(t *testing.T) (e *entratest.Emulator, p *entratest.TokenProxy, caFile string) {
	t.Helper()
	cfg := &entratest.Config{Tenants: []entratest.Tenant{entratest.DefaultTenant()}}
	cfg.Tenants[0].Applications[0].FederatedCredentials[0].Audiences = []string{"api://AKSIdentityBinding"}
	e, _ = emulate(t, cfg)
	p = e.NewTokenProxy()
	t.Cleanup(p.Close)
	clearEnvironment(t)
	caFile = filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, caFile, p.CAPEM())
	for name, value := range map[string]string{
		"AZURE_CLIENT_ID": clientID, "AZURE_TENANT_ID": tenantID,
		"AZURE_FEDERATED_TOKEN_FILE":   pod(t, e, entratest.WithAudience("api://AKSIdentityBinding")),
		"AZURE_KUBERNETES_TOKEN_PROXY": p.URL, "AZURE_KUBERNETES_SNI_NAME": p.ServerName,
		"AZURE_KUBERNETES_CA_FILE": caFile, "AZURE_KUBERNETES_CA_DATA": "",
	} {
		t.Setenv(name, value)
	}
	return e, p, caFile
}

func proxied(t *testing.T, tokens azidentity.TokenOptions) *azidentity.WorkloadIdentityCredential {
	t.Helper()
	c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions:    noRetries(),
		EnableAzureProxy: true, Tokens: tokens,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

var isolated = azidentity.TokenOptions{Isolated: true}

// Every request goes through the proxy, to the path that Entra ID has, and the
// tokens are shared by credentials that use the same proxy.
func TestTokenProxy(t *testing.T) {
	e, p, _ := bound(t)
	first := token(t, proxied(t, azidentity.TokenOptions{}))
	if token(t, proxied(t, azidentity.TokenOptions{})) != first || p.Requests() != 1 {
		t.Errorf("%d requests for two equal credentials, want 1", p.Requests())
	}
	entry, ok := e.LastRequest(entratest.EndpointToken)
	if !ok || entry.Path != "/"+tenantID+"/oauth2/v2.0/token" || entry.AssertionClaims["aud"] != "api://AKSIdentityBinding" {
		t.Errorf("got %+v", entry)
	}
	// A region has no proxy of its own.
	t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", "westeurope")
	token(t, proxied(t, isolated))
	// The refusals of Entra ID come through as they are.
	e.Inject(entratest.Fault{Code: 700016, Times: 1})
	_, err := proxied(t, isolated).GetToken(t.Context(), armToken)
	wantFinding(t, err, "AADSTS700016")
	// Redirects are not followed.
	e.Inject(entratest.Fault{Status: 302, Times: 1})
	_, err = proxied(t, isolated).GetToken(t.Context(), armToken)
	wantFinding(t, err, "redirect")

	// The unknown authority of a private cloud is asked for through the proxy.
	t.Setenv("AZURE_AUTHORITY_HOST", "https://login.bound.example")
	before := p.Requests()
	_, _ = proxied(t, isolated).GetToken(t.Context(), armToken) // the emulator speaks of the host that it was asked by
	if n := p.Requests() - before; n < 2 {
		t.Errorf("%d requests, want discovery to go through the proxy too", n)
	}
}

// The cluster says who a pod is, so that what came through one proxy is not
// served to a credential with another, or with none.
func TestTokenProxiesDoNotShare(t *testing.T) {
	e, _, caFile := bound(t)
	first := token(t, proxied(t, azidentity.TokenOptions{}))
	other := e.NewTokenProxy()
	t.Cleanup(other.Close)
	writeFile(t, caFile, other.CAPEM())
	t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", other.URL)
	if token(t, proxied(t, azidentity.TokenOptions{})) == first || other.Requests() != 1 {
		t.Error("another proxy's token was served")
	}
	e.Inject(entratest.Fault{Code: 700016})
	direct, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: e.Transport()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := direct.GetToken(t.Context(), armToken); err == nil {
		t.Error("a proxy's token was served without it")
	}
}

// The CA may rotate under a running pod: each request sees the file as it is.
func TestTokenProxyCARotates(t *testing.T) {
	_, p, caFile := bound(t)
	c := proxied(t, isolated)
	scope := 0
	get := func() error {
		scope++
		o := armToken
		o.Scopes = []string{"https://r" + strings.Repeat("x", scope) + ".example/.default"}
		_, err := c.GetToken(t.Context(), o)
		return err
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.RotateCA()
		writeFile(t, caFile, p.CAPEM())
		if err := get(); err != nil {
			t.Fatalf("after the CA was rotated: %v", err)
		}
	}
	// While it is rewritten, the CA of before holds.
	writeFile(t, caFile, nil)
	if err := get(); err != nil {
		t.Errorf("with an empty CA file: %v", err)
	}
	writeFile(t, caFile, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	wantFinding(t, get(), caFile, "no valid PEM certificate")
	if err := os.Remove(caFile); err != nil {
		t.Fatal(err)
	}
	wantFinding(t, get(), caFile)
	// A CA that is not the proxy's is not trusted.
	other := entratest.NewServer(nil)
	defer other.Close()
	writeFile(t, caFile, other.CAPEM())
	wantFinding(t, get(), "token proxy https://127.0.0.1", "AZURE_KUBERNETES_TOKEN_PROXY", "Entra ID emulator CA")
	writeFile(t, caFile, p.CAPEM())
	if err := get(); err != nil {
		t.Errorf("with the right CA again: %v", err)
	}
}

// The CA may be in the environment itself; the server name has to be right.
func TestTokenProxyCADataAndServerName(t *testing.T) {
	_, p, _ := bound(t)
	t.Setenv("AZURE_KUBERNETES_CA_FILE", "")
	t.Setenv("AZURE_KUBERNETES_CA_DATA", string(p.CAPEM()))
	token(t, proxied(t, isolated))
	for _, name := range []string{"", "another.name.invalid"} {
		t.Setenv("AZURE_KUBERNETES_SNI_NAME", name)
		c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: noRetries(), EnableAzureProxy: true, Tokens: isolated})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.GetToken(t.Context(), armToken)
		wantFinding(t, err, "token proxy")
		_ = c.Close()
	}
	// With neither, the system's certificates count, which lack the emulator's.
	t.Setenv("AZURE_KUBERNETES_CA_DATA", "")
	c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: noRetries(), EnableAzureProxy: true, Tokens: isolated})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.GetToken(t.Context(), armToken)
	wantFinding(t, err, "token proxy")
}

func noRetries() (o azcore.ClientOptions) {
	o.Retry.MaxRetries = -1
	o.Retry.TryTimeout = 10 * time.Second
	return o
}

// A half or wrong configuration is an error of the constructor, unless the
// option is off: then the variables mean nothing.
func TestTokenProxyConfiguration(t *testing.T) {
	e, p, caFile := bound(t)
	dir := t.TempDir()
	empty, garbage := filepath.Join(dir, "empty"), filepath.Join(dir, "garbage")
	writeFile(t, empty, nil)
	writeFile(t, garbage, []byte("garbage"))
	const proxy, sni, file, data = "AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_SNI_NAME", "AZURE_KUBERNETES_CA_FILE", "AZURE_KUBERNETES_CA_DATA"
	for _, test := range []struct {
		name string
		env  map[string]string
		want string // empty: no error
	}{
		{"all", map[string]string{proxy: p.URL, sni: p.ServerName, file: caFile}, ""},
		{"nothing", nil, ""},
		{"proxy only", map[string]string{proxy: p.URL}, ""},
		{"path and slash", map[string]string{proxy: "https://proxy.invalid/a/b/"}, ""},
		{"name without proxy", map[string]string{sni: p.ServerName}, sni + " is set and " + proxy + " is not"},
		{"file without proxy", map[string]string{file: caFile}, file + " is set"},
		{"data without proxy", map[string]string{data: string(p.CAPEM())}, data + " is set"},
		{"both", map[string]string{proxy: p.URL, file: caFile, data: string(p.CAPEM())}, "both set"},
		{"http", map[string]string{proxy: "http://proxy.invalid"}, "https://"},
		{"no scheme", map[string]string{proxy: "proxy.invalid"}, "https://"},
		{"no URL", map[string]string{proxy: "https://a b:c/%"}, "not a URL"},
		{"user", map[string]string{proxy: "https://user:hidden-word@proxy.invalid"}, "user name"},
		{"query", map[string]string{proxy: "https://proxy.invalid?a=b"}, "query"},
		{"empty query", map[string]string{proxy: "https://proxy.invalid?"}, "query"},
		{"fragment", map[string]string{proxy: "https://proxy.invalid#a"}, "fragment"},
		{"no file", map[string]string{proxy: p.URL, file: filepath.Join(dir, "none")}, "none"},
		{"empty file", map[string]string{proxy: p.URL, file: empty}, "is empty"},
		{"garbage in file", map[string]string{proxy: p.URL, file: garbage}, "no valid PEM"},
		{"garbage as data", map[string]string{proxy: p.URL, data: "garbage"}, "no valid PEM"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{proxy, sni, file, data} {
				t.Setenv(name, test.env[name])
			}
			c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{EnableAzureProxy: true})
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "":
				wantText(t, err, test.want, "WorkloadIdentityCredential: ")
				if strings.Contains(err.Error(), "hidden-word") || azidentity.IsCredentialUnavailable(err) {
					t.Errorf("got %v", err)
				}
			default:
				_ = c.Close()
			}
			// Off, as in a default chain: none of it is looked at.
			direct, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
				ClientOptions: azcore.ClientOptions{Transport: e.Transport()}})
			if err != nil {
				t.Fatal(err)
			}
			before := p.Requests()
			token(t, direct)
			if p.Requests() != before {
				t.Error("the proxy was used without the option")
			}
		})
	}
	_, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: e.Transport()}, EnableAzureProxy: true})
	wantText(t, err, "Transport")
}

// Pain 73: CA and service account token rotate under a running pod, each at any time:
// between requests, between the tries of one, and while a token is being refused.
func TestPain73TokenProxyRotates(t *testing.T) {
	e, p, caFile := bound(t)
	path := os.Getenv("AZURE_FEDERATED_TOKEN_FILE")
	binding := entratest.WithAudience("api://AKSIdentityBinding")
	during := func(*http.Response, error) {}
	o := noRetries()
	o.Retry.MaxRetries, o.Retry.RetryDelay = 1, -1
	o.PerRetryPolicies = []policy.Policy{watching(func(resp *http.Response, err error) { during(resp, err) })}
	c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: o, EnableAzureProxy: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	seen := map[any]bool{}
	exchange := func(story string, n, requests int) {
		t.Helper()
		before := p.Requests()
		tokenFor(t, c, policy.TokenRequestOptions{Scopes: []string{fmt.Sprintf("https://%s%d.example/.default", story, n)}})
		entry, _ := e.LastRequest(entratest.EndpointToken)
		if id := entry.AssertionClaims["jti"]; id == nil || seen[id] {
			t.Errorf("%s: the assertion %v was sent before", story, id)
		} else {
			seen[id] = true
		}
		if n := p.Requests() - before; n != requests {
			t.Errorf("%s: %d requests reached the proxy, want %d", story, n, requests)
		}
	}
	for n := range 5 {
		p.RotateCA()
		writeFile(t, caFile, p.CAPEM())
		rotate(t, e, path, binding)
		exchange("between", n, 1)
	}
	for n := range 3 {
		p.RotateCA() // the file follows when the first try has failed
		rotate(t, e, path, binding)
		during = func(_ *http.Response, err error) {
			if err != nil {
				writeFile(t, caFile, p.CAPEM())
			}
		}
		exchange("amid", n, 1)
	}
	for n := range 3 {
		rotate(t, e, path, binding, entratest.WithLifetime(-time.Hour)) // kubelet is late by one request
		during = func(resp *http.Response, _ error) {
			if resp != nil && resp.StatusCode == http.StatusUnauthorized {
				rotate(t, e, path, binding)
			}
		}
		exchange("refused", n, 2)
	}
}

// watching is a policy that shows what each try brought.
type watching func(*http.Response, error)

func (w watching) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	w(resp, err)
	return resp, err
}

// Pain 73: however many credentials a pod constructs, at once or one after another, an
// identity costs one exchange through the proxy, and one beside it; also after CA and
// token have rotated.
func TestPain73OneExchangePerIdentity(t *testing.T) {
	e, p, caFile := bound(t)
	path := os.Getenv("AZURE_FEDERATED_TOKEN_FILE")
	const credentials = 50
	beside := azcore.ClientOptions{Transport: e.Transport()}
	through := noRetries()
	get := func(enable bool, client string, o azcore.ClientOptions) {
		c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: o, EnableAzureProxy: enable, ClientID: client})
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if _, err := c.GetToken(t.Context(), armToken); err != nil {
			t.Error(err)
		}
	}
	var pod sync.WaitGroup
	for range credentials {
		pod.Go(func() { get(true, "", through) })
		pod.Go(func() { get(false, "", beside) })
	}
	pod.Wait()
	p.RotateCA()
	writeFile(t, caFile, p.CAPEM())
	rotate(t, e, path, entratest.WithAudience("api://AKSIdentityBinding"))
	for range credentials {
		get(true, strings.ToUpper(clientID), through)
		get(false, clientID, beside)
	}
	if n, all := p.Requests(), e.CountRequests(entratest.EndpointToken); n != 1 || all != 2 {
		t.Errorf("%d exchanges through the proxy and %d beside it for %d credentials each, want 1 and 1", n, all-n, 2*credentials)
	}
}
