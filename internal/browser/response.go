package browser

import (
	"crypto/subtle"
	"errors"
	"net/url"
	"strings"
	"unicode"

	"github.com/azid-go/azidentity/internal/secret"
)

// A Response is what the authorize endpoint answered: either Code, or Error and
// what belongs to it. Texts come from outside; they are one line of printable
// characters of bounded length.
type Response struct {
	Code       secret.Value
	ClientInfo string // as it came: base64url JSON

	Error            string // RFC 6749, section 4.1.2.1
	SubError         string // "cancel" if the person gave up
	ErrorDescription string
	ErrorURI         string // an http or https URL, or empty
	Claims           string // what the service asks for, with some errors
}

// codeDeclined is Entra ID's code for a consent that the person declined.
const codeDeclined = "AADSTS65004"

// Cancelled reports whether the person ended the sign-in. The service also says
// access_denied when it is the one that denies, but then says why.
func (r Response) Cancelled() bool {
	code, _, _ := strings.Cut(r.ErrorDescription, ":")
	return r.Error == "access_denied" && (r.SubError == "cancel" || code == codeDeclined || !strings.HasPrefix(code, "AADSTS"))
}

// Why something is no answer of the sign-in that waits. Errors that wrap them
// hold nothing of what was received.
var (
	// ErrNoAnswer is for what has neither a code nor an error.
	ErrNoAnswer = errors.New("there is no answer of a sign-in in it")
	// ErrOtherSignIn is for answers with another state, or none.
	ErrOtherSignIn = errors.New("it is the answer of another sign-in, or of an older try: use the newest sign-in window")
	// ErrMalformed is for answers that RFC 6749 does not allow.
	ErrMalformed = errors.New("it is damaged, or not an answer of a sign-in")
)

// maxAnswer bounds an answer in bytes. Codes are one to two thousand long.
const maxAnswer = 64 << 10

// ParseRedirect reads the answer from the address to which the browser was sent
// at the end, for a person whose browser runs on another machine: there, the page
// cannot be reached, but its address can be copied and pasted. That takes an
// authorize request with response_mode=query; a form's answer is not in the
// address. The address may have line breaks from a terminal, quotes around it, or
// be only the query. state is the request's, and not empty.
//
// An error wraps [ErrNoAnswer], [ErrOtherSignIn] or [ErrMalformed]. That the
// service refused is no error, but a [Response] with Error.
func ParseRedirect(address, state string) (Response, error) {
	if len(address) > maxAnswer {
		return Response{}, ErrMalformed
	}
	address = strings.Map(func(c rune) rune { // a URL has none of these
		if unicode.IsSpace(c) || strings.ContainsRune(`"'<>`, c) {
			return -1
		}
		return c
	}, address)
	address, _, _ = strings.Cut(address, "#")
	if _, query, found := strings.Cut(address, "?"); found {
		address = query
	} else if strings.Contains(address, "://") {
		return Response{}, ErrNoAnswer
	}
	return parseQuery(address, state)
}

// parseQuery reads an answer in the form that queries and forms share.
func parseQuery(query, state string) (Response, error) {
	v, err := url.ParseQuery(query)
	if err != nil {
		return Response{}, ErrMalformed // err repeats a part of the query
	}
	// RFC 6749, section 3.1: no parameter comes twice, and an empty one is none.
	one := func(name string) string {
		switch values := v[name]; len(values) {
		case 0:
			return ""
		case 1:
			return values[0]
		default:
			err = ErrMalformed
			return ""
		}
	}
	got := one("state")
	r := Response{
		Code:       secret.New(one("code")),
		ClientInfo: one("client_info"),

		Error:            line(one("error"), 200),
		SubError:         line(one("suberror"), 200),
		ErrorDescription: line(one("error_description"), 2000),
		ErrorURI:         webAddress(one("error_uri")),
		Claims:           one("claims"),
	}
	if sub := line(one("error_subcode"), 200); r.SubError == "" {
		r.SubError = sub // what Microsoft's sign-in pages call it
	}
	switch {
	case err != nil:
		return Response{}, err
	case r.Code.IsZero() && r.Error == "":
		return Response{}, ErrNoAnswer
	case state == "" || subtle.ConstantTimeCompare([]byte(got), []byte(state)) != 1:
		return Response{}, ErrOtherSignIn
	case !r.Code.IsZero() && r.Error != "":
		return Response{}, ErrMalformed
	}
	return r, nil
}

// line makes s fit for a terminal: printable, on one line, at most max
// characters.
func line(s string, limit int) string {
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, " "))
	s = strings.Join(strings.Fields(s), " ")
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// webAddress returns s if it can be shown as a link.
func webAddress(s string) string {
	if safe, err := printable(s); err == nil && len(safe) <= 2000 {
		return safe
	}
	return ""
}

// printable returns the http or https URL s in the characters that RFC 3986
// allows and that no shell, command line or page takes for anything but text:
// without quotes, spaces, backslashes, controls and all that is not ASCII.
func printable(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", errors.New("it cannot be parsed") // err repeats it
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", errors.New("it does not begin with https:// or http:// and a host")
	case u.User != nil:
		return "", errors.New("it has a user name in it")
	}
	var b strings.Builder
	for _, c := range []byte(u.String()) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"'<>\\^`{|}", c) >= 0 {
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}
