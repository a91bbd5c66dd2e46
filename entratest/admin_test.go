package entratest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

// admin calls one of the emulator's own endpoints as another process would.
func admin(t *testing.T, s *entratest.Server, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/_emulator/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, readAll(t, resp)
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	if status, body := admin(t, s, "POST", "faults", `{"endpoint":"token","times":1,"status":503,"retryAfter":"2s"}`); status != 201 || body != "{\"id\":1}\n" {
		t.Errorf("adding a fault: %d %s", status, body)
	}
	if status, body := admin(t, s, "GET", "faults", ""); status != 200 || !strings.Contains(body, `"retryAfter":"2s"`) {
		t.Errorf("listing faults: %d %s", status, body)
	}
	if got := post(t, s.Client(), tokenURL, secretForm()); got.status != 503 || got.header.Get("Retry-After") != "2" {
		t.Errorf("got %d %v", got.status, got.header)
	}
	for _, path := range []string{"faults?id=2", "faults"} {
		s.Inject(entratest.Fault{Status: 500})
		if status, _ := admin(t, s, "DELETE", path, ""); status != 204 {
			t.Errorf("DELETE %s: %d", path, status)
		}
		if got := post(t, s.Client(), tokenURL, secretForm()); got.status != 200 {
			t.Errorf("after DELETE %s: got %d", path, got.status)
		}
	}
	var journal struct{ Entries []entratest.Entry }
	_, body := admin(t, s, "GET", "journal?endpoint=token", "")
	if err := json.Unmarshal([]byte(body), &journal); err != nil || len(journal.Entries) != 3 || journal.Entries[0].Status != 503 {
		t.Errorf("journal: %v %s", err, body)
	}
	if status, _ := admin(t, s, "DELETE", "journal", ""); status != 204 || len(s.Journal()) != 0 {
		t.Errorf("deleting the journal: %d, %d entries left", status, len(s.Journal()))
	}
	for _, bad := range []string{`{"stauts":1}`, `{"retryAfter":2}`, ``, `[]`, `{"status":"x"}`, `{"endpoint":"tokn"}`, `{"status":42}`} {
		if status, body := admin(t, s, "POST", "faults", bad); status != 400 {
			t.Errorf("fault %s: %d %s", bad, status, body)
		}
	}
	if status, _ := admin(t, s, "DELETE", "faults?id=x", ""); status != 400 {
		t.Errorf("deleting fault x: %d", status)
	}
}

func TestAdminAssertion(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	_, assertion := admin(t, s, "GET", "assertion", "")
	if got := post(t, s.Client(), tokenURL, assertionForm(assertion)); got.status != 200 {
		t.Errorf("got %d %v", got.status, got.body)
	}
	_, assertion = admin(t, s, "GET", "assertion?subject=s&audience=a&lifetime=90m", "")
	claims := claimsOf(t, assertion)
	if claims["sub"] != "s" || claims["aud"] != "a" || claims["exp"].(float64)-claims["iat"].(float64) != (90*time.Minute).Seconds() {
		t.Errorf("claims are %v", claims)
	}
	if status, _ := admin(t, s, "GET", "assertion?lifetime=x", ""); status != 400 {
		t.Errorf("lifetime x: %d", status)
	}
}

func TestAdminUserToken(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	_, token := admin(t, s, "GET", "user-token", "")
	claims := claimsOf(t, token)
	if claims["aud"] != entratest.DefaultClientID || claims["scp"] != "user_impersonation" || !strings.HasPrefix(claims["iss"].(string), s.URL) {
		t.Errorf("claims are %v", claims)
	}
	_, token = admin(t, s, "GET", "user-token?user="+entratest.DefaultUsername+"&audience=api://a&lifetime=-90m", "")
	claims = claimsOf(t, token)
	if claims["aud"] != "api://a" || claims["exp"].(float64) > float64(time.Now().Add(-80*time.Minute).Unix()) {
		t.Errorf("claims are %v", claims)
	}
	for query, want := range map[string]int{"lifetime=x": 400, "user=nobody@example.com": 404} {
		if status, body := admin(t, s, "GET", "user-token?"+query, ""); status != want {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
}

// TestAdminIsLocal asks from elsewhere, and as a web page would.
func TestAdminIsLocal(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	for _, path := range []string{"journal", "faults", "assertion", "user-token"} {
		for name, change := range map[string]func(*http.Request){
			"another machine": func(r *http.Request) { r.RemoteAddr = "192.0.2.1:1000" },
			"no address":      func(r *http.Request) { r.RemoteAddr = "" },
			"web page":        func(r *http.Request) { r.RemoteAddr = "127.0.0.1:1000"; r.Header.Set("Origin", "https://example.com") },
		} {
			r := httptest.NewRequest(http.MethodGet, "https://localhost/_emulator/"+path, nil)
			change(r)
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			if w.Code != http.StatusForbidden {
				t.Errorf("%s, %s: got %d", path, name, w.Code)
			}
		}
	}
}
