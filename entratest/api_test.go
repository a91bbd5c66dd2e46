package entratest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

const cp1 = `{"access_token":{"xms_cc":{"values":["CP1"]}}}`

func callMe(t *testing.T, e *entratest.Emulator, token, query string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://graph.microsoft.com/_api/me"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return send(t, e.Transport(), r)
}

var challengePattern = regexp.MustCompile(`^Bearer realm="", authorization_uri="[^"]+", client_id="[^"]+", error="insufficient_claims", claims="([^"]+)"$`)

// challengeIn decodes the claims of a challenge, and adds the client's capability as
// clients do.
func challengeIn(t *testing.T, got answer) string {
	t.Helper()
	m := challengePattern.FindStringSubmatch(got.header.Get("WWW-Authenticate"))
	if got.status != 401 || m == nil {
		t.Fatalf("got %d %v, want a challenge", got.status, got.header)
	}
	data, err := base64.StdEncoding.DecodeString(m[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		AccessToken map[string]any `json:"access_token"`
	}
	if err := json.Unmarshal(data, &claims); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	claims.AccessToken["xms_cc"] = map[string]any{"values": []string{"CP1"}}
	merged, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return string(merged)
}

// A user's sessions are revoked: the API challenges, and a token that was issued with
// the challenge's claims is taken, all in one second.
func TestContinuousAccessEvaluation(t *testing.T) {
	t.Parallel()
	clock := new(movingClock)
	e := newEmulator(t, &entratest.Config{Clock: clock.now})
	signIn := func(claims string) answer {
		got := post(t, e.Transport(), tokenURL, passwordForm(entratest.DefaultUsername, entratest.DefaultPassword, "claims", claims))
		if got.status != 200 {
			t.Fatalf("got %d %v", got.status, got.body)
		}
		return got
	}
	capable, old := signIn(cp1), signIn("")
	for _, token := range []answer{capable, old} {
		if got := callMe(t, e, token.text("access_token"), ""); got.status != 200 || got.text("userPrincipalName") != entratest.DefaultUsername || got.text("id") == "" {
			t.Fatalf("got %d %v", got.status, got.body)
		}
	}
	if err := e.RevokeSessions(entratest.DefaultUsername); err != nil {
		t.Fatal(err)
	}
	challenge := challengeIn(t, callMe(t, e, capable.text("access_token"), ""))
	if !strings.Contains(challenge, fmt.Sprintf(`"nbf":{"essential":true,"value":"%d"}`, clock.now().Unix()+1)) {
		t.Errorf("the challenge is %s", challenge)
	}
	if got := callMe(t, e, old.text("access_token"), ""); got.status != 200 {
		t.Errorf("a client that knows nothing of it: got %d %v", got.status, got.body)
	}
	wantRefused(t, e, post(t, e.Transport(), tokenURL, nativeForm("refresh_token", "refresh_token", capable.text("refresh_token"), "claims", challenge)), 400, "invalid_grant", 50173, "")
	if got := callMe(t, e, signIn(challenge).text("access_token"), ""); got.status != 200 {
		t.Errorf("the token with the claims: got %d %v", got.status, got.body)
	}
	clock.advance(2 * time.Second)
	capable = signIn(cp1)
	if got := callMe(t, e, capable.text("access_token"), ""); got.status != 200 {
		t.Errorf("a later token: got %d %v", got.status, got.body)
	}
	if err := e.SetDisabled(entratest.DefaultUsername, true); err != nil {
		t.Fatal(err)
	}
	challengeIn(t, callMe(t, e, capable.text("access_token"), ""))
}

func TestAPIWantsAnAuthenticationContext(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, conditioned())
	token := func(claims string, did entratest.SignIn) answer {
		device := post(t, e.Transport(), deviceURL, nativeForm("", "claims", claims))
		if err := e.ApproveDeviceCode(device.text("user_code"), "context@emulator.example.com", did); err != nil {
			t.Fatal(err)
		}
		return post(t, e.Transport(), tokenURL, deviceForm(device.text("device_code")))
	}
	first := token(cp1, entratest.SignIn{})
	challenge := challengeIn(t, callMe(t, e, first.text("access_token"), "?acrs=c1"))
	wantRefused(t, e, token(challenge, entratest.SignIn{}), 400, "interaction_required", 50076, "c1")
	if got := callMe(t, e, token(challenge, entratest.SignIn{MFA: true}).text("access_token"), "?acrs=c1"); got.status != 200 {
		t.Errorf("got %d %v", got.status, got.body)
	}
}

func TestAPIRefusals(t *testing.T) {
	t.Parallel()
	clock := new(movingClock)
	e := newEmulator(t, &entratest.Config{Clock: clock.now})
	good := post(t, e.Transport(), tokenURL, passwordForm(entratest.DefaultUsername, entratest.DefaultPassword)).text("access_token")
	other := post(t, e.Transport(), tokenURL, passwordForm(entratest.DefaultUsername, entratest.DefaultPassword, "scope", scope)).text("access_token")
	app := post(t, e.Transport(), tokenURL, secretForm("scope", "https://graph.microsoft.com/.default")).text("access_token")
	for name, test := range map[string]struct {
		token  string
		status int
		reason string
	}{
		"none":             {"", 401, "no bearer token"},
		"garbage":          {"x", 401, "no JWT"},
		"tampered":         {good[:len(good)-8] + "AAAAAAAA", 401, "not signed"},
		"another audience": {other, 401, "for [\"https://vault"},
		"an application's": {app, 400, "application's own"},
	} {
		got := callMe(t, e, test.token, "")
		entry, _ := e.LastRequest(entratest.EndpointAPI)
		if got.status != test.status || !strings.Contains(entry.Reason, test.reason) {
			t.Errorf("%s: got %d %v, the journal has %q", name, got.status, got.body, entry.Reason)
		}
		if challenge := got.header.Get("WWW-Authenticate"); got.status == 401 && (!strings.HasPrefix(challenge, "Bearer ") || strings.Contains(challenge, "claims")) {
			t.Errorf("%s: challenge %q", name, challenge)
		}
	}
	clock.advance(25 * time.Hour)
	if got := callMe(t, e, good, ""); got.status != 401 {
		t.Errorf("expired: got %d %v", got.status, got.body)
	}
}
