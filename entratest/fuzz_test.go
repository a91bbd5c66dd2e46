package entratest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/entratest"
)

// fuzzEmulator has a certificate that is ready before time counts.
func fuzzEmulator(f *testing.F) *entratest.Emulator {
	f.Helper()
	e, err := entratest.New(&entratest.Config{SigningKey: signingKey(), JournalSize: 1})
	if err != nil {
		f.Fatal(err)
	}
	e.DefaultCertificate()
	return e
}

// FuzzRequest checks that no request makes the emulator panic.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/common/discovery/instance?api-version=1.1&authorization_endpoint=https%3A%2F%2Fh%2Ft%2Foauth2%2Fv2.0%2Fauthorize", "")
	f.Add("POST", "/organizations/oauth2/v2.0/token", secretForm().Encode())
	f.Add("POST", "/adfs/oauth2/token", secretForm("resource", "a", "claims", `{"access_token":{"nbf":{"essential":true,"value":1}}}`).Encode())
	f.Add("GET", "/dstsv2/x/v2.0/.well-known/openid-configuration", "")
	f.Add("GET", "/common/userrealm/a@b?api-version=1.0", "")
	f.Add("GET", "/adfs/services/trust/mex", "")
	f.Add("GET", "/_api/me?acrs=c1", "")
	f.Add("POST", "/organizations/oauth2/v2.0/devicecode", nativeForm("").Encode())
	f.Add("POST", "/organizations/oauth2/v2.0/token", deviceForm("x").Encode())
	f.Add("POST", "/organizations/oauth2/v2.0/token", passwordForm("a@emulator.example.com", "x").Encode())
	f.Add("GET", "//", "")
	e := fuzzEmulator(f)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, "https://localhost/"+strings.TrimPrefix(target, "/"), strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		wantNoPanic(t, e, r)
	})
}

// FuzzAssertion checks that no client assertion makes the emulator panic or is
// accepted without one of its keys.
func FuzzAssertion(f *testing.F) {
	for _, assertion := range []string{
		"", "a.b.c", "e30.e30.e30", "e30=.e30=.",
		"eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL3gifQ.",
		"eyJhbGciOiJSUzI1NiIsIng1dCI6ImEiLCJ4NWMiOlsiIl19.eyJleHAiOiIxZTk5OSJ9.",
	} {
		f.Add(assertion)
	}
	e := fuzzEmulator(f)
	f.Fuzz(func(t *testing.T, assertion string) {
		r := httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader(assertionForm(assertion).Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if status := wantNoPanic(t, e, r); status == http.StatusOK {
			t.Errorf("accepted %q", assertion)
		}
	})
}

func wantNoPanic(t *testing.T, e *entratest.Emulator, r *http.Request) int {
	t.Helper()
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if w.Code >= 500 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	return w.Code
}
