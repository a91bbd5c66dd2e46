package azidentity_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

type (
	browserOptions  = azidentity.InteractiveBrowserCredentialOptions
	deviceOptions   = azidentity.DeviceCodeCredentialOptions
	passwordOptions = azidentity.UsernamePasswordCredentialOptions
)

// A fakeBrowser goes through the sign-in of a user without a page: by single sign-on at
// the emulator, and by the form that brings the answer to loopback.
type fakeBrowser struct {
	e      *entratest.Emulator
	user   string        // who is signed in
	opened atomic.Int64  // how often
	ready  chan struct{} // if not nil, the person waits for it to be closed
	query  url.Values    // of the last authorize request; read after the sign-in
}

func newBrowser(e *entratest.Emulator) *fakeBrowser {
	return &fakeBrowser{e: e, user: entratest.DefaultUsername}
}

var hiddenInput = regexp.MustCompile(`name="(\w+)" value="([^"]*)"`)

func (b *fakeBrowser) open(ctx context.Context, address string) error {
	b.opened.Add(1)
	if b.ready != nil {
		select {
		case <-b.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	b.query = u.Query()
	q := u.Query()
	q.Set("login_hint", b.user)
	u.RawQuery = q.Encode()
	page, err := b.get(ctx, u.String())
	if err != nil {
		return err
	}
	form := url.Values{}
	for _, m := range hiddenInput.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return deliver(ctx, q.Get("redirect_uri"), form)
}

func (b *fakeBrowser) get(ctx context.Context, address string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, err := b.e.Transport().Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	return string(page), err
}

// deliver posts an answer to loopback, as a browser does, and reads the page.
func deliver(ctx context.Context, to string, form url.Values) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://login.microsoftonline.com")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// browserCred is a credential for the fake browser; change may be nil.
func browserCred(t testing.TB, b *fakeBrowser, o azcore.ClientOptions, change func(*browserOptions)) *azidentity.InteractiveBrowserCredential {
	t.Helper()
	options := &browserOptions{ClientOptions: o, TenantID: tenantID, ClientID: clientID, OpenBrowser: b.open}
	if change != nil {
		change(options)
	}
	c, err := azidentity.NewInteractiveBrowserCredential(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// deviceCred is a credential whose prompts prompted counts.
func deviceCred(t testing.TB, o azcore.ClientOptions, prompted *atomic.Int64, change func(*deviceOptions)) *azidentity.DeviceCodeCredential {
	t.Helper()
	options := &deviceOptions{ClientOptions: o, TenantID: tenantID, ClientID: clientID, UserPrompt: func(context.Context, azidentity.DeviceCodeMessage) error {
		prompted.Add(1)
		return nil
	}}
	if change != nil {
		change(options)
	}
	c, err := azidentity.NewDeviceCodeCredential(options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func passwordCred(t testing.TB, o azcore.ClientOptions, username, password string) *azidentity.UsernamePasswordCredential {
	t.Helper()
	c, err := azidentity.NewUsernamePasswordCredential(tenantID, clientID, username, password, &passwordOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// people are two users, one for each of whom something is asked, and device codes that
// are approved at the first poll.
func people() *entratest.Config {
	tenant := entratest.DefaultTenant()
	tenant.Users = append(tenant.Users,
		entratest.User{Username: "ada@emulator.example.com", Password: "pw"},
		entratest.User{Username: "mfa@emulator.example.com", Password: "pw", Conditions: entratest.Conditions{MFA: true}},
		entratest.User{Username: "context@emulator.example.com", Password: "pw", Conditions: entratest.Conditions{AuthContexts: []string{"c1"}}})
	return &entratest.Config{Tenants: []entratest.Tenant{tenant}, DeviceCodes: entratest.DeviceCodes{Outcome: entratest.DeviceApproved}}
}

// grantsOf counts the requests to the token endpoint by grant.
func grantsOf(e *entratest.Emulator) map[string]int {
	n := map[string]int{}
	for _, en := range e.Journal() {
		if en.Endpoint == entratest.EndpointToken {
			n[en.GrantType[strings.LastIndexByte(en.GrantType, ':')+1:]]++
		}
	}
	return n
}

// required returns err as what it has to be.
func required(t testing.TB, err error) *azidentity.AuthenticationRequiredError {
	t.Helper()
	var required *azidentity.AuthenticationRequiredError
	if !errors.As(err, &required) || !azidentity.IsCredentialUnavailable(err) {
		t.Fatalf("got %v, want that a user has to sign in", err)
	}
	return required
}

func wantFailed(t testing.TB, err error, words ...string) {
	t.Helper()
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v (%T), want an AuthenticationFailedError", err, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %v, want %q in it", err, w)
		}
	}
}

// The requests of a sign-in by the browser are those of RFC 6749, 7636 and 8252, and a
// second token, for another resource, takes no browser.
func TestPain76BrowserSignIn(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, people())
	b := newBrowser(e)
	c := browserCred(t, b, o, func(o *browserOptions) { o.DomainHint = "contoso.com" })
	if first, second := token(t, c), token(t, c); first != second {
		t.Error("two tokens for two calls")
	}
	var names []string
	for name := range b.query {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"client_id", "client_info", "code_challenge", "code_challenge_method", "domain_hint", "nonce", "prompt", "redirect_uri", "response_mode", "response_type", "scope", "state"}
	if !slices.Equal(names, want) {
		t.Errorf("the request has %v, want %v", names, want)
	}
	for name, value := range map[string]string{
		"client_id": clientID, "client_info": "1", "code_challenge_method": "S256", "domain_hint": "contoso.com", "prompt": "select_account",
		"response_mode": "form_post", "response_type": "code", "scope": armScope + " openid offline_access profile",
	} {
		if got := b.query.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	redemption, _ := e.LastRequest(entratest.EndpointToken)
	if redemption.Form.Get("redirect_uri") != b.query.Get("redirect_uri") || redemption.Form.Get("code_verifier") == "" || redemption.Form.Get("client_info") != "1" ||
		redemption.Scope != armScope+" openid offline_access profile" {
		t.Errorf("the redemption has %v", redemption.Form)
	}
	tokenFor(t, c, scopeOf(1))
	if got := grantsOf(e); b.opened.Load() != 1 || got["authorization_code"] != 1 || got["refresh_token"] != 1 {
		t.Errorf("%d browsers and %v, want one and a grant of each kind", b.opened.Load(), got)
	}
}

// Pain 12: tokens belong to the account. A credential with its record finds them, and so
// does one of another kind; one with another account's record, one without, and one that
// keeps to itself find none.
func TestPain12RecordsShareTokens(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, people())
	b := newBrowser(e)
	c := browserCred(t, b, o, nil)
	record, err := c.Authenticate(t.Context(), &armToken)
	if err != nil {
		t.Fatal(err)
	}
	first := token(t, c)
	var prompts atomic.Int64
	quiet := func(o *deviceOptions) { o.AuthenticationRecord, o.DisableAutomaticAuthentication = record, true }
	if token(t, deviceCred(t, o, &prompts, quiet)) != first {
		t.Error("a credential with the record does not find the token")
	}
	tokenFor(t, deviceCred(t, o, &prompts, quiet), scopeOf(1))
	bare := deviceCred(t, o, &prompts, func(o *deviceOptions) {
		o.AuthenticationRecord, o.DisableAutomaticAuthentication, o.ClientID, o.TenantID = record, true, "", ""
	})
	if token(t, bare) != first {
		t.Error("a credential whose application and tenant are the record's does not find the token")
	}
	other := record
	other.HomeAccountID = "another." + tenantID
	for name, change := range map[string]func(*deviceOptions){
		"no record":       func(o *deviceOptions) {},
		"another account": func(o *deviceOptions) { o.AuthenticationRecord = other },
		"another client":  func(o *deviceOptions) { o.AuthenticationRecord, o.ClientID = record, entratest.DeveloperClientID },
		"isolated":        func(o *deviceOptions) { o.AuthenticationRecord, o.Tokens.Isolated = record, true },
	} {
		_, err := deviceCred(t, o, &prompts, func(o *deviceOptions) { o.DisableAutomaticAuthentication = true; change(o) }).GetToken(t.Context(), armToken)
		if got := required(t, err); !slices.Equal(got.TokenRequestOptions.Scopes, armToken.Scopes) {
			t.Errorf("%s: got %v", name, got.TokenRequestOptions)
		}
	}
	if got := grantsOf(e); got["authorization_code"] != 1 || got["refresh_token"] != 1 || prompts.Load() != 0 {
		t.Errorf("%v and %d prompts", got, prompts.Load())
	}
}

// Whoever signs in at organizations has tokens of the home tenant, also for a credential
// that names it.
func TestOrganizationsIsTheHomeTenant(t *testing.T) {
	t.Parallel()
	cfg := people()
	e, o := emulate(t, cfg)
	b := newBrowser(e)
	c := browserCred(t, b, o, func(o *browserOptions) { o.TenantID, o.ClientID = "", "" })
	record, err := c.Authenticate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if record.TenantID != tenantID || record.ClientID != entratest.DeveloperClientID || record.Username != entratest.DefaultUsername ||
		record.Authority != "login.microsoftonline.com" || !strings.HasSuffix(record.HomeAccountID, "."+tenantID) || record.Version != "1.0" {
		t.Errorf("got %+v", record)
	}
	if en, _ := e.LastRequest(entratest.EndpointToken); en.Scope != "https://management.core.windows.net//.default openid offline_access profile" || !strings.Contains(en.Path, "/organizations/") {
		t.Errorf("asked %s for %s", en.Path, en.Scope)
	}
	first := token(t, c)
	named := browserCred(t, b, o, func(o *browserOptions) { o.ClientID, o.AuthenticationRecord = "", record })
	if token(t, named) != first || b.opened.Load() != 1 {
		t.Error("the home tenant by name is another than by organizations")
	}
	// Without a tenant in the options any may be asked for.
	_, err = c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: armToken.Scopes, TenantID: "10000000-aaaa-4aaa-8aaa-000000000009"})
	wantFailed(t, err, "AADSTS90002")
	_, err = named.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: armToken.Scopes, TenantID: "10000000-aaaa-4aaa-8aaa-000000000009"})
	wantFailed(t, err, "AdditionallyAllowedTenants")
}

// Pain 72: a hundred callers, of one credential and of equal ones, for several scopes,
// open one browser.
func TestPain72HundredCallersOnePrompt(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, people())
	b := newBrowser(e)
	b.ready = make(chan struct{})
	c := browserCred(t, b, o, nil)
	var calls sync.WaitGroup
	for i := range 100 {
		calls.Go(func() {
			if _, err := c.GetToken(t.Context(), scopeOf(i%5)); err != nil {
				t.Error(err)
			}
		})
	}
	close(b.ready)
	calls.Wait()
	if got := grantsOf(e); b.opened.Load() != 1 || got["authorization_code"] != 1 || got["refresh_token"] > 5 {
		t.Errorf("%d browsers, %v", b.opened.Load(), got)
	}
}

// Pain 72: equal credentials ask once as well, and all who wait hear that the person
// declined.
func TestPain72EqualCredentialsOnePrompt(t *testing.T) {
	for _, outcome := range []string{entratest.DeviceApproved, entratest.DeviceDenied} {
		cfg := people()
		cfg.DeviceCodes.Outcome = outcome
		e, o := emulate(t, cfg)
		synctest.Test(t, func(t *testing.T) {
			o.Transport = e.Transport()
			var calls sync.WaitGroup
			var failures atomic.Int64
			for i := range 100 {
				c, err := azidentity.NewDeviceCodeCredential(&deviceOptions{ClientOptions: o, TenantID: tenantID, ClientID: clientID})
				if err != nil {
					t.Fatal(err)
				}
				calls.Go(func() {
					_, err := c.GetToken(t.Context(), scopeOf(i%5))
					if err != nil {
						failures.Add(1)
						if outcome != entratest.DeviceApproved {
							wantFailed(t, err, "DeviceCodeCredential: ", "told by the user")
						} else {
							t.Error(err)
						}
					}
				})
			}
			calls.Wait()
			if n := e.CountRequests(entratest.EndpointDeviceCode); n != 1 || outcome == entratest.DeviceDenied && failures.Load() != 100 {
				t.Errorf("%s: %d device codes, %d failures", outcome, n, failures.Load())
			}
		})
	}
}

// Pain 72: callers for one account share a prompt also if their credentials have prompts
// of their own. While nobody knows who will sign in, those may be for different people,
// and are not shared.
func TestPain72OwnPrompts(t *testing.T) {
	e, o := emulate(t, people())
	synctest.Test(t, func(t *testing.T) {
		o.Transport = e.Transport()
		var prompts atomic.Int64
		call := func(change func(*deviceOptions)) {
			var calls sync.WaitGroup
			for i := range 100 {
				c := deviceCred(t, o, &prompts, change)
				calls.Go(func() {
					if _, err := c.GetToken(t.Context(), scopeOf(i%5)); err != nil {
						t.Error(err)
					}
				})
			}
			calls.Wait()
		}
		record, err := deviceCred(t, o, &prompts, nil).Authenticate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.RevokeSessions(entratest.DefaultUsername); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		call(func(o *deviceOptions) { o.AuthenticationRecord = record })
		if n := prompts.Swap(0); n != 2 {
			t.Errorf("%d prompts, want the first and another", n)
		}
		call(nil)
		if n := prompts.Load(); n != 100 {
			t.Errorf("%d prompts, want one for each of 100 who may be anybody", n)
		}
	})
}

// Pain 72: nobody is asked in a month, once somebody has signed in.
func TestPain72NoPromptsInAMonth(t *testing.T) {
	cfg := people()
	cfg.JournalSize = 1 << 20
	e, o := emulate(t, cfg)
	synctest.Test(t, func(t *testing.T) {
		o.Transport = e.Transport()
		var prompts atomic.Int64
		c := deviceCred(t, o, &prompts, func(o *deviceOptions) { o.DisableAutomaticAuthentication = true })
		_, err := c.GetToken(t.Context(), armToken)
		required := required(t, err)
		if prompts.Load() != 0 || len(e.Journal()) != 0 {
			t.Fatal("somebody was asked")
		}
		if _, err := c.Authenticate(t.Context(), &required.TokenRequestOptions); err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); time.Since(start) < 30*24*time.Hour; time.Sleep(10 * time.Minute) {
			token(t, c)
			if time.Since(start)%(24*time.Hour) < 10*time.Minute {
				tokenFor(t, c, scopeOf(1))
			}
		}
		if prompts.Load() != 1 {
			t.Errorf("%d prompts, want the one that was asked for", prompts.Load())
		}
		_ = c.Close()
	})
}

// Authentication is required, Authenticate gets it, and the error's options are what it
// takes: also when a session is revoked or the password changed.
func TestAuthenticationRequiredRoundTrip(t *testing.T) {
	for name, end := range map[string]func(*entratest.Emulator) error{
		"revoked":  func(e *entratest.Emulator) error { return e.RevokeSessions(entratest.DefaultUsername) },
		"password": func(e *entratest.Emulator) error { return e.SetPassword(entratest.DefaultUsername, "another") },
	} {
		e, o := emulate(t, people())
		synctest.Test(t, func(t *testing.T) {
			o.Transport = e.Transport()
			var prompts atomic.Int64
			manual := deviceCred(t, o, &prompts, func(o *deviceOptions) { o.DisableAutomaticAuthentication = true })
			record, err := manual.Authenticate(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			automatic := deviceCred(t, o, &prompts, func(o *deviceOptions) { o.AuthenticationRecord = record })
			first := token(t, manual)
			if err := end(e); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			if token(t, manual) != first {
				t.Errorf("%s: a token that works was withheld", name)
			}
			request := policy.TokenRequestOptions{Scopes: scopeOf(1).Scopes, EnableCAE: true}
			_, err = manual.GetToken(t.Context(), request)
			required := required(t, err)
			if !strings.Contains(err.Error(), "AADSTS50173") || !required.TokenRequestOptions.EnableCAE {
				t.Errorf("%s: got %v", name, err)
			}
			again, err := manual.Authenticate(t.Context(), &required.TokenRequestOptions)
			if err != nil || again != record {
				t.Errorf("%s: got %+v, %v, want %+v", name, again, err, record)
			}
			if _, err := manual.GetToken(t.Context(), request); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			tokenFor(t, automatic, scopeOf(2))
			if prompts.Load() != 2 {
				t.Errorf("%s: %d prompts, want 2", name, prompts.Load())
			}
		})
	}
}

// The user may sign in as somebody else, and is somebody else from then on.
func TestAccountSwitch(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, people())
	b := newBrowser(e)
	c := browserCred(t, b, o, nil)
	first, err := c.Authenticate(t.Context(), &armToken)
	if err != nil {
		t.Fatal(err)
	}
	one := token(t, c)
	b.user = "ada@emulator.example.com"
	second, err := c.Authenticate(t.Context(), &armToken)
	if err != nil || second.Username != b.user || second.HomeAccountID == first.HomeAccountID {
		t.Fatalf("got %+v, %v", second, err)
	}
	if b.query.Get("login_hint") != first.Username {
		t.Errorf("the hint is %q, want the one who was signed in", b.query.Get("login_hint"))
	}
	two := token(t, c)
	old := browserCred(t, b, o, func(o *browserOptions) { o.AuthenticationRecord = first })
	if one == two || token(t, old) != one || b.opened.Load() != 2 {
		t.Errorf("tokens of two accounts are mixed, or %d browsers", b.opened.Load())
	}
}

// Pain 58, for people: a challenge goes to the refresh token first, and to the person
// when that does not do; one sign-in answers it.
func TestPain58UsersClaimsChallenge(t *testing.T) {
	e, o := emulate(t, people())
	synctest.Test(t, func(t *testing.T) {
		o.Transport = e.Transport()
		var prompts atomic.Int64
		c := deviceCred(t, o, &prompts, nil)
		graph := policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}, EnableCAE: true}
		old := tokenFor(t, c, graph)
		if challenge := callMe(t, e, old, ""); challenge != "" {
			t.Fatal("challenged at once")
		}
		if err := e.RevokeSessions(entratest.DefaultUsername); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		challenged := graph
		if challenged.Claims = callMe(t, e, old, ""); challenged.Claims == "" {
			t.Fatal("no challenge")
		}
		if fresh := tokenFor(t, c, challenged); fresh == old || callMe(t, e, fresh, "") != "" || tokenFor(t, c, graph) != fresh || prompts.Load() != 2 {
			t.Errorf("%d prompts, or the token is not new, not kept or of no use", prompts.Load())
		}
		if n := grantsOf(e)["refresh_token"]; n != 1 {
			t.Errorf("%d refreshes, want one that was refused", n)
		}
	})
}

// Pain 59, for people: a step-up that the refresh token cannot do is an error that has
// the claims for Authenticate.
func TestPain59StepUp(t *testing.T) {
	cfg := people()
	cfg.DeviceCodes.User = "context@emulator.example.com"
	e, o := emulate(t, cfg)
	synctest.Test(t, func(t *testing.T) {
		o.Transport = e.Transport()
		var prompts atomic.Int64
		c := deviceCred(t, o, &prompts, func(o *deviceOptions) { o.DisableAutomaticAuthentication = true })
		if _, err := c.Authenticate(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		graph := policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}, EnableCAE: true}
		graph.Claims = callMe(t, e, tokenFor(t, c, graph), "?acrs=c1")
		if graph.Claims == "" {
			t.Fatal("no challenge")
		}
		_, err := c.GetToken(t.Context(), graph)
		required := required(t, err)
		if !strings.Contains(required.TokenRequestOptions.Claims, `"c1"`) || !strings.Contains(err.Error(), "AADSTS50076") {
			t.Errorf("got %v with claims %s", err, required.TokenRequestOptions.Claims)
		}
		cfg.DeviceCodes.SignIn.MFA = true
		if err := e.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Authenticate(t.Context(), &required.TokenRequestOptions); err != nil {
			t.Fatal(err)
		}
		if challenge := callMe(t, e, tokenFor(t, c, policy.TokenRequestOptions{Scopes: graph.Scopes, EnableCAE: true}), "?acrs=c1"); challenge != "" {
			t.Errorf("challenged again: %s", challenge)
		}
	})
}

// callMe calls the emulator's API, and returns the claims of its challenge, if any.
func callMe(t testing.TB, e *entratest.Emulator, token, query string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://graph.microsoft.com/_api/me"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := e.Transport().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return ""
	}
	m := regexp.MustCompile(`claims="([^"]+)"`).FindStringSubmatch(resp.Header.Get("WWW-Authenticate"))
	if m == nil {
		t.Fatalf("got %d %v", resp.StatusCode, resp.Header)
	}
	claims, err := base64.StdEncoding.DecodeString(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(claims)
}

// Device codes: the interval is kept, slow_down heeded, and every end has words.
func TestPain72DeviceCodeOutcomes(t *testing.T) {
	for _, tc := range []struct {
		name  string
		codes entratest.DeviceCodes
		limit time.Duration
		words string
		takes time.Duration
	}{
		{"slow down", entratest.DeviceCodes{Outcome: entratest.DeviceApproved, PendingPolls: 3, SlowDownAfter: 1, EnforceInterval: true}, 0, "", 30 * time.Second},
		{"expired here", entratest.DeviceCodes{PendingPolls: 1 << 20, Lifetime: 2 * time.Minute}, 0, "before it expired", 2 * time.Minute},
		{"expired there", entratest.DeviceCodes{Outcome: entratest.DeviceExpired, PendingPolls: 1}, 0, "until it expired", 10 * time.Second},
		{"declined", entratest.DeviceCodes{Outcome: entratest.DeviceDenied, PendingPolls: 1}, 0, "told by the user not to sign in", 10 * time.Second},
		{"timeout", entratest.DeviceCodes{}, 17 * time.Second, "nobody signed in within 17s", 17 * time.Second},
	} {
		cfg := people()
		cfg.DeviceCodes = tc.codes
		e, o := emulate(t, cfg)
		synctest.Test(t, func(t *testing.T) {
			o.Transport = e.Transport()
			var m azidentity.DeviceCodeMessage
			c := deviceCred(t, o, new(atomic.Int64), func(o *deviceOptions) {
				o.Timeout = tc.limit
				o.UserPrompt = func(_ context.Context, got azidentity.DeviceCodeMessage) error { m = got; return nil }
			})
			start := time.Now()
			_, err := c.GetToken(t.Context(), armToken)
			if tc.words == "" && err != nil {
				t.Errorf("%s: %v", tc.name, err)
			} else if tc.words != "" {
				wantFailed(t, err, "DeviceCodeCredential: ", tc.words)
				if errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v is not the end of the caller's context", tc.name, err)
				}
			}
			if got := time.Since(start); got != tc.takes {
				t.Errorf("%s: took %v, want %v", tc.name, got, tc.takes)
			}
			left := 15 * time.Minute
			if tc.codes.Lifetime > 0 {
				left = tc.codes.Lifetime
			}
			if !strings.Contains(m.Message, m.UserCode) || m.VerificationURL != "https://login.microsoftonline.com/devicelogin" || !m.ExpiresOn.Equal(start.Add(left)) || m.ExpiresOn.Location() != time.UTC {
				t.Errorf("%s: the prompt had %+v", tc.name, m)
			}
		})
	}
}

// What the prompt returns ends the sign-in, before any poll.
func TestDevicePromptFails(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, people())
	broken := errors.New("no terminal")
	c := deviceCred(t, o, new(atomic.Int64), func(o *deviceOptions) {
		o.UserPrompt = func(context.Context, azidentity.DeviceCodeMessage) error { return broken }
	})
	_, err := c.GetToken(t.Context(), armToken)
	wantFailed(t, err)
	if !errors.Is(err, broken) || e.CountRequests(entratest.EndpointToken) != 0 {
		t.Errorf("got %v and %d polls", err, e.CountRequests(entratest.EndpointToken))
	}
}

// Pain 18, for people: a caller that leaves hears so at once; the sign-in goes on for
// those who wait, and ends with the last.
func TestPain18CallersLeaveASignIn(t *testing.T) {
	cfg := people()
	cfg.DeviceCodes = entratest.DeviceCodes{}
	e, o := emulate(t, cfg)
	synctest.Test(t, func(t *testing.T) {
		o.Transport = e.Transport()
		var prompts atomic.Int64
		c := deviceCred(t, o, &prompts, nil)
		first, leave := context.WithCancel(t.Context())
		second, leaveToo := context.WithCancel(t.Context())
		results := make(chan error, 2)
		for _, ctx := range []context.Context{first, second} {
			go func() {
				_, err := c.GetToken(ctx, armToken)
				results <- err
			}()
			synctest.Wait()
		}
		leave()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
		polls := e.CountRequests(entratest.EndpointToken)
		if polls < 10 || prompts.Load() != 1 {
			t.Errorf("%d polls and %d prompts after the first has left", polls, prompts.Load())
		}
		leaveToo()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		polls = e.CountRequests(entratest.EndpointToken)
		time.Sleep(time.Minute)
		if n := e.CountRequests(entratest.EndpointToken); n != polls {
			t.Errorf("%d polls after everybody has left", n-polls)
		}
	})
}

// Pain 71: the end of the caller's context frees the port, and so does the timeout.
func TestPain71CancelFreesThePort(t *testing.T) {
	t.Parallel()
	_, o := emulate(t, people())
	for _, timeout := range []bool{false, true} {
		var port string
		opened := make(chan struct{})
		options := &browserOptions{ClientOptions: o, TenantID: tenantID, ClientID: clientID, OpenBrowser: func(_ context.Context, address string) error {
			u, err := url.Parse(address)
			if err != nil {
				return err
			}
			redirect, err := url.Parse(u.Query().Get("redirect_uri"))
			if err != nil {
				return err
			}
			port = redirect.Port()
			close(opened)
			return nil
		}}
		if timeout {
			options.Timeout = 20 * time.Millisecond
		}
		c, err := azidentity.NewInteractiveBrowserCredential(options)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := c.GetToken(ctx, armToken)
			done <- err
		}()
		<-opened
		if !timeout {
			cancel()
		}
		err = <-done
		cancel()
		if timeout {
			wantFailed(t, err, "nobody signed in within 20ms")
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		var l net.Listener
		for late := time.Now().Add(10 * time.Second); ; runtime.Gosched() { // it ends behind the caller that leaves
			if l, err = net.Listen("tcp4", "127.0.0.1:"+port); err == nil || time.Now().After(late) {
				break
			}
		}
		if err != nil {
			t.Fatalf("the port is still taken: %v", err)
		}
		_ = l.Close()
	}
}

// Pain 71: without a browser the address is shown, and the sign-in goes on; who shows it
// may end it.
func TestPain71NoBrowser(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, people())
	b := newBrowser(e)
	none := errors.New("no display")
	cannot := func(context.Context, string) error { return none }
	c := browserCred(t, b, o, func(o *browserOptions) {
		o.OpenBrowser = cannot
		o.NoBrowser = func(ctx context.Context, address string, why error) error {
			if !errors.Is(why, none) {
				t.Errorf("the reason is %v", why)
			}
			return b.open(ctx, address)
		}
	})
	token(t, c)
	c = browserCred(t, b, o, func(o *browserOptions) {
		o.OpenBrowser = cannot
		o.NoBrowser = func(_ context.Context, _ string, why error) error { return fmt.Errorf("nobody to show it to: %w", why) }
	})
	_, err := c.GetToken(t.Context(), armToken)
	wantFailed(t, err, "nobody to show it to")
	if !errors.Is(err, none) {
		t.Errorf("got %v", err)
	}
}

// A port that is taken is known before any browser opens, and a chain goes on.
func TestPain71PastedRedirect(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, people())
	b := newBrowser(e)
	// elsewhere is a browser on another machine, where the page at the end is not there.
	elsewhere := func(ctx context.Context, address string) (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"&login_hint="+entratest.DefaultUsername, nil)
		if err != nil {
			return "", err
		}
		resp, err := e.Transport().Do(r)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		return resp.Header.Get("Location"), nil
	}
	var whys []string
	pasting := func(answers ...func(ctx context.Context, address string) (string, error)) *azidentity.InteractiveBrowserCredential {
		whys = nil
		return browserCred(t, b, o, func(o *browserOptions) {
			o.Tokens = isolated
			o.OpenBrowser = func(context.Context, string) error { return errors.New("no display") }
			o.NoBrowser = func(context.Context, string, error) error { return errors.New("called") }
			o.PasteRedirect = func(ctx context.Context, address string, why error) (string, error) {
				whys = append(whys, why.Error())
				return answers[len(whys)-1](ctx, address)
			}
		})
	}
	says := func(text string) func(context.Context, string) (string, error) {
		return func(context.Context, string) (string, error) { return text, nil }
	}
	token(t, pasting(says("hello"), says("http://localhost:1/?code=c&state=another"), elsewhere))
	if got := strings.Join(whys, "\n"); len(whys) != 3 || whys[0] != "no display" || !strings.Contains(whys[1], "no answer of a sign-in") || !strings.Contains(whys[2], "another sign-in") {
		t.Errorf("asked because of:\n%s", got)
	}
	_, err := pasting(func(_ context.Context, address string) (string, error) {
		u, _ := url.Parse(address)
		return "?error=access_denied&error_description=AADSTS65004%3A+declined&state=" + u.Query().Get("state"), nil
	}).GetToken(t.Context(), armToken)
	wantFailed(t, err, "AADSTS65004")
	gone := errors.New("nobody at the keyboard")
	_, err = pasting(func(context.Context, string) (string, error) { return "", gone }).GetToken(t.Context(), armToken)
	if wantFailed(t, err); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	// A browser on this machine may be faster, at the same port.
	token(t, pasting(func(ctx context.Context, address string) (string, error) {
		redirected, err := elsewhere(ctx, address)
		if err != nil {
			return "", err
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(redirected)
		if err != nil {
			return "", err
		}
		_ = resp.Body.Close()
		<-ctx.Done()
		return "", ctx.Err()
	}))
}

func TestPain71PortIsTaken(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, people())
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := newBrowser(e)
	c := browserCred(t, b, o, func(o *browserOptions) {
		o.RedirectURL = fmt.Sprintf("http://localhost:%d", l.Addr().(*net.TCPAddr).Port)
	})
	if _, err := c.GetToken(t.Context(), armToken); !isUnavailable(t, err) || !strings.HasPrefix(err.Error(), "InteractiveBrowserCredential: ") || b.opened.Load() != 0 {
		t.Errorf("got %v", err)
	}
}

// What the authorize endpoint refuses, and answers that are not for this sign-in.
func TestBrowserRefusals(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, people())
	for _, tc := range []struct {
		name   string
		answer func(q url.Values) url.Values
		words  []string
		oauth  string
	}{
		{"cancelled", func(url.Values) url.Values {
			return url.Values{"error": {"access_denied"}, "error_subcode": {"cancel"}, "error_description": {"the user canceled"}}
		}, []string{"told by the user not to sign in"}, "access_denied"},
		{"refused", func(url.Values) url.Values {
			return url.Values{"error": {"invalid_request"}, "error_description": {"AADSTS65004: declined. Trace ID: 01234567-89ab-cdef-0123-456789abcdef Correlation ID: 11234567-89ab-cdef-0123-456789abcdef Timestamp: 2026-01-02 03:04:05Z"}}
		}, []string{"AADSTS65004", "11234567-89ab-cdef-0123-456789abcdef"}, "invalid_request"},
		{"another nonce", func(q url.Values) url.Values {
			code, err := e.AuthorizationCode(entratest.DefaultUsername, clientID, q.Get("redirect_uri"), entratest.WithNonce("stolen"),
				entratest.WithCodeChallenge(q.Get("code_challenge"), "S256"))
			if err != nil {
				t.Error(err)
			}
			return url.Values{"code": {code}}
		}, []string{"nonce"}, ""},
		{"another challenge", func(q url.Values) url.Values {
			code, err := e.AuthorizationCode(entratest.DefaultUsername, clientID, q.Get("redirect_uri"), entratest.WithNonce(q.Get("nonce")),
				entratest.WithCodeChallenge(pkceChallenge, "S256"))
			if err != nil {
				t.Error(err)
			}
			return url.Values{"code": {code}}
		}, []string{"code verifier"}, "invalid_grant"},
	} {
		c := browserCred(t, newBrowser(e), o, func(o *browserOptions) {
			o.OpenBrowser = func(ctx context.Context, address string) error {
				u, err := url.Parse(address)
				if err != nil {
					return err
				}
				q := u.Query()
				// An answer with another state comes first, and counts for nothing.
				if err := deliver(ctx, q.Get("redirect_uri"), url.Values{"error": {"access_denied"}, "state": {"another"}}); err != nil {
					return err
				}
				form := tc.answer(q)
				form.Set("state", q.Get("state"))
				return deliver(ctx, q.Get("redirect_uri"), form)
			}
		})
		_, err := c.GetToken(t.Context(), armToken)
		wantFailed(t, err, append(tc.words, "InteractiveBrowserCredential: ")...)
		var failed *azidentity.AuthenticationFailedError
		if !errors.As(err, &failed) || failed.Code != tc.oauth || (failed.RawResponse != nil) != (tc.oauth == "invalid_grant") {
			t.Errorf("%s: got code %q and response %v", tc.name, failed.Code, failed.RawResponse)
		}
	}
}

// Refresh tokens of the family serve its other applications, and none outside of it.
func TestFamilyRefreshTokens(t *testing.T) {
	t.Parallel()
	cfg := people()
	const sibling = "20000000-bbbb-4bbb-8bbb-00000000000b"
	cfg.Tenants[0].Applications = append(cfg.Tenants[0].Applications, entratest.Application{
		ClientID: sibling, PublicRedirectURIs: []string{entratest.DefaultPublicRedirectURI}, FamilyID: "1",
	})
	e, o := emulate(t, cfg)
	b := newBrowser(e)
	record, err := browserCred(t, b, o, func(o *browserOptions) { o.ClientID = "" }).Authenticate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	with := func(client string) *azidentity.InteractiveBrowserCredential {
		return browserCred(t, b, o, func(o *browserOptions) {
			o.ClientID, o.AuthenticationRecord, o.DisableAutomaticAuthentication = client, record, true
		})
	}
	token(t, with(sibling))
	outsider := with(clientID)
	for range 3 {
		_, err = outsider.GetToken(t.Context(), armToken)
		_ = required(t, err)
	}
	if n := grantsOf(e)["refresh_token"]; n != 2 || b.opened.Load() != 1 {
		t.Errorf("%d refreshes, want one of the sibling's and one that found the outsider", n)
	}
}

// Pain 39: nothing of an account stays in memory when it signs out, of other accounts
// everything, and who goes on has to sign in again.
func TestPain39SignOut(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, people())
	memory := azidentity.NewTokenMemory(azidentity.TokenLimits{})
	kept := func() int64 { return memory.Stats().Tokens }
	open := func(user string) (*azidentity.InteractiveBrowserCredential, azidentity.AuthenticationRecord) {
		b := newBrowser(e)
		b.user = user
		c := browserCred(t, b, o, func(o *browserOptions) { o.ClientID, o.Tokens.Memory = "", memory }) // of the family
		record, err := c.Authenticate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return c, record
	}
	other, _ := open("ada@emulator.example.com")
	token(t, other)
	others := kept()
	c, record := open(entratest.DefaultUsername)
	equal := browserCred(t, newBrowser(e), o, func(o *browserOptions) {
		o.ClientID, o.Tokens.Memory, o.AuthenticationRecord, o.DisableAutomaticAuthentication = "", memory, record, true
	})
	for _, scope := range []string{"https://a.example/.default", "https://b.example/.default"} {
		for _, cae := range []bool{false, true} {
			if _, err := equal.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}, EnableCAE: cae}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := kept() - others; n < 6 { // of sign-in and four requests, and a refresh token
		t.Fatalf("%d tokens in memory, want 6", n)
	}
	c.SignOut()
	if n := kept() - others; n != 0 {
		t.Errorf("%d tokens stay in memory", n)
	}
	_, err := equal.GetToken(t.Context(), armToken)
	_ = required(t, err)
	c.SignOut() // of nobody
	e.ResetJournal()
	token(t, other)
	if n := len(e.Journal()); n != 0 {
		t.Errorf("%d requests for the account that stays", n)
	}
	token(t, c) // by another sign-in
	if n := grantsOf(e)["authorization_code"]; n != 1 {
		t.Errorf("%d codes redeemed after the sign-out, want 1", n)
	}
	p, err := azidentity.NewUsernamePasswordCredential(tenantID, clientID, entratest.DefaultUsername, entratest.DefaultPassword,
		&passwordOptions{ClientOptions: o, Tokens: azidentity.TokenOptions{Memory: memory}})
	if err != nil {
		t.Fatal(err)
	}
	before := kept()
	token(t, p)
	p.SignOut()
	if n := kept() - before; n != 0 {
		t.Errorf("%d tokens stay in memory after the password's sign-out", n)
	}
	token(t, p)
}

// Pain 39: a renewal that is under way when the account signs out brings nothing back.
func TestPain39SignOutWhileRenewing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, people())
		memory := azidentity.NewTokenMemory(azidentity.TokenLimits{})
		var prompted atomic.Int64
		c := deviceCred(t, o, &prompted, func(o *deviceOptions) { o.Tokens.Memory = memory })
		token(t, c)
		time.Sleep(56 * time.Minute)
		e.Inject(entratest.Fault{Endpoint: entratest.EndpointToken, Latency: 2 * time.Second, Times: 1})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = c.GetToken(t.Context(), armToken) // renews, slowly
		}()
		time.Sleep(time.Second)
		c.SignOut()
		if n := memory.Stats().Tokens; n != 0 {
			t.Errorf("%d tokens stay in memory", n)
		}
		synctest.Wait()
		time.Sleep(3 * time.Second)
		<-done
		if n := grantsOf(e)["refresh_token"]; n != 1 {
			t.Errorf("%d refreshes, want the one under way", n)
		}
		if n := memory.Stats().Tokens; n > 2 || n > 0 && prompted.Load() != 2 {
			t.Errorf("%d tokens in memory after %d sign-ins", n, prompted.Load())
		}
	})
}

// Pain 80: the password is sent once, and again when it is needed; multifactor
// authentication is told apart from a wrong password.
func TestPain80Password(t *testing.T) {
	e, o := emulate(t, people())
	synctest.Test(t, func(t *testing.T) {
		o.Transport = e.Transport()
		c := passwordCred(t, o, entratest.DefaultUsername, entratest.DefaultPassword)
		if token(t, c) != token(t, passwordCred(t, o, strings.ToUpper(entratest.DefaultUsername), entratest.DefaultPassword)) {
			t.Error("equal credentials do not share tokens")
		}
		tokenFor(t, c, scopeOf(1))
		if got := grantsOf(e); got["password"] != 1 || got["refresh_token"] != 1 {
			t.Errorf("got %v", got)
		}
		record, err := c.Authenticate(t.Context(), nil)
		if err != nil || record.Username != entratest.DefaultUsername || grantsOf(e)["password"] != 2 {
			t.Errorf("got %+v, %v, %v", record, err, grantsOf(e))
		}
		_, err = passwordCred(t, o, entratest.DefaultUsername, "wrong").GetToken(t.Context(), armToken)
		wantFailed(t, err, "UsernamePasswordCredential: ", "AADSTS50126")
		if strings.Contains(err.Error(), "wrong\"") {
			t.Errorf("got %v", err)
		}
		_, err = passwordCred(t, o, "mfa@emulator.example.com", "pw").GetToken(t.Context(), armToken)
		wantFailed(t, err, "AADSTS50076", "Next: ")
		// The password is changed: what works goes on to, then the error says so.
		if err := e.SetPassword(entratest.DefaultUsername, "another"); err != nil {
			t.Fatal(err)
		}
		token(t, c)
		time.Sleep(2 * time.Hour)
		_, err = c.GetToken(t.Context(), armToken)
		wantFailed(t, err, "AADSTS50126")
		_ = c.Close()
	})
}

// A wrong password counts once at the authority, whoever waits for it, and for what.
func TestPain80WrongPasswordIsSentOnce(t *testing.T) {
	e, o := emulate(t, people())
	e.Inject(entratest.Fault{GrantType: "password", Latency: time.Second})
	synctest.Test(t, func(t *testing.T) {
		o.Transport = e.Transport()
		var calls sync.WaitGroup
		for i := range 100 {
			calls.Go(func() {
				_, err := passwordCred(t, o, entratest.DefaultUsername, "wrong").GetToken(t.Context(), scopeOf(i))
				wantFailed(t, err, "AADSTS50126")
			})
		}
		calls.Wait()
		if n := grantsOf(e)["password"]; n != 1 {
			t.Errorf("the password was sent %d times", n)
		}
	})
}

// Records of all libraries are read, and ours are in the form that all of them read.
func TestRecordsOfOtherLibraries(t *testing.T) {
	t.Parallel()
	want := azidentity.AuthenticationRecord{Authority: "login.microsoftonline.com", ClientID: clientID, HomeAccountID: "u.t", TenantID: tenantID, Username: "user@contoso.com", Version: "1.0"}
	const members = `"clientId": "` + clientID + `", "homeAccountId": "u.t", "tenantId": "` + tenantID + `", "username": "user@contoso.com"`
	for name, text := range map[string]string{
		"Python":     `{"authority": "login.microsoftonline.com", ` + members + `, "version": "1.0"}`,
		".NET":       `{"username":"user@contoso.com","authority":"login.microsoftonline.com","homeAccountId":"u.t","tenantId":"` + tenantID + `","clientId":"` + clientID + `","version":"1.0"}`,
		"Go":         `{"authority":"https://login.microsoftonline.com",` + members + `,"version":"1.0"}`,
		"JavaScript": `{"authority":"login.microsoftonline.com",` + members + `}`,
	} {
		var got azidentity.AuthenticationRecord
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	url := want
	url.Authority = "https://login.microsoftonline.com/"
	for _, r := range []azidentity.AuthenticationRecord{want, url} {
		text, err := json.Marshal(r)
		if err != nil || string(text) != `{"authority":"login.microsoftonline.com","clientId":"`+clientID+`","homeAccountId":"u.t","tenantId":"`+tenantID+`","username":"user@contoso.com","version":"1.0"}` {
			t.Errorf("got %s, %v", text, err)
		}
	}
	for text, words := range map[string]string{
		`{"authority":"a",` + members + `,"version":"2.0"}`:            `version "2.0"`,
		`{` + members + `,"version":"1.0"}`:                            `"authority"`,
		`{"authority":"a","clientId":"c","version":"1.0"}`:             `"homeAccountId"`,
		strings.Replace(`{"authority":"a",`+members+`}`, "10", "/", 1): `"tenantId"`,
		`{"authority":1}`: "cannot unmarshal",
		`[]`:              "cannot unmarshal",
	} {
		got := want
		if err := json.Unmarshal([]byte(text), &got); err == nil || !strings.Contains(err.Error(), words) || got != want {
			t.Errorf("%s: got %v and %+v", text, err, got)
		}
	}
}

// A record chooses the cloud, and leads nowhere else.
func TestRecordsChooseTheCloud(t *testing.T) {
	e, o := emulate(t, people())
	clearEnvironment(t)
	for authority, host := range map[string]string{
		"login.windows.net": "login.microsoftonline.com", "https://login.microsoftonline.us": "login.microsoftonline.us",
		"evil.example": "login.microsoftonline.com", "contoso.ciamlogin.com": "login.microsoftonline.com",
	} {
		c := deviceCred(t, o, new(atomic.Int64), func(o *deviceOptions) {
			o.AuthenticationRecord = azidentity.AuthenticationRecord{Authority: authority, HomeAccountID: "u." + tenantID, TenantID: tenantID, Username: "u"}
			o.UserPrompt = func(context.Context, azidentity.DeviceCodeMessage) error { return errors.New("enough") }
		})
		_, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"api://some/.default"}})
		wantFailed(t, err, "enough")
		if en, _ := e.LastRequest(entratest.EndpointDeviceCode); en.Host != host {
			t.Errorf("%s: asked %s, want %s", authority, en.Host, host)
		}
	}
}

// Where there is no default scope, Authenticate says what to pass.
func TestAuthenticateWithoutScopes(t *testing.T) {
	t.Parallel()
	_, o := emulate(t, people())
	o.Cloud.ActiveDirectoryAuthorityHost = "https://adfs.example.com/adfs"
	c := deviceCred(t, o, new(atomic.Int64), nil)
	if _, err := c.Authenticate(t.Context(), nil); !azidentity.IsCredentialUnavailable(err) || !strings.Contains(err.Error(), "TokenRequestOptions") {
		t.Errorf("got %v", err)
	}
}

// A failure of the network asks nobody.
func TestNoPromptForANetworkFailure(t *testing.T) {
	e, o := emulate(t, people())
	synctest.Test(t, func(t *testing.T) {
		o.Transport = e.Transport()
		var prompts atomic.Int64
		c := deviceCred(t, o, &prompts, nil)
		token(t, c)
		e.Inject(entratest.Fault{GrantType: "refresh_token", Status: 503})
		_, err := c.GetToken(t.Context(), scopeOf(1))
		wantFailed(t, err, "AADSTS90033")
		e.ClearFaults()
		e.Inject(entratest.Fault{GrantType: "refresh_token", Code: 70011})
		_, err = c.GetToken(t.Context(), scopeOf(2))
		wantFailed(t, err, "AADSTS70011")
		if prompts.Load() != 1 {
			t.Errorf("%d prompts, want 1", prompts.Load())
		}
	})
}

func TestUserConstructors(t *testing.T) {
	t.Parallel()
	for want, construct := range map[string]func() error{
		"loopback": func() error {
			_, err := azidentity.NewInteractiveBrowserCredential(&browserOptions{RedirectURL: "http://example.com:80"})
			return err
		},
		"HomeAccountID": func() error {
			_, err := azidentity.NewDeviceCodeCredential(&deviceOptions{AuthenticationRecord: azidentity.AuthenticationRecord{Username: "x"}})
			return err
		},
		"invalid tenant": func() error {
			_, err := azidentity.NewDeviceCodeCredential(&deviceOptions{TenantID: "a/b"})
			return err
		},
		"password is missing": func() error {
			_, err := azidentity.NewUsernamePasswordCredential(tenantID, clientID, "user", "", nil)
			return err
		},
		"user name is missing": func() error {
			_, err := azidentity.NewUsernamePasswordCredential(tenantID, clientID, "", "password", nil)
			return err
		},
		"tenant is missing": func() error {
			_, err := azidentity.NewUsernamePasswordCredential("", clientID, "user", "password", nil)
			return err
		},
	} {
		if err := construct(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := azidentity.NewInteractiveBrowserCredential(nil); err != nil {
		t.Error(err)
	}
	if _, err := azidentity.NewDeviceCodeCredential(nil); err != nil {
		t.Error(err)
	}
}

// Pain 65, for people: a sign-in is one event, and so is a refresh.
func TestPain65UserEvents(t *testing.T) {
	var debug bytes.Buffer
	old := slog.Default()
	defer slog.SetDefault(old)
	slog.SetDefault(slog.New(slog.NewTextHandler(&debug, &slog.HandlerOptions{Level: slog.LevelDebug})))
	_, o := emulate(t, people())
	c := passwordCred(t, o, entratest.DefaultUsername, entratest.DefaultPassword)
	for _, request := range []policy.TokenRequestOptions{armToken, armToken, scopeOf(1)} {
		tokenFor(t, c, request)
	}
	lines := strings.Split(strings.TrimSpace(debug.String()), "\n")
	if len(lines) != 2 || strings.Count(debug.String(), `msg="azidentity: token acquired" credential=UsernamePasswordCredential`) != 2 {
		t.Errorf("got %d lines, want two:\n%s", len(lines), debug.String())
	}
}

// A token in memory costs a user no more than an application.
func TestUserHitCostsNoMore(t *testing.T) {
	e, o := emulate(t, people())
	user, app := browserCred(t, newBrowser(e), o, nil), secretCred(t, goodKey, o)
	ctx := t.Context()
	cost := func(c azcore.TokenCredential) float64 {
		token(t, c)
		return testing.AllocsPerRun(100, func() { _, _ = c.GetToken(ctx, armToken) })
	}
	if u, a := cost(user), cost(app); u > a {
		t.Errorf("%v allocations for a user's hit, %v for an application's", u, a)
	}
}
