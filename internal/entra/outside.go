package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/azid-go/azidentity/internal/secret"
)

// An OutsideIssuer asks issuers other than Entra ID for assertions that Entra
// trusts, over HTTP: build services and the like. Requests go through the same
// pipeline, with its retries, and redirects are not followed either. It is safe
// for concurrent use.
type OutsideIssuer struct{ pipeline pipeline }

// NewOutsideIssuer uses module, version and options of cfg.
func NewOutsideIssuer(cfg Config) *OutsideIssuer { return &OutsideIssuer{newPipeline(cfg)} }

// An OutsideRequest is a request for an assertion. It has no body.
type OutsideRequest struct {
	Method, URL string
	Header      http.Header
	Secrets     []secret.Value // in URL or header, never to be repeated
	// Member is where the assertion is in a JSON answer, with dots between
	// the names of nested members. Empty: the answer is the assertion.
	Member string
}

// CheckURL says what is wrong with the URL of an issuer: requests for assertions
// carry secrets, and bring one. It does not repeat the query.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("it is not a URL such as https://host/path")
	case u.User != nil:
		return errors.New("it has a user name: use a header")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("http://%s would carry an assertion in the clear: only https, and http to this machine's loopback, are used", u.Host)
	}
	return fmt.Errorf("its scheme is %.20q, not https", u.Scheme)
}

// Assertion returns an assertion or an error, an [*Error] if there was an answer.
func (o *OutsideIssuer) Assertion(ctx context.Context, r OutsideRequest) (string, error) {
	form := new(Form) // knows the secrets; it is not sent
	for _, s := range r.Secrets {
		if !s.IsZero() {
			form.secrets = append(form.secrets, namedSecret{value: s})
		}
	}
	place := withoutQuery(r.URL)
	resp, body, err := o.pipeline.exchange(ctx, r.Method, r.URL, nil, r.Header)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // its text has the URL with the query
		}
		return "", fmt.Errorf("no answer from %s: %w", form.scrub(place), err)
	}
	jwt, e := decodeAssertion(resp.StatusCode, resp.Header, body, r.Member)
	if e != nil {
		e.describe(resp.Header, r.Method, form.scrub(place), form)
		return "", e
	}
	return jwt, nil
}

func withoutQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the issuer"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// tokenLike is the beginning of what may be a token.
var tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}`)

// decodeAssertion turns an answer into an assertion or an error. What came with
// status 200 is quoted nowhere: it may hold an assertion in another place.
func decodeAssertion(status int, header http.Header, body []byte, member string) (string, *Error) {
	text := strings.TrimSpace(string(trimBOM(body)))
	e := &Error{Status: status, Header: header}
	page := strings.HasPrefix(text, "<")
	if status == http.StatusOK {
		switch {
		case text == "":
			e.Problem = "the answer is empty"
		case page:
			e.Problem = "the answer is a web page, not an assertion"
		case member == "":
			return text, nil
		default:
			jwt, ok := memberOf([]byte(text), strings.Split(member, "."))
			if ok && strings.TrimSpace(jwt) != "" {
				return strings.TrimSpace(jwt), nil
			}
			e.Problem = fmt.Sprintf("the answer has no text in the member %q", member)
			if !json.Valid([]byte(text)) {
				e.Problem = "the answer is not JSON"
			}
		}
		return "", e
	}
	e.RetryAfter = retryAfter(header)
	switch {
	case 300 <= status && status < 400:
		e.Problem = "the answer is a redirect, which is not followed"
		if u, err := url.Parse(header.Get("Location")); err == nil && u.Host != "" {
			e.Problem = "the answer is a redirect to " + oneLine(u.Hostname(), 100) + ", which is not followed"
		}
	case page:
		e.Problem = "the answer is a web page, not an assertion"
	default:
		e.Problem = "the answer is no assertion"
	}
	if tokenLike.MatchString(text) {
		return "", e
	}
	e.Body = body
	if page {
		if m := htmlTitle.FindStringSubmatch(text[:min(len(text), 4096)]); m != nil {
			e.Description = oneLine(html.UnescapeString(m[1]), 200)
		}
	} else {
		e.Description = reason(text)
	}
	return "", e
}

// memberOf follows names into nested objects, to a text.
func memberOf(text []byte, names []string) (string, bool) {
	for _, name := range names {
		var object map[string]json.RawMessage
		if json.Unmarshal(text, &object) != nil {
			return "", false
		}
		text = object[name]
	}
	var value string
	return value, json.Unmarshal(text, &value) == nil
}

// reason returns the server's own words in an error.
func reason(text string) string {
	var r struct {
		Message     json.RawMessage `json:"message"`
		Description json.RawMessage `json:"error_description"`
		Error       json.RawMessage `json:"error"`
	}
	if json.Unmarshal([]byte(text), &r) != nil {
		if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
			return "" // cut off, or of a form that nobody knows
		}
		return oneLine(text, 200)
	}
	for _, raw := range []json.RawMessage{r.Message, r.Description, r.Error} {
		var words string
		if json.Unmarshal(raw, &words) == nil && words != "" {
			return oneLine(words, 300)
		}
		if nested, ok := memberOf(raw, []string{"message"}); ok && nested != "" {
			return oneLine(nested, 300)
		}
	}
	return ""
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
