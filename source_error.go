package azidentity

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/azid-go/azidentity/internal/entra"
)

// A sourceError is an answer of an assertion source that is not an assertion.
type sourceError struct {
	text   string
	answer *entra.Error
}

// fromSource explains an error of an outside issuer: what did not happen, the
// server's own words, what to do, and how to find the request again.
func fromSource(what string, err error, next func(*entra.Error) string) error {
	var e *entra.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", what, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (HTTP status %d from %s)", what, e.Problem, e.Status, e.URL)
	if words := e.FirstLine(); words != "" {
		fmt.Fprintf(&b, "\n  It said: %s", words)
	}
	if next := next(e); next != "" {
		fmt.Fprintf(&b, "\n  Next: %s", next)
	}
	var ids []string
	for _, name := range []string{"x-vss-e2eid", "x-msedge-ref"} {
		if id := e.Header.Get(name); id != "" {
			ids = append(ids, fmt.Sprintf("%s %.200q", name, id))
		}
	}
	if len(ids) > 0 {
		fmt.Fprintf(&b, "\n  Request: %s", strings.Join(ids, ", "))
	}
	return &sourceError{b.String(), e}
}

func (e *sourceError) Error() string { return e.text }
func (e *sourceError) Unwrap() error { return e.answer }

// failure makes the error of one caller: the answer's body can be read once.
func (e *sourceError) failure(name string, cause error) *AuthenticationFailedError {
	f := &AuthenticationFailedError{message: name + ": " + e.text, cause: cause, RawResponse: rawResponse(e.answer)}
	if e.answer.RetryAfter > 0 {
		f.RetryAfter = max(time.Until(e.answer.Received.Add(e.answer.RetryAfter)), 0)
	}
	return f
}
