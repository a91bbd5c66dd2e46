package azidentity_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity"
)

// Pain 44: a function is asked for requests that go out, once a minute at most, and
// what it returned stays when it fails.
func TestPain44SourceIsAskedSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		first, second := proofNumber(t, 1), proofNumber(t, 2)
		accept(t, e, first)
		var asked int
		answer := func(context.Context) (string, error) { return "", errors.New("the vault is closed") }
		auth := azidentity.AuthenticationBySecretSource(func(ctx context.Context) (string, error) {
			asked++
			return answer(ctx)
		})
		c := appCred(t, auth, o)
		want := func(n int, when string) {
			t.Helper()
			if asked != n {
				t.Errorf("%s: asked %d times, want %d", when, asked, n)
			}
		}
		want(0, "constructed")
		for range 2 { // not remembered
			if err := fresh(t, c); err == nil || !strings.Contains(err.Error(), "ApplicationCredential: secret source: the vault is closed") {
				t.Errorf("got %v, want the function's error", err)
			}
		}
		want(2, "failed")
		answer = func(context.Context) (string, error) { return first.secret + "\n", nil }
		for range 50 {
			if err := fresh(t, c); err != nil {
				t.Fatal(err)
			}
		}
		want(3, "within a minute")
		time.Sleep(2 * time.Minute)
		token(t, c)
		want(4, "after a minute")
		time.Sleep(2 * time.Minute)
		for range 50 {
			token(t, c)
		}
		want(4, "for a token in memory")
		for name, broken := range map[string]func(context.Context) (string, error){
			"error": func(context.Context) (string, error) { return "", errors.New("the vault is closed") },
			"empty": func(context.Context) (string, error) { return "", nil },
			"panic": func(context.Context) (string, error) { panic("canary") },
		} {
			before := asked
			answer = broken
			for range 50 {
				if err := fresh(t, c); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			want(before+1, name)
			time.Sleep(2 * time.Minute)
		}
		before := asked
		answer = func(context.Context) (string, error) { return first.secret, nil }
		accept(t, e, second)
		if err := fresh(t, c); err == nil {
			t.Error("the old secret works")
		}
		want(before+2, "refused")
		answer = func(context.Context) (string, error) { return second.secret, nil }
		if err := fresh(t, c); err != nil {
			t.Error(err)
		}
		want(before+3, "refused, and another by then")
	})
}

// Pain 44: while a function hangs, others use what it returned last; its caller
// waits for it no longer than its context.
func TestPain44HangingSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		p := proofNumber(t, 1)
		accept(t, e, p)
		hangs := false
		c := appCred(t, azidentity.AuthenticationBySecretSource(func(ctx context.Context) (string, error) {
			if hangs {
				<-ctx.Done()
				return "", ctx.Err()
			}
			return p.secret, nil
		}), o)
		if err := fresh(t, c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		hangs = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		waited := make(chan error)
		go func() {
			_, err := c.GetToken(ctx, armToken)
			waited <- err
		}()
		synctest.Wait()
		start := time.Now()
		if err := fresh(t, c); err != nil || time.Since(start) != 0 {
			t.Errorf("another caller waited %v and got %v", time.Since(start), err)
		}
		if err := <-waited; !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: got %v, want the end of the caller's context", time.Since(start), err)
		}
	})
}

// Pain 44: many who are refused at once, and many who are first, ask the function
// once or twice, not each.
func TestPain44ManyShareAReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		first, second := proofNumber(t, 1), proofNumber(t, 2)
		accept(t, e, first)
		var asked, running atomic.Int64
		var now atomic.Pointer[proof]
		now.Store(&first)
		c := appCred(t, azidentity.AuthenticationBySecretSource(func(context.Context) (string, error) {
			asked.Add(1)
			if running.Add(1) > 1 {
				t.Error("asked by two at a time")
			}
			defer running.Add(-1)
			time.Sleep(100 * time.Millisecond)
			return now.Load().secret, nil
		}), o)
		crowd := func(want bool, most int64, when string) {
			t.Helper()
			asked.Store(0)
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if err := fresh(t, c); (err == nil) != want {
						t.Errorf("%s: got %v", when, err)
					}
				})
			}
			wg.Wait()
			if n := asked.Load(); n > most {
				t.Errorf("%s: asked %d times, want at most %d", when, n, most)
			}
		}
		crowd(true, 1, "at first")
		accept(t, e, second)
		crowd(false, 2, "refused")
		now.Store(&second)
		crowd(true, 2, "refused, and another by then")
	})
}
