package entratest_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/entratest"
)

const authorizeURL = "https://login.microsoftonline.com/" + entratest.DefaultTenantID + "/oauth2/v2.0/authorize"

// authorize asks for a code as the web application of the default configuration, with
// changes as in secretForm, and returns the answer without following it.
func authorize(t *testing.T, e *entratest.Emulator, changes ...string) *http.Response {
	t.Helper()
	query := url.Values{
		"response_type": {"code"}, "client_id": {entratest.DefaultClientID}, "redirect_uri": {entratest.DefaultRedirectURI},
		"scope": {"openid offline_access " + scope}, "state": {`st<a>te&"`}, "nonce": {"n-once"}, "prompt": {"none"},
		"login_hint": {entratest.DefaultUsername}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(changes); i += 2 {
		query.Set(changes[i], changes[i+1])
		if changes[i+1] == "-" {
			query.Del(changes[i])
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, authorizeURL+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	client := e.Transport().Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// location returns where an answer leads, and the parameters that it brings there.
func location(t *testing.T, resp *http.Response) (string, url.Values) {
	t.Helper()
	if text := readAll(t, resp); resp.StatusCode != http.StatusFound {
		t.Fatalf("got %d %s, want a redirect", resp.StatusCode, text)
	}
	to := resp.Header.Get("Location")
	at := strings.LastIndexAny(to, "?#&")
	if first := strings.IndexAny(to, "?#"); first >= 0 {
		at = first
	}
	values, err := url.ParseQuery(to[at+1:])
	if err != nil {
		t.Fatal(err)
	}
	return to[:at+1], values
}

func TestAuthorizeInEveryResponseMode(t *testing.T) {
	t.Parallel()
	tenant := entratest.DefaultTenant()
	withQuery := "https://app.emulator.example.com/signin?a=b"
	tenant.Applications[0].RedirectURIs = append(tenant.Applications[0].RedirectURIs, withQuery)
	e := newEmulator(t, &entratest.Config{Tenants: []entratest.Tenant{tenant}})
	for _, tc := range []struct {
		mode, uri, want string
	}{
		{"-", entratest.DefaultRedirectURI, entratest.DefaultRedirectURI + "?"},
		{"query", entratest.DefaultRedirectURI, entratest.DefaultRedirectURI + "?"},
		{"query", withQuery, "https://app.emulator.example.com/signin?"},
		{"fragment", entratest.DefaultRedirectURI, entratest.DefaultRedirectURI + "#"},
	} {
		to, got := location(t, authorize(t, e, "response_mode", tc.mode, "redirect_uri", tc.uri, "client_info", "1"))
		if to != tc.want || got.Get("state") != `st<a>te&"` || got.Get("session_state") == "" || got.Get("client_info") == "" || got.Get("error") != "" {
			t.Errorf("%s: got %s %v", tc.mode, to, got)
		}
		redeemed := post(t, e.Transport().Client(), tokenURL, codeForm(got.Get("code"), "redirect_uri", tc.uri, "code_verifier", verifier, "scope", "-"))
		if redeemed.status != http.StatusOK || claimsOf(t, redeemed.text("id_token"))["nonce"] != "n-once" {
			t.Errorf("%s: got %d %v", tc.mode, redeemed.status, redeemed.body)
		}
	}
	resp := authorize(t, e, "response_mode", "form_post")
	text := readAll(t, resp)
	if resp.StatusCode != http.StatusOK || !strings.Contains(text, `action="`+entratest.DefaultRedirectURI+`"`) || strings.Contains(text, "<a>") {
		t.Fatalf("got %d %s", resp.StatusCode, text)
	}
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`name="(\w+)" value="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		got[m[1]] = html.UnescapeString(m[2])
	}
	if got["state"] != `st<a>te&"` {
		t.Errorf("the page posts %v", got)
	}
	if redeemed := post(t, e.Transport().Client(), tokenURL, codeForm(got["code"], "code_verifier", verifier)); redeemed.status != http.StatusOK {
		t.Errorf("got %d %v", redeemed.status, redeemed.body)
	}
}

// What goes wrong after the redirect URI is known to be right goes there.
func TestAuthorizeErrorsGoToTheRedirectURI(t *testing.T) {
	t.Parallel()
	tenant := entratest.DefaultTenant()
	tenant.Users = append(tenant.Users, entratest.User{Username: "gone@emulator.example.com", Disabled: true})
	e := newEmulator(t, &entratest.Config{Tenants: []entratest.Tenant{tenant}})
	for _, tc := range []struct {
		name    string
		changes []string
		oauth   string
		code    string
	}{
		{"nobody signed in", []string{"login_hint", "-"}, "login_required", "AADSTS50058"},
		{"unknown user", []string{"login_hint", "nobody@emulator.example.com"}, "login_required", "AADSTS50058"},
		{"disabled user", []string{"login_hint", "gone@emulator.example.com"}, "interaction_required", "AADSTS50057"},
		{"no response type", []string{"response_type", "-"}, "invalid_request", "AADSTS900144"},
		{"implicit grant", []string{"response_type", "id_token token"}, "unsupported_response_type", "AADSTS70005"},
		{"no scope", []string{"scope", "-"}, "invalid_request", "AADSTS900144"},
		{"two resources", []string{"scope", "https://a.example/x https://b.example/y"}, "invalid_scope", "AADSTS28000"},
		{"prompt", []string{"prompt", "nicely"}, "invalid_request", "AADSTS90023"},
		{"none and login", []string{"prompt", "none login"}, "invalid_request", "AADSTS90023"},
		{"claims", []string{"claims", "{"}, "invalid_request", "AADSTS9002313"},
		{"challenge's method", []string{"code_challenge_method", "S512"}, "invalid_request", "AADSTS50149"},
		{"challenge's size", []string{"code_challenge", "short"}, "invalid_request", "AADSTS501491"},
		{"method alone", []string{"code_challenge", "-"}, "invalid_request", "AADSTS900144"},
	} {
		to, got := location(t, authorize(t, e, tc.changes...))
		if to != entratest.DefaultRedirectURI+"?" || got.Get("error") != tc.oauth || !strings.HasPrefix(got.Get("error_description"), tc.code+": ") ||
			got.Get("state") != `st<a>te&"` || got.Get("code") != "" {
			t.Errorf("%s: got %s %v", tc.name, to, got)
		}
		if entry, _ := e.LastRequest(entratest.EndpointAuthorize); entry.Error != tc.oauth || entry.Reason == "" || entry.ClientID != entratest.DefaultClientID || len(entry.Form) > 0 {
			t.Errorf("%s: the journal has %+v", tc.name, entry)
		}
	}
}

// What is wrong with client or redirect URI is shown to the user, who is not sent
// anywhere.
func TestAuthorizeErrorPages(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	for _, tc := range []struct {
		name    string
		changes []string
		code    string
	}{
		{"unregistered", []string{"redirect_uri", "https://evil.example/<script>"}, "AADSTS50011"},
		{"a longer path", []string{"redirect_uri", entratest.DefaultRedirectURI + "/more"}, "AADSTS50011"},
		{"another case", []string{"redirect_uri", strings.Replace(entratest.DefaultRedirectURI, "signin", "Signin", 1)}, "AADSTS50011"},
		{"a port", []string{"redirect_uri", strings.Replace(entratest.DefaultRedirectURI, ".com", ".com:444", 1)}, "AADSTS50011"},
		{"localhost in a path", []string{"redirect_uri", "http://evil.example/localhost"}, "AADSTS50011"},
		{"localhost as a user", []string{"redirect_uri", "http://localhost@evil.example"}, "AADSTS50011"},
		{"a user at localhost", []string{"redirect_uri", "http://user@localhost:1"}, "AADSTS50011"},
		{"localhost with a path", []string{"redirect_uri", "http://localhost:1/path"}, "AADSTS50011"},
		{"TLS to localhost", []string{"redirect_uri", "https://localhost:1"}, "AADSTS50011"},
		{"no redirect URI", []string{"redirect_uri", "-"}, "AADSTS900144"},
		{"no client", []string{"client_id", "-"}, "AADSTS900144"},
		{"unknown client", []string{"client_id", "20000000-bbbb-4bbb-8bbb-000000000009"}, "AADSTS700016"},
		{"response mode", []string{"response_mode", "web_message"}, "AADSTS70007"},
	} {
		resp := authorize(t, e, tc.changes...)
		text := readAll(t, resp)
		if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" || !strings.Contains(text, tc.code) || strings.Contains(text, "<script>") {
			t.Errorf("%s: got %d %v %s", tc.name, resp.StatusCode, resp.Header, text)
		}
	}
}

// A program, which does not say that it takes HTML, names the user by login_hint.
func TestAuthorizeWithoutPages(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	for _, prompt := range []string{"-", "login", "select_account", "consent"} {
		if _, got := location(t, authorize(t, e, "prompt", prompt)); got.Get("code") == "" {
			t.Errorf("prompt %s: got %v", prompt, got)
		}
		resp := authorize(t, e, "prompt", prompt, "login_hint", "-")
		if text := readAll(t, resp); resp.StatusCode != http.StatusOK || !strings.Contains(text, "<h1>Pick an account</h1>") {
			t.Errorf("prompt %s: got %d %s", prompt, resp.StatusCode, text)
		}
	}
	for _, uri := range []string{"http://localhost", "http://localhost/", "http://localhost:8400", "http://localhost:65535/"} {
		if to, got := location(t, authorize(t, e, "redirect_uri", uri)); to != uri+"?" || got.Get("code") == "" {
			t.Errorf("%s: got %s %v", uri, to, got)
		}
	}
	if n := e.CountRequests(entratest.EndpointAuthorize); n != 12 {
		t.Errorf("%d requests in the journal, want 12", n)
	}
}

// The document names the endpoint that there is.
func TestAuthorizeIsInTheDocument(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	for path, endpoint := range map[string]string{
		entratest.DefaultTenantID + "/v2.0": authorizeURL,
		"adfs":                              "https://login.microsoftonline.com/adfs/oauth2/authorize",
	} {
		doc := get(t, e.Transport(), "https://login.microsoftonline.com/"+path+"/.well-known/openid-configuration")
		if doc.text("authorization_endpoint") != endpoint {
			t.Errorf("%s: got %s", path, doc.text("authorization_endpoint"))
		}
		if got := get(t, e.Transport(), endpoint); got.status != http.StatusBadRequest {
			t.Errorf("%s: got %d, want an error page", endpoint, got.status)
		}
	}
}
