package entra_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/internal/entra"
)

var canaries = map[string]string{
	"secret":     "abc8Q~defGHI.jklMNO-pqrSTU_vwx4Y5Z6a7b8c",
	"punctuated": `p&q<r>s"t'u\v/w+x y%41z=#?;:{}[]|$^é~`,
	"assertion":  "eyJhbGciOiJQUzI1NiJ9.eyJzdWIiOiJjYW5hcnktYXBwbGljYXRpb24iLCJqdGkiOiI3In0.c2lnbmF0dXJlLW9mLXRoZS1jYW5hcnktXy1hc3NlcnRpb24",
	"short":      "pw1!",
	"spaces":     "correct horse battery staple",
	"slashes":    "ab/cd//ef\\gh\\\\ij/kl==",
}

// encodings are the ways in which a server, or a proxy on the way, may write
// down what it received. body is the request's, s the secret in it.
var encodings = map[string]func(body, s string) string{
	"form":      func(body, _ string) string { return body },
	"plain":     func(_, s string) string { return "got <" + s + ">" },
	"path":      func(_, s string) string { return "/echo/" + url.PathEscape(s) + "/" },
	"lower hex": func(body, _ string) string { return lowerHex(body) },
	"all hex": func(_, s string) string {
		return "%" + strings.ToUpper(regexp.MustCompile("..").ReplaceAllString(hex.EncodeToString([]byte(s)), "$0%")) + "20"
	},
	"html": func(_, s string) string { return "<p>" + html.EscapeString(s) + "</p>" },
	"html by names": func(_, s string) string {
		return strings.NewReplacer("&", "&amp;", `"`, "&quot;", "'", "&apos;", "/", "&#x2F;", "+", "&plus;").Replace(s)
	},
	"json":           func(_, s string) string { b, _ := json.Marshal(s); return string(b) },
	"json, all":      func(_, s string) string { return jsonEscapeAll(s) },
	"json, slashes":  func(_, s string) string { b, _ := json.Marshal(s); return strings.ReplaceAll(string(b), "/", `\/`) },
	"json of a form": func(body, _ string) string { return jsonEscapeAll(body) },
	"html of a form": func(body, _ string) string { return html.EscapeString(body) },
	"base64":         func(_, s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64, form":   func(body, _ string) string { return base64.StdEncoding.EncodeToString([]byte(body)) },
	"base64, form+1": func(body, _ string) string { return base64.RawURLEncoding.EncodeToString([]byte("1" + body + "&a=b")) },
	"base64, form+2": func(body, _ string) string { return base64.URLEncoding.EncodeToString([]byte("12" + body + "&a=bc")) },
}

func lowerHex(s string) string {
	return regexp.MustCompile("%[0-9A-F]{2}").ReplaceAllStringFunc(s, strings.ToLower)
}

func jsonEscapeAll(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}

// places are where an echo may stand in an answer.
var places = map[string]func(echo string) (int, string, http.Header){
	"error_description": func(echo string) (int, string, http.Header) {
		return 400, toJSON(map[string]any{"error": "invalid_client", "error_description": "AADSTS7000215: " + echo, "error_codes": []int{7000215}}), nil
	},
	"description, html not escaped": func(echo string) (int, string, http.Header) {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(map[string]any{"error": "invalid_client", "error_description": echo})
		return 401, b.String(), nil
	},
	"every member": func(echo string) (int, string, http.Header) {
		return 401, toJSON(map[string]any{"error": echo, "suberror": echo, "claims": echo, "trace_id": echo, "correlation_id": echo, "timestamp": echo, "more": echo}), nil
	},
	"a claims object": func(echo string) (int, string, http.Header) {
		return 400, toJSON(map[string]any{"error": "interaction_required", "claims": map[string]any{"access_token": echo, echo: 1}}), nil
	},
	"other JSON": func(echo string) (int, string, http.Header) { return 403, toJSON(map[string]any{"request": echo}), nil },
	"raw JSON":   func(echo string) (int, string, http.Header) { return 403, `{"request":"` + echo + `"`, nil },
	"a page": func(echo string) (int, string, http.Header) {
		return 502, "<html><body>" + echo + "</body></html>", nil
	},
	"a title": func(echo string) (int, string, http.Header) {
		return 403, "<html><title>" + html.EscapeString(echo) + "</title>", nil
	},
	"a raw title": func(echo string) (int, string, http.Header) { return 200, "<html><title>" + echo + "</title>", nil },
	"text":        func(echo string) (int, string, http.Header) { return 400, echo, nil },
	"status 200": func(echo string) (int, string, http.Header) {
		return 200, toJSON(map[string]any{"error": "e", "error_description": echo}), nil
	},
	"a type": func(echo string) (int, string, http.Header) {
		return 200, toJSON(map[string]any{"access_token": "x", "token_type": echo}), nil
	},
	"a header": func(echo string) (int, string, http.Header) {
		return 307, "", http.Header{"Location": {"a", "https://evil.example.com/?" + echo}}
	},
	"a truncated body": func(echo string) (int, string, http.Header) {
		return 400, `{"error":"invalid_client","error_description":"` + echo, nil
	},
}

func toJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// Pain 4: what a server echoes of the request is in no error.
func TestPain4Echo(t *testing.T) {
	t.Parallel()
	for name, secret := range canaries {
		t.Run(name, func(t *testing.T) { t.Parallel(); testEcho(t, name, secret) })
	}
}

func testEcho(t *testing.T, name, secret string) {
	for encoding, encode := range encodings {
		for place, put := range places {
			if name == "short" && strings.HasPrefix(encoding, "base64") {
				continue // four letters in base64 are found in any text
			}
			var echoed int
			server := transporter(func(r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				code, text, header := put(encode(string(body), secret))
				echoed++
				return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
			})
			r := request()
			r.Auth = &proof{secret: secret}
			c := newClient(t, &server, func(cfg *entra.Config) { cfg.Options.Retry.MaxRetries = -1 })
			_, err := c.ClientCredentials(t.Context(), r)
			var e *entra.Error
			if !errors.As(err, &e) || echoed != 1 {
				t.Fatalf("%s, %s, %s: got %v after %d requests, want an Error", name, encoding, place, err, echoed)
			}
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Error("m", "err", err, "e", e)
			texts := []string{
				err.Error(), fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), fmt.Sprintf("%+v", *e), string(e.Body),
				e.Description, e.Problem, e.FirstLine(), fmt.Sprint(e.Header), log.String(),
			}
			for _, text := range texts {
				if run := leak(text, secret); run != "" {
					t.Errorf("%s, %s, %s: %q is in %.300q", name, encoding, place, run, text)
					break
				}
			}
		}
	}
}

var (
	escaped  = regexp.MustCompile(`\\u[0-9a-f]{4}`)
	lettered = regexp.MustCompile(`[\w+/-]{16,}`)
)

// leak returns a run of s that stands in text, as it is or after decoding.
func leak(text, s string) string {
	const long = 12
	size := min(len(s), long)
	texts := []string{text, html.UnescapeString(text)}
	for _, t := range texts[:2:2] {
		if u, err := url.QueryUnescape(t); err == nil {
			texts = append(texts, u)
		}
		texts = append(texts, escaped.ReplaceAllStringFunc(t, func(e string) string {
			var n rune
			_, _ = fmt.Sscanf(e, `\u%04x`, &n)
			return string(n)
		}))
	}
	for _, run := range lettered.FindAllString(text, -1) {
		run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
		for i := range 4 {
			b, _ := base64.RawStdEncoding.DecodeString(run[i : i+(len(run)-i)/4*4])
			texts = append(texts, string(b))
		}
	}
	for _, t := range texts {
		for i := range len(s) - size + 1 {
			if strings.Contains(t, s[i:i+size]) {
				return s[i : i+size]
			}
		}
	}
	return ""
}

// What holds no secret stays as it was.
func TestScrubLeavesTheRest(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"error":"invalid_client","error_description":"AADSTS7000215: 100% wrong \\ + caf\u00e9 &amp; [more]"}`,
		"<html><title>Denied</title>%zz \\u12 &nosuch; eyJhbGciOiJub25lIn0</html>",
	} {
		transport, _ := answering(status(401, body, "X-Ms-Request-Id", "7f9d1c2e", "Date", "Wed, 04 Mar 2026 05:06:07 GMT"))
		r := request()
		r.Auth = &proof{secret: canaries["secret"]}
		_, err := newClient(t, transport).ClientCredentials(t.Context(), r)
		var e *entra.Error
		if !errors.As(err, &e) || string(e.Body) != body || e.Header.Get("X-Ms-Request-Id") != "7f9d1c2e" {
			t.Errorf("got %v with body %s, want %s", err, e.Body, body)
		}
	}
	if got := fmt.Sprintf("%v %+v %#v", new(entra.Form), new(entra.Form), new(entra.Form)); strings.Count(got, "[REDACTED]") != 3 {
		t.Errorf("a form prints as %s", got)
	}
	f := new(entra.Form)
	f.SetSecret("client_secret", "")
	if f.Secret("client_secret") != "" || f.Secret("nothing") != "" {
		t.Error("secrets from nowhere")
	}
}
