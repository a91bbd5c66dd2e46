package managedidentity

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
)

// text is a member that hosts write as a string or as a number. Anything else
// is as good as missing: one odd member must not cost a token.
type text string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	case len(b) > 0 && (b[0] == '-' || '0' <= b[0] && b[0] <= '9'):
		*t = text(b)
	}
	return nil
}

// An answer has the members that hosts' answers have, of tokens and refusals.
type answer struct {
	AccessToken string `json:"access_token"`
	ExpiresOn   text   `json:"expires_on"`
	ExpiresIn   text   `json:"expires_in"`
	RefreshIn   text   `json:"refresh_in"`
	ClientID    text   `json:"client_id"`
	ObjectID    text   `json:"object_id"`
	MSIResID    text   `json:"msi_res_id"`
	MIResID     text   `json:"mi_res_id"`

	// Error is a code, or an object (Service Fabric).
	Error       json.RawMessage `json:"error"`
	Description text            `json:"error_description"`
	Message     text            `json:"message"` // App Service
	Claims      text            `json:"claims"`
}

// A shape is what a body is, structurally. No text is looked at.
type shape int

const (
	other    shape = 1 << iota // anything else, HTML above all
	nothing                    // no body
	refusal                    // a JSON object with an error
	granted                    // a JSON object with a token and a word on its expiry
	anyShape = other | nothing | refusal | granted
)

// decode is the one place in which the bytes of a host become an answer.
func decode(body []byte) (answer, shape) {
	body = bytes.Trim(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n")
	if len(body) == 0 {
		return answer{}, nothing
	}
	var a answer
	if body[0] != '{' || json.Unmarshal(body, &a) != nil {
		return answer{}, other
	}
	if token := strings.TrimSpace(a.AccessToken); token != "" {
		if (a.ExpiresOn == "" && a.ExpiresIn == "") || !printable(token) {
			return answer{}, other
		}
		a.AccessToken = token
		return a, granted
	}
	if code, _ := a.problem(); code != "" {
		return a, refusal
	}
	if a.Message != "" {
		return a, refusal
	}
	return answer{}, other
}

// problem returns the error code and what the host says about it.
func (a answer) problem() (code, description string) {
	description = string(a.Description)
	if description == "" {
		description = string(a.Message)
	}
	if json.Unmarshal(a.Error, &code) == nil {
		return tidy(code), tidy(description)
	}
	var nested struct {
		Code    text `json:"code"`
		Message text `json:"message"`
	}
	if json.Unmarshal(a.Error, &nested) == nil {
		code, description = string(nested.Code), string(nested.Message)
	}
	return tidy(code), tidy(description)
}

// tidy makes a line of what somebody else wrote.
func tidy(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}

// names reports whether the answer says that it is for id.
func (a answer) names(id Identity) bool {
	var said []text
	switch id.Kind {
	case SystemAssigned:
		return true
	case ClientID:
		said = []text{a.ClientID}
	case ObjectID:
		said = []text{a.ObjectID}
	case ResourceID:
		said = []text{a.MSIResID, a.MIResID}
	}
	for _, s := range said {
		if strings.EqualFold(strings.TrimSpace(string(s)), strings.TrimSpace(id.Value)) {
			return true
		}
	}
	return false
}
