package managedidentity

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"time"
)

// Read says what an answer means that came from a host which is not in the table
// of detections: the token, or the error, and whether to ask again. A host at a
// wellKnown address is judged as the metadata service is, others as those that the
// environment names. Status 0 is no answer.
func Read(wellKnown bool, status int, header http.Header, body []byte, asked time.Time) (t Token, e *Error, again bool) {
	verdicts, retries := hostVerdicts, hostRetries
	if wellKnown {
		verdicts, retries = imdsVerdicts, imdsRetries
	}
	a, s := answer{}, nothing
	switch {
	case len(body) > maxBody:
		s = other
	case status != 0:
		a, s = decode(body)
	}
	v := judge(verdicts, status, s)
	if v.verdict == Granted {
		l := life(a, asked)
		if l.expires.After(time.Now()) {
			return Token{a.AccessToken, l.expires, l.refresh}, nil, false
		}
		v = expired
	}
	e = &Error{
		Source: "the token host", Verdict: v.verdict, Status: status, Why: v.why, Tries: 1, Received: time.Now(),
		Header: header.Clone(), RetryAfter: retryAfter(header), Body: harmless(status, body),
	}
	if e.Body != nil {
		e.Code, e.Description = a.problem()
	}
	e.Claims = a.challenge(header)
	_, scheduled := schedule{rows: retries}.row(status)
	return Token{}, e, v.retry && scheduled
}

// expired is the verdict on a token that is of no use.
var expired = verdictRow{verdict: Fatal, why: "the token that came back has already expired: check this machine's clock"}

var claimsParameter = regexp.MustCompile(`(?i)\bclaims="?([A-Za-z0-9+/_=-]+)`)

// challenge returns the claims that a refusal asks for, as JSON, or nothing. Token
// endpoints write them into the body, resources into a header.
func (a answer) challenge(header http.Header) string {
	if a.Claims != "" {
		return string(a.Claims)
	}
	for _, value := range header.Values("WWW-Authenticate") {
		m := claimsParameter.FindStringSubmatch(value)
		if m == nil {
			continue
		}
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			if b, err := encoding.DecodeString(m[1]); err == nil {
				return string(b)
			}
		}
	}
	return ""
}
