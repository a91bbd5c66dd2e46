package entratest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// jwt is a decoded token whose signature has not been looked at.
type jwt struct {
	header map[string]any
	claims map[string]any

	signed    []byte // what the signature covers
	signature []byte
}

// parseJWT reads a compact JWS. Its errors say what is wrong with the form and
// repeat nothing of the content.
func parseJWT(text string) (*jwt, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("it has %d parts, a JWT has 3", len(parts))
	}
	t := &jwt{signed: []byte(parts[0] + "." + parts[1])}
	for i, part := range []struct {
		name string
		into *map[string]any
	}{{"header", &t.header}, {"claims", &t.claims}} {
		data, err := decodeBase64(parts[i])
		if err != nil {
			return nil, fmt.Errorf("its %s part is not base64url", part.name)
		}
		if json.Unmarshal(data, part.into) != nil || *part.into == nil {
			return nil, fmt.Errorf("its %s part is not a JSON object", part.name)
		}
	}
	var err error
	if t.signature, err = decodeBase64(parts[2]); err != nil {
		return nil, errors.New("its signature part is not base64url")
	}
	return t, nil
}

// decodeBase64 takes both alphabets, padded or not: Entra does, and the common
// clients differ in which they send.
func decodeBase64(s string) ([]byte, error) {
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	return base64.RawURLEncoding.DecodeString(s)
}

// verify checks the signature with the algorithm the header names, which the
// caller has to have allowed.
func (t *jwt) verify(key *rsa.PublicKey) error {
	sum := sha256.Sum256(t.signed)
	switch t.alg() {
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], t.signature)
	case "PS256":
		// RFC 7518 section 3.5 fixes the salt at the size of the hash.
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], t.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return fmt.Errorf("algorithm %q is not supported", t.alg())
}

func (t *jwt) alg() string { return t.headerString("alg") }

func (t *jwt) headerString(name string) string {
	s, _ := t.header[name].(string)
	return s
}

func (t *jwt) claim(name string) string {
	s, _ := t.claims[name].(string)
	return s
}

// audiences returns aud, which may be one string or a list.
func (t *jwt) audiences() []string {
	switch aud := t.claims["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var all []string
		for _, a := range aud {
			if s, ok := a.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// date reads a NumericDate. MSAL.NET sends decimal strings, which Entra accepts.
func (t *jwt) date(name string) (at time.Time, present bool, err error) {
	v, present := t.claims[name]
	if !present {
		return time.Time{}, false, nil
	}
	seconds, isNumber := v.(float64)
	if s, ok := v.(string); ok {
		var err error
		seconds, err = strconv.ParseFloat(s, 64)
		isNumber = err == nil
	}
	if !isNumber || math.IsNaN(seconds) || math.Abs(seconds) > 1<<40 {
		return time.Time{}, true, fmt.Errorf("its %s claim is not a number of seconds", name)
	}
	return time.Unix(int64(seconds), 0), true, nil
}
