package assertion

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxToken is above any assertion: servers refuse headers and forms long before.
const maxToken = 256 << 10

// Description is what an assertion made elsewhere says of itself. Nothing of it
// is verified. A claim that is missing, or of a type it should not have, is empty.
type Description struct {
	Issuer, Subject string
	Audience        string // joined with commas if there are several
	NotBefore       time.Time
	Expires         time.Time
}

// Describe decodes the claims of a JSON web token. Its errors repeat nothing of
// the token.
func Describe(jwt string) (Description, error) {
	jwt = strings.TrimSpace(jwt)
	if len(jwt) > maxToken {
		return Description{}, fmt.Errorf("the assertion has %d bytes, more than a token can have", len(jwt))
	}
	switch parts := strings.Count(jwt, ".") + 1; {
	case jwt == "":
		return Description{}, errors.New("the assertion is empty")
	case parts == 5:
		return Description{}, errors.New("the assertion is encrypted (JWE): a signed token (JWS) is needed")
	case parts != 3:
		return Description{}, fmt.Errorf("the assertion is not a JSON web token: it has %d parts separated by dots, not 3", parts)
	}
	_, rest, _ := strings.Cut(jwt, ".")
	payload, _, _ := strings.Cut(rest, ".")
	payload = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(payload, "="))
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return Description{}, errors.New("the assertion is not a JSON web token: its second part is not base64")
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal(text, &claims) != nil {
		return Description{}, errors.New("the assertion is not a JSON web token: its second part is not a JSON object")
	}
	return Description{
		Issuer:    claimText(claims["iss"]),
		Subject:   claimText(claims["sub"]),
		Audience:  claimText(claims["aud"]),
		NotBefore: claimTime(claims["nbf"]),
		Expires:   claimTime(claims["exp"]),
	}, nil
}

// claimText reads a string or a list of strings.
func claimText(raw json.RawMessage) string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one
	}
	var several []string
	if json.Unmarshal(raw, &several) == nil {
		return strings.Join(several, ",")
	}
	return ""
}

// claimTime reads a number, also in quotes, as .NET writes it.
func claimTime(raw json.RawMessage) time.Time {
	const year9999 = 253402300799
	seconds, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil || !(seconds > 0 && seconds <= year9999) {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// String completes the sentence "the assertion has …", as of now.
func (d Description) String() string {
	s := fmt.Sprintf("issuer %s, subject %s, audience %s", shown(d.Issuer), shown(d.Subject), shown(d.Audience))
	now := time.Now()
	if d.NotBefore.After(now) {
		s += fmt.Sprintf(", not valid for another %s", span(d.NotBefore.Sub(now)))
	}
	switch {
	case d.Expires.IsZero():
		return s + ", no expiry"
	case d.Expires.After(now):
		return s + fmt.Sprintf(", expires in %s", span(d.Expires.Sub(now)))
	}
	return s + fmt.Sprintf(", expired %s ago", span(now.Sub(d.Expires)))
}

// shown quotes: what stands in a token is not ours to put on a terminal as it is.
func shown(claim string) string {
	if claim == "" {
		return "none"
	}
	if len(claim) > 256 {
		return fmt.Sprintf("%.256q…", claim)
	}
	return strconv.Quote(claim)
}

func span(d time.Duration) string {
	if d > time.Minute {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(time.Second).String()
}
