package entratest_test

import (
	"crypto/tls"
	"go/parser"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

const consoleURL = localhost + "/_emulator/"

// openConsole shows somebody the console.
func openConsole(t *testing.T, e *entratest.Emulator) *someone {
	t.Helper()
	s := newSomeone(t, e)
	s.open(consoleURL)
	s.sees("Console")
	return s
}

// change sends a form of the console, and sees the console that comes after it.
func (s *someone) change(do string, fields ...string) {
	s.t.Helper()
	s.post(consoleURL, append([]string{"console_token", s.token("console_token"), "do", do}, fields...)...)
	if s.status == http.StatusSeeOther {
		s.open(localhost + s.answered.Get("Location"))
	}
	s.sees("Console")
}

func TestConsoleShows(t *testing.T) {
	t.Parallel()
	cfg := peopled()
	app := &cfg.Tenants[0].Applications[0]
	app.Secrets = append(app.Secrets, entratest.Secret{Value: "not-a-secret~two", Expires: time.Unix(2_000_000_000, 0)})
	e := newEmulator(t, cfg)
	s := openConsole(t, e)
	s.sees("Console", "Nothing waits", "Nothing has been asked yet", localhost, "Mia", "olga@other.example.com", "multifactor authentication",
		"contexts c1", "a compliant device", "to stay out", "to register for it", "password expired", "asks for consent", "public client",
		"2 secrets", "1 federated credential")

	device := post(t, e.Transport(), deviceURL, nativeForm(""))
	post(t, e.Transport(), tokenURL, secretForm("client_secret", "wrong"))
	mia := newSomeone(t, e)
	mia.open(signInURL("login_hint", "mia@emulator.example.com"))
	mia.press("password", "passwd", "right")
	s.open(consoleURL)
	s.sees("Console", device.text("user_code"), "developer sign-on", "AADSTS7000215", "client_credentials", e.Verifications()[0].Code, "The newest 4 of 4")
	for _, secret := range []string{entratest.DefaultClientSecret, "not-a-secret~two", entratest.DefaultPassword, `"right"`, "wrong\"", device.text("device_code")} {
		if strings.Contains(html.UnescapeString(s.page), secret) {
			t.Errorf("the console shows %s", secret)
		}
	}
	if strings.Contains(s.page, "<option>olga@") || !strings.Contains(s.page, "<option>mia@") {
		t.Error("the code of a tenant is not for its users")
	}
	post(t, e.Transport(), localhost+"/common/oauth2/v2.0/devicecode", nativeForm(""))
	if s.open(consoleURL + "?part=live"); !strings.Contains(s.page, "<option>olga@") {
		t.Error("the code of any tenant is not for all users")
	}
	if strings.Contains(s.page, "<h1>") || !strings.Contains(s.page, device.text("user_code")) {
		t.Errorf("got the part %s", s.page)
	}
	if len(e.Journal()) != 5 {
		t.Errorf("the journal has the console: %v", e.Journal())
	}
}

func TestConsoleChanges(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, peopled())
	approved, denied := post(t, e.Transport(), deviceURL, nativeForm("")), post(t, e.Transport(), deviceURL, nativeForm(""))
	s := openConsole(t, e)
	s.change("approve", "user_code", approved.text("user_code"), "user", "mia@emulator.example.com", "mfa", "on")
	s.change("deny", "user_code", denied.text("user_code"))
	if got := post(t, e.Transport(), tokenURL, deviceForm(approved.text("device_code"))); got.status != http.StatusOK {
		t.Errorf("got %v", got.body)
	}
	if got := post(t, e.Transport(), tokenURL, deviceForm(denied.text("device_code"))); got.text("error") != "authorization_declined" {
		t.Errorf("got %v", got.body)
	}

	mia := newSomeone(t, e)
	mia.open(signInURL("login_hint", "mia@emulator.example.com"))
	s.change("disable", "user", "mia@emulator.example.com")
	mia.press("password", "passwd", "right")
	mia.sees("Enter the password", "AADSTS50057")
	s.change("enable", "user", "mia@emulator.example.com")
	mia.press("password", "passwd", "right")
	mia.sees("Verify that it is you")
	s.change("revoke", "user", "mia@emulator.example.com")
	mia.open(signInURL("login_hint", "mia@emulator.example.com"))
	mia.sees("Enter the password")

	for _, kind := range []string{"outage", "throttle", "slow", "reset", "truncate", "page"} {
		s.change("inject", "kind", kind, "endpoint", "token", "times", "2")
		s.sees("Console", "token, seen 0 times")
		id := regexp.MustCompile(`name="id" value="(\d+)"`).FindStringSubmatch(s.page)
		s.change("remove", "id", id[1])
		if strings.Contains(s.page, "seen 0 times") {
			t.Errorf("%s: the fault is still there", kind)
		}
	}
	s.change("inject", "kind", "outage", "endpoint", "token", "times", "1")
	for _, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		if got := post(t, e.Transport(), tokenURL, secretForm()); got.status != want {
			t.Errorf("got %d, want %d", got.status, want)
		}
	}
	s.change("inject", "kind", "outage", "endpoint", "", "times", "")
	s.sees("Console", "any endpoint, seen 0 times")
	e.ClearFaults()
	s.change("forget")
	if len(e.Journal()) != 0 {
		t.Errorf("the journal has %v", e.Journal())
	}

	for text, fields := range map[string][]string{
		"no sign-in waits":       {"do", "approve", "user_code", "ABCDEFGHI", "user", "mia@emulator.example.com"},
		"there is no user":       {"do", "disable", "user", "nobody"},
		"a fault needs a kind":   {"do", "inject", "kind", "flood", "times", "1"},
		"0, all, or more":        {"do", "inject", "kind", "outage", "times", "-1"},
		`"x" is no fault`:        {"do", "remove", "id", "x"},
		"nothing to do that is ": {"do", "fly"},
	} {
		s.post(consoleURL, append(fields, "console_token", s.token("console_token"))...)
		if s.status != http.StatusBadRequest || !strings.Contains(html.UnescapeString(s.page), text) || !strings.Contains(s.page, `role="alert"`) {
			t.Errorf("%v: got %d %s", fields, s.status, s.page)
		}
	}
}

// The console is for this machine, by its own names, and takes forms of its own page.
func TestConsoleIsProtected(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	s := openConsole(t, e)
	token := s.token("console_token")
	try := func(method, target, from, origin, token string) int {
		r := newPost(t, target, map[string][]string{"do": {"forget"}, "console_token": {token}})
		r.Method = method
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		r.RemoteAddr, r.TLS = from, &tls.ConnectionState{}
		e.ServeHTTP(w, r)
		return w.Code
	}
	const here = "127.0.0.1:50000"
	for _, tc := range []struct {
		method, target, from, origin, token string
		want                                int
	}{
		{"GET", consoleURL, here, "", "", 200},
		{"GET", "https://127.0.0.1:8443/_emulator", "[::1]:50000", "", "", 200},
		{"GET", "https://[::1]:8443/_emulator", here, "", "", 200},
		{"GET", consoleURL, "192.0.2.1:50000", "", "", 403},
		{"GET", "https://evil.example.com:8443/_emulator/", here, "", "", 403},
		{"GET", consoleURL, here, "https://evil.example.com", "", 403},
		{"POST", consoleURL, here, localhost, token, 303},
		{"POST", consoleURL, here, localhost, "", 403},
		{"POST", consoleURL, here, localhost, token + "x", 403},
		{"POST", consoleURL, here, "null", token, 403},
		{"POST", consoleURL, here, "", token, 403},
		{"POST", consoleURL, here, "https://evil.example.com", token, 403},
		{"POST", "https://evil.example.com/_emulator/", here, "https://evil.example.com", token, 403},
		{"POST", consoleURL, "192.0.2.1:50000", localhost, token, 403},
		{"GET", localhost + "/_emulator/verifications", "192.0.2.1:50000", "", "", 403},
	} {
		if got := try(tc.method, tc.target, tc.from, tc.origin, tc.token); got != tc.want {
			t.Errorf("%s %s from %s, of %q: got %d, want %d", tc.method, tc.target, tc.from, tc.origin, got, tc.want)
		}
	}
}

var goCode = regexp.MustCompile(`(?s)<pre tabindex="0">(.*?)</pre>`)

func TestConsoleCodeIsGo(t *testing.T) {
	t.Parallel()
	cfg := peopled()
	app := &cfg.Tenants[0].Applications[0]
	app.Roles = map[string][]string{"api://stock": {"Stock.Read"}}
	app.Secrets = append(app.Secrets, entratest.Secret{Value: "x", Expires: time.Unix(2_000_000_000, 0)})
	app.RefreshIn = 90 * time.Second
	e := newEmulator(t, cfg)
	e.Inject(entratest.Fault{Endpoint: entratest.EndpointKeys, Latency: 1500 * time.Millisecond, RetryAfter: time.Second, Hang: true})
	post(t, e.Transport(), deviceURL, nativeForm(""))
	post(t, e.Transport(), tokenURL, secretForm())
	all := goCode.FindAllStringSubmatch(openConsole(t, e).page, -1)
	if len(all) < 15 {
		t.Errorf("got %d pieces of code", len(all))
	}
	joined := ""
	for _, m := range all {
		code := html.UnescapeString(m[1])
		joined += code + "\n"
		if _, err := parser.ParseExpr("func() {\n" + code + "\n}"); err != nil {
			t.Errorf("%v: %s", err, code)
		}
	}
	for _, want := range []string{"Latency: time.Duration(1500000000)", "RefreshIn: 90 * time.Second", "Hang: true", `map[string][]string{`, "ApproveDeviceCode(", `r.GrantType == "client_credentials"`, "[]entratest.Secret{", "MFA: true"} {
		if !strings.Contains(joined, want) {
			t.Errorf("the code has no %s: %s", want, joined)
		}
	}
}
