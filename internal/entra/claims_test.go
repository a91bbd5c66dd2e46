package entra_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/azid-go/azidentity/internal/entra"
)

func TestMergeClaims(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		challenge string
		cae       bool
		want      string
	}{
		{"", false, ""},
		{"", true, `{"access_token":{"xms_cc":{"values":["CP1"]}}}`},
		{`{"access_token":{"nbf":{"essential":true}}}`, false, `{"access_token":{"nbf":{"essential":true}}}`},
		{`{"access_token":{"nbf":{"essential":true,"value":"1"}}}`, true, `{"access_token":{"nbf":{"essential":true,"value":"1"},"xms_cc":{"values":["CP1"]}}}`},
		{`{"access_token":{"xms_cc":{"values":["CP0","CP2"]},"a":1}}`, true, `{"access_token":{"xms_cc":{"values":["CP1"]},"a":1}}`},
		{`{"id_token":{"auth_time":{"essential":true}},"x":[1,null]}`, true, `{"id_token":{"auth_time":{"essential":true}},"x":[1,null],"access_token":{"xms_cc":{"values":["CP1"]}}}`},
		{`{"access_token":null}`, true, `{"access_token":{"xms_cc":{"values":["CP1"]}}}`},
		{`{"access_token":null}`, false, `{"access_token":null}`},
		{`{}`, true, `{"access_token":{"xms_cc":{"values":["CP1"]}}}`},
		{`{"access_token":{"n":12345678901234567890.125}}`, true, `{"access_token":{"n":12345678901234567890.125,"xms_cc":{"values":["CP1"]}}}`},
		{` { "access_token" : { } } `, true, `{"access_token":{"xms_cc":{"values":["CP1"]}}}`},
	} {
		got, err := entra.MergeClaims(tc.challenge, tc.cae)
		if err != nil || !sameJSON(got, tc.want) {
			t.Errorf("%s, %t: got %s, %v; want %s", tc.challenge, tc.cae, got, err, tc.want)
		}
	}
}

func TestMergeClaimsRefuses(t *testing.T) {
	t.Parallel()
	const plain = "the claims must be a JSON object, decoded from base64 as the resource's challenge has them"
	for challenge, want := range map[string]string{
		"x": plain, "{": plain, "null": plain, "[]": plain, `"{}"`: plain, "1": plain, "eyJhY2Nlc3NfdG9rZW4iOnt9fQ==": plain, `{} {}`: plain,
		`{"access_token":[]}`:  plain + `: its "access_token" is not an object`,
		`{"access_token":"x"}`: plain + `: its "access_token" is not an object`,
	} {
		got, err := entra.MergeClaims(challenge, true)
		if got != "" || !errors.Is(err, entra.ErrInvalidClaims) || err.Error() != want {
			t.Errorf("%s: got %q, %v; want %s", challenge, got, err, want)
		}
		transport, requests := answering(granted)
		r := request()
		r.Claims, r.CAE = challenge, true
		if _, err := newClient(t, transport).ClientCredentials(t.Context(), r); !errors.Is(err, entra.ErrInvalidClaims) || requests() != 0 {
			t.Errorf("%s: got %v after %d requests", challenge, err, requests())
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	if a == "" || b == "" {
		return a == b
	}
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}
