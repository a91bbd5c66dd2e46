package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// An Error is an answer of an authority that is not a token: a refusal (RFC
// 6749, section 5.2, with Entra's additions) or something that is no answer of
// a token endpoint at all. Errors are immutable; many callers may hold one.
type Error struct {
	Method string // of the request
	URL    string // of the request, without query and user info

	Status int         // HTTP status code
	Header http.Header // of the answer
	Body   []byte      // of the answer, without what was secret in the request; nil if it may hold a token

	Code        string // "error": the only field to decide on
	Description string // "error_description"
	Codes       []int  // AADSTS numbers, the most specific first
	SubError    string // "suberror"
	Claims      string // "claims": to be sent with the next, interactive, request
	TraceID     string // "trace_id"
	Correlation string // "correlation_id"
	Timestamp   string // "timestamp", as the server writes it
	Presented   string // what the assertion in the request says of itself, if that may be why
	Next        string // what to do, if whoever made the assertion knows better than the advice on the codes
	ProofFrom   string // where the proof that was refused came from, and what became of that
	Problem     string // what is wrong with an answer that is not a refusal

	Received   time.Time     // when the answer was there
	RetryAfter time.Duration // how long the server asks to wait from then; 0 if it does not
	Offset     time.Duration // server's clock less this machine's, to the second, if the answer has a date
}

// defaultThrottle is for a 429 that does not say how long.
const defaultThrottle = 5 * time.Second

// holdsOff reports whether the same request, to the letter, is not to be sent again and
// again. Who polls (RFC 8628, section 3.5) does just that.
func (e *Error) holdsOff() bool {
	return e.Final() && e.Code != "authorization_pending" && e.Code != "slow_down"
}

// ThrottledFor returns how long this request is better not repeated: what the
// server asks for when it is overloaded or refuses for frequency.
func (e *Error) ThrottledFor() time.Duration {
	switch {
	case e.RetryAfter > 0 && throttles(e.Status):
		return e.RetryAfter
	case e.Status == http.StatusTooManyRequests:
		return defaultThrottle
	}
	return 0
}

// throttles reports whether Retry-After, with this status, asks to leave the
// server alone.
func throttles(status int) bool { return status == http.StatusTooManyRequests || status >= 500 }

// Final reports whether e refuses this very request, rather than any for now: whether
// another may fare better, and the same had better not be sent again.
func (e *Error) Final() bool {
	return e.Code != "" && 400 <= e.Status && e.Status < 500 && e.Status != http.StatusRequestTimeout && e.Status != http.StatusTooManyRequests
}

// Has reports whether e carries AADSTS number code.
func (e *Error) Has(code int) bool { return slices.Contains(e.Codes, code) }

// Error is one line: what happened, the codes, and the server's own words.
func (e *Error) Error() string {
	first := e.FirstLine()
	switch {
	case e.Problem != "":
		return fmt.Sprintf("%s (HTTP status %d from %s)", e.Problem, e.Status, e.URL)
	case e.Code != "" && first != "":
		return e.Code + ": " + first
	case first != "":
		return first
	case e.Code != "":
		return fmt.Sprintf("%s (HTTP status %d from %s)", e.Code, e.Status, e.URL)
	}
	return fmt.Sprintf("HTTP status %d from %s", e.Status, e.URL)
}

// tail begins the identifiers at the end of a description.
var tail = regexp.MustCompile(`\s*(Trace ID|Correlation ID|Timestamp): `)

// FirstLine returns the description without the identifiers that follow it.
func (e *Error) FirstLine() string {
	d := e.Description
	if at := tail.FindStringIndex(d); at != nil {
		d = d[:at[0]]
	}
	return oneLine(d, 600)
}

// oneLine makes a server's words fit to be shown: without line breaks and
// control characters, and at most size bytes long but for the mark of a cut.
func oneLine(s string, size int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
	if len(s) > size {
		s = strings.ToValidUTF8(s[:size], "") + "…"
	}
	return s
}

var aadsts = regexp.MustCompile(`AADSTS(\d{3,9})`)

// decodeError turns any answer that is not a success into an [Error]. It never
// fails: what cannot be read becomes a Problem.
func decodeError(status int, header http.Header, body []byte) *Error {
	var r struct {
		Error       string            `json:"error"`
		Description string            `json:"error_description"`
		Codes       []json.RawMessage `json:"error_codes"` // numbers; some servers write strings
		SubError    string            `json:"suberror"`
		Claims      json.RawMessage   `json:"claims"`
		Trace       string            `json:"trace_id"`
		Correlation string            `json:"correlation_id"`
		Timestamp   string            `json:"timestamp"`
		tokens
	}
	// A member of the wrong type is passed over, and the others are read.
	_ = json.Unmarshal(trimBOM(body), &r)
	r.Error, r.Description = oneLine(r.Error, 100), strings.TrimSpace(r.Description)
	if r.Error == "" && r.Description == "" {
		e := malformed(status, header, body)
		if throttles(status) {
			e.Problem = "the authority is overloaded or failing"
			if status == http.StatusTooManyRequests {
				e.Problem = "the authority refuses for now: too many requests"
			}
		} else if 300 <= status && status < 400 {
			e.Problem = "the answer is a redirect, which is not followed: a request for a token carries secrets"
		}
		return e
	}
	e := &Error{
		Status: status, Header: header, Body: body,
		Code: r.Error, Description: r.Description, SubError: oneLine(r.SubError, 100),
		TraceID: oneLine(r.Trace, 100), Correlation: oneLine(r.Correlation, 100), Timestamp: oneLine(r.Timestamp, 100),
		RetryAfter: retryAfter(header),
	}
	if r.any() {
		e.Body = nil
	}
	// The claims are a string that holds JSON; some servers send the object.
	if json.Unmarshal(r.Claims, &e.Claims) != nil && len(r.Claims) > 0 && r.Claims[0] == '{' {
		e.Claims = string(r.Claims)
	}
	for _, m := range aadsts.FindAllStringSubmatch(r.Description, 4) {
		if n, err := strconv.Atoi(m[1]); err == nil && !slices.Contains(e.Codes, n) {
			e.Codes = append(e.Codes, n)
		}
	}
	for _, c := range r.Codes[:min(len(r.Codes), 16)] {
		if n, err := strconv.Atoi(strings.Trim(string(c), `"`)); err == nil && n > 0 && !slices.Contains(e.Codes, n) {
			e.Codes = append(e.Codes, n)
		}
	}
	return e
}
