package azidentity_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// onHost gives the test the environment of a host that e plays.
func onHost(t *testing.T, e *entratest.Emulator, host entratest.Endpoint) {
	t.Helper()
	clearEnvironment(t)
	for name, value := range e.Environment(host) {
		t.Setenv(name, value)
	}
}

func managedCred(t testing.TB, o azidentity.ManagedIdentityCredentialOptions) *azidentity.ManagedIdentityCredential {
	t.Helper()
	c, err := azidentity.NewManagedIdentityCredential(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// owner returns the object ID in a token.
func owner(t testing.TB, token string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), `"oid":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func TestManagedIdentity(t *testing.T) {
	for _, host := range []entratest.Endpoint{entratest.EndpointIMDS, entratest.EndpointAppService, entratest.EndpointAzureML, entratest.EndpointLegacyAppService, entratest.EndpointCloudShell} {
		t.Run(string(host), func(t *testing.T) {
			e, o := emulate(t, nil)
			onHost(t, e, host)
			c := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o})
			for range 3 {
				if got := owner(t, token(t, c)); got != entratest.DefaultManagedIdentities()[0].ObjectID {
					t.Errorf("the token is of %s", got)
				}
			}
			if n := e.CountRequests(host); n != 1 || len(e.Journal()) != 1 {
				t.Errorf("%d requests, %d of them to %s, want 1", len(e.Journal()), n, host)
			}
		})
	}
}

func TestManagedIdentityWarmPathAllocatesNothing(t *testing.T) {
	e, o := emulate(t, nil)
	onHost(t, e, entratest.EndpointIMDS)
	c := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o})
	token(t, c)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = c.GetToken(ctx, armToken) }); n > 0 {
		t.Errorf("a token in memory costs %v allocations", n)
	}
}

// Pain 53: the same IDs everywhere, or an error when the credential is
// constructed.
func TestPain53ManagedIdentityKinds(t *testing.T) {
	const all, some, none = "client object resource", "client", ""
	ids := map[string]azidentity.ManagedIDKind{
		"client":   azidentity.ClientID(entratest.DefaultIdentityClientID),
		"object":   azidentity.ObjectID(entratest.DefaultIdentityObjectID),
		"resource": azidentity.ResourceID(entratest.DefaultIdentityResourceID),
	}
	for host, supported := range map[entratest.Endpoint]string{
		entratest.EndpointIMDS: all, entratest.EndpointAppService: all, entratest.EndpointAzureML: some, entratest.EndpointCloudShell: none,
	} {
		for name, id := range ids {
			e, o := emulate(t, nil)
			onHost(t, e, host)
			c, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ID: id})
			if want := strings.Contains(supported, name); (err == nil) != want {
				t.Errorf("%s, %s ID: got %v", host, name, err)
			}
			if err != nil {
				continue
			}
			if got := owner(t, token(t, c)); got != entratest.DefaultIdentityObjectID {
				t.Errorf("%s, %s ID: the token is of %s", host, name, got)
			}
		}
	}
	for _, id := range ids {
		if id.String() == "" || fmt.Sprint(id) != id.String() {
			t.Errorf("%T prints as %v", id, id)
		}
	}
}

// Pain 13: a chain goes on where there is no identity, and stops where there is
// one that was refused.
func TestPain13ManagedIdentityInAChain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		host   entratest.Endpoint
		fault  entratest.Fault
		id     azidentity.ManagedIDKind
		goesOn bool
	}{
		{"identity not assigned", entratest.EndpointIMDS, entratest.Fault{Times: -1}, azidentity.ClientID("50000000-eeee-4eee-8eee-000000000001"), true},
		{"Docker Desktop", entratest.EndpointIMDS, entratest.Fault{Status: 403, Body: "unerreichbares Netzwerk", ContentType: "text/plain"}, nil, true},
		{"captive portal", entratest.EndpointIMDS, entratest.Fault{Body: "<html>terms</html>"}, nil, true},
		{"refused", entratest.EndpointIMDS, entratest.Fault{Status: 401, Body: `{"error":"access_denied"}`, ContentType: "application/json"}, nil, false},
		{"App Service refuses", entratest.EndpointAppService, entratest.Fault{Status: 400, Body: `{"statusCode":400,"message":"no"}`, ContentType: "application/json"}, nil, false},
		{"identity not assigned to App Service", entratest.EndpointAppService, entratest.Fault{Times: -1}, azidentity.ClientID("50000000-eeee-4eee-8eee-000000000001"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, o := emulate(t, nil)
			onHost(t, e, tt.host)
			if tt.fault.Times == 0 {
				tt.fault.Endpoint = tt.host
				e.Inject(tt.fault)
			}
			first := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ID: tt.id})
			chain, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{first, secretCred(t, goodKey, o)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = first.GetToken(t.Context(), armToken)
			if azidentity.IsCredentialUnavailable(err) != tt.goesOn || !strings.HasPrefix(err.Error(), "ManagedIdentityCredential: ") {
				t.Errorf("got %v", err)
			}
			var failed *azidentity.AuthenticationFailedError
			if errors.As(err, &failed) == tt.goesOn {
				t.Errorf("got a %T", err)
			}
			if failed != nil && (failed.RawResponse == nil || failed.RawResponse.StatusCode < 400) {
				t.Errorf("RawResponse is %v", failed.RawResponse)
			}
			if _, err = chain.GetToken(t.Context(), armToken); (err == nil) != tt.goesOn {
				t.Errorf("the chain returned %v", err)
			}
		})
	}
}

// Pain 34: callers at the same time share one retry loop.
func TestPain34CallersShareTheRetries(t *testing.T) {
	clearEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		e.Inject(entratest.Fault{Endpoint: entratest.EndpointIMDS, Status: 429, Times: 3, RetryAfter: 5 * time.Second})
		c := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, Tokens: azidentity.TokenOptions{Isolated: true}})
		start := time.Now()
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if _, err := c.GetToken(context.Background(), armToken); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if n := e.CountRequests(entratest.EndpointIMDS); n != 4 || time.Since(start) != 15*time.Second {
			t.Errorf("%d requests in %v, want 4 in 15s", n, time.Since(start))
		}
	})
}

// A token for a day is renewed at half of it.
func TestManagedIdentityRenewsAtHalfLife(t *testing.T) {
	clearEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, &entratest.Config{TokenLifetime: 24 * time.Hour})
		c := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, Tokens: azidentity.TokenOptions{Isolated: true}})
		for range 2 { // from the endpoint and from memory
			tok, err := c.GetToken(context.Background(), armToken)
			if err != nil {
				t.Fatal(err)
			}
			if d := time.Until(tok.RefreshOn); d != 12*time.Hour {
				t.Errorf("to be renewed in %v, want 12h", d)
			}
		}
		time.Sleep(13 * time.Hour)
		before := token(t, c)
		synctest.Wait()
		if after := token(t, c); after == before {
			t.Error("the token was not renewed")
		}
		if n := e.CountRequests(entratest.EndpointIMDS); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
	})
}

// Pain 35: an identity that is slow to answer, at first or later, is not passed over
// for the next in the chain.
func TestPain35SlowAnswersFlipNoChain(t *testing.T) {
	clearEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		chain, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{
			managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o}), secretCred(t, goodKey, o)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, slow := range []time.Duration{1500 * time.Millisecond, 5 * time.Second, 20 * time.Second} {
			cancel := e.Inject(entratest.Fault{Endpoint: entratest.EndpointIMDS, Latency: slow})
			start := time.Now()
			if got := owner(t, token(t, chain)); got != entratest.DefaultManagedIdentities()[0].ObjectID || time.Since(start) != slow {
				t.Errorf("after %v the token is of %s", time.Since(start), got)
			}
			cancel()
			time.Sleep(2 * time.Hour) // the token expires
		}
		if n := e.CountRequests(entratest.EndpointToken); n > 0 {
			t.Errorf("%d requests for the other identity", n)
		}
	})
}

func TestManagedIdentityKeepsTokensApart(t *testing.T) {
	e, o := emulate(t, nil)
	onHost(t, e, entratest.EndpointIMDS)
	id := azidentity.ClientID(entratest.DefaultIdentityClientID)
	system := token(t, managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o}))
	user := token(t, managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ID: id}))
	if owner(t, system) == owner(t, user) {
		t.Error("two identities got one token")
	}
	same := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ID: azidentity.ClientID(strings.ToUpper(string(id)))})
	if token(t, same) != user {
		t.Error("equal credentials do not share tokens")
	}
	alone := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ID: id, Tokens: azidentity.TokenOptions{Isolated: true}})
	if token(t, alone) == user {
		t.Error("an isolated credential shares tokens")
	}
	if tokenFor(t, same, policy.TokenRequestOptions{Scopes: armToken.Scopes, Claims: `{"access_token":{"nbf":{"essential":true,"value":"1"}}}`}) == user {
		t.Error("a request with claims was answered from memory")
	}
	onHost(t, e, entratest.EndpointAppService)
	if token(t, managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ID: id})) == user {
		t.Error("two hosts share tokens")
	}
}

func TestManagedIdentityScopes(t *testing.T) {
	e, o := emulate(t, nil)
	onHost(t, e, entratest.EndpointIMDS)
	c := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o})
	for scope, want := range map[string]string{
		"https://management.azure.com/.default":           "https://management.azure.com",
		"https://management.core.windows.net//.default":   "https://management.core.windows.net/",
		"https://vault.azure.net":                         "https://vault.azure.net",
		"https://contoso.example.com/app":                 "https://contoso.example.com/app",
		"api://20000000-bbbb-4bbb-8bbb-00000000/.default": "api://20000000-bbbb-4bbb-8bbb-00000000",
	} {
		tokenFor(t, c, policy.TokenRequestOptions{Scopes: []string{scope}, TenantID: "ignored"})
		if entry, _ := e.LastRequest(entratest.EndpointIMDS); entry.Query.Get("resource") != want {
			t.Errorf("%s: asked for %s, want %s", scope, entry.Query.Get("resource"), want)
		}
	}
	before := len(e.Journal())
	for _, scopes := range [][]string{nil, {""}, {"/.default"}, {"a", "b"}, {"https://a.example.com/.default https://b.example.com/.default"}} {
		_, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: scopes})
		var failed *azidentity.AuthenticationFailedError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), "exactly one scope") {
			t.Errorf("%q: got %v", scopes, err)
		}
	}
	if len(e.Journal()) != before {
		t.Error("a request was sent for scopes that are none")
	}
}

// Pain 4: what a host wants to be shown is in no error, no event and no
// formatted value, also if the host sends it back.
func TestPain4ManagedIdentityCanaries(t *testing.T) {
	const canary = "canary/7f3a+91b2 5c4d=e6f708192a"
	var logged bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { slog.SetDefault(was) })
	for _, env := range []map[string]string{
		{"IDENTITY_ENDPOINT": "http://localhost:1/t", "IDENTITY_HEADER": canary},
		{"MSI_ENDPOINT": "http://localhost:1/t", "MSI_SECRET": canary},
	} {
		for _, status := range []int{0, 200, 307, 400, 401, 404, 500} {
			clearEnvironment(t)
			for name, value := range env {
				t.Setenv(name, value)
			}
			c := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: azcore.ClientOptions{
				Retry: policy.RetryOptions{MaxRetries: -1},
				Transport: &echoing{func(r *http.Request) (*http.Response, error) {
					sent := r.Header.Get("X-Identity-Header") + r.Header.Get("Secret")
					if sent != canary {
						t.Errorf("sent %q", sent)
					}
					if status == 0 {
						return nil, errors.New("refused with " + sent)
					}
					h := http.Header{"Server": {sent}, "X-Ms-Request-Id": {base64.StdEncoding.EncodeToString([]byte(sent))}}
					body := `{"error":"` + sent + `","message":"` + sent[:20] + `","access_token":"` + canary + `"}`
					return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
				}},
			}})
			_, err := c.GetToken(t.Context(), armToken)
			if err == nil {
				t.Fatal("there is no error")
			}
			text := fmt.Sprintf("%v %+v %#v %s %+v", err, err, err, logged.String(), c)
			var failed *azidentity.AuthenticationFailedError
			if errors.As(err, &failed) && failed.RawResponse != nil {
				body, _ := io.ReadAll(failed.RawResponse.Body)
				text += fmt.Sprintf("%s %+v", body, failed.RawResponse)
			}
			for i := 0; i+12 <= len(canary); i++ {
				if strings.Contains(text, canary[i:i+12]) {
					t.Fatalf("%v, %d: %q is in %s", env, status, canary[i:i+12], text)
				}
			}
		}
	}
}

// echoing is a transport of its own kind, so that credentials do not share tokens.
type echoing struct {
	do func(*http.Request) (*http.Response, error)
}

func (e *echoing) Do(r *http.Request) (*http.Response, error) { return e.do(r) }

// Pain 18: a caller that leaves does not wait for the schedule's end.
func TestPain18ManagedIdentityCancellation(t *testing.T) {
	clearEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		e.Inject(entratest.Fault{Endpoint: entratest.EndpointIMDS, Hang: true})
		c := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, Tokens: azidentity.TokenOptions{Isolated: true}})
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.GetToken(ctx, armToken)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second || azidentity.IsCredentialUnavailable(err) {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		synctest.Wait()
	})
}

// Pain 55: a host whose expiry cannot be read does not hand out a token for ever
// nor one for every call.
func TestPain55UnreadableExpiry(t *testing.T) {
	clearEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		e.Inject(entratest.Fault{Endpoint: entratest.EndpointIMDS, Body: `{"access_token":"opaque","expires_on":"demnächst"}`, ContentType: "application/json"})
		c := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, Tokens: azidentity.TokenOptions{Isolated: true}})
		for range 10 {
			if tok, err := c.GetToken(context.Background(), armToken); err != nil || time.Until(tok.ExpiresOn) > 5*time.Minute {
				t.Errorf("valid until %v, error %v", tok.ExpiresOn, err)
			}
		}
		if n := e.CountRequests(entratest.EndpointIMDS); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}
