package assertion_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity/internal/assertion"
)

func token(claims string) string {
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2lnbmF0dXJl"
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, jwt, want string }{ // the clock reads 2000-01-01 00:00 UTC, 946684800
		{"expired", token(`{"iss":"https://issuer","sub":"repo:a/b","aud":"api://AzureADTokenExchange","exp":946684620}`),
			`issuer "https://issuer", subject "repo:a/b", audience "api://AzureADTokenExchange", expired 3m ago`},
		{"valid", token(`{"iss":"i","sub":"s","aud":"a","exp":946684815}`), `issuer "i", subject "s", audience "a", expires in 15s`},
		{"several audiences", token(`{"iss":"i","sub":"s","aud":["a","b"],"exp":946684815}`), `issuer "i", subject "s", audience "a,b", expires in 15s`},
		{"not yet", token(`{"iss":"i","sub":"s","aud":"a","nbf":946688400,"exp":946692000}`), `issuer "i", subject "s", audience "a", not valid for another 1h0m, expires in 2h0m`},
		{"numbers in quotes", token(`{"iss":"i","sub":"s","aud":"a","exp":"946684740"}`), `issuer "i", subject "s", audience "a", expired 1m0s ago`},
		{"fraction", token(`{"iss":"i","sub":"s","aud":"a","exp":946684815.7}`), `issuer "i", subject "s", audience "a", expires in 15s`},
		{"nothing", token(`{}`), `issuer none, subject none, audience none, no expiry`},
		{"odd types", token(`{"iss":1,"sub":null,"aud":{"a":1},"exp":"soon"}`), `issuer none, subject none, audience none, no expiry`},
		{"terminal codes", token(`{"iss":"\u001b[2J\n"}`), `issuer "\x1b[2J\n", subject none, audience none, no expiry`},
		{"padding and white space", " " + strings.Replace(token(`{"iss":"i?"}`), ".c2ln", "==.c2ln", 1) + "\n", `issuer "i?", subject none, audience none, no expiry`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d, err := assertion.Describe(tt.jwt)
				if err != nil || d.String() != tt.want {
					t.Errorf("\n got %s, %v\nwant %s", d, err, tt.want)
				}
			})
		})
	}
	if d, _ := assertion.Describe(token(`{"exp":946684800}`)); !d.Expires.Equal(time.Unix(946684800, 0)) {
		t.Errorf("expires: got %v", d.Expires)
	}
}

func TestDescribeRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ jwt, want string }{
		{"", "the assertion is empty"},
		{"secret", "the assertion is not a JSON web token: it has 1 parts separated by dots, not 3"},
		{"a.b.c.d.e", "the assertion is encrypted (JWE): a signed token (JWS) is needed"},
		{"a.!!!.c", "the assertion is not a JSON web token: its second part is not base64"},
		{token("[]"), "the assertion is not a JSON web token: its second part is not a JSON object"},
		{strings.Repeat("a", 300_000), "the assertion has 300000 bytes, more than a token can have"},
	}
	for _, tt := range tests {
		if _, err := assertion.Describe(tt.jwt); err == nil || err.Error() != tt.want {
			t.Errorf("%.20q: got %v, want %s", tt.jwt, err, tt.want)
		}
	}
}
