package assertion_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity/internal/assertion"
)

// remote returns a cache over a key that takes 300 ms to sign, and its counter.
func remote(t testing.TB) (*assertion.Cached, *atomic.Int32) {
	t.Helper()
	certs, key := parse(t, "pem-rsa-pkcs8.pem", "")
	calls := new(atomic.Int32)
	s, err := assertion.NewSigner(certs, opaque{key: key, delay: 300 * time.Millisecond, calls: calls})
	if err != nil {
		t.Fatal(err)
	}
	return assertion.NewCached(s, "client"), calls
}

func get(t testing.TB, c *assertion.Cached, audience string) string {
	t.Helper()
	jwt, err := c.Assertion(t.Context(), audience, assertion.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	return jwt
}

func TestPain47OpaqueSigner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, calls := remote(t)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { get(t, c, audience) })
		}
		wg.Wait()
		if got := calls.Load(); got != 1 {
			t.Errorf("100 callers at once: got %d signatures, want 1", got)
		}
		first := get(t, c, audience)
		time.Sleep(7 * time.Minute)
		if get(t, c, audience) != first {
			t.Error("after 7 minutes: got a new assertion, want the same")
		}
		time.Sleep(time.Minute)
		second := get(t, c, audience)
		if second == first {
			t.Error("after 8 minutes: got the assertion that has less than two minutes left")
		}
		d, err := assertion.Describe(second)
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(d.Expires); left < 9*time.Minute || left > 10*time.Minute {
			t.Errorf("a new assertion expires in %v, want 10 minutes", left)
		}
		if get(t, c, "https://login.microsoftonline.com/fabrikam/oauth2/v2.0/token") == second {
			t.Error("two audiences share an assertion")
		}
		legacy, err := c.Assertion(t.Context(), audience, assertion.Profile{Legacy: true})
		if err != nil || legacy == second {
			t.Errorf("two profiles share an assertion, or: %v", err)
		}
		if got := calls.Load(); got != 4 {
			t.Errorf("got %d signatures, want 4", got)
		}
	})
}

func TestPain47CancelWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, calls := remote(t)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		patient := make(chan string)
		go func() {
			time.Sleep(50 * time.Millisecond)
			jwt, _ := c.Assertion(context.Background(), audience, assertion.Profile{})
			patient <- jwt
		}()
		if _, err := c.Assertion(ctx, audience, assertion.Profile{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("the cancelled caller was held for %v, want 100ms", took)
		}
		if jwt := <-patient; jwt == "" || time.Since(start) != 300*time.Millisecond {
			t.Errorf("the other caller got %q after %v, want an assertion after 300ms", jwt, time.Since(start))
		}
		if _, err := c.Assertion(ctx, "another", assertion.Profile{}); !errors.Is(err, context.DeadlineExceeded) || calls.Load() != 1 {
			t.Errorf("a cancelled context started a signature, or: %v", err)
		}
		if _, err := c.Assertion(ctx, audience, assertion.Profile{}); err != nil {
			t.Errorf("a kept assertion needs no waiting: got %v", err)
		}
	})
}

func TestPain57Offset(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c, calls := remote(t)
			refused := get(t, c, audience)
			// Every caller hears the same from the server, a little apart.
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					c.SetOffset(off + time.Duration(i%3)*time.Second)
					c.Forget(audience, assertion.Profile{}, refused)
					get(t, c, audience)
				})
			}
			wg.Wait()
			if got := calls.Load(); got != 2 {
				t.Errorf("offset %v: got %d signatures, want 2", off, got)
			}
			d, err := assertion.Describe(get(t, c, audience))
			if err != nil {
				t.Fatal(err)
			}
			server := time.Now().Add(off)
			if lag := server.Sub(d.NotBefore); lag < 25*time.Second || lag > 35*time.Second {
				t.Errorf("offset %v: valid since %v by the server's clock, want about 30s", off, lag)
			}
			if left := d.Expires.Sub(server); left < 9*time.Minute || left > 11*time.Minute {
				t.Errorf("offset %v: expires in %v by the server's clock, want about 10m", off, left)
			}
			if got := c.Offset(); got < off || got > off+2*time.Second {
				t.Errorf("offset: got %v, want %v", got, off)
			}
			// It keeps for its lifetime under an offset as well.
			time.Sleep(7 * time.Minute)
			get(t, c, audience)
			if got := calls.Load(); got != 2 {
				t.Errorf("offset %v: after 7 minutes got %d signatures, want 2", off, got)
			}
		})
	}
}

// What was being signed by the wrong clock when the right one became known is not
// kept.
func TestPain57OffsetDuringSignature(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, calls := remote(t)
		var wg sync.WaitGroup
		wg.Go(func() { get(t, c, audience) })
		time.Sleep(100 * time.Millisecond)
		c.SetOffset(time.Hour)
		d, err := assertion.Describe(get(t, c, audience))
		if err != nil || time.Until(d.Expires) < time.Hour {
			t.Errorf("got %v, %v; want an assertion by the server's clock", d, err)
		}
		wg.Wait()
		get(t, c, audience)
		if got := calls.Load(); got != 2 {
			t.Errorf("got %d signatures, want 2", got)
		}
	})
}

func TestForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, calls := remote(t)
		first := get(t, c, audience)
		c.Forget(audience, assertion.Profile{}, first)
		second := get(t, c, audience)
		c.Forget(audience, assertion.Profile{}, first)              // another caller's late news
		c.Forget("elsewhere", assertion.Profile{}, second)          // never signed
		c.Forget(audience, assertion.Profile{Legacy: true}, second) // nor this
		if third := get(t, c, audience); third != second || first == second || calls.Load() != 2 {
			t.Errorf("got %d signatures, want 2", calls.Load())
		}
	})
}

func TestCachedIsBounded(t *testing.T) {
	t.Parallel()
	certs, key := parse(t, "pem-rsa-pkcs8.pem", "")
	synctest.Test(t, func(t *testing.T) {
		calls := new(atomic.Int32)
		s, err := assertion.NewSigner(certs, opaque{key: key, delay: 10 * time.Millisecond, calls: calls})
		if err != nil {
			t.Fatal(err)
		}
		c := assertion.NewCached(s, "client")
		for i := range 1100 {
			get(t, c, fmt.Sprint(i))
		}
		if got := assertion.Kept(c); got != 1024 {
			t.Errorf("got %d assertions kept, want 1024", got)
		}
		calls.Store(0)
		get(t, c, "1099")
		get(t, c, "76")
		if got := calls.Load(); got != 0 {
			t.Errorf("the latest were signed again: %d", got)
		}
		get(t, c, "75")
		if got := calls.Load(); got != 1 {
			t.Error("the oldest was still there")
		}
		time.Sleep(10 * time.Minute)
		get(t, c, "new")
		if got := assertion.Kept(c); got != 1 {
			t.Errorf("after all expired: got %d assertions kept, want 1", got)
		}
	})
}

// Errors are not kept, and a key that ends its goroutine does not hold its callers.
func TestCachedFaults(t *testing.T) {
	t.Parallel()
	certs, key := parse(t, "pem-rsa-pkcs8.pem", "")
	fault := errors.New("offline")
	next := func() ([]byte, error) { return nil, fault }
	s, err := assertion.NewSigner(certs, opaque{key: key, calls: new(atomic.Int32), sign: func(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		if next != nil {
			return next()
		}
		return key.Sign(nil, digest, opts)
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := assertion.NewCached(s, "client")
	if _, err := c.Assertion(t.Context(), audience, assertion.Profile{Legacy: true}); !errors.Is(err, fault) {
		t.Errorf("got %v, want %v", err, fault)
	}
	next = func() ([]byte, error) { runtime.Goexit(); return nil, nil }
	if _, err := c.Assertion(t.Context(), audience, assertion.Profile{Legacy: true}); err == nil {
		t.Error("a key that ended its goroutine: got no error")
	}
	next = nil
	if _, err := c.Assertion(t.Context(), audience, assertion.Profile{Legacy: true}); err != nil {
		t.Errorf("after the faults: %v", err)
	}
}

func BenchmarkAssertionKept(b *testing.B) {
	certs, key := parse(b, "pem-rsa-pkcs8.pem", "")
	s, err := assertion.NewSigner(certs, key)
	if err != nil {
		b.Fatal(err)
	}
	c := assertion.NewCached(s, "client")
	ctx := b.Context()
	b.Run("one caller", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Assertion(ctx, audience, assertion.Profile{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("many callers", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.Assertion(ctx, audience, assertion.Profile{}); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func TestAssertionKeptDoesNotAllocate(t *testing.T) {
	certs, key := parse(t, "pem-rsa-pkcs8.pem", "")
	s, err := assertion.NewSigner(certs, key)
	if err != nil {
		t.Fatal(err)
	}
	c := assertion.NewCached(s, "client")
	get(t, c, audience)
	if got := testing.AllocsPerRun(100, func() { get(t, c, audience) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}
