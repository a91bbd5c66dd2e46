package azidentity_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

type codeOptions = azidentity.AuthorizationCodeCredentialOptions

// newCode issues a code to the default application, for the default user.
func newCode(t testing.TB, e *entratest.Emulator, redirectURI string, options ...entratest.UserTokenOption) string {
	t.Helper()
	code, err := e.AuthorizationCode(entratest.DefaultUsername, clientID, redirectURI, options...)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// webOptions are those of a web application with a secret.
func webOptions(o azcore.ClientOptions) *codeOptions {
	return &codeOptions{ClientOptions: o, Authentication: azidentity.AuthenticationBySecret(goodKey), AdditionallyAllowedTenants: []string{"*"}}
}

func codeCred(t testing.TB, code, redirectURI string, options *codeOptions) *azidentity.AuthorizationCodeCredential {
	t.Helper()
	c, err := azidentity.NewAuthorizationCodeCredential(tenantID, clientID, code, redirectURI, options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func webCred(t testing.TB, e *entratest.Emulator, o azcore.ClientOptions) *azidentity.AuthorizationCodeCredential {
	t.Helper()
	return codeCred(t, newCode(t, e, entratest.DefaultRedirectURI), entratest.DefaultRedirectURI, webOptions(o))
}

// grants counts the requests to the token endpoint by their grant.
func grants(e *entratest.Emulator) (redemptions, refreshes int) {
	for _, entry := range e.Journal() {
		switch entry.GrantType {
		case "authorization_code":
			redemptions++
		case "refresh_token":
			refreshes++
		}
	}
	return redemptions, refreshes
}

func wantGrants(t testing.TB, e *entratest.Emulator, redemptions, refreshes int) {
	t.Helper()
	if a, b := grants(e); a != redemptions || b != refreshes {
		t.Errorf("%d redemptions and %d refreshes, want %d and %d", a, b, redemptions, refreshes)
	}
}

// wantSignIn checks that err tells to have the user sign in again.
func wantSignIn(t testing.TB, err error) {
	t.Helper()
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), "AuthorizationCodeCredential: ") || !strings.Contains(err.Error(), "have the user sign in again") {
		t.Fatalf("got %v, want that the user has to sign in again", err)
	}
}

// inTenant checks of which tenant a token is.
func inTenant(t testing.TB, token, want string) {
	t.Helper()
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil || !strings.Contains(string(claims), `"tid":"`+want+`"`) {
		t.Errorf("the token is not of tenant %s: %s, %v", want, claims, err)
	}
}

func scopeOf(i int) policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: []string{fmt.Sprintf("https://resource%d.example.com/.default", i)}}
}

const (
	pkceVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	pkceChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// Pain 41, for this flow: it takes every kind of proof, and none, with a verifier and
// without.
func TestPain41AuthorizationCodeByEveryProof(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	certs, key := e.DefaultCertificate()
	challenge := entratest.WithCodeChallenge(pkceChallenge, "S256")
	for _, tc := range []struct {
		name, uri string
		auth      azidentity.ClientAuthentication
		form      []string // what has to be in the request
	}{
		{"public", "http://localhost:8400", azidentity.ClientAuthentication{}, nil},
		{"secret", entratest.DefaultRedirectURI, azidentity.AuthenticationBySecret(goodKey), []string{"client_secret"}},
		{"certificate", entratest.DefaultRedirectURI, azidentity.AuthenticationByCertificate(certs, key, nil), []string{"client_assertion", "client_assertion_type"}},
		{"assertion", entratest.DefaultRedirectURI, azidentity.AuthenticationByAssertion(func(context.Context) (string, error) {
			return e.FederatedAssertion(entratest.DefaultFederatedSubject)
		}), []string{"client_assertion", "client_assertion_type"}},
	} {
		for _, pkce := range []bool{false, true} {
			e.ResetJournal()
			options := &codeOptions{ClientOptions: o, Authentication: tc.auth}
			want := []string{"client_id", "client_info", "code", "grant_type", "redirect_uri", "scope"}
			var mint []entratest.UserTokenOption
			if pkce {
				options.CodeVerifier, mint = pkceVerifier, append(mint, challenge)
				want = append(want, "code_verifier")
			}
			c := codeCred(t, newCode(t, e, tc.uri, mint...), tc.uri, options)
			if first, second := token(t, c), token(t, c); first != second {
				t.Errorf("%s: two tokens for two calls", tc.name)
			}
			wantGrants(t, e, 1, 0)
			entry, _ := e.LastRequest(entratest.EndpointToken)
			var got []string
			for name := range entry.Form {
				got = append(got, name)
			}
			want = append(want, tc.form...)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) || entry.Scope != armScope+" openid offline_access profile" || entry.Form.Get("redirect_uri") != tc.uri {
				t.Errorf("%s: sent %v, want %v", tc.name, entry.Form, want)
			}
			tokenFor(t, c, scopeOf(1))
			wantGrants(t, e, 1, 1)
			if err := errors.Join(c.Close(), c.Close()); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestAuthorizationCodeArguments(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		want                string
		tenant, client      string
		code, uri, verifier string
		auth                azidentity.ClientAuthentication
	}{
		{"tenant is missing", "", clientID, "code", "https://a.example", "", azidentity.ClientAuthentication{}},
		{"client ID is missing", tenantID, "", "code", "https://a.example", "", azidentity.ClientAuthentication{}},
		{"authorization code is missing", tenantID, clientID, "", "https://a.example", "", azidentity.ClientAuthentication{}},
		{"redirect URI is missing", tenantID, clientID, "code", "", "", azidentity.ClientAuthentication{}},
		{"invalid CodeVerifier", tenantID, clientID, "code", "https://a.example", "too-short-a-verifier", azidentity.ClientAuthentication{}},
		{"client secret is missing", tenantID, clientID, "code", "https://a.example", "", azidentity.AuthenticationBySecret("")},
		{"getAssertion is nil", tenantID, clientID, "code", "https://a.example", "", azidentity.AuthenticationByAssertion(nil)},
	} {
		_, err := azidentity.NewAuthorizationCodeCredential(tc.tenant, tc.client, tc.code, tc.uri, &codeOptions{CodeVerifier: tc.verifier, Authentication: tc.auth})
		if err == nil || !strings.HasPrefix(err.Error(), "AuthorizationCodeCredential: ") || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "too-short") {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
	if _, err := azidentity.NewAuthorizationCodeCredential(tenantID, clientID, "code", "https://a.example", nil); err != nil {
		t.Errorf("without options: %v", err)
	}
}

// Other scopes, tenants, CAE and claims come by the refresh token, also if such a
// request is the first.
func TestAuthorizationCodeRefreshes(t *testing.T) {
	t.Parallel()
	home, away := entratest.DefaultTenant(), entratest.DefaultTenant()
	away.ID, away.Domains = "10000000-aaaa-4aaa-8aaa-000000000002", nil
	home.Users[0].ID = "30000000-cccc-4ccc-8ccc-000000000001"
	away.Users = []entratest.User{home.Users[0]} // a guest
	requests := map[string]policy.TokenRequestOptions{
		"scope":  scopeOf(1),
		"tenant": {Scopes: armToken.Scopes, TenantID: away.ID},
		"CAE":    {Scopes: armToken.Scopes, EnableCAE: true},
		"claims": {Scopes: armToken.Scopes, Claims: `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`},
	}
	for name, request := range requests {
		e, o := emulate(t, &entratest.Config{Tenants: []entratest.Tenant{home, away}})
		c := webCred(t, e, o)
		first := token(t, c)
		if second := tokenFor(t, c, request); second == first {
			t.Errorf("%s: got the first token", name)
		}
		wantGrants(t, e, 1, 1)

		// The other way round.
		e.ResetJournal()
		c = webCred(t, e, o)
		inTenant(t, tokenFor(t, c, request), cmp.Or(request.TenantID, tenantID))
		inTenant(t, token(t, c), tenantID)
		refreshes := 1
		if request.Claims != "" {
			refreshes = 0 // claims make no other token
		}
		wantGrants(t, e, 1, refreshes)
		if entry := e.Journal()[0]; entry.GrantType != "authorization_code" || entry.Tenant != tenantID {
			t.Errorf("%s first: the first request is %s in tenant %s", name, entry.GrantType, entry.Tenant)
		}
	}
}

// Pain 12, for users: credentials that are constructed alike share what the code
// brought, and none of them sends it again.
func TestPain12AuthorizationCodePerRequest(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	code := newCode(t, e, entratest.DefaultRedirectURI, entratest.WithCodeChallenge(pkceChallenge, "S256"))
	build := func(changes ...func(*codeOptions)) *azidentity.AuthorizationCodeCredential {
		options := webOptions(o)
		options.CodeVerifier = pkceVerifier
		for _, change := range changes {
			change(options)
		}
		return codeCred(t, code, entratest.DefaultRedirectURI, options)
	}
	first := token(t, build())
	for i := range 100 {
		c := build()
		if token(t, c) != first {
			t.Fatalf("credential %d got another token", i)
		}
		tokenFor(t, c, scopeOf(i%3))
		_ = c.Close()
	}
	wantGrants(t, e, 1, 3)

	// Who is not the same gets nothing, and does not send the code either.
	for name, change := range map[string]func(*codeOptions){
		"another verifier": func(o *codeOptions) { o.CodeVerifier = strings.Repeat("v", 43) },
		"no verifier":      func(o *codeOptions) { o.CodeVerifier = "" },
		"another secret":   func(o *codeOptions) { o.Authentication = azidentity.AuthenticationBySecret("wrong") },
		"no proof":         func(o *codeOptions) { o.Authentication = azidentity.ClientAuthentication{} },
		"isolated":         func(o *codeOptions) { o.Tokens.Isolated = true },
		"own policy":       func(o *codeOptions) { o.PerCallPolicies = []policy.Policy{passOn{}} },
	} {
		_, err := build(change).GetToken(t.Context(), armToken)
		if err == nil {
			t.Fatalf("%s: got a token", name)
		}
		wantSignIn(t, err)
	}
	_, err := codeCred(t, code, "https://app.emulator.example.com/other", webOptions(o)).GetToken(t.Context(), armToken)
	wantSignIn(t, err)
	wantGrants(t, e, 1, 3)
}

// Concurrent callers with a hundred scopes, of many credentials: one redemption, and the
// refresh token for the rest.
func TestAuthorizationCodeIsRedeemedOnce(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	code := newCode(t, e, entratest.DefaultRedirectURI)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for i := range 100 {
		c := codeCred(t, code, entratest.DefaultRedirectURI, webOptions(o))
		for range 2 {
			wg.Go(func() {
				tok, err := c.GetToken(t.Context(), scopeOf(i))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if other, ok := seen[tok.Token]; ok && other != i {
					t.Errorf("scopes %d and %d share a token", i, other)
				}
				seen[tok.Token] = i
			})
		}
	}
	wg.Wait()
	if len(seen) != 100 {
		t.Errorf("%d tokens for 100 scopes", len(seen))
	}
	wantGrants(t, e, 1, 99)
}

// A caller who leaves while the code is redeemed does not lose what it brings.
func TestAuthorizationCodeOutlivesItsCaller(t *testing.T) {
	for name, next := range map[string]policy.TokenRequestOptions{"the same": armToken, "another scope": scopeOf(1)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, o := emulate(t, nil)
				e.Inject(entratest.Fault{Latency: 10 * time.Second, Times: 1})
				code := newCode(t, e, entratest.DefaultRedirectURI)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				c := codeCred(t, code, entratest.DefaultRedirectURI, webOptions(o))
				start := time.Now()
				if _, err := c.GetToken(ctx, armToken); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
					t.Fatalf("got %v after %v", err, time.Since(start))
				}
				_ = c.Close()
				// Under way: the next caller waits for it, of whichever credential.
				c = codeCred(t, code, entratest.DefaultRedirectURI, webOptions(o))
				tokenFor(t, c, next)
				if d := time.Since(start); d != 10*time.Second {
					t.Errorf("the next caller had a token after %v", d)
				}
				refreshes := 0
				if name != "the same" {
					refreshes = 1
				}
				wantGrants(t, e, 1, refreshes)
				token(t, c)
				wantGrants(t, e, 1, refreshes)
			})
		})
	}
	// And when it has ended behind everybody's back.
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		e.Inject(entratest.Fault{Latency: 10 * time.Second, Times: 1})
		c := codeCred(t, newCode(t, e, entratest.DefaultRedirectURI, entratest.WithScope("openid")), entratest.DefaultRedirectURI, webOptions(o))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.GetToken(ctx, armToken); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		token(t, c)
		wantGrants(t, e, 1, 0)
	})
	// It is bounded.
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		o.Retry.TryTimeout = time.Hour
		e.Inject(entratest.Fault{Hang: true})
		c := webCred(t, e, o)
		start := time.Now()
		_, err := c.GetToken(context.Background(), armToken)
		if wantSignIn(t, err); time.Since(start) != 2*time.Minute {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// hiccup is a transport that fails before it passes on to another.
type hiccup struct {
	inner    policy.Transporter
	mu       sync.Mutex
	failures []error
}

func (h *hiccup) Do(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	var err error
	if len(h.failures) > 0 {
		err, h.failures = h.failures[0], h.failures[1:]
	}
	h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return h.inner.Do(r)
}

var errDial = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// What certainly did not redeem the code leaves it to the next call.
func TestAuthorizationCodeStaysUsable(t *testing.T) {
	for _, tc := range []struct {
		name    string
		faults  []entratest.Fault
		dial    int
		auth    func() azidentity.ClientAuthentication
		request policy.TokenRequestOptions
		tries   int // redemptions, the good one included
		want    string
	}{
		{name: "no connection", dial: 4, request: armToken, tries: 1, want: "dial"},
		{name: "overloaded", faults: []entratest.Fault{{Status: 503, Times: 4}}, request: armToken, tries: 5, want: "temporarily_unavailable"},
		{name: "throttled", faults: []entratest.Fault{{RetryAfter: time.Hour, Times: 1}}, request: armToken, tries: 2, want: "Throttled"},
		{name: "proof refused", faults: []entratest.Fault{{Code: 7000222, Times: 1}}, request: armToken, tries: 2, want: "AADSTS7000222"},
		{name: "tenant", request: policy.TokenRequestOptions{Scopes: armToken.Scopes, TenantID: "no tenant"}, tries: 1, want: "invalid tenant"},
		{name: "no scopes", tries: 1, want: "no scope"},
		{name: "two resources", request: policy.TokenRequestOptions{Scopes: []string{"https://a.example/x", "https://b.example/y"}}, tries: 1, want: "one resource"},
		{name: "another cloud", request: policy.TokenRequestOptions{Scopes: []string{"https://management.chinacloudapi.cn/.default"}}, tries: 1, want: "cloud"},
		{name: "claims", request: policy.TokenRequestOptions{Scopes: armToken.Scopes, Claims: "{"}, tries: 1, want: "claims"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, o := emulate(t, nil)
				h := &hiccup{inner: o.Transport}
				for range tc.dial {
					h.failures = append(h.failures, errDial)
				}
				o.Transport = h
				for _, f := range tc.faults {
					e.Inject(f)
				}
				c := webCred(t, e, o)
				_, err := c.GetToken(t.Context(), tc.request)
				var failed *azidentity.AuthenticationFailedError
				if !errors.As(err, &failed) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "sign in again") {
					t.Fatalf("got %v, want %q", err, tc.want)
				}
				if tc.name == "throttled" {
					time.Sleep(time.Hour)
					c = webCred(t, e, o) // codes do not last that long
				}
				token(t, c)
				wantGrants(t, e, tc.tries, 0)
			})
		})
	}
}

// The proof's own failure costs no code, and neither does another credential's proof.
func TestAuthorizationCodeSurvivesTheProof(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	code := newCode(t, e, entratest.DefaultRedirectURI)
	closed := errors.New("the vault is closed")
	options := webOptions(o)
	options.Authentication = azidentity.AuthenticationByAssertion(func(context.Context) (string, error) {
		if closed != nil {
			return "", closed
		}
		return e.FederatedAssertion(entratest.DefaultFederatedSubject)
	})
	c := codeCred(t, code, entratest.DefaultRedirectURI, options)
	if _, err := c.GetToken(t.Context(), armToken); !errors.Is(err, closed) {
		t.Fatalf("got %v", err)
	}
	wantGrants(t, e, 0, 0)
	wrong := webOptions(o)
	wrong.Authentication = azidentity.AuthenticationBySecret("wrong")
	if _, err := codeCred(t, code, entratest.DefaultRedirectURI, wrong).GetToken(t.Context(), armToken); err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Fatalf("got %v", err)
	}
	closed = nil
	token(t, c)
	wantGrants(t, e, 2, 0)
}

// Who waits for a redemption with another proof does not suffer for that proof.
func TestAuthorizationCodeWaitersTryThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		e.Inject(entratest.Fault{Latency: time.Second})
		code := newCode(t, e, entratest.DefaultRedirectURI)
		wrong := webOptions(o)
		wrong.Authentication = azidentity.AuthenticationBySecret("wrong")
		first := codeCred(t, code, entratest.DefaultRedirectURI, wrong)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if _, err := first.GetToken(t.Context(), scopeOf(i)); err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		token(t, codeCred(t, code, entratest.DefaultRedirectURI, webOptions(o)))
		wg.Wait()
		wantGrants(t, e, 2, 0)
	})
}

// What may have redeemed the code, and what refused it, are its end.
func TestAuthorizationCodeIsNotSentAgain(t *testing.T) {
	for _, tc := range []struct {
		name    string
		fault   entratest.Fault
		options []entratest.UserTokenOption
		want    string
	}{
		{"reset", entratest.Fault{Reset: true}, nil, "may be spent"},
		{"breaks off", entratest.Fault{Truncate: true}, nil, "may be spent"},
		{"times out", entratest.Fault{Hang: true}, nil, "may be spent"},
		{"500", entratest.Fault{Status: 500}, nil, "server"},
		{"502", entratest.Fault{Status: 502, Body: "<html>"}, nil, "502"},
		{"504", entratest.Fault{Status: 504, Body: "<html>"}, nil, "504"},
		{"a page", entratest.Fault{Status: 200, Body: "<html>"}, nil, "web page"},
		{"unknown refusal", entratest.Fault{Error: "invalid_grant"}, nil, "invalid_grant"},
		{"expired", entratest.Fault{}, []entratest.UserTokenOption{entratest.Lasting(-time.Minute)}, "AADSTS70008"},
		{"verifier", entratest.Fault{}, []entratest.UserTokenOption{entratest.WithCodeChallenge(pkceChallenge, "S256")}, "AADSTS50148"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, o := emulate(t, nil)
				cancel := e.Inject(tc.fault)
				code := newCode(t, e, entratest.DefaultRedirectURI, tc.options...)
				c := codeCred(t, code, entratest.DefaultRedirectURI, webOptions(o))
				_, err := c.GetToken(t.Context(), armToken)
				wantSignIn(t, err)
				if !strings.Contains(err.Error(), tc.want) && tc.name != "500" {
					t.Errorf("got %v, want %q", err, tc.want)
				}
				if strings.Contains(err.Error(), code) {
					t.Error("the error holds the code")
				}
				cancel()
				for _, again := range []*azidentity.AuthorizationCodeCredential{c, codeCred(t, code, entratest.DefaultRedirectURI, webOptions(o))} {
					for _, request := range []policy.TokenRequestOptions{armToken, scopeOf(1)} {
						_, err := again.GetToken(t.Context(), request)
						wantSignIn(t, err)
					}
				}
				wantGrants(t, e, 1, 0)
			})
		})
	}
}

// Somebody else may have been faster.
func TestAuthorizationCodeRedeemedElsewhere(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	code := newCode(t, e, entratest.DefaultRedirectURI)
	other := webOptions(azcore.ClientOptions{Transport: e.Transport()}) // another transport may be another process
	token(t, codeCred(t, code, entratest.DefaultRedirectURI, other))
	_, err := codeCred(t, code, entratest.DefaultRedirectURI, webOptions(o)).GetToken(t.Context(), armToken)
	wantSignIn(t, err)
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || !slices.Contains(failed.AADSTSCodes(), 54005) {
		t.Errorf("got %v, want AADSTS54005", err)
	}
}

// Without a refresh token the first token serves as long as it lasts.
func TestAuthorizationCodeWithoutRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		c := codeCred(t, newCode(t, e, "http://localhost:1", entratest.WithScope("openid")), "http://localhost:1", &codeOptions{ClientOptions: o})
		first := token(t, c)
		_, err := c.GetToken(t.Context(), scopeOf(1))
		if wantSignIn(t, err); !strings.Contains(err.Error(), "offline_access") {
			t.Errorf("got %v", err)
		}
		time.Sleep(59 * time.Minute)
		if token(t, c) != first {
			t.Error("a token that works was withheld")
		}
		time.Sleep(time.Minute)
		_, err = c.GetToken(t.Context(), armToken)
		wantSignIn(t, err)
		wantGrants(t, e, 1, 0)
	})
}

// Refresh tokens are rotated; when one is revoked, the user has to sign in again, but
// not before the token in memory has expired.
func TestAuthorizationCodeForAWeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		c := webCred(t, e, o)
		for range 7 * 24 * 4 {
			token(t, c)
			synctest.Wait()
			time.Sleep(15 * time.Minute)
		}
		if redemptions, refreshes := grants(e); redemptions != 1 || refreshes < 7*24-1 || refreshes > 7*24*5/4 {
			t.Errorf("%d redemptions and %d refreshes in a week, want 1 and about %d", redemptions, refreshes, 7*24)
		}
		last := token(t, c)
		e.RevokeRefreshTokens(entratest.DefaultUsername)
		e.ResetJournal()
		_, err := c.GetToken(t.Context(), scopeOf(1))
		wantSignIn(t, err)
		var failed *azidentity.AuthenticationFailedError
		if !errors.As(err, &failed) || failed.Code != "invalid_grant" || failed.RawResponse == nil {
			t.Errorf("got %+v", failed)
		}
		if token(t, c) != last {
			t.Error("the token in memory is gone")
		}
		_, err = c.GetToken(t.Context(), scopeOf(1))
		wantSignIn(t, err)
		wantGrants(t, e, 0, 1)
	})
}

// A refusal that is about one request keeps the refresh token.
func TestAuthorizationCodeKeepsTheRefreshToken(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	c := webCred(t, e, o)
	token(t, c)
	const claims = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	e.Inject(entratest.Fault{Code: 50079, Claims: claims, Times: 1})
	_, err := c.GetToken(t.Context(), scopeOf(1))
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.Claims != claims {
		t.Fatalf("got %v, want the claims", err)
	}
	tokenFor(t, c, scopeOf(1))
	wantGrants(t, e, 1, 2)
}

// A transport that panics has not proved that the code was not redeemed.
func TestAuthorizationCodeSurvivesAPanic(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	o.Transport = &panicking{}
	c := webCred(t, e, o)
	for range 2 {
		_, err := c.GetToken(t.Context(), armToken)
		if err == nil {
			t.Fatal("got a token")
		}
	}
	_, err := c.GetToken(t.Context(), armToken)
	wantSignIn(t, err)
}

type panicking struct{ _ int }

func (*panicking) Do(*http.Request) (*http.Response, error) { panic("out of order") }
