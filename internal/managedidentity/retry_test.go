package managedidentity_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/managedidentity"
)

// pauses asks for a token in a bubble, with one answer to everything, and
// returns the times between requests in seconds.
func pauses(t *testing.T, env map[string]string, o policy.ClientOptions, status int, headers ...string) (between []float64, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		o.Transport = transportFunc(func(r *http.Request) (*http.Response, error) {
			at = append(at, time.Now())
			if status == 0 {
				return nil, errors.New("no route")
			}
			return reply(r, status, `{"error":"x"}`, headers...), nil
		})
		c := mustClient(t, env, managedidentity.Identity{}, o, "")
		_, err = c.Token(context.Background(), managedidentity.Request{Resource: resource})
		for i := 1; i < len(at); i++ {
			between = append(between, at[i].Sub(at[i-1]).Seconds())
		}
	})
	return between, err
}

// Pain 34: when a request is repeated, status by status, source by source.
func TestPain34Schedule(t *testing.T) {
	t.Parallel()
	imds := map[string]string(nil)
	ml := (*entratest.Emulator)(nil).Environment(entratest.EndpointAzureML)
	ramp, short := []float64{2, 6, 14, 25, 25, 25}, []float64{0.8, 2.4, 5.6}
	tens := []float64{10, 10, 10, 10, 10, 10, 10}
	for _, tt := range []struct {
		name      string
		env       map[string]string
		status    int
		want      []float64
		low, high float64
	}{
		{"IMDS", imds, 400, nil, 1, 1},
		{"IMDS", imds, 401, nil, 1, 1},
		{"IMDS", imds, 403, nil, 1, 1},
		{"IMDS", imds, 404, ramp, 0.8, 1.3},
		{"IMDS", imds, 405, nil, 1, 1},
		{"IMDS", imds, 410, tens, 1, 1.3},
		{"IMDS", imds, 429, ramp, 0.8, 1.3},
		{"IMDS", imds, 500, ramp, 0.8, 1.3},
		{"IMDS", imds, 502, ramp, 0.8, 1.3},
		{"IMDS", imds, 503, ramp, 0.8, 1.3},
		{"IMDS", imds, 0, ramp[:3], 0.8, 1.3},
		{"App Service", appService, 400, nil, 1, 1},
		{"App Service", appService, 404, short, 0.8, 1.3},
		{"App Service", appService, 408, short, 0.8, 1.3},
		{"App Service", appService, 410, tens, 1, 1.3},
		{"App Service", appService, 429, short, 0.8, 1.3},
		{"App Service", appService, 500, short, 0.8, 1.3},
		{"App Service", appService, 501, nil, 1, 1},
		{"App Service", appService, 503, short, 0.8, 1.3},
		{"App Service", appService, 0, short, 0.8, 1.3},
		{"Azure ML", ml, 429, short, 0.8, 1.3},
	} {
		got, err := pauses(t, tt.env, policy.ClientOptions{}, tt.status)
		fits := len(got) == len(tt.want) && err != nil
		total := 0.0
		for i := range got {
			total += got[i]
			fits = fits && got[i] >= tt.want[i]*tt.low-1e-6 && got[i] <= tt.want[i]*tt.high+1e-6
		}
		if !fits {
			t.Errorf("%s, %d: got pauses of %v, want about %v; error %v", tt.name, tt.status, got, tt.want, err)
		}
		if tt.status == 410 && total < 70 {
			t.Errorf("%s, 410: gave up after %v s, an update takes 70", tt.name, total)
		}
	}
}

func TestPain34RetryAfterWins(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		header, value string
		want          []float64
	}{
		{"Retry-After", "3", []float64{3, 3, 3, 3, 3, 3}},
		{"Retry-After-Ms", "250", []float64{.25, .25, .25, .25, .25, .25}},
		{"X-Ms-Retry-After-Ms", "1500", []float64{1.5, 1.5, 1.5, 1.5, 1.5, 1.5}},
		{"Retry-After", "600", nil}, // longer than a request may take
	} {
		got, err := pauses(t, nil, policy.ClientOptions{}, 429, tt.header, tt.value)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %s: got %v, want %v", tt.header, tt.value, got, tt.want)
		}
		var throttled interface{ ThrottledFor() time.Duration }
		if !errors.As(err, &throttled) || throttled.ThrottledFor() <= 0 {
			t.Errorf("%s: %s: the error does not say for how long to leave the endpoint alone: %v", tt.header, tt.value, err)
		}
	}
}

func TestPain34OptionsOverride(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		o      policy.RetryOptions
		status int
		want   []float64 // upper bounds
	}{
		{"none", policy.RetryOptions{MaxRetries: -1}, 503, nil},
		{"two", policy.RetryOptions{MaxRetries: 2}, 503, []float64{2.6, 7.8}},
		{"more than the schedule has", policy.RetryOptions{MaxRetries: 8, MaxRetryDelay: time.Second}, 503, []float64{1, 1, 1, 1, 1, 1, 1, 1}},
		{"delay", policy.RetryOptions{MaxRetries: 3, RetryDelay: 100 * time.Millisecond}, 503, []float64{.13, .39, .91}},
		{"at once", policy.RetryOptions{MaxRetries: 2, RetryDelay: -1}, 503, []float64{0, 0}},
		{"statuses", policy.RetryOptions{StatusCodes: []int{429}}, 503, nil},
		{"never 400", policy.RetryOptions{StatusCodes: []int{400}}, 400, nil},
		{"own judgement", policy.RetryOptions{ShouldRetry: func(*http.Response, error) bool { return false }}, 503, nil},
	} {
		got, _ := pauses(t, nil, policy.ClientOptions{Retry: tt.o}, tt.status)
		fits := len(got) == len(tt.want)
		for i := range got {
			fits = fits && got[i] <= tt.want[i]+1e-6
		}
		if !fits {
			t.Errorf("%s: got %v, want at most %v", tt.name, got, tt.want)
		}
	}
}

// A wait ends with the context, and the error says what was waited for.
func TestPain34WaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := emulate(t, nil)
		e.Inject(entratest.Fault{Endpoint: entratest.EndpointIMDS, Status: 503})
		c := mustClient(t, e.Environment(entratest.EndpointIMDS), managedidentity.Identity{}, policy.ClientOptions{Transport: e.Transport()}, "")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Token(ctx, managedidentity.Request{Resource: resource})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "503") || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// A try that hangs is given up and repeated; the second answer counts. Both are
// requests for the token: nothing is probed.
func TestPain35SlowAnswerIsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := emulate(t, nil)
		e.Inject(entratest.Fault{Endpoint: entratest.EndpointIMDS, Hang: true, Times: 1})
		c := mustClient(t, e.Environment(entratest.EndpointIMDS), managedidentity.Identity{}, policy.ClientOptions{Transport: e.Transport()}, "")
		tok, err := c.Token(context.Background(), managedidentity.Request{Resource: resource})
		if err != nil || tok.Value == "" {
			t.Errorf("got %v", err)
		}
		for _, entry := range e.Journal() {
			if entry.Header.Get("Metadata") != "true" || entry.Query.Get("resource") != resource {
				t.Errorf("probed: %+v", entry)
			}
		}
		if n := len(e.Journal()); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
		synctest.Wait()
	})
}
