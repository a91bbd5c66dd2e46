package managedidentity

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// ceiling is more than the longest life that Entra ID gives a token.
	ceiling = 30 * time.Hour
	// shortLife is that of a token that does not say when it ends.
	shortLife = 5 * time.Minute
	// longLife is from when on a token is renewed at half of it.
	longLife = 2 * time.Hour
)

// layouts are the dates that hosts write. Their order does not matter: no text
// fits two of them with different results.
var layouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 Z07:00",
	"2006-01-02 15:04:05",
	"1/2/2006 15:04:05 Z07:00", // App Service on Linux
	"1/2/2006 15:04:05",
	"1/2/2006 3:04:05 PM Z07:00", // App Service on Windows
	"1/2/2006 3:04:05 PM",
	time.RFC1123,
}

// instant reads a time that a host wrote: seconds or milliseconds since 1970, a
// few seconds from now, or a date. Dates without a zone are UTC.
func instant(s string, now time.Time) (time.Time, bool) {
	s = plain(s)
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		switch {
		case !(f > 0) || f > 1e15:
			return time.Time{}, false
		case f > 1e11:
			return time.UnixMilli(int64(f)), true
		case f < 1e8: // 1973, so it is no date
			return now.Add(length(f)), true
		}
		return time.Unix(int64(f), 0), true
	}
	zoned := s
	// Go's zones are Z or ±hh:mm.
	if n := len(s); n > 5 && (s[n-5] == '+' || s[n-5] == '-') && digits(s[n-4:]) && strings.Contains(s, ":") {
		zoned = s[:n-2] + ":" + s[n-2:]
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, zoned); err == nil && t.Year() >= 1990 {
			return t, true
		}
	}
	return time.Time{}, false
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// seconds reads a length of time.
func seconds(s string) (time.Duration, bool) {
	f, err := strconv.ParseFloat(plain(s), 64)
	if err != nil || !(f > 0) {
		return 0, false
	}
	return length(f), true
}

func length(seconds float64) time.Duration {
	return time.Duration(math.Min(seconds, 1e9) * float64(time.Second))
}

// plain has one form of what locales write differently: kinds of space, marks
// of direction, letter case.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\u200e' || r == '\u200f':
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return unicode.ToUpper(r)
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if rest, ok := strings.CutSuffix(s, " GMT"); ok && strings.Count(s, ",") == 1 {
		return rest + " GMT" // as RFC 1123 has it
	}
	for _, zone := range []string{" UTC", " GMT"} {
		if rest, ok := strings.CutSuffix(s, zone); ok {
			return rest + " Z"
		}
	}
	return s
}

// lifetime is when a token expires and when it is to be renewed.
type lifetime struct {
	expires, refresh time.Time
	guessed          bool // nothing said when it expires
}

// life works out the lifetime of a token from what the answer says, what the
// token itself says, and what is possible. The earliest wins; an answer that
// says that the token has expired, while the token says that it has not, was
// misunderstood.
func life(a answer, now time.Time) lifetime {
	own, hasOwn := ownExpiry(a.AccessToken)
	t, ok := instant(string(a.ExpiresOn), now)
	if !ok {
		var d time.Duration
		if d, ok = seconds(string(a.ExpiresIn)); ok {
			t = now.Add(d)
		}
	}
	l := lifetime{expires: t}
	switch {
	case hasOwn && (!ok || own.Before(t) || !t.After(now)):
		l.expires = own
	case !ok:
		l.expires, l.guessed = now.Add(shortLife), true
	}
	if most := now.Add(ceiling); l.expires.After(most) {
		l.expires = most
	}
	l.expires = l.expires.Round(0).UTC()
	lasts := l.expires.Sub(now)
	if d, ok := seconds(string(a.RefreshIn)); ok && d < lasts {
		l.refresh = now.Add(d).Round(0).UTC()
	} else if lasts > longLife {
		l.refresh = now.Add(lasts / 2).Round(0).UTC()
	}
	return l
}

// ownExpiry returns what a token says of itself. The token is not verified: it
// is the service's it is for to do that, and here it can only shorten a life or
// mend a misreading.
func ownExpiry(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	if json.Unmarshal(b, &claims) != nil || claims.Expires < 1e8 || claims.Expires > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.Expires), 0), true
}
