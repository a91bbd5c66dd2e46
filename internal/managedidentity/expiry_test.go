package managedidentity_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/azid-go/azidentity/internal/managedidentity"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// jwt is a token that says that it expires then.
func jwt(exp time.Time) string {
	return "e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, exp.Unix())) + ".sig"
}

// Pain 55: what hosts write, in all the forms that were reported. 0 is an
// expiry that nothing tells.
func TestPain55ExpiryFormats(t *testing.T) {
	t.Parallel()
	const h = time.Hour
	in := func(d time.Duration) string { return noon.Add(d).Format(time.RFC3339) }
	for i, tt := range []struct {
		on, in string // JSON; empty: missing
		want   time.Duration
	}{
		{`"1780318800"`, ``, h},
		{`1780318800`, ``, h},
		{`1780318800.5`, ``, h},
		{`" 1780318800 "`, ``, h},
		{`1780318800000`, ``, h},
		{`"1780318800"`, `""`, h},
		{`"1780318800"`, `"soon"`, h},
		{`"1780318800"`, `"60"`, h},
		{`"3600"`, ``, h},
		{`3600`, ``, h},
		{``, `"3600"`, h},
		{``, `3600`, h},
		{``, `3600.5`, h + 500*time.Millisecond},
		{``, `"3600.0"`, h},
		{`null`, `3600`, h},
		{`""`, `3600`, h},
		{`{}`, `3600`, h},
		{`"2026-06-01T13:00:00Z"`, ``, h},
		{`"2026-06-01T13:00:00.000Z"`, ``, h},
		{`"2026-06-01T13:00:00.1234567Z"`, ``, h + 123456700},
		{`"2026-06-01T15:00:00+02:00"`, ``, h},
		{`"2026-06-01T13:00:00"`, ``, h},
		{`"2026-06-01 13:00:00"`, ``, h},
		{`"2026-06-01 13:00:00 +00:00"`, ``, h},
		{`"2026-06-01 13:00:00Z"`, ``, h},
		{`"06/01/2026 13:00:00 +00:00"`, ``, h},
		{`"06/01/2026 13:00:00"`, ``, h},
		{`"06/01/2026 13:00:00 +0000"`, ``, h},
		{`"6/1/2026 1:00:00 PM +00:00"`, ``, h},
		{`"6/1/2026 1:00:00 pm +00:00"`, ``, h},
		{"\"6/1/2026 1:00:00\u202fPM +00:00\"", ``, h}, // ICU 72 and later
		{"\"\u200e6/1/2026 1:00:00 PM\"", ``, h},
		{`"6/1/2026 3:00:00 PM +02:00"`, ``, h},
		{`"Mon, 01 Jun 2026 13:00:00 GMT"`, ``, h},
		{`"06/01/2026 13:00:00 UTC"`, ``, h},
		{`"2026-06-01T13:00:00Z"`, `"60"`, h},
		{`"23/06/2026 13:00:00"`, ``, 0}, // day first
		{`"23.06.2026 13:00:00"`, ``, 0}, // German
		{`"never"`, ``, 0},
		{`"-5"`, ``, 0},
		{`"NaN"`, `"Inf"`, managedidentity.Ceiling},
		{`"1e400"`, ``, 0},
		{`"` + in(90*24*h) + `"`, ``, managedidentity.Ceiling},
		{`99999999999`, ``, managedidentity.Ceiling},
	} {
		body := `{"access_token":"opaque"`
		if tt.on != "" {
			body += `,"expires_on":` + tt.on
		}
		if tt.in != "" {
			body += `,"expires_in":` + tt.in
		}
		expires, _, guessed, ok := managedidentity.Life([]byte(body+"}"), noon)
		want := tt.want
		if want == 0 {
			want = managedidentity.ShortLife
		}
		if got := expires.Sub(noon); !ok || got != want || guessed != (tt.want == 0) {
			t.Errorf("%d: %s: got %v, guessed %v, ok %v; want %v", i, body, got, guessed, ok, want)
		}
	}
}

// Pain 55: the token's own expiry mends what was misread and shortens what is
// too long. It never lengthens a good answer.
func TestPain55TheTokensOwnExpiry(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		on   string
		own  time.Duration
		want time.Duration
	}{
		{`"never"`, time.Hour, time.Hour},
		{`"1780318800"`, 30 * time.Minute, 30 * time.Minute},
		{`"1780318800"`, 24 * time.Hour, time.Hour},
		{`"06/01/2026 01:00:00"`, time.Hour, time.Hour}, // twelve-hour clock without AM or PM
		{`"2036-01-01T00:00:00Z"`, 24 * time.Hour, 24 * time.Hour},
		{`"2036-01-01T00:00:00Z"`, 240 * time.Hour, managedidentity.Ceiling},
	} {
		body := `{"access_token":"` + jwt(noon.Add(tt.own)) + `","expires_on":` + tt.on + `}`
		expires, _, guessed, ok := managedidentity.Life([]byte(body), noon)
		if got := expires.Sub(noon); !ok || guessed || got != tt.want {
			t.Errorf("%s and %v: got %v, want %v", tt.on, tt.own, got, tt.want)
		}
	}
}

func TestRenewalTimes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		members string
		want    time.Duration // 0: none
	}{
		{`"expires_in":3600`, 0},
		{`"expires_in":7200`, 0},
		{`"expires_in":86400`, 12 * time.Hour},
		{`"expires_in":86400,"refresh_in":"3600"`, time.Hour},
		{`"expires_in":3600,"refresh_in":1800`, 30 * time.Minute},
		{`"expires_in":3600,"refresh_in":"7200"`, 0},
		{`"expires_in":86400,"refresh_in":"x"`, 12 * time.Hour},
	} {
		_, refresh, _, ok := managedidentity.Life([]byte(`{"access_token":"t",`+tt.members+`}`), noon)
		got := refresh.Sub(noon)
		if refresh.IsZero() {
			got = 0
		}
		if !ok || got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.members, got, tt.want)
		}
	}
}

func FuzzPain55Expiry(f *testing.F) {
	for _, s := range []string{"1780318800", "6/1/2026 1:00:00 PM +00:00", "2026-06-01T13:00:00Z", "06/20/2019 02:57:58 +00:00", "3600", "", "\u202f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		one, ok := managedidentity.Instant(s, noon)
		two, again := managedidentity.Instant(" "+s+" ", noon)
		if ok != again || !one.Equal(two) {
			t.Errorf("%q: %v %v, with spaces %v %v", s, one, ok, two, again)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"access_token":"t","expires_on":"1780318800","expires_in":3600}`, `{"error":"invalid_request"}`,
		`{"error":{"code":"x","message":"y"}}`, `<html>`, `[]`, "\ufeff{}", `{"access_token":1}`, jwt(noon),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		expires, refresh, _, ok := managedidentity.Life(body, noon)
		switch {
		case !ok:
		case !json.Valid(trimmed(body)):
			t.Error("a token in what is no JSON")
		case expires.After(noon.Add(managedidentity.Ceiling)):
			t.Errorf("expires %v", expires)
		case !refresh.IsZero() && refresh.After(expires):
			t.Errorf("renewal %v after expiry %v", refresh, expires)
		}
	})
}

// trimmed is body without a byte order mark.
func trimmed(body []byte) []byte {
	if len(body) > 2 && string(body[:3]) == "\ufeff" {
		return body[3:]
	}
	return body
}
