package entratest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

func TestTransportResponse(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	r := newPost(t, tokenURL, secretForm())
	resp, err := e.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	body := readAll(t, resp)
	if resp.Request != r || resp.Status != "200 OK" || resp.ContentLength != int64(len(body)) {
		t.Errorf("got request %p (want %p), status %q, length %d of %d", resp.Request, r, resp.Status, resp.ContentLength, len(body))
	}
	r, err = http.NewRequestWithContext(t.Context(), http.MethodHead, "https://localhost/common/discovery/keys", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err = e.Transport().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, resp); body != "" || resp.StatusCode != 200 || resp.ContentLength == 0 {
		t.Errorf("HEAD: got %d %q, length %d", resp.StatusCode, body, resp.ContentLength)
	}
}

func TestTransportRefusesBadRequests(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Transport().Do(newPost(t, tokenURL, secretForm()).WithContext(ended)); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: got %v", err)
	}
	for _, target := range []string{"ftp://localhost/", "/relative"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Transport().Do(r); err == nil {
			t.Errorf("%s: no error", target)
		}
	}
	if n := len(e.Journal()); n != 0 {
		t.Errorf("the journal has %d requests, want none", n)
	}
}

// TestTransportBrokenUpload sends a body that fails half way.
func TestTransportBrokenUpload(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	r := newPost(t, tokenURL, nil)
	r.Body = io.NopCloser(io.MultiReader(&failingReader{}))
	wantRefused(t, e, send(t, e.Transport(), r), 400, "invalid_request", 9002313, "ended early")
}

type failingReader struct{}

func (*failingReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestBrokenClock breaks a request before there is anything to answer with.
func TestBrokenClock(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	e := newEmulator(t, &entratest.Config{Clock: func() time.Time {
		if broken.Load() {
			panic("clock")
		}
		return time.Now()
	}})
	broken.Store(true)
	if _, err := e.Transport().Do(newPost(t, tokenURL, secretForm())); err == nil || !strings.Contains(err.Error(), "panicked: clock") {
		t.Errorf("got %v", err)
	}
	broken.Store(false)
	if got := post(t, e.Transport(), tokenURL, secretForm()); got.status != 200 {
		t.Errorf("afterwards: got %d", got.status)
	}
}

func TestTransportInParallel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t, nil)
		e.Inject(entratest.Fault{Latency: time.Second})
		start := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				resp, err := e.Transport().Do(newPost(t, tokenURL, secretForm()))
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
					t.Errorf("got %d, %v", resp.StatusCode, err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("50 delayed requests took %v together, want 1s", took)
		}
		if n := e.CountRequests(entratest.EndpointToken); n != 50 {
			t.Errorf("the journal has %d requests", n)
		}
	})
}
