package entra

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retryAfter reads the headers by which servers ask for patience, in azcore's
// order. A date counts from the server's own clock, if it says what that shows.
func retryAfter(h http.Header) time.Duration {
	for _, one := range []struct {
		name string
		unit time.Duration
	}{
		{"Retry-After-Ms", time.Millisecond},
		{"X-Ms-Retry-After-Ms", time.Millisecond},
		{"Retry-After", time.Second},
	} {
		v := strings.TrimSpace(h.Get(one.name))
		if n, err := strconv.ParseFloat(v, 64); err == nil && n > 0 {
			return time.Duration(math.Min(n*float64(one.unit), float64(maxLifetime)))
		}
		until, err := http.ParseTime(v)
		if err != nil {
			continue
		}
		now, err := http.ParseTime(h.Get("Date"))
		if err != nil {
			now = time.Now()
		}
		return max(min(until.Sub(now), maxLifetime), 0)
	}
	return 0
}
