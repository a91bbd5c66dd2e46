package managedidentity

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// An Error is a request that brought no token. Errors are immutable; many
// callers may hold one. None holds a secret or a token.
type Error struct {
	Source  Source
	Verdict Verdict // Unavailable or Fatal

	Method, URL string // of the request, without the query
	Status      int    // 0 if there was no answer
	Header      http.Header
	Body        []byte // nil if it may hold something secret

	Code, Description string // what the host says
	Claims            string // a challenge, as JSON
	Why               string // what that means
	Tries             int
	RetryAfter        time.Duration
	Received          time.Time

	cause error
	final bool // the answer would be the same
}

// Error says what came back and what it means, in a line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Source))
	switch {
	case e.Status != 0:
		fmt.Fprintf(&b, " answered %d %s", e.Status, http.StatusText(e.Status))
	case e.cause != nil:
		b.WriteString(": " + e.cause.Error())
	}
	if e.Code != "" || e.Description != "" {
		b.WriteString(" (" + strings.TrimSuffix(strings.TrimPrefix(e.Code+": "+e.Description, ": "), ": ") + ")")
	}
	if e.Why != "" {
		b.WriteString(": " + e.Why)
	}
	if e.Tries > 1 {
		fmt.Fprintf(&b, "; asked %d times", e.Tries)
	}
	return b.String()
}

// Unwrap returns why there was no answer, or nil.
func (e *Error) Unwrap() error { return e.cause }

// ThrottledFor returns for how long the host asks to be left alone.
func (e *Error) ThrottledFor() time.Duration {
	if !e.Throttled() {
		return 0
	}
	return e.RetryAfter
}

// RefusedForGood reports whether e is an answer, and no passing trouble.
func (e *Error) RefusedForGood() bool { return e.final && e.Status != 0 && !e.Throttled() }

// Throttled reports whether the host asks to be left alone.
func (e *Error) Throttled() bool {
	return e.RetryAfter > 0 && (e.Status == http.StatusTooManyRequests || e.Status >= 500)
}

// maxKept is how much of a refusal's body an error keeps.
const maxKept = 4 << 10

// harmless returns body if it can be shown: if it is no token, and nothing of
// what was sent in confidence comes back in it.
func harmless(status int, body []byte, secrets ...string) []byte {
	if status < 300 || len(body) > maxKept || bytes.Contains(body, []byte("access_token")) || !clean(string(body), secrets...) {
		return nil
	}
	return bytes.Clone(body)
}

// clean reports whether neither a secret nor half of one is in s, plain or
// encoded.
func clean(s string, secrets ...string) bool {
	for _, secret := range secrets {
		for _, form := range []string{
			secret, url.QueryEscape(secret), url.PathEscape(secret),
			base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			half := len(form) / 2
			if form == "" {
				continue
			}
			if half < 6 {
				half = len(form)
			}
			if strings.Contains(s, form[:half]) || strings.Contains(s, form[len(form)-half:]) {
				return false
			}
		}
	}
	return true
}
