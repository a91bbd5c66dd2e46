package entratest_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/azid-go/azidentity/entratest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// signingKey saves most tests the time of generating one.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

const (
	tokenURL = "https://login.microsoftonline.com/" + entratest.DefaultTenantID + "/oauth2/v2.0/token"
	scope    = "https://vault.azure.net/.default"
)

// newEmulator makes an emulator with the shared signing key.
func newEmulator(t *testing.T, cfg *entratest.Config) *entratest.Emulator {
	t.Helper()
	if cfg == nil {
		cfg = &entratest.Config{}
	}
	if cfg.SigningKey == nil {
		cfg.SigningKey = signingKey()
	}
	e, err := entratest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// secretForm is a request that the default configuration grants, with changes: a
// value set to "-" removes the field.
func secretForm(changes ...string) url.Values {
	form := url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {entratest.DefaultClientID},
		"client_secret": {entratest.DefaultClientSecret},
		"scope":         {scope},
	}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "-" {
			form.Del(changes[i])
		}
	}
	return form
}

func assertionForm(assertion string, changes ...string) url.Values {
	form := secretForm(append([]string{"client_secret", "-"}, changes...)...)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	return form
}

// answer is a response with its JSON body.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

func (a answer) number(name string) int {
	n, _ := a.body[name].(float64)
	return int(n)
}

type doer interface {
	Do(*http.Request) (*http.Response, error)
}

func post(t *testing.T, client doer, target string, form url.Values) answer {
	t.Helper()
	return send(t, client, newPost(t, target, form))
}

func newPost(t *testing.T, target string, form url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return r
}

func get(t *testing.T, client doer, target string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, client, r)
}

func send(t *testing.T, client doer, r *http.Request) answer {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header}
	if bytes.HasPrefix(data, []byte("{")) {
		if err := json.Unmarshal(data, &a.body); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
	}
	return a
}

// claimsOf decodes a token without checking its signature.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts: %q", len(parts), token)
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(data, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// wantRefused checks a refusal in answer and journal.
func wantRefused(t *testing.T, e *entratest.Emulator, got answer, status int, oauth string, code int, reason string) {
	t.Helper()
	if got.status != status || got.text("error") != oauth {
		t.Errorf("got %d %q, want %d %q; body %v", got.status, got.text("error"), status, oauth, got.body)
	}
	codes, _ := got.body["error_codes"].([]any)
	if len(codes) != 1 || codes[0] != float64(code) {
		t.Errorf("got error_codes %v, want [%d]; body %v", codes, code, got.body)
	}
	entry, _ := e.LastRequest(entratest.EndpointToken)
	if entry.Status != status || entry.Error != oauth || entry.Code != code {
		t.Errorf("the journal has %d %q %d, want %d %q %d", entry.Status, entry.Error, entry.Code, status, oauth, code)
	}
	if !strings.Contains(entry.Reason, reason) {
		t.Errorf("the journal's reason is %q, want it to contain %q", entry.Reason, reason)
	}
}

func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
