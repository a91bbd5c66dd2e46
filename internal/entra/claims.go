package entra

import (
	"encoding/json"
	"errors"
	"fmt"
)

// caeClaims declares that the client handles claims challenges (CP1), alone.
const caeClaims = `{"access_token":{"xms_cc":{"values":["CP1"]}}}`

// ErrInvalidClaims is in the tree of the error for a claims challenge that is
// not a JSON object.
var ErrInvalidClaims = errors.New("the claims must be a JSON object, decoded from base64 as the resource's challenge has them")

// mergeClaims returns the claims parameter for a request: the challenge, if
// any, and with cae the client's capability in it. The capability replaces one
// that the challenge names, as a client can only speak for itself.
func mergeClaims(challenge string, cae bool) (string, error) {
	if challenge == "" {
		if cae {
			return caeClaims, nil
		}
		return "", nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(challenge), &all); err != nil || all == nil {
		return "", ErrInvalidClaims
	}
	if !cae {
		return challenge, nil
	}
	var at map[string]json.RawMessage
	if raw, ok := all["access_token"]; ok {
		if err := json.Unmarshal(raw, &at); err != nil {
			return "", fmt.Errorf(`%w: its "access_token" is not an object`, ErrInvalidClaims)
		}
	}
	if at == nil {
		at = make(map[string]json.RawMessage)
	}
	at["xms_cc"] = json.RawMessage(`{"values":["CP1"]}`)
	raw, err := json.Marshal(at)
	if err != nil {
		return "", err
	}
	all["access_token"] = raw
	merged, err := json.Marshal(all)
	return string(merged), err
}
