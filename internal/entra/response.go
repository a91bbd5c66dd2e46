package entra

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"math"
	"net/http"
	"regexp"
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
	// RefreshOn is when the server asks for renewal, before ExpiresOn; zero if
	// it did not say.
	RefreshOn time.Time
	// Scope is what was granted, or empty if that is what was asked for.
	Scope string
	// RefreshToken gets further tokens for the user, or is empty.
	RefreshToken string
	// IDToken and ClientInfo say who the user is: see [Client.Account]. Both are
	// as the server wrote them, and empty in answers to applications.
	IDToken, ClientInfo string
	// FamilyID is not empty if the refresh token works for all applications of
	// Microsoft's family of that name ("1").
	FamilyID string
}

// Format implements [fmt.Formatter]: it prints the times, never a token.
func (t TokenResponse) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "token until %s", t.ExpiresOn.Format(time.RFC3339))
}

// LogValue implements [slog.LogValuer] likewise.
func (t TokenResponse) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(t)) }

// maxLifetime caps what an answer can claim, so that instants stay in range.
const maxLifetime = 10 * 365 * 24 * time.Hour

// decodeToken turns the answer with this status, header and body, to a request
// that was sent at sent, into a token or an [*Error].
func decodeToken(status int, header http.Header, body []byte, sent time.Time) (TokenResponse, error) {
	if status != http.StatusOK && status != http.StatusCreated {
		return TokenResponse{}, decodeError(status, header, body)
	}
	var r tokenAnswer
	// A member of the wrong type is passed over, and is missed below if it matters.
	if err := r.decode(body); err != nil && r.AccessToken == "" && r.Error == "" {
		return TokenResponse{}, malformed(status, header, body)
	}
	fail := func(why string) (TokenResponse, error) {
		return TokenResponse{}, &Error{Status: status, Header: header, Problem: why}
	}
	switch {
	case r.Error != "":
		return TokenResponse{}, decodeError(status, header, body)
	case r.AccessToken == "":
		return fail("the answer has no access_token")
	case r.TokenType != "" && !strings.EqualFold(r.TokenType, bearer):
		return fail("the answer has a token of another type than Bearer, which was asked for")
	}
	sent = sent.Round(0) // expiry is a matter of the wall clock, which sleep and suspension move
	t := TokenResponse{AccessToken: r.AccessToken, Scope: r.Scope, RefreshToken: r.RefreshToken,
		IDToken: r.IDToken, ClientInfo: r.ClientInfo, FamilyID: r.FamilyID}
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
	if ext := sent.Add(lifetime(r.ExtExpiresIn)).UTC(); r.ExtExpiresIn.set && ext.After(t.ExpiresOn) {
		t.ExtExpiresOn = ext
	}
	if on := sent.Add(lifetime(r.RefreshIn)).UTC(); r.RefreshIn.n > 0 && on.Before(t.ExpiresOn) {
		t.RefreshOn = on
	}
	return t, nil
}

func lifetime(s seconds) time.Duration {
	if s.n > int64(maxLifetime/time.Second) {
		return maxLifetime
	}
	return time.Duration(max(s.n, math.MinInt32)) * time.Second
}

// tokens are the members of an answer that nothing may quote.
type tokens struct {
	Access  json.RawMessage `json:"access_token"`
	Refresh json.RawMessage `json:"refresh_token"`
	ID      json.RawMessage `json:"id_token"`
}

func (t tokens) any() bool { return len(t.Access)+len(t.Refresh)+len(t.ID) > 0 }

// trimBOM cuts off the byte order mark that some proxies put before JSON.
func trimBOM(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) }

// malformed describes a body that is not the JSON it should be, without
// quoting it: it may be anything, a half-sent token included.
func malformed(status int, header http.Header, body []byte) *Error {
	e := &Error{Status: status, Header: header, RetryAfter: retryAfter(header)}
	text := bytes.TrimSpace(trimBOM(body))
	switch {
	case len(text) == 0:
		e.Problem = "the answer is empty"
	case text[0] == '<':
		e.Problem = "the answer is a web page, not JSON"
		if m := htmlTitle.FindSubmatch(text[:min(len(text), 4096)]); m != nil {
			e.Problem += fmt.Sprintf(" (its title is %q)", oneLine(html.UnescapeString(string(m[1])), 80))
		}
		e.Problem += ": a proxy or a firewall may stand between this machine and the authority"
	case errors.Is(json.NewDecoder(bytes.NewReader(text)).Decode(new(json.RawMessage)), io.ErrUnexpectedEOF):
		e.Problem = "the answer ends in the middle of its JSON"
	default:
		e.Problem = "the answer is not the JSON of a token endpoint"
	}
	if status >= 300 && !bytes.Contains(text, []byte("_token")) {
		e.Body = body
	}
	return e
}

var htmlTitle = regexp.MustCompile(`(?i)<title[^>]*>([^<]*[^<\s][^<]*)`)
