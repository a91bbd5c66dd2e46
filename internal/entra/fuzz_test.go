package entra_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/azid-go/azidentity/internal/entra"
)

func FuzzDecodeToken(f *testing.F) {
	for _, a := range answers(f) {
		f.Add(a.status, a.header.Get("Retry-After"), a.body)
	}
	f.Fuzz(func(t *testing.T, status int, after string, body []byte) {
		h := http.Header{"Retry-After": {after}}
		token, err := entra.DecodeToken(status, h, body, sent)
		if err == nil {
			longest := sent.AddDate(11, 0, 0)
			switch {
			case token.AccessToken == "" || status != 200 && status != 201:
				t.Fatalf("status %d, %q: a token from nothing", status, body)
			case token.ExpiresOn.IsZero() || token.ExpiresOn.After(longest) || token.ExtExpiresOn.After(longest) || token.ExtExpiresOn.Before(token.ExpiresOn):
				t.Fatalf("%q: expires %v, extended %v", body, token.ExpiresOn, token.ExtExpiresOn)
			case !token.RefreshOn.IsZero() && (!token.RefreshOn.Before(token.ExpiresOn) || !token.RefreshOn.After(sent)):
				t.Fatalf("%q: refresh %v, expires %v", body, token.RefreshOn, token.ExpiresOn)
			}
			return
		}
		if token != (entra.TokenResponse{}) {
			t.Fatalf("%q: both a token and %v", body, err)
		}
		var e *entra.Error
		if !errors.As(err, &e) {
			t.Fatalf("%q: got a %T", body, err)
		}
		checkError(t, e, status, body)
	})
}

func FuzzDecodeError(f *testing.F) {
	for _, a := range answers(f) {
		f.Add(a.status, a.header.Get("Retry-After"), a.body)
	}
	f.Fuzz(func(t *testing.T, status int, after string, body []byte) {
		checkError(t, entra.DecodeError(status, http.Header{"Retry-After": {after}}, body), status, body)
	})
}

func checkError(t *testing.T, e *entra.Error, status int, body []byte) {
	t.Helper()
	text := e.Error()
	switch {
	case e.Status != status || (e.Code == "" && e.Description == "") != (e.Problem != ""):
		t.Fatalf("%q: got %#v", body, e)
	case e.RetryAfter < 0 || e.RetryAfter > 11*365*24*time.Hour || e.ThrottledFor() < 0:
		t.Fatalf("retry after %v", e.RetryAfter)
	case text == "" || len(text) > 1000 || !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n\x00\x1b\x7f"):
		t.Fatalf("%q: the text is %q", body, text)
	case slices.ContainsFunc(e.Codes, func(n int) bool { return n < 0 }) || len(e.Codes) > 20:
		t.Fatalf("%q: codes %v", body, e.Codes)
	}
	_, _ = e.AdviceFor()
	var r struct {
		Token string `json:"access_token"`
	}
	// A token that is another member's text as well is the fuzzer's invention.
	if json.Unmarshal(body, &r) == nil && len(r.Token) >= 16 && strings.Count(string(body), r.Token) == 1 {
		if all := fmt.Sprintf("%v %+v %s", e, *e, e.Body); strings.Contains(all, r.Token) {
			t.Fatalf("%q: the error has the token: %s", body, all)
		}
	}
}

func FuzzDecodeInstances(f *testing.F) {
	f.Add(200, []byte(`{"metadata":[{"preferred_network":"a","aliases":["login.private.example.com","b"]}]}`), private)
	for _, a := range answers(f) {
		f.Add(a.status, a.body, private)
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, host string) {
		aliases, err := entra.DecodeInstances(status, http.Header{}, body, host)
		if err != nil && aliases != nil {
			t.Fatalf("both %q and %v", aliases, err)
		}
		if aliases != nil && !slices.ContainsFunc(aliases, func(a string) bool { return strings.EqualFold(a, host) }) {
			t.Fatalf("%q are not the aliases of %q", aliases, host)
		}
	})
}

func FuzzDecodeMetadata(f *testing.F) {
	for _, endpoint := range []string{"https://h.example.com/t/token", "https://h.example.com/{tenantid}/token", "https://h/%2e%2e/t", "https://[::1]:1/t", "http://h/t", "https://a@b/t", "//h/t"} {
		f.Add([]byte(fmt.Sprintf(`{"issuer":"https://h.example.com/t/v2.0","token_endpoint":%q}`, endpoint)), "h.example.com", "t")
	}
	f.Fuzz(func(t *testing.T, body []byte, host, tenant string) {
		if !entra.ValidTenant(tenant) || !entra.ValidHost(host) {
			return
		}
		got, err := entra.DecodeMetadata(body, host, tenant, nil)
		if (err == nil) == (got == "") {
			t.Fatalf("got %q, %v", got, err)
		}
		if err != nil {
			return
		}
		endpoint := strings.ReplaceAll(got, entra.TenantMark, tenant)
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "https" || !entra.ValidHost(u.Host) || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Count(got, entra.TenantMark) > 1 {
			t.Fatalf("%q for %s: got %q, parsed as %#v, %v", body, tenant, got, u, err)
		}
		if _, err := http.NewRequest(http.MethodPost, endpoint, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseAuthority(f *testing.F) {
	for _, s := range []string{
		"login.microsoftonline.com", "https://login.microsoftonline.us/", "https://h/adfs", "https://h/dstsv2/t", "https://u:p@h", "http://h", "h:8443", "[::1]:1",
		"https:", "h/%61dfs", "https://h/dstsv2/%2e%2e", " HTTPS://H ",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, tenant, err := entra.ParseAuthority(s)
		if err != nil {
			if a != (entra.Authority{}) || tenant != "" {
				t.Fatalf("%q: both %v and %v", s, a, err)
			}
			return
		}
		if !entra.ValidHost(a.Host()) || a.Host() != strings.ToLower(a.Host()) || tenant != "" && !entra.ValidTenant(tenant) {
			t.Fatalf("%q: host %q, tenant %q", s, a.Host(), tenant)
		}
		endpoint := a.Endpoint("t", "token")
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "https" || u.Host != a.Host() || u.User != nil || !strings.HasSuffix(u.Path, "/token") {
			t.Fatalf("%q: endpoint %q, %v", s, endpoint, err)
		}
		// What is printed can be read again.
		again, _, err := entra.ParseAuthority("https://" + a.Host())
		if err != nil || again.Host() != a.Host() {
			t.Fatalf("%q: %q becomes %q, %v", s, a.Host(), again.Host(), err)
		}
	})
}

func FuzzMergeClaims(f *testing.F) {
	for _, s := range []string{"", "{}", "null", `{"access_token":null}`, `{"access_token":{"xms_cc":{"values":["x"]}},"a":[1]}`, `{"access_token":5}`, "[]", `{"a":1,"a":2}`} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, challenge string, cae bool) {
		got, err := entra.MergeClaims(challenge, cae)
		if err != nil {
			if got != "" || !errors.Is(err, entra.ErrInvalidClaims) {
				t.Fatalf("%q: got %q, %v", challenge, got, err)
			}
			return
		}
		if !cae {
			if got != challenge {
				t.Fatalf("%q became %q", challenge, got)
			}
			return
		}
		var all map[string]any
		if err := json.Unmarshal([]byte(got), &all); err != nil {
			t.Fatalf("%q became %q: %v", challenge, got, err)
		}
		at, _ := all["access_token"].(map[string]any)
		if cc, _ := json.Marshal(at["xms_cc"]); string(cc) != `{"values":["CP1"]}` {
			t.Fatalf("%q became %q", challenge, got)
		}
		var before map[string]any
		if challenge == "" {
			return
		}
		if err := json.Unmarshal([]byte(challenge), &before); err != nil {
			t.Fatal(err)
		}
		for name := range before {
			if _, ok := all[name]; !ok {
				t.Fatalf("%q became %q, without %q", challenge, got, name)
			}
		}
		if again, err := entra.MergeClaims(got, true); err != nil || !sameJSON(got, again) {
			t.Fatalf("%q is not stable: %q, %v", got, again, err)
		}
	})
}
