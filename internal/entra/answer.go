package entra

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"
)

// tokenAnswer are the members of a success that matter here.
type tokenAnswer struct {
	AccessToken  string  `json:"access_token"`
	TokenType    string  `json:"token_type"`
	ExpiresIn    seconds `json:"expires_in"`
	ExpiresOn    seconds `json:"expires_on"`
	ExtExpiresIn seconds `json:"ext_expires_in"`
	RefreshIn    seconds `json:"refresh_in"`
	Scope        string  `json:"scope"`
	RefreshToken string  `json:"refresh_token"`
	IDToken      string  `json:"id_token"`
	ClientInfo   string  `json:"client_info"`
	FamilyID     string  `json:"foci"`
	Error        string  `json:"error"`
}

const bearer = "Bearer"

// decode reads body. Answers in the plain form that Entra writes are scanned,
// which takes a tenth of the time; all others go to encoding/json. The two
// agree on every input that the first accepts.
func (a *tokenAnswer) decode(body []byte) error {
	if a.scan(body) {
		return nil
	}
	*a = tokenAnswer{}
	return json.Unmarshal(trimBOM(body), a)
}

// scan reads an object whose names are small letters and underscores, and whose
// values are whole numbers or strings of plain ASCII without escapes. It reports
// false, with a in an undefined state, on anything else.
func (a *tokenAnswer) scan(b []byte) bool {
	b = trimSpace(b)
	if len(b) < 2 || b[0] != '{' {
		return false
	}
	for b = b[1:]; ; {
		name, rest, ok := scanString(trimSpace(b))
		if !ok || !plainName(name) {
			return false
		}
		if rest = trimSpace(rest); len(rest) == 0 || rest[0] != ':' {
			return false
		}
		if rest = trimSpace(rest[1:]); len(rest) == 0 {
			return false
		}
		if rest[0] == '"' {
			var value []byte
			if value, rest, ok = scanString(rest); !ok {
				return false
			}
			a.setText(string(name), value)
		} else {
			var n int64
			if n, rest, ok = scanNumber(rest); !ok || !a.setNumber(string(name), n) {
				return false
			}
		}
		if rest = trimSpace(rest); len(rest) == 0 {
			return false
		}
		switch b = rest[1:]; rest[0] {
		case ',':
		case '}':
			return len(trimSpace(b)) == 0
		default:
			return false
		}
	}
}

func (a *tokenAnswer) setText(name string, value []byte) {
	switch name {
	case "access_token":
		a.AccessToken = string(value)
	case "token_type":
		if a.TokenType = bearer; string(value) != bearer {
			a.TokenType = string(value)
		}
	case "scope":
		a.Scope = string(value)
	case "refresh_token":
		a.RefreshToken = string(value)
	case "id_token":
		a.IDToken = string(value)
	case "client_info":
		a.ClientInfo = string(value)
	case "foci":
		a.FamilyID = string(value)
	case "error":
		a.Error = string(value)
	default:
		if s := a.number(name); s != nil {
			s.parse(string(value))
		}
	}
}

// setNumber reports false for a member that should have been a string.
func (a *tokenAnswer) setNumber(name string, n int64) bool {
	switch name {
	case "access_token", "token_type", "scope", "refresh_token", "id_token", "client_info", "foci", "error":
		return false
	}
	if s := a.number(name); s != nil {
		s.n, s.set = n, true
	}
	return true
}

func (a *tokenAnswer) number(name string) *seconds {
	switch name {
	case "expires_in":
		return &a.ExpiresIn
	case "expires_on":
		return &a.ExpiresOn
	case "ext_expires_in":
		return &a.ExtExpiresIn
	case "refresh_in":
		return &a.RefreshIn
	}
	return nil
}

// trimSpace cuts off JSON's white space at the beginning.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\r' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// scanString cuts a string of printable ASCII without escapes off b.
func scanString(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != '"' {
		return nil, nil, false
	}
	end := bytes.IndexByte(b[1:], '"')
	if end < 0 {
		return nil, nil, false
	}
	value, rest = b[1:end+1], b[end+2:]
	if bytes.IndexByte(value, '\\') >= 0 || !printable(value) {
		return nil, nil, false
	}
	return value, rest, true
}

// printable reports whether b is ASCII without control characters. It looks at
// eight bytes at a time, and may say no to some that are, but never yes to others.
func printable(b []byte) bool {
	const high, space, one = 0x8080808080808080, 0x2020202020202020, 0x0101010101010101
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		// The high bit of a byte shows if the byte has it, if it borrows below a
		// space, or if one more would reach it, as with DEL.
		if (x|(x-space)|(x+one))&high != 0 {
			return false
		}
	}
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func plainName(name []byte) bool {
	for _, c := range name {
		if c != '_' && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// scanNumber cuts a whole number of at most twelve digits off b.
func scanNumber(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	if i == 0 || i > 12 || i > 1 && b[0] == '0' {
		return 0, nil, false
	}
	n, err := strconv.ParseInt(string(b[:i]), 10, 64)
	return n, b[i:], err == nil
}
