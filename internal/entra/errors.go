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
	Problem     string // what is wrong with an answer that is not a refusal

	RetryAfter time.Duration // how long the server asks to wait; 0 if it does not
	Offset     time.Duration // server's clock less this machine's, to the second, if the answer has a date
}

// defaultThrottle is for a 429 that does not say how long.
const defaultThrottle = 5 * time.Second

// ThrottledFor returns how long this request is better not repeated: what the
// server asks for when it is overloaded or refuses for frequency.
func (e *Error) ThrottledFor() time.Duration {
	switch {
	case e.RetryAfter > 0 && (e.Status == http.StatusTooManyRequests || e.Status >= 500):
		return e.RetryAfter
	case e.Status == http.StatusTooManyRequests:
		return defaultThrottle
	}
	return 0
}

// Has reports whether e carries AADSTS number code.
func (e *Error) Has(code int) bool { return slices.Contains(e.Codes, code) }

// Error is one line: what happened, the codes, and the server's own words.
func (e *Error) Error() string {
	switch {
	case e.Problem != "":
		return fmt.Sprintf("%s (HTTP status %d from %s)", e.Problem, e.Status, e.URL)
	case e.Description != "":
		return fmt.Sprintf("%s: %s", e.Code, e.FirstLine())
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
	d = strings.Join(strings.Fields(d), " ")
	if len(d) > 600 {
		d = strings.ToValidUTF8(d[:600], "") + "…"
	}
	return d
}

var aadsts = regexp.MustCompile(`AADSTS(\d{3,9})`)

// decodeError turns any answer that is not a success into an [Error]. It never
// fails: what cannot be read becomes a Problem.
func decodeError(status int, header http.Header, body []byte) *Error {
	var r struct {
		Error       string          `json:"error"`
		Description string          `json:"error_description"`
		Codes       json.RawMessage `json:"error_codes"`
		SubError    string          `json:"suberror"`
		Claims      json.RawMessage `json:"claims"`
		Trace       string          `json:"trace_id"`
		Correlation string          `json:"correlation_id"`
		Timestamp   string          `json:"timestamp"`
	}
	if err := json.Unmarshal(body, &r); err != nil || r.Error == "" && r.Description == "" {
		e := malformed(status, header, body, err)
		if status == http.StatusTooManyRequests || status >= 500 {
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
		Code: r.Error, Description: r.Description, SubError: r.SubError,
		TraceID: r.Trace, Correlation: r.Correlation, Timestamp: r.Timestamp,
		RetryAfter: retryAfter(header),
	}
	// The claims are a string that holds JSON; some servers send the object.
	if json.Unmarshal(r.Claims, &e.Claims) != nil && len(r.Claims) > 0 && r.Claims[0] == '{' {
		e.Claims = string(r.Claims)
	}
	var codes []int
	if json.Unmarshal(r.Codes, &codes) != nil {
		codes = nil
	}
	for _, m := range aadsts.FindAllStringSubmatch(r.Description, 4) {
		if n, err := strconv.Atoi(m[1]); err == nil {
			e.Codes = append(e.Codes, n)
		}
	}
	for _, n := range codes {
		if !slices.Contains(e.Codes, n) {
			e.Codes = append(e.Codes, n)
		}
	}
	return e
}

// retryAfter reads the headers by which servers ask for patience.
func retryAfter(h http.Header) time.Duration {
	for name, unit := range map[string]time.Duration{"Retry-After-Ms": time.Millisecond, "X-Ms-Retry-After-Ms": time.Millisecond} {
		if n, err := strconv.Atoi(h.Get(name)); err == nil && n > 0 {
			return time.Duration(min(n, 1<<40)) * unit
		}
	}
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil {
		return time.Duration(max(min(n, 1<<30), 0)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}
