package managedidentity

import "time"

// Life decodes an answer and works out its token's lifetime. ok is false if it
// is no answer with a token.
func Life(body []byte, now time.Time) (expires, refresh time.Time, guessed, ok bool) {
	a, s := decode(body)
	if s != granted {
		return time.Time{}, time.Time{}, false, false
	}
	l := life(a, now)
	return l.expires, l.refresh, l.guessed, true
}

// Instant exports instant for the fuzz test.
func Instant(s string, now time.Time) (time.Time, bool) { return instant(s, now) }

// The ends of lives.
const (
	Ceiling   = ceiling
	ShortLife = shortLife
)
