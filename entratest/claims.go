package entratest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// claimsRequest is what the emulator honours of a claims parameter (OpenID
// Connect Core section 5.5).
type claimsRequest struct {
	cae       bool      // the client handles continuous access evaluation
	notBefore time.Time // the token must not be older
	acrs      []string  // authentication contexts
}

// claimsTolerance is how far ahead of the emulator's clock a claims challenge may
// ask a token to be issued: the resource that wrote it has its own clock.
const claimsTolerance = 5 * time.Minute

// parseClaims reads a claims parameter; an empty one asks for nothing.
func parseClaims(text string, now time.Time) (claimsRequest, *refusal) {
	var out claimsRequest
	if text == "" {
		return out, nil
	}
	malformed := func(reason string) (claimsRequest, *refusal) {
		return claimsRequest{}, refuse(9002313, "the claims parameter is unusable: "+reason,
			"Invalid request. The claims parameter is malformed or invalid.")
	}
	var document struct {
		AccessToken map[string]*struct {
			Essential bool  `json:"essential"`
			Value     any   `json:"value"`
			Values    []any `json:"values"`
		} `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return malformed(err.Error())
	}
	for name, member := range document.AccessToken {
		if member == nil {
			continue // asked for as a voluntary claim, nothing to honour
		}
		values := make([]string, 0, len(member.Values)+1)
		if member.Value != nil {
			values = append(values, claimText(member.Value))
		}
		for _, v := range member.Values {
			values = append(values, claimText(v))
		}
		switch name {
		case "xms_cc":
			out.cae = slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, "CP1") })
		case "acrs":
			out.acrs = values
		case "nbf":
			if !member.Essential || len(values) == 0 {
				continue
			}
			seconds, err := strconv.ParseInt(values[0], 10, 64)
			if err != nil {
				return malformed("nbf is not a number of seconds")
			}
			out.notBefore = time.Unix(seconds, 0)
			if out.notBefore.After(now.Add(claimsTolerance)) {
				return malformed(fmt.Sprintf("it asks for a token not before %s, more than %v from now",
					out.notBefore.UTC().Format(time.RFC3339), claimsTolerance))
			}
		}
	}
	return out, nil
}

// claimText writes a requested value as text; resources send numbers either way.
func claimText(v any) string {
	if n, ok := v.(float64); ok {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
