package managedidentity

import (
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// A retryRow says after which pauses a request is repeated. Its number of
// pauses is the number of repetitions. Status 0 is no answer at all.
type retryRow struct {
	from, to  int
	pauses    []time.Duration
	low, high float64 // the pause is multiplied by something between
	why       string
}

func wait(seconds ...float64) (all []time.Duration) {
	for _, s := range seconds {
		all = append(all, time.Duration(s*float64(time.Second)))
	}
	return all
}

// imdsRetries follow Microsoft's guidance for the metadata service.
var imdsRetries = []retryRow{
	{410, 410, wait(10, 10, 10, 10, 10, 10, 10), 1, 1.3, "an update takes up to 70 seconds"},
	{404, 404, wait(2, 6, 14, 25, 25, 25), 0.8, 1.3, "an update, or an identity that is only just assigned"},
	{429, 429, wait(2, 6, 14, 25, 25, 25), 0.8, 1.3, "five requests a second are allowed"},
	{500, 599, wait(2, 6, 14, 25, 25, 25), 0.8, 1.3, ""},
	{0, 0, wait(2, 6, 14), 0.8, 1.3, "a machine that is starting; longer would only delay those that are not in Azure"},
}

// hostRetries are for agents and services beside the program.
var hostRetries = []retryRow{
	{408, 408, wait(0.8, 2.4, 5.6), 0.8, 1.3, ""},
	{404, 404, wait(0.8, 2.4, 5.6), 0.8, 1.3, "an agent that is starting"},
	{410, 410, wait(10, 10, 10, 10, 10, 10, 10), 1, 1.3, "as with the metadata service"},
	{429, 429, wait(0.8, 2.4, 5.6), 0.8, 1.3, ""},
	{500, 500, wait(0.8, 2.4, 5.6), 0.8, 1.3, ""},
	{502, 504, wait(0.8, 2.4, 5.6), 0.8, 1.3, ""},
	{0, 0, wait(0.8, 2.4, 5.6), 0.8, 1.3, ""},
}

// fabricRetries are as documented for Service Fabric, where 404 is final.
var fabricRetries = []retryRow{
	{429, 429, wait(1, 2, 4, 8, 16), 1, 1.3, ""},
	{500, 599, wait(0.8, 2.4, 5.6), 0.8, 1.3, ""},
	{0, 0, wait(0.8, 2.4, 5.6), 0.8, 1.3, ""},
}

// maxAsked bounds what Retry-After can ask for within one request. With more,
// the request ends, and the endpoint is left alone for that long.
const maxAsked = 70 * time.Second

// A schedule is a source's, with what the caller's options change.
type schedule struct {
	rows    []retryRow
	options policy.RetryOptions
}

// pause returns how long to wait before repetition n, from 0 on, or false for
// no more.
func (s schedule) pause(n, status int, resp *http.Response, err error) (time.Duration, bool) {
	o := s.options
	if o.MaxRetries < 0 || o.MaxRetries > 0 && n >= int(o.MaxRetries) {
		return 0, false
	}
	row, ok := s.row(status)
	if status != 0 && o.StatusCodes != nil {
		if ok = slices.Contains(o.StatusCodes, status); ok && row.pauses == nil {
			row = s.rows[len(s.rows)-1]
		}
	}
	if o.ShouldRetry != nil {
		if ok = o.ShouldRetry(resp, err); ok && row.pauses == nil {
			row = s.rows[len(s.rows)-1]
		}
	}
	if !ok || o.MaxRetries == 0 && n >= len(row.pauses) {
		return 0, false
	}
	d := row.pauses[min(n, len(row.pauses)-1)]
	if o.RetryDelay < 0 {
		d = 0
	} else if o.RetryDelay > 0 {
		d = time.Duration(math.Min(float64(o.RetryDelay)*(math.Exp2(float64(n+1))-1), float64(time.Hour)))
	}
	d = time.Duration(float64(d) * (row.low + rand.Float64()*(row.high-row.low)))
	if o.MaxRetryDelay > 0 {
		d = min(d, o.MaxRetryDelay)
	}
	if resp != nil {
		if asked := retryAfter(resp.Header); asked > 0 {
			return asked, asked <= maxAsked
		}
	}
	return d, true
}

func (s schedule) row(status int) (retryRow, bool) {
	for _, r := range s.rows {
		if r.from <= status && status <= r.to {
			return r, true
		}
	}
	return retryRow{}, false
}

// retryAfter reads the headers by which servers ask for patience.
func retryAfter(h http.Header) time.Duration {
	const most = time.Hour
	for _, one := range []struct {
		name string
		unit time.Duration
	}{
		{"Retry-After-Ms", time.Millisecond}, {"X-Ms-Retry-After-Ms", time.Millisecond}, {"Retry-After", time.Second},
	} {
		v := strings.TrimSpace(h.Get(one.name))
		if n, err := strconv.ParseFloat(v, 64); err == nil && n > 0 {
			return time.Duration(math.Min(n*float64(one.unit), float64(most)))
		}
		if t, err := http.ParseTime(v); err == nil {
			if d := time.Until(t); d > 0 {
				return min(d, most)
			}
		}
	}
	return 0
}
