package entra

import (
	"math"
	"strconv"
	"strings"
)

// seconds is a duration or an instant in whole seconds, which servers write as
// a number, as a number with decimals, or as a string of either. What is
// neither is as good as missing: one odd member must not cost a token.
type seconds struct {
	n   int64
	set bool
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *seconds) UnmarshalJSON(b []byte) error {
	s.parse(strings.Trim(string(b), `"`))
	return nil
}

func (s *seconds) parse(text string) {
	text = strings.TrimSpace(text)
	if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) <= 1e12 {
		s.n, s.set = int64(f), true
	}
}
