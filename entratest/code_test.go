package entratest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// challenge is that of RFC 7636 appendix B for verifier.
const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

// codeFor issues a code for the default user.
func codeFor(t *testing.T, e *entratest.Emulator, uri string, options ...entratest.UserTokenOption) string {
	t.Helper()
	code, err := e.AuthorizationCode(entratest.DefaultUsername, entratest.DefaultClientID, uri, options...)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// codeForm redeems a code as the web application, with changes as in secretForm.
func codeForm(code string, changes ...string) url.Values {
	return secretForm(append([]string{
		"grant_type", "authorization_code", "code", code, "redirect_uri", entratest.DefaultRedirectURI,
	}, changes...)...)
}

// publicForm redeems a code as the public client.
func publicForm(code string, changes ...string) url.Values {
	return codeForm(code, append([]string{"redirect_uri", "http://localhost:1234", "client_secret", "-"}, changes...)...)
}

func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	client := e.Transport().Client()
	for _, tc := range []struct {
		name    string
		uri     string
		options []entratest.UserTokenOption
		form    func(string) url.Values
		azpacr  string
	}{
		{"secret", entratest.DefaultRedirectURI, nil, func(c string) url.Values { return codeForm(c) }, "1"},
		{"secret and S256", entratest.DefaultRedirectURI, []entratest.UserTokenOption{entratest.WithCodeChallenge(challenge, "S256")},
			func(c string) url.Values { return codeForm(c, "code_verifier", verifier) }, "1"},
		{"public", "http://localhost:1234", nil, func(c string) url.Values { return publicForm(c) }, "0"},
		{"public and plain", "http://localhost:1234", []entratest.UserTokenOption{entratest.WithCodeChallenge(verifier, "")},
			func(c string) url.Values { return publicForm(c, "code_verifier", verifier) }, "0"},
	} {
		options := append(tc.options, entratest.WithNonce("n-once"))
		form := tc.form(codeFor(t, e, tc.uri, options...))
		form.Set("scope", scope+" openid")
		form.Set("client_info", "1")
		got := post(t, client, tokenURL, form)
		if got.status != http.StatusOK || got.text("refresh_token") == "" || got.text("client_info") == "" {
			t.Fatalf("%s: got %d %v", tc.name, got.status, got.body)
		}
		access, id := claimsOf(t, got.text("access_token")), claimsOf(t, got.text("id_token"))
		if access["azpacr"] != tc.azpacr || access["preferred_username"] != entratest.DefaultUsername || access["aud"] != "https://vault.azure.net" {
			t.Errorf("%s: the access token has %v", tc.name, access)
		}
		if id["nonce"] != "n-once" || id["aud"] != entratest.DefaultClientID {
			t.Errorf("%s: the ID token has %v", tc.name, id)
		}
		wantRefused(t, e, post(t, client, tokenURL, form), 400, "invalid_grant", 54005, "redeemed before")

		// The refresh token of a client of each kind, and what it is rotated to: all work
		// until they are revoked.
		refresh := tc.form("")
		for _, name := range []string{"code", "redirect_uri", "code_verifier"} {
			refresh.Del(name)
		}
		refresh.Set("grant_type", "refresh_token")
		all := []string{got.text("refresh_token")}
		for range 3 {
			for _, old := range all {
				refresh.Set("refresh_token", old)
				if got = post(t, client, tokenURL, refresh); got.status != http.StatusOK {
					t.Fatalf("%s: got %d %v", tc.name, got.status, got.body)
				}
			}
			if next := got.text("refresh_token"); next == "" || next == refresh.Get("refresh_token") {
				t.Errorf("%s: the refresh token was not rotated", tc.name)
			} else {
				all = append(all, next)
			}
		}
		if tc.azpacr == "0" {
			refresh.Set("client_secret", entratest.DefaultClientSecret)
			wantRefused(t, e, post(t, client, tokenURL, refresh), 401, "invalid_client", 700025, "public client")
			refresh.Del("client_secret")
		} else {
			refresh.Del("client_secret")
			wantRefused(t, e, post(t, client, tokenURL, refresh), 401, "invalid_client", 7000218, "neither")
			refresh.Set("client_secret", entratest.DefaultClientSecret)
		}
		e.RevokeRefreshTokens(entratest.DefaultUsername)
		for _, old := range all {
			refresh.Set("refresh_token", old)
			wantRefused(t, e, post(t, client, tokenURL, refresh), 400, "invalid_grant", 70000, "revoked")
		}
	}
	for _, entry := range e.Journal() {
		for _, name := range []string{"code", "code_verifier", "refresh_token", "client_secret"} {
			if v := entry.Form.Get(name); v != "" && v != "[redacted]" {
				t.Errorf("the journal holds a %s", name)
			}
		}
	}
}

func TestAuthorizationCodeRefusals(t *testing.T) {
	t.Parallel()
	const other = "20000000-bbbb-4bbb-8bbb-000000000002"
	tenant := entratest.DefaultTenant()
	tenant.Applications[0].RedirectURIs = append(tenant.Applications[0].RedirectURIs, "https://app.emulator.example.com/other")
	tenant.Applications = append(tenant.Applications, entratest.Application{
		ClientID: other, Secrets: []entratest.Secret{{Value: entratest.DefaultClientSecret}}, RedirectURIs: []string{entratest.DefaultRedirectURI}})
	away := entratest.DefaultTenant()
	away.ID, away.Domains = "10000000-aaaa-4aaa-8aaa-000000000002", nil
	e := newEmulator(t, &entratest.Config{Tenants: []entratest.Tenant{tenant, away}})
	client := e.Transport().Client()
	s256 := entratest.WithCodeChallenge(challenge, "S256")
	for _, tc := range []struct {
		name    string
		options []entratest.UserTokenOption
		changes []string // of the form
		url     string
		status  int
		oauth   string
		code    int
		reason  string
	}{
		{"no code", nil, []string{"code", "-"}, tokenURL, 400, "invalid_request", 900144, "no code"},
		{"no redirect URI", nil, []string{"redirect_uri", "-"}, tokenURL, 400, "invalid_request", 900144, "no redirect_uri"},
		{"made up", nil, []string{"code", "made-up"}, tokenURL, 400, "invalid_grant", 70000, "unknown"},
		{"another client's", nil, []string{"client_id", other}, tokenURL, 400, "invalid_grant", 70000, "another client"},
		{"unregistered redirect URI", nil, []string{"redirect_uri", "https://evil.example"}, tokenURL, 400, "invalid_client", 50011, "none of the 3"},
		{"another redirect URI", nil, []string{"redirect_uri", "https://app.emulator.example.com/other"}, tokenURL, 401, "invalid_client", 500112, "was requested for"},
		{"another tenant", nil, nil, strings.Replace(tokenURL, entratest.DefaultTenantID, away.ID, 1), 400, "invalid_grant", 700005, "was issued by"},
		{"no proof", nil, []string{"client_secret", "-"}, tokenURL, 401, "invalid_client", 7000218, "neither"},
		{"wrong proof", nil, []string{"client_secret", "wrong"}, tokenURL, 401, "invalid_client", 7000215, "matches none"},
		{"a public client's proof", nil, []string{"redirect_uri", "http://localhost"}, tokenURL, 401, "invalid_client", 700025, "public client"},
		{"expired", []entratest.UserTokenOption{entratest.Lasting(-time.Second)}, nil, tokenURL, 400, "invalid_grant", 70008, "expired at"},
		{"no verifier", []entratest.UserTokenOption{s256}, nil, tokenURL, 400, "invalid_grant", 50148, "no code_verifier"},
		{"wrong verifier", []entratest.UserTokenOption{s256}, []string{"code_verifier", strings.ToLower(verifier)}, tokenURL, 400, "invalid_grant", 501481, "S256"},
		{"the challenge as verifier", []entratest.UserTokenOption{s256}, []string{"code_verifier", challenge}, tokenURL, 400, "invalid_grant", 501481, "S256"},
		{"wrong plain verifier", []entratest.UserTokenOption{entratest.WithCodeChallenge(challenge, "plain")}, []string{"code_verifier", verifier}, tokenURL, 400, "invalid_grant", 501481, "plain"},
		{"verifier without challenge", nil, []string{"code_verifier", verifier}, tokenURL, 400, "invalid_grant", 50148, "without code_challenge"},
		{"two resources", nil, []string{"scope", "https://a.example/x https://b.example/y"}, tokenURL, 400, "invalid_scope", 28000, "two resources"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code := codeFor(t, e, entratest.DefaultRedirectURI, tc.options...)
			wantRefused(t, e, post(t, client, tc.url, codeForm(code, tc.changes...)), tc.status, tc.oauth, tc.code, tc.reason)
		})
	}
	// What was refused for something else can still be redeemed.
	code := codeFor(t, e, entratest.DefaultRedirectURI, s256)
	post(t, client, tokenURL, codeForm(code, "code_verifier", "wrong"))
	if got := post(t, client, tokenURL, codeForm(code, "code_verifier", verifier, "scope", "-")); got.status != http.StatusOK || claimsOf(t, got.text("access_token"))["aud"] != "https://graph.microsoft.com" {
		t.Errorf("got %d %v, want what the code was requested for", got.status, got.body)
	}
	for name, mint := range map[string]func() (string, error){
		"client": func() (string, error) {
			return e.AuthorizationCode(entratest.DefaultUsername, "nobody", entratest.DefaultRedirectURI)
		},
		"user": func() (string, error) {
			return e.AuthorizationCode("nobody", entratest.DefaultClientID, entratest.DefaultRedirectURI)
		},
		"redirect URI": func() (string, error) {
			return e.AuthorizationCode(entratest.DefaultUsername, entratest.DefaultClientID, "https://evil.example")
		},
		"challenge": func() (string, error) {
			return e.AuthorizationCode(entratest.DefaultUsername, entratest.DefaultClientID, entratest.DefaultRedirectURI, entratest.WithCodeChallenge("short", ""))
		},
		"tenant": func() (string, error) {
			return e.AuthorizationCode(entratest.DefaultUsername, entratest.DefaultClientID, entratest.DefaultRedirectURI, entratest.InTenant("nowhere"))
		},
	} {
		if _, err := mint(); err == nil {
			t.Errorf("a code for a wrong %s", name)
		}
	}
}

// Without offline_access at sign-in there is no refresh token, whatever is asked for
// when the code is redeemed.
func TestAuthorizationCodeOffline(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	code := codeFor(t, e, entratest.DefaultRedirectURI, entratest.WithScope("openid "+scope))
	got := post(t, e.Transport().Client(), tokenURL, codeForm(code, "scope", scope+" offline_access"))
	if got.status != http.StatusOK || got.text("refresh_token") != "" {
		t.Errorf("got %d %v, want no refresh token", got.status, got.body)
	}
}

func TestAuthorizationCodeExpires(t *testing.T) {
	signingKey() // outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t, nil)
		client := e.Transport().Client()
		first, second := codeFor(t, e, entratest.DefaultRedirectURI), codeFor(t, e, entratest.DefaultRedirectURI)
		time.Sleep(10*time.Minute - time.Second)
		if got := post(t, client, tokenURL, codeForm(first)); got.status != http.StatusOK {
			t.Errorf("a second before its end: got %d %v", got.status, got.body)
		}
		time.Sleep(time.Second)
		wantRefused(t, e, post(t, client, tokenURL, codeForm(second)), 400, "invalid_grant", 70008, "expired at")
	})
}

// Of many who redeem a code at once, one gets tokens.
func TestAuthorizationCodeIsRedeemedOnce(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	form := codeForm(codeFor(t, e, entratest.DefaultRedirectURI))
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 50 {
		wg.Go(func() {
			resp, err := e.Transport().Client().Do(newPost(t, tokenURL, form))
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			statuses[resp.StatusCode]++
		})
	}
	wg.Wait()
	if statuses[200] != 1 || statuses[400] != 49 {
		t.Errorf("got %v, want one success", statuses)
	}
}

func TestCodeChallengeVector(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte(verifier))
	if got := base64.RawURLEncoding.EncodeToString(sum[:]); got != challenge {
		t.Errorf("got %s, want %s", got, challenge)
	}
}

func TestRedirectURIsAreValidated(t *testing.T) {
	t.Parallel()
	tenant := entratest.DefaultTenant()
	wrong := []string{"/relative", "https://a.example/#x", "http://a.example/", "https:///x", "https://*.a.example/"}
	tenant.Applications[0].RedirectURIs = append([]string{"https://a.example", "http://localhost:8400/x", "msal1234://auth"}, wrong...)
	tenant.Applications[0].PublicRedirectURIs = []string{"x"}
	_, err := entratest.New(&entratest.Config{Tenants: []entratest.Tenant{tenant}})
	if err == nil {
		t.Fatal("wrong redirect URIs were taken")
	}
	for i := range tenant.Applications[0].RedirectURIs {
		place := fmt.Sprintf("applications[0].redirectUris[%d]", i)
		if strings.Contains(err.Error(), place) != (i >= 3) {
			t.Errorf("%s: got %v", place, err)
		}
	}
	if !strings.Contains(err.Error(), "applications[0].publicRedirectUris[0]") {
		t.Errorf("got %v", err)
	}
}
