package azidentity_test

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity"
)

func TestTokenHostAnswer(t *testing.T) {
	t.Parallel()
	const (
		granted, unavailable, refused = "granted", "unavailable", "refused"
		claims                        = `{"access_token":{"nbf":{"essential":true}}}`
	)
	encoded := base64.StdEncoding.EncodeToString([]byte(claims))
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i+1 < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	for _, tt := range []struct {
		name      string
		wellKnown bool
		status    int
		header    http.Header
		body      string
		want      string
		retry     bool
		after     time.Duration
		claims    string
	}{
		{"token", true, 200, nil, `{"access_token":"t","expires_in":"3600"}`, granted, false, 0, ""},
		{"token, configured", false, 202, nil, `{"access_token":"t","expires_in":3600}`, granted, false, 0, ""},
		{"old token", false, 200, nil, `{"access_token":"t","expires_on":"1500000000"}`, refused, false, 0, ""},
		{"nobody", true, 0, nil, "", unavailable, true, 0, ""},
		{"nobody, configured", false, 0, nil, "", refused, true, 0, ""},
		{"portal", true, 200, nil, "<html>", unavailable, false, 0, ""},
		{"portal, configured", false, 200, nil, "<html>", refused, false, 0, ""},
		{"no identity", true, 400, nil, `{"error":"invalid_request"}`, unavailable, false, 0, ""},
		{"no identity, configured", false, 400, nil, `{"error":"invalid_request"}`, refused, false, 0, ""},
		{"refused", true, 403, nil, `{"error":"access_denied"}`, refused, false, 0, ""},
		{"proxy", true, 403, nil, "unreachable", unavailable, false, 0, ""},
		{"redirect", false, 302, header("Location", "http://elsewhere.example.com/"), "", refused, false, 0, ""},
		{"too often", true, 429, header("Retry-After", "7"), "", refused, true, 7 * time.Second, ""},
		{"too often, milliseconds", false, 429, header("Retry-After-Ms", "1500"), `{"error":"slow_down"}`, refused, true, 1500 * time.Millisecond, ""},
		{"updated", true, 410, nil, "", refused, true, 0, ""},
		{"problem", false, 503, nil, "", refused, true, 0, ""},
		{"not found", false, 404, nil, "", refused, true, 0, ""},
		{"conflict", false, 409, nil, "", refused, false, 0, ""},
		{"claims in the body", false, 401, nil, `{"error":"interaction_required","claims":"{\"access_token\":{\"nbf\":{\"essential\":true}}}"}`, refused, false, 0, claims},
		{"claims in the header", true, 401, header("WWW-Authenticate", `Bearer realm="", error="insufficient_claims", claims="`+encoded+`"`), `{"error":"unauthorized"}`, refused, false, 0, claims},
		{"claims that are none", false, 401, header("WWW-Authenticate", `Bearer claims="~"`), "", refused, false, 0, ""},
		{"oversized", true, 200, nil, `{"access_token":"` + strings.Repeat("x", 2<<20) + `","expires_in":1}`, unavailable, false, 0, ""},
	} {
		v := azidentity.TokenHostAnswer{
			Credential: "HostCredential", WellKnown: tt.wellKnown, StatusCode: tt.status, Header: tt.header, Body: []byte(tt.body),
		}.Judge()
		var failed *azidentity.AuthenticationFailedError
		got := refused
		switch {
		case v.Err == nil:
			got = granted
		case azidentity.IsCredentialUnavailable(v.Err):
			got = unavailable
		case !errors.As(v.Err, &failed) || failed.Claims != tt.claims || failed.RetryAfter != tt.after || (failed.RawResponse == nil) != (tt.status == 0):
			t.Errorf("%s: the error is %#v", tt.name, v.Err)
		}
		if got != tt.want || v.Retry != tt.retry || v.RetryAfter != tt.after || v.Claims != tt.claims {
			t.Errorf("%s: got %s, retry %v after %v, claims %q (%v)", tt.name, got, v.Retry, v.RetryAfter, v.Claims, v.Err)
		}
		if life := time.Until(v.Token.ExpiresOn); got == granted && (v.Token.Token != "t" || life < 59*time.Minute || life > time.Hour) {
			t.Errorf("%s: got the token %+v", tt.name, v.Token)
		}
		if v.Err != nil && (!strings.HasPrefix(v.Err.Error(), "HostCredential: ") || v.Token.Token != "") {
			t.Errorf("%s: got %v with %+v", tt.name, v.Err, v.Token)
		}
	}
}

// Whatever a host answers, there is a token or an error, and no error holds a
// token.
func FuzzTokenHostAnswer(f *testing.F) {
	const canary = "canary7f3a91b25c4de6f7"
	f.Add(true, 200, "", `{"access_token":"`+canary+`","expires_in":"3600"}`)
	f.Add(false, 200, "", `{"access_token":"`+canary+`","expires_on":"x"}`)
	f.Add(false, 500, `Bearer claims="e30="`, `{"error":{"code":"c","message":"m"},"access_token":"`+canary+`"}`)
	f.Add(true, 0, "", "")
	f.Fuzz(func(t *testing.T, wellKnown bool, status int, challenge, body string) {
		v := azidentity.TokenHostAnswer{
			Credential: "C", WellKnown: wellKnown, StatusCode: status, Body: []byte(body), Header: http.Header{"Www-Authenticate": {challenge}},
		}.Judge()
		if (v.Err == nil) != (v.Token.Token != "") || v.Err == nil && !v.Token.ExpiresOn.After(time.Now()) {
			t.Errorf("got %+v", v)
		}
		if v.Err == nil || !strings.Contains(body, `"access_token":"`+canary+`"`) {
			return
		}
		text := v.Err.Error()
		var failed *azidentity.AuthenticationFailedError
		if errors.As(v.Err, &failed) && failed.RawResponse != nil {
			b, _ := io.ReadAll(failed.RawResponse.Body)
			text += string(b)
		}
		if strings.Contains(text, canary) && !strings.Contains(strings.Replace(body, canary, "", 1), canary) {
			t.Errorf("the token is in %s", text)
		}
	})
}
