package entratest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

func TestFaultAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		fault  entratest.Fault
		status int
		oauth  string
		codes  int
		header map[string]string
	}{
		{"status only", entratest.Fault{Status: 503}, 503, "temporarily_unavailable", 90033, nil},
		{"retry after", entratest.Fault{RetryAfter: 1500 * time.Millisecond}, 429, "temporarily_unavailable", 90055, map[string]string{"Retry-After": "2"}},
		{"status and retry after", entratest.Fault{Status: 503, RetryAfter: time.Minute}, 503, "temporarily_unavailable", 90033, map[string]string{"Retry-After": "60"}},
		{"code", entratest.Fault{Code: 7000222}, 401, "invalid_client", 7000222, nil},
		{"unknown code", entratest.Fault{Code: 123456}, 400, "invalid_request", 123456, nil},
		{"error", entratest.Fault{Error: "invalid_grant"}, 400, "invalid_grant", 0, nil},
		{"unauthorized", entratest.Fault{Status: 401}, 401, "invalid_client", 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEmulator(t, nil)
			e.Inject(tt.fault)
			got := post(t, e.Transport(), tokenURL, secretForm())
			if got.status != tt.status || got.text("error") != tt.oauth {
				t.Errorf("got %d %v", got.status, got.body)
			}
			if codes, _ := got.body["error_codes"].([]any); tt.codes != 0 && (len(codes) != 1 || codes[0] != float64(tt.codes)) {
				t.Errorf("error_codes are %v, want %d", codes, tt.codes)
			}
			for name, value := range tt.header {
				if got.header.Get(name) != value {
					t.Errorf("%s is %q, want %q", name, got.header.Get(name), value)
				}
			}
			if entry, _ := e.LastRequest(entratest.EndpointToken); !entry.Faulted || entry.Status != tt.status || entry.Error != tt.oauth {
				t.Errorf("the journal has %+v", entry)
			}
		})
	}
}

func TestFaultClaimsAndBody(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	e.Inject(entratest.Fault{Times: 1, Code: 50076, SubError: "basic_action", Claims: `{"access_token":{}}`})
	e.Inject(entratest.Fault{Times: 1, Status: 502, Body: "<h1>Bad Gateway</h1>"})
	e.Inject(entratest.Fault{Times: 1, Body: `{"access_token":`, ContentType: "application/json"})

	got := post(t, e.Transport(), tokenURL, secretForm())
	if got.status != 400 || got.text("error") != "interaction_required" || got.text("suberror") != "basic_action" || got.text("claims") != `{"access_token":{}}` {
		t.Errorf("got %d %v", got.status, got.body)
	}
	for _, want := range []struct {
		status     int
		kind, body string
	}{{502, "text/html; charset=utf-8", "<h1>Bad Gateway</h1>"}, {200, "application/json", `{"access_token":`}} {
		resp, err := e.Transport().Do(newPost(t, tokenURL, secretForm()))
		if err != nil {
			t.Fatal(err)
		}
		if body := readAll(t, resp); resp.StatusCode != want.status || body != want.body || resp.Header.Get("Content-Type") != want.kind {
			t.Errorf("got %d %q %q", resp.StatusCode, resp.Header.Get("Content-Type"), body)
		}
	}
	if got := post(t, e.Transport(), tokenURL, secretForm()); got.status != 200 {
		t.Errorf("used-up faults still act: %d", got.status)
	}
}

func TestFaultSelection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault entratest.Fault
		hits  bool
	}{
		{"any", entratest.Fault{}, true},
		{"host", entratest.Fault{Host: "LOGIN.microsoftonline.com"}, true},
		{"other host", entratest.Fault{Host: "login.microsoftonline.us"}, false},
		{"endpoint", entratest.Fault{Endpoint: entratest.EndpointToken}, true},
		{"other endpoint", entratest.Fault{Endpoint: entratest.EndpointKeys}, false},
		{"tenant by GUID", entratest.Fault{Tenant: entratest.DefaultTenantID}, true},
		{"tenant as in the path", entratest.Fault{Tenant: "Emulator.Example.com"}, true},
		{"other tenant", entratest.Fault{Tenant: otherTenant}, false},
		{"client", entratest.Fault{ClientID: strings.ToUpper(entratest.DefaultClientID)}, true},
		{"other client", entratest.Fault{ClientID: disabledApp}, false},
		{"grant", entratest.Fault{GrantType: "client_credentials"}, true},
		{"other grant", entratest.Fault{GrantType: "refresh_token"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEmulator(t, nil)
			tt.fault.Status = 500
			e.Inject(tt.fault)
			got := post(t, e.Transport(), "https://login.microsoftonline.com:443/"+entratest.DefaultTenantDomain+"/oauth2/v2.0/token", secretForm())
			if (got.status == 500) != tt.hits {
				t.Errorf("got %d, hit wanted: %v", got.status, tt.hits)
			}
		})
	}
}

func TestFaultCounting(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	cancel := e.Inject(entratest.Fault{Skip: 1, Times: 2, Status: 500})
	e.Inject(entratest.Fault{Skip: 4, Status: 502})
	statuses := func(n int) (all []int) {
		for range n {
			all = append(all, post(t, e.Transport(), tokenURL, secretForm()).status)
		}
		return all
	}
	// The second fault sees only what the first lets through: calls 1, 4, 5, 6, 7.
	for i, want := range []int{200, 500, 500, 200, 200, 200, 502, 502} {
		if got := statuses(1)[0]; got != want {
			t.Errorf("call %d: got %d, want %d", i+1, got, want)
		}
	}
	cancel() // is used up, so nothing happens
	e.ClearFaults()
	if got := statuses(1)[0]; got != 200 {
		t.Errorf("after ClearFaults: got %d", got)
	}
	cancel = e.Inject(entratest.Fault{Status: 500})
	cancel()
	if got := statuses(1)[0]; got != 200 {
		t.Errorf("after cancel: got %d", got)
	}
}

func TestFaultLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t, nil)
		e.Inject(entratest.Fault{Latency: 90 * time.Second})
		start := time.Now()
		got := post(t, e.Transport(), tokenURL, secretForm())
		if took := time.Since(start); took != 90*time.Second {
			t.Errorf("it took %v, want 90s", took)
		}
		if iat := claimsOf(t, got.text("access_token"))["iat"]; iat != float64(time.Now().Unix()) {
			t.Errorf("iat is %v, want the time after the delay, %d", iat, time.Now().Unix())
		}
		if entry, _ := e.LastRequest(entratest.EndpointToken); entry.Duration != 90*time.Second {
			t.Errorf("the journal's duration is %v", entry.Duration)
		}
	})
}

func TestFaultEndsWithContext(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]entratest.Fault{
		"hang":    {Hang: true},
		"latency": {Latency: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newEmulator(t, nil)
				e.Inject(f)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				_, err := e.Transport().Do(newPost(t, tokenURL, secretForm()).WithContext(ctx))
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
					t.Errorf("got %v after %v, want the deadline after 1m", err, time.Since(start))
				}
				synctest.Wait()
				if entry, _ := e.LastRequest(entratest.EndpointToken); entry.Status != 0 || !entry.Faulted || !strings.HasPrefix(entry.Reason, "fault: ") {
					t.Errorf("the journal has %+v", entry)
				}
			})
		})
	}
}

// TestHangIsInTheJournal checks that a request can be seen while it hangs.
func TestHangIsInTheJournal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t, nil)
		e.Inject(entratest.Fault{Hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		r := newPost(t, tokenURL, secretForm()).WithContext(ctx)
		done := make(chan error)
		go func() {
			_, err := e.Transport().Do(r)
			done <- err
		}()
		synctest.Wait()
		if entry, ok := e.LastRequest(entratest.EndpointToken); !ok || entry.Status != 0 || !entry.Faulted {
			t.Errorf("the journal has %+v, %v", entry, ok)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestFaultReset(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	e.Inject(entratest.Fault{Reset: true})
	_, err := e.Transport().Client().Do(newPost(t, tokenURL, secretForm()))
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a connection reset", err)
	}
	if entry, _ := e.LastRequest(entratest.EndpointToken); entry.Status != 0 || entry.Reason != "fault: connection reset" {
		t.Errorf("the journal has %+v", entry)
	}
}

func TestFaultSlowBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t, nil)
		e.Inject(entratest.Fault{SlowBody: 10 * time.Second})
		start := time.Now()
		resp, err := e.Transport().Do(newPost(t, tokenURL, secretForm()))
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the header took %v", took)
		}
		body := readAll(t, resp)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("the body took %v, want 10s", took)
		}
		if int64(len(body)) != resp.ContentLength || !strings.Contains(body, "access_token") {
			t.Errorf("got %d bytes of %d", len(body), resp.ContentLength)
		}

		// A reader whose context ends does not wait for the rest.
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start = time.Now()
		resp, err = e.Transport().Do(newPost(t, tokenURL, secretForm()).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}

		// One that closes the body ends the request.
		resp, err = e.Transport().Do(newPost(t, tokenURL, secretForm()))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("got %v", err)
		}
	})
}

func TestFaultTruncate(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	e.Inject(entratest.Fault{Truncate: true})
	resp, err := e.Transport().Do(newPost(t, tokenURL, secretForm()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || int64(len(body)) != resp.ContentLength/2 {
		t.Errorf("got %d bytes of %d, %v", len(body), resp.ContentLength, err)
	}
}
