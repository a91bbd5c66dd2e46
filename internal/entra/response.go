package entra

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

// A TokenResponse is a successful answer of the token endpoint (RFC 6749,
// section 5.1, with Entra's additions).
type TokenResponse struct {
	AccessToken string
	ExpiresOn   time.Time
	// ExtExpiresOn is until when resources may accept the token while Entra
	// is in trouble; ExpiresOn if the server did not say.
	ExtExpiresOn time.Time
	// RefreshOn is when the server asks for renewal; zero if it did not say.
	RefreshOn time.Time
	// Scope is what was granted, or empty if that is what was asked for.
	Scope string
}

// Format implements [fmt.Formatter]: it prints the times, never a token.
func (t TokenResponse) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "token until %s", t.ExpiresOn.Format(time.RFC3339))
}

// maxLifetime caps what an answer can claim, so that instants stay in range.
const maxLifetime = 10 * 365 * 24 * time.Hour

// decodeToken turns the answer with this status, header and body, to a request
// that was sent at sent, into a token or an [*Error].
func decodeToken(status int, header http.Header, body []byte, sent time.Time) (TokenResponse, error) {
	if status != http.StatusOK && status != http.StatusCreated {
		return TokenResponse{}, decodeError(status, header, body)
	}
	var r struct {
		AccessToken  string  `json:"access_token"`
		TokenType    string  `json:"token_type"`
		ExpiresIn    seconds `json:"expires_in"`
		ExpiresOn    seconds `json:"expires_on"`
		ExtExpiresIn seconds `json:"ext_expires_in"`
		RefreshIn    seconds `json:"refresh_in"`
		Scope        string  `json:"scope"`
		Error        string  `json:"error"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return TokenResponse{}, malformed(status, header, body, err)
	}
	fail := func(why string) (TokenResponse, error) {
		return TokenResponse{}, &Error{Status: status, Header: header, Problem: why}
	}
	switch {
	case r.Error != "":
		return TokenResponse{}, decodeError(status, header, body)
	case r.AccessToken == "":
		return fail("the answer has no access_token")
	case r.TokenType != "" && !strings.EqualFold(r.TokenType, "Bearer"):
		return fail("the answer has a token of another type than Bearer, which was asked for")
	}
	sent = sent.Round(0)
	t := TokenResponse{AccessToken: r.AccessToken, Scope: r.Scope}
	switch {
	case r.ExpiresIn.set:
		t.ExpiresOn = sent.Add(lifetime(r.ExpiresIn))
	case r.ExpiresOn.set:
		t.ExpiresOn = sent.Add(min(time.Unix(r.ExpiresOn.n, 0).Sub(sent), maxLifetime))
	default:
		return fail("the answer has neither expires_in nor expires_on")
	}
	t.ExpiresOn = t.ExpiresOn.UTC()
	t.ExtExpiresOn = t.ExpiresOn
	if r.ExtExpiresIn.set {
		t.ExtExpiresOn = sent.Add(lifetime(r.ExtExpiresIn)).UTC()
	}
	if r.RefreshIn.set && r.RefreshIn.n > 0 {
		t.RefreshOn = sent.Add(lifetime(r.RefreshIn)).UTC()
	}
	return t, nil
}

func lifetime(s seconds) time.Duration {
	if s.n > int64(maxLifetime/time.Second) {
		return maxLifetime
	}
	return time.Duration(max(s.n, math.MinInt32)) * time.Second
}

// malformed describes a body that is not the JSON it should be, without
// quoting it: it may be anything, a half-sent token included.
func malformed(status int, header http.Header, body []byte, err error) *Error {
	e := &Error{Status: status, Header: header, RetryAfter: retryAfter(header)}
	trimmed := bytes.TrimSpace(body)
	var syntax *json.SyntaxError
	switch {
	case len(trimmed) == 0:
		e.Problem = "the answer is empty"
	case trimmed[0] == '<':
		e.Problem = "the answer is a web page, not JSON"
		if title := htmlTitle(trimmed); title != "" {
			e.Problem += fmt.Sprintf(" (its title is %q)", title)
		}
		e.Problem += ": a proxy or a firewall may stand between this machine and the authority"
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(body)):
		e.Problem = "the answer ends in the middle of its JSON"
	default:
		e.Problem = "the answer is not the JSON of a token endpoint"
	}
	if trimmed != nil && status >= 300 {
		e.Body = body
	}
	return e
}

func htmlTitle(page []byte) string {
	lower := bytes.ToLower(page[:min(len(page), 4096)])
	i := bytes.Index(lower, []byte("<title>"))
	if i < 0 || len(lower) != min(len(page), 4096) {
		return ""
	}
	rest := page[i+len("<title>") : min(len(page), 4096)]
	j := bytes.IndexByte(rest, '<')
	if j < 0 {
		return ""
	}
	title := strings.Join(strings.Fields(strings.ToValidUTF8(string(rest[:j]), "")), " ")
	return title[:min(len(title), 80)]
}
