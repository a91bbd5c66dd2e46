package flight_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity/internal/flight"
	"github.com/azid-go/azidentity/internal/loopback"
)

func TestMain(m *testing.M) { loopback.Main(m) }

// after returns a function that takes d and yields v.
func after(d time.Duration, v int, calls *atomic.Int32) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		calls.Add(1)
		select {
		case <-time.After(d):
			return v, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Pain 8: a thousand callers, one call; the first caller's cancellation is
// its own.
func TestPain8OneCallForAThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		var calls atomic.Int32
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := g.Do(first, "k", after(time.Second, 7, &calls)); !errors.Is(err, context.Canceled) {
				t.Errorf("the cancelled caller got %v, want context.Canceled", err)
			}
		})
		synctest.Wait()
		for range 999 {
			wg.Go(func() {
				if v, err := g.Do(t.Context(), "k", after(time.Second, 7, &calls)); v != 7 || err != nil {
					t.Errorf("got %d, %v, want 7", v, err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

func TestKeysDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		var calls atomic.Int32
		hung, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = g.Do(hung, "hangs", after(time.Hour, 0, &calls)) })
		synctest.Wait()
		start := time.Now()
		if _, err := g.Do(t.Context(), "other", after(time.Second, 1, &calls)); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("the other key took %v, want 1s", d)
		}
		cancel()
		wg.Wait()
	})
}

// The slot is free the moment the last waiter leaves, even if the function
// does not heed its context: a new caller gets a call of its own, not a
// stranger's cancellation.
func TestLastWaiterFreesTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		ctx, cancel := context.WithCancel(t.Context())
		cancelled, release := make(chan struct{}), make(chan struct{})
		defer close(release)
		deaf := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			close(cancelled)
			<-release
			return 0, ctx.Err()
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = g.Do(ctx, "k", deaf) })
		synctest.Wait()
		cancel()
		wg.Wait()
		<-cancelled
		var calls atomic.Int32
		if v, err := g.Do(t.Context(), "k", after(time.Second, 2, &calls)); v != 2 || err != nil {
			t.Errorf("got %d, %v, want a call of its own", v, err)
		}
	})
}

// Pain 36: a panicking callback is an error of its callers, never a nil result
// without an error, and never the end of the process.
func TestPain36PanicBecomesAnError(t *testing.T) {
	t.Parallel()
	var g flight.Group[int, *int]
	cause := errors.New("cause")
	for name, fn := range map[string]func(context.Context) (*int, error){
		"value":  func(context.Context) (*int, error) { panic("text with a secret") },
		"error":  func(context.Context) (*int, error) { panic(cause) },
		"goexit": func(context.Context) (*int, error) { runtime.Goexit(); return nil, nil },
	} {
		ctx := t.Context()
		if name != "goexit" {
			ctx = context.Background() // on the caller's own goroutine
		}
		v, err := g.Do(ctx, 1, fn)
		if v != nil || !errors.Is(err, flight.ErrPanicked) {
			t.Errorf("%s: got %v, %v, want ErrPanicked", name, v, err)
		}
		if name == "error" && !errors.Is(err, cause) {
			t.Errorf("%s: %v does not wrap the panic's error", name, err)
		}
	}
}

func TestGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		var calls atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		if !g.Go(ctx, "k", after(time.Second, 3, &calls)) {
			t.Fatal("Go started nothing")
		}
		if g.Go(ctx, "k", after(time.Second, 3, &calls)) {
			t.Error("Go started a second call for the key")
		}
		if v, err := g.Do(t.Context(), "k", after(time.Second, 4, &calls)); v != 3 || err != nil {
			t.Errorf("got %d, %v, want to join the call behind", v, err)
		}

		// The end of its context ends a call that nobody joined.
		g.Go(ctx, "k", after(time.Hour, 3, &calls))
		synctest.Wait()
		cancel()
		synctest.Wait()
		if v, err := g.Do(t.Context(), "k", after(time.Second, 5, &calls)); v != 5 || err != nil {
			t.Errorf("got %d, %v, want a call of its own", v, err)
		}
	})
}

// A caller that has already been cancelled starts nothing.
func TestDoneContextStartsNothing(t *testing.T) {
	t.Parallel()
	var g flight.Group[string, int]
	var calls atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Do(ctx, "k", after(0, 1, &calls)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if g.Go(ctx, "k", after(0, 1, &calls)) || calls.Load() != 0 {
		t.Error("a cancelled context started a call")
	}
}

func TestStress(t *testing.T) {
	t.Parallel()
	var g flight.Group[int, int]
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if j%3 == 0 {
					cancel()
				}
				v, err := g.Do(ctx, i%4, func(context.Context) (int, error) { return i % 4, nil })
				if err == nil && v != i%4 {
					t.Errorf("got %d, want %d", v, i%4)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}
