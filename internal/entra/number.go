package entra

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// seconds is a duration or an instant in whole seconds, which servers write as
// a number, as a number with decimals, or as a string of either.
type seconds struct {
	n   int64
	set bool
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *seconds) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	text := string(b)
	if b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		if text = strings.TrimSpace(text); text == "" {
			return nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1e12 {
		return fmt.Errorf("%.20q is not a number of seconds", text)
	}
	s.n, s.set = int64(f), true
	return nil
}
