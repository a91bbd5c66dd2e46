package entra_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity/internal/entra"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const longest = 10 * 365 * 24 * time.Hour
		in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for _, tc := range []struct {
			want    time.Duration
			headers []string
		}{
			{0, nil},
			{17 * time.Second, []string{"Retry-After", "17"}},
			{17 * time.Second, []string{"Retry-After", " 17 "}},
			{1500 * time.Millisecond, []string{"Retry-After", "1.5"}},
			{0, []string{"Retry-After", "0"}},
			{0, []string{"Retry-After", "-1"}},
			{0, []string{"Retry-After", "soon"}},
			{0, []string{"Retry-After", "NaN"}},
			{longest, []string{"Retry-After", "9999999999999999999999"}},
			{longest, []string{"Retry-After", "1e300"}},
			{longest, []string{"Retry-After-Ms", "9223372036854775807"}},
			{90 * time.Second, []string{"Retry-After", in(90 * time.Second)}},
			{0, []string{"Retry-After", in(-90 * time.Second)}},
			{longest, []string{"Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"}},
			// The server's clock is an hour ahead: its date counts from there.
			{30 * time.Second, []string{"Retry-After", in(time.Hour + 30*time.Second), "Date", in(time.Hour)}},
			{90 * time.Second, []string{"Retry-After", in(90 * time.Second), "Date", "yesterday"}},
			{200 * time.Millisecond, []string{"Retry-After-Ms", "200", "X-Ms-Retry-After-Ms", "300", "Retry-After", "1"}},
			{300 * time.Millisecond, []string{"X-Ms-Retry-After-Ms", "300", "Retry-After", "1"}},
			{time.Second, []string{"Retry-After-Ms", "x", "X-Ms-Retry-After-Ms", "0", "Retry-After", "1"}},
		} {
			h := http.Header{}
			for i := 0; i < len(tc.headers); i += 2 {
				h.Set(tc.headers[i], tc.headers[i+1])
			}
			for range 10 {
				if got := entra.RetryAfter(h); got != tc.want {
					t.Errorf("%q: got %v, want %v", tc.headers, got, tc.want)
				}
			}
		}
		time.Sleep(48 * time.Hour) // in the bubble: dates are relative to its time
		if got := entra.RetryAfter(http.Header{"Retry-After": {in(time.Minute)}}); got != time.Minute {
			t.Errorf("got %v, want 1m", got)
		}
	})
}
