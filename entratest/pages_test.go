package entratest_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/entratest"
)

// someone uses the pages with a browser, without scripts.
type someone struct {
	t      *testing.T
	client *http.Client
	header http.Header // that requests have beside those of forms

	status   int
	page     string
	answered http.Header
}

const localhost = "https://localhost:8443"

func newSomeone(t *testing.T, e *entratest.Emulator) *someone {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := e.Transport().Client()
	client.Jar = jar
	return &someone{t: t, client: client, header: http.Header{"Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}}}
}

func (s *someone) send(r *http.Request) {
	s.t.Helper()
	for name, values := range s.header {
		r.Header[name] = values
	}
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.status, s.answered, s.page = resp.StatusCode, resp.Header, readAll(s.t, resp)
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		checkPage(s.t, resp, s.page)
	}
}

func (s *someone) open(target string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, target, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.send(r)
}

// press sends the form of the page, as the button with the value does, with fields.
func (s *someone) press(do string, fields ...string) {
	s.t.Helper()
	if !strings.Contains(s.page, `value="`+do+`"`) {
		s.t.Fatalf("the page has no button %s: %s", do, s.page)
	}
	s.post(localhost+"/common/login", append([]string{"signin_token", s.token("signin_token"), "do", do}, fields...)...)
}

func (s *someone) post(target string, fields ...string) {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := newPost(s.t, target, form)
	r.Header.Set("Origin", localhost) // as browsers do with all forms
	s.send(r)
}

// pick presses an account.
func (s *someone) pick(name string) {
	s.t.Helper()
	m := regexp.MustCompile(`name="account" value="([^"]*)"[^\n]*<strong>` + regexp.QuoteMeta(name) + `<`).FindStringSubmatch(s.page)
	if m == nil {
		s.t.Fatalf("the page has no account %s: %s", name, s.page)
	}
	s.press("account", "account", m[1])
}

func (s *someone) token(name string) string {
	if m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(s.page); m != nil {
		return m[1]
	}
	return ""
}

// sees checks the heading, and texts below it.
func (s *someone) sees(heading string, texts ...string) {
	s.t.Helper()
	text := html.UnescapeString(s.page)
	if !strings.Contains(text, "<h1>"+heading+"</h1>") {
		s.t.Fatalf("got %d %s, want %q", s.status, s.page, heading)
	}
	for _, want := range texts {
		if !strings.Contains(text, want) {
			s.t.Errorf("the page %q has no %q: %s", heading, want, s.page)
		}
	}
	if mistaken := strings.Contains(s.page, `role="alert"`); mistaken != strings.Contains(s.page, "<title>Error: ") {
		s.t.Errorf("the page %q has a mistake: %t, and its title does not say the same", heading, mistaken)
	}
}

// back returns what the application gets.
func (s *someone) back() url.Values {
	s.t.Helper()
	to, err := url.Parse(s.answered.Get("Location"))
	if s.status != http.StatusFound || err != nil || !strings.HasPrefix(to.String(), entratest.DefaultRedirectURI+"?") {
		s.t.Fatalf("got %d to %s: %s", s.status, to, s.page)
	}
	return to.Query()
}

// refused checks that the application gets an error.
func (s *someone) refused(oauth, code string) {
	s.t.Helper()
	if got := s.back(); got.Get("error") != oauth || !strings.HasPrefix(got.Get("error_description"), code+": ") || got.Get("code") != "" || got.Get("state") != "s1" {
		s.t.Errorf("got %v, want %s %s", got, oauth, code)
	}
}

var (
	inlined  = regexp.MustCompile(`<script>|<style|style="|onclick|javascript:`)
	outside  = regexp.MustCompile(`(?:src|href)="(?:https?:)?//`)
	resource = regexp.MustCompile(`(?:src|href)="(/_pages/[^"]*)"`)
	field    = regexp.MustCompile(`<input id="([^"]*)"`)
)

// checkPage checks what holds for all pages.
func checkPage(t *testing.T, resp *http.Response, text string) {
	t.Helper()
	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") {
			t.Errorf("the policy is %q, without %s", policy, want)
		}
	}
	if !strings.Contains(resp.Header.Get("Cache-Control"), "no-store") {
		t.Errorf("the page may be kept: %v", resp.Header)
	}
	if part := resp.Request.URL.Query().Has("part"); part == strings.HasPrefix(text, "<!DOCTYPE html>") {
		t.Errorf("got a part of a page: %t, %s", part, text)
	}
	if bad := inlined.FindString(text) + outside.FindString(text); bad != "" {
		t.Errorf("the page has %q: %s", bad, text)
	}
	for _, m := range field.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(text, `<label for="`+m[1]+`"`) {
			t.Errorf("the field %s has no label", m[1])
		}
	}
	for _, cookie := range resp.Cookies() {
		if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
			t.Errorf("got the cookie %v", cookie)
		}
	}
}

// peopled has a user for each thing that can be asked of one, in two tenants.
func peopled() *entratest.Config {
	tenant := entratest.DefaultTenant()
	tenant.Applications[0].ConsentRequired = true
	add := func(name string, u entratest.User) {
		u.Username, u.Name, u.Password = strings.ToLower(name)+"@emulator.example.com", name, "right"
		tenant.Users = append(tenant.Users, u)
	}
	add("Mia", entratest.User{Conditions: entratest.Conditions{MFA: true}})
	add("Dora", entratest.User{Conditions: entratest.Conditions{CompliantDevice: true}})
	add("Bob", entratest.User{Conditions: entratest.Conditions{Blocked: true}})
	add("Reg", entratest.User{Conditions: entratest.Conditions{RegisterMFA: true}})
	add("Cara", entratest.User{Conditions: entratest.Conditions{AuthContexts: []string{"c1"}}})
	add("Gone", entratest.User{Disabled: true})
	add("Old", entratest.User{PasswordExpired: true})
	other := entratest.Tenant{
		ID: "10000000-aaaa-4aaa-8aaa-000000000002", Name: "Other", Domains: []string{"other.example.com"},
		Applications: []entratest.Application{tenant.Applications[1]},
		Users:        []entratest.User{{Username: "olga@other.example.com", Name: "Olga", Password: "right"}},
	}
	return &entratest.Config{Tenants: []entratest.Tenant{tenant, other}, LockoutThreshold: 3}
}

// signInURL is where an application sends a browser, with changes as in secretForm.
func signInURL(changes ...string) string {
	query := url.Values{
		"response_type": {"code"}, "client_id": {entratest.DefaultClientID}, "redirect_uri": {entratest.DefaultRedirectURI},
		"scope": {"openid profile email offline_access " + scope}, "state": {"s1"}, "nonce": {"n-once"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	tenant := entratest.DefaultTenantID
	for i := 0; i < len(changes); i += 2 {
		switch {
		case changes[i] == "tenant":
			tenant = changes[i+1]
		case changes[i+1] == "-":
			query.Del(changes[i])
		default:
			query.Set(changes[i], changes[i+1])
		}
	}
	return localhost + "/" + tenant + "/oauth2/v2.0/authorize?" + query.Encode()
}

func TestPeopleSignIn(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, peopled())
	mia := newSomeone(t, e)
	mia.open(signInURL())
	mia.sees("Pick an account", "default application", "Mia", "mia@emulator.example.com")
	mia.pick("Mia")
	mia.sees("Enter the password", "mia@emulator.example.com")
	mia.press("password", "passwd", "wrong")
	mia.sees("Enter the password", "AADSTS50126", "The password is not right", `aria-describedby="mistake"`)
	if entry, _ := e.LastRequest(entratest.EndpointSignIn); entry.Code != 50126 || entry.ClientID != entratest.DefaultClientID ||
		strings.Contains(fmt.Sprint(entry), "wrong]") || strings.Contains(fmt.Sprint(entry), mia.token("signin_token")) {
		t.Errorf("the journal has %+v", entry)
	}
	mia.press("password", "passwd", "right")
	mia.sees("Verify that it is you")
	all := e.Verifications()
	if len(all) != 1 || all[0].Username != "mia@emulator.example.com" || all[0].ClientID != entratest.DefaultClientID || !regexp.MustCompile(`^\d{6}$`).MatchString(all[0].Code) {
		t.Fatalf("got %+v", all)
	}
	if list, _ := get(t, e.Transport(), localhost+"/_emulator/verifications").body["verifications"].([]any); len(list) != 1 || list[0].(map[string]any)["code"] != all[0].Code {
		t.Errorf("got %v", list)
	}
	mia.press("verify", "verification_code", "x"+all[0].Code)
	mia.sees("Verify that it is you", "AADSTS500121")
	mia.press("verify", "verification_code", all[0].Code[:3]+" "+all[0].Code[3:])
	mia.sees("Let default application act for you?", "Sign you in", "See your e-mail address", "Use https://vault.azure.net as you", entratest.DefaultClientID)
	mia.press("consent")
	got := mia.back()
	redeemed := post(t, e.Transport(), tokenURL, codeForm(got.Get("code"), "code_verifier", verifier, "scope", "-"))
	if claims := claimsOf(t, redeemed.text("access_token")); fmt.Sprint(claims["amr"]) != "[pwd mfa]" || claims["preferred_username"] != "mia@emulator.example.com" || claims["deviceid"] != nil {
		t.Errorf("got %v", claims)
	}
	if len(e.Verifications()) != 0 {
		t.Errorf("a code is waiting: %v", e.Verifications())
	}
	form := mia.token("signin_token")
	mia.post(localhost+"/common/login", "signin_token", form, "do", "consent")
	mia.sees("You cannot be signed in", "AADSTS90023")

	// The browser remembers.
	for _, more := range [][]string{nil, {"prompt", "none"}, {"login_hint", "MIA@emulator.example.com"}, {"domain_hint", "emulator.example.com"}, {"domain_hint", "organizations"}} {
		if mia.open(signInURL(more...)); mia.back().Get("code") == "" {
			t.Errorf("%v: got %v", more, mia.back())
		}
	}
	mia.open(signInURL("prompt", "select_account"))
	mia.sees("Pick an account", "Signed in")
	mia.pick("Mia")
	if mia.back().Get("code") == "" {
		t.Errorf("got %v", mia.back())
	}
	mia.open(signInURL("prompt", "consent"))
	mia.sees("Let default application act for you?")
	mia.press("consent")
	mia.back()
	mia.open(signInURL("prompt", "login"))
	mia.pick("Mia")
	mia.sees("Enter the password")
	mia.press("password", "passwd", "right")
	mia.sees("Verify that it is you")
	mia.press("another", "by", "")
	mia.sees("Pick an account")

	// Another user is asked, and one whose sessions were ended.
	mia.open(signInURL("login_hint", "dora@emulator.example.com"))
	mia.sees("Enter the password", "Dora")
	if err := e.RevokeSessions("mia@emulator.example.com"); err != nil {
		t.Fatal(err)
	}
	mia.open(signInURL("prompt", "none"))
	mia.refused("login_required", "AADSTS50058")
	mia.open(signInURL())
	if mia.sees("Pick an account"); strings.Contains(mia.page, "Signed in") {
		t.Error("an ended session is shown as one")
	}
}

func TestPeopleWhoMayNotSignIn(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, peopled())
	for name, code := range map[string]string{"Gone": "AADSTS50057", "Old": "AADSTS50055"} {
		s := newSomeone(t, e)
		s.open(signInURL("login_hint", name+"@emulator.example.com"))
		s.press("password", "passwd", "right")
		s.sees("Enter the password", code, name)
		s.press("cancel")
		s.refused("access_denied", "AADSTS65004")
		if s.back().Get("error_subcode") != "cancel" {
			t.Errorf("got %v", s.back())
		}
	}
	s := newSomeone(t, e)
	s.open(signInURL("login_hint", "mia@emulator.example.com"))
	for range 3 {
		s.press("password", "passwd", "wrong")
	}
	s.press("password", "passwd", "right")
	s.sees("Enter the password", "AADSTS50053")

	s.open(signInURL("login_hint", "Nobody@emulator.example.com"))
	s.sees("Sign in", `value="Nobody@emulator.example.com"`)
	s.press("username", "loginfmt", "<b>olga</b>@other.example.com")
	s.sees("Sign in", "AADSTS50034", `value="<b>olga</b>@other.example.com"`)
	if strings.Contains(s.page, "<b>") {
		t.Error("what was typed is HTML")
	}
	s.press("username", "loginfmt", " DORA@emulator.example.com ")
	s.sees("Enter the password", "Dora")
	s.press("another", "by", "name")
	s.sees("Sign in", `value=""`)
	s.press("cancel")
	s.refused("access_denied", "AADSTS65004")

	// The form names somebody of a tenant that the request is not for, and nobody.
	for _, account := range []string{"10000000-aaaa-4aaa-8aaa-000000000002/olga@other.example.com", "x/y", entratest.DefaultTenantID + "/x", ""} {
		s.open(signInURL())
		s.press("account", "account", account)
		s.sees("Pick an account", "AADSTS50034")
	}
}

func TestPeopleMeetConditions(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, peopled())
	signedIn := func(name string, changes ...string) *someone {
		s := newSomeone(t, e)
		if err := e.Consent(name+"@emulator.example.com", entratest.DefaultClientID); err != nil {
			t.Fatal(err)
		}
		s.open(signInURL(append(changes, "login_hint", name+"@emulator.example.com")...))
		s.press("password", "passwd", "right")
		return s
	}
	for name, code := range map[string]string{"dora": "AADSTS53000", "bob": "AADSTS53003", "reg": "AADSTS50079"} {
		s := signedIn(name)
		s.sees("You cannot get to this now", code, "Correlation ID", "Timestamp")
		s.press("return")
		s.refused("interaction_required", code)
		s.open(signInURL("prompt", "none"))
		s.refused("interaction_required", code)
	}
	dora := signedIn("dora")
	dora.press("device")
	code := dora.back().Get("code")
	redeemed := post(t, e.Transport(), tokenURL, codeForm(code, "code_verifier", verifier, "scope", "-"))
	if claims := claimsOf(t, redeemed.text("access_token")); claims["deviceid"] == nil || fmt.Sprint(claims["amr"]) != "[pwd]" {
		t.Errorf("got %v", claims)
	}

	if cara := signedIn("cara"); cara.back().Get("code") == "" {
		t.Errorf("got %v", cara.back())
	}
	cara := signedIn("cara", "claims", `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`)
	cara.sees("Verify that it is you")
	cara.press("verify", "verification_code", e.Verifications()[0].Code)
	if cara.back().Get("code") == "" {
		t.Errorf("got %v", cara.back())
	}

	// Without a page, what is missing is an error.
	mia := newSomeone(t, e)
	mia.open(signInURL("login_hint", "mia@emulator.example.com"))
	mia.press("password", "passwd", "right")
	mia.open(signInURL("prompt", "none"))
	mia.refused("interaction_required", "AADSTS50076")
	mia.open(signInURL("login_hint", entratest.DefaultUsername))
	mia.press("password", "passwd", entratest.DefaultPassword)
	mia.sees("Let default application act for you?")
	mia.open(signInURL("prompt", "none"))
	mia.refused("interaction_required", "AADSTS16000")
	mia.open(signInURL("prompt", "none", "login_hint", entratest.DefaultUsername))
	mia.refused("consent_required", "AADSTS65001")
	mia.open(signInURL())
	mia.sees("Pick an account")
	if n := strings.Count(mia.page, "Signed in"); n != 2 {
		t.Errorf("%d accounts are signed in, want 2", n)
	}
}

// Who goes back in the browser means whom the page shows.
func TestPagesOfBefore(t *testing.T) {
	t.Parallel()
	cfg := peopled()
	cfg.Tenants[0].Users[2].Consents = []string{strings.ToUpper(entratest.DefaultClientID)} // Dora
	e := newEmulator(t, cfg)
	s := newSomeone(t, e)
	s.open(signInURL("login_hint", "mia@emulator.example.com"))
	before := s.page
	s.press("another", "by", "name")
	s.press("username", "loginfmt", "bob@emulator.example.com")
	s.page = before
	s.press("password", "username", "mia@emulator.example.com", "passwd", "right")
	s.sees("Verify that it is you", "mia@emulator.example.com")
	if err := e.RevokeSessions("mia@emulator.example.com"); err != nil {
		t.Fatal(err)
	}
	s.press("verify", "verification_code", e.Verifications()[0].Code)
	s.sees("Enter the password", "mia@emulator.example.com")
	s.press("password", "passwd", "right")
	// Consent is not given before it is asked for.
	s.post(localhost+"/common/login", "signin_token", s.token("signin_token"), "do", "consent")
	s.sees("Verify that it is you")
	s.press("verify", "verification_code", e.Verifications()[0].Code)
	s.sees("Let default application act for you?")
	s.post(localhost+"/common/login", "signin_token", s.token("signin_token"), "do", "password", "username", "nobody@emulator.example.com", "passwd", "right")
	s.sees("Let default application act for you?")

	dora := newSomeone(t, e)
	dora.open(signInURL("login_hint", "dora@emulator.example.com"))
	dora.press("password", "passwd", "right")
	dora.press("device")
	if dora.back().Get("code") == "" {
		t.Errorf("got %v", dora.back())
	}
	cfg.Tenants[0].Users[2].Consents = []string{"x"}
	if _, err := entratest.New(cfg); err == nil || !strings.Contains(err.Error(), "users[2].consents[0]") {
		t.Errorf("got %v", err)
	}
}

// The second factor of a configuration is known beforehand.
func TestVerificationCode(t *testing.T) {
	t.Parallel()
	cfg := peopled()
	cfg.VerificationCode = "123456"
	cfg.Tenants[0].Applications[0].ConsentRequired = false
	s := newSomeone(t, newEmulator(t, cfg))
	s.open(signInURL("login_hint", "mia@emulator.example.com"))
	s.press("password", "passwd", "right")
	s.press("verify", "verification_code", "123456")
	if s.back().Get("code") == "" {
		t.Errorf("got %v", s.back())
	}
	cfg.VerificationCode = "12345a"
	if _, err := entratest.New(cfg); err == nil || !strings.Contains(err.Error(), "verificationCode") {
		t.Errorf("got %v", err)
	}
}

// Whoever signs in at a pseudo-tenant may be of any tenant that has the application.
func TestPeopleOfSeveralTenants(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, peopled())
	changes := []string{"tenant", "organizations", "client_id", entratest.DeveloperClientID, "redirect_uri", entratest.DefaultPublicRedirectURI}
	s := newSomeone(t, e)
	s.open(signInURL(append(changes, "domain_hint", "other.example.com")...))
	if s.sees("Pick an account", "Olga"); strings.Contains(s.page, "Mia") {
		t.Error("the hint does not choose the domain")
	}
	s.open(signInURL(changes...))
	s.sees("Pick an account", "Mia", "Olga")
	s.pick("Olga")
	s.press("password", "passwd", "right")
	to, _ := url.Parse(s.answered.Get("Location"))
	form := codeForm(to.Query().Get("code"), "client_id", entratest.DeveloperClientID, "client_secret", "-", "redirect_uri", entratest.DefaultPublicRedirectURI, "code_verifier", verifier, "scope", "-")
	got := post(t, e.Transport(), localhost+"/organizations/oauth2/v2.0/token", form)
	if claims := claimsOf(t, got.text("access_token")); claims["tid"] != "10000000-aaaa-4aaa-8aaa-000000000002" {
		t.Errorf("got %v", claims)
	}
	s.open(signInURL(append(changes, "login_hint", "mia@emulator.example.com", "prompt", "login")...))
	s.sees("Enter the password", "Mia")
	// ADFS has one organisation, and one user who can be picked.
	s.open(strings.Replace(signInURL(), entratest.DefaultTenantID+"/oauth2/v2.0", "adfs/oauth2", 1))
	s.sees("Pick an account", "Mia")
}

// Forms of other sites, of other browsers and of times past do nothing.
func TestFormsOfOthers(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, peopled())
	victim, attacker := newSomeone(t, e), newSomeone(t, e)
	victim.open(signInURL("login_hint", "mia@emulator.example.com"))
	attacker.open(signInURL("login_hint", "mia@emulator.example.com"))
	stolen := victim.token("signin_token")
	for name, fields := range map[string][]string{
		"no token":         {"do", "password", "passwd", "right"},
		"another's token":  {"signin_token", stolen, "do", "password", "passwd", "right"},
		"nothing to do":    {"signin_token", attacker.token("signin_token")},
		"unknown to do":    {"signin_token", attacker.token("signin_token"), "do", "fly"},
		"a made up token":  {"signin_token", "x", "do", "password", "passwd", "right"},
		"an empty token":   {"signin_token", "", "do", "cancel"},
		"no cookie at all": nil,
	} {
		s := attacker
		if fields == nil {
			s, fields = newSomeone(t, e), []string{"signin_token", stolen, "do", "cancel"}
		}
		s.post(localhost+"/common/login", fields...)
		if s.sees("You cannot be signed in", "AADSTS90023"); s.status != http.StatusBadRequest {
			t.Errorf("%s: got %d", name, s.status)
		}
		attacker.open(signInURL("login_hint", "mia@emulator.example.com"))
	}
	victim.press("password", "passwd", "right")
	victim.sees("Verify that it is you")
	attacker.open(localhost + "/common/login")
	attacker.sees("You cannot be signed in", "AADSTS90023")

	// What a page does not ask yet does nothing either.
	for do, fields := range map[string][]string{
		"verify": {"verification_code", ""}, "device": nil, "consent": nil, "confirm": nil, "return": nil, "code": {"user_code", "x"},
	} {
		attacker.open(signInURL("login_hint", "mia@emulator.example.com"))
		attacker.post(localhost+"/common/login", append([]string{"signin_token", attacker.token("signin_token"), "do", do}, fields...)...)
		attacker.sees("Enter the password")
	}
	attacker.open(signInURL())
	attacker.post(localhost+"/common/login", "signin_token", attacker.token("signin_token"), "do", "password", "passwd", "right")
	attacker.sees("Pick an account")
	body := newPost(t, localhost+"/common/login", nil)
	body.Body = http.NoBody
	body.Header.Set("Content-Type", "text/plain")
	attacker.send(body)
	attacker.sees("You cannot be signed in")
	attacker.post(localhost+"/common/login", "x", strings.Repeat("y", 1<<20))
	if attacker.sees("You cannot be signed in", "AADSTS9002313"); attacker.status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", attacker.status)
	}

	// A browser has so many sign-ins under way, and no more.
	first := newSomeone(t, e)
	first.open(signInURL())
	oldest := first.token("signin_token")
	for range 20 {
		first.open(signInURL())
	}
	first.post(localhost+"/common/login", "signin_token", oldest, "do", "cancel")
	first.sees("You cannot be signed in")
}

// The emulator may be given another configuration while somebody is signing in.
func TestReconfiguredWhileSigningIn(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, peopled())
	s := newSomeone(t, e)
	s.open(signInURL("login_hint", "mia@emulator.example.com"))
	cfg := peopled()
	cfg.Tenants[0].Users = cfg.Tenants[0].Users[:1]
	if err := e.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	s.press("password", "passwd", "right")
	s.sees("Pick an account")
	s.press("another", "by", "name")
	if err := e.Reconfigure(&entratest.Config{Tenants: peopled().Tenants[1:]}); err != nil {
		t.Fatal(err)
	}
	s.press("username", "loginfmt", "mia@emulator.example.com")
	s.sees("You cannot be signed in", "AADSTS90002")
	if err := e.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	s.open(signInURL())
	cfg.Tenants[0].Applications[0].Disabled = true
	if err := e.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	s.press("cancel")
	s.sees("You cannot be signed in", "AADSTS7000112")
	s.open(signInURL())
	s.sees("You cannot be signed in", "AADSTS7000112")
}

func TestAnswersToTheApplication(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, peopled())
	s := newSomeone(t, e)
	s.open(signInURL("response_mode", "form_post"))
	if policy := s.answered.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://app.emulator.example.com") {
		t.Errorf("the policy is %s", policy)
	}
	s.press("cancel")
	s.sees("Back to default application", `action="`+entratest.DefaultRedirectURI+`"`, `name="error" value="access_denied"`, `<button autofocus>Continue</button>`, `<script src="/_pages/post.js">`)
	s.open(signInURL("response_mode", "fragment"))
	s.press("cancel")
	if to := s.answered.Get("Location"); !strings.HasPrefix(to, entratest.DefaultRedirectURI+"#") {
		t.Errorf("got %s", to)
	}
	cfg := peopled()
	cfg.Tenants[0].Applications[0].PublicRedirectURIs = []string{"msauth.example://auth"}
	s = newSomeone(t, newEmulator(t, cfg))
	s.open(signInURL("redirect_uri", "msauth.example://auth"))
	if policy := s.answered.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "form-action 'self' msauth.example:") {
		t.Errorf("the policy is %s", policy)
	}
	for _, m := range resource.FindAllStringSubmatch(s.page, -1) {
		s.open(localhost + m[1])
		if s.status != http.StatusOK || s.page == "" || strings.HasPrefix(s.answered.Get("Content-Type"), "text/html") {
			t.Errorf("%s: got %d %v", m[1], s.status, s.answered)
		}
	}
	if s.open(localhost + "/_pages/layout.html"); s.status != http.StatusNotFound {
		t.Errorf("got %d", s.status)
	}
}

// Browsers are told apart by the port, and the cookie is no secure one without TLS.
func TestCookiesOfTheEmulator(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	for target, want := range map[string]string{
		"https://localhost:8443/devicelogin":            "entratest-browser-8443 true",
		"https://login.microsoftonline.com/devicelogin": "entratest-browser true",
		"http://localhost/devicelogin":                  "entratest-browser false",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := e.Transport().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = readAll(t, resp)
		if c := resp.Cookies(); len(c) != 1 || fmt.Sprint(c[0].Name, " ", c[0].Secure) != want {
			t.Errorf("%s: got %v, want %s", target, c, want)
		}
	}
}
