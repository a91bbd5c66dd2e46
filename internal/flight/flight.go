// Package flight runs one call per key for any number of waiters.
//
// It owns the life of that call: who waits for it, when it is cancelled, when
// its slot is free for the next. It caches nothing; a result lives as long as
// its waiters. Golang's x/sync/singleflight is not enough here: its callers
// cannot leave early, and the first caller's context ends everybody's call.
package flight

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// ErrPanicked is in the tree of the error that waiters get when the function
// panicked or ended its goroutine.
var ErrPanicked = errors.New("the call panicked")

// ErrBound is the cause of a context that ended because the call took longer
// than its group allows.
var ErrBound = errors.New("the call took too long")

// A Group runs at most one call per key at a time. The zero value is ready.
// All methods are safe for concurrent use. A Group must not be copied.
type Group[K comparable, V any] struct {
	// Bound ends the context of a call that has run so long, with the cause
	// [ErrBound]. Zero means no bound. It is set before the first call.
	Bound time.Duration

	mu    sync.Mutex // guards calls and call.waiters; never held while a function runs
	calls map[K]*call[V]
}

type call[V any] struct {
	done    chan struct{} // closed when value and err are set
	cancel  context.CancelFunc
	waiters int
	value   V
	err     error
}

// Do returns the result of fn for key, joining a call that is under way.
//
// fn runs on a goroutine and a context of its own: the context carries the
// values of the first caller's but neither its deadline nor its cancellation.
// A caller whose ctx ends returns at once with ctx.Err(). When the
// last caller has left, fn's context is cancelled and the key is free at that
// moment, so that nobody inherits the cancellation.
//
// A first caller whose ctx can never end runs fn on its own goroutine, which
// saves starting one.
//
// A panic in fn becomes an error that wraps [ErrPanicked].
func (g *Group[K, V]) Do(ctx context.Context, key K, fn func(context.Context) (V, error)) (V, error) {
	if err := ctx.Err(); err != nil {
		var zero V
		return zero, err
	}
	g.mu.Lock()
	c := g.calls[key]
	mine := c == nil
	var callCtx context.Context
	if mine {
		c, callCtx = g.add(ctx, key)
	}
	c.waiters++
	g.mu.Unlock()
	switch {
	case mine && ctx.Done() == nil:
		g.run(callCtx, key, c, fn)
		return c.value, c.err
	case mine:
		go g.run(callCtx, key, c, fn)
	}
	return g.wait(ctx, key, c)
}

// Join waits, as [Group.Do] does, for the call for key if one is under way,
// and reports whether there was one.
func (g *Group[K, V]) Join(ctx context.Context, key K) (v V, joined bool, err error) {
	g.mu.Lock()
	c := g.calls[key]
	if c == nil {
		g.mu.Unlock()
		return v, false, nil
	}
	c.waiters++
	g.mu.Unlock()
	v, err = g.wait(ctx, key, c)
	return v, true, err
}

func (g *Group[K, V]) wait(ctx context.Context, key K, c *call[V]) (V, error) {
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		g.leave(key, c)
		var zero V
		return zero, ctx.Err()
	}
}

// Go starts fn for key unless a call is under way, and does not wait. The call
// counts as waited for until it ends or ctx does; then it goes on only for
// callers of [Group.Do] that joined it. It reports whether it started one.
func (g *Group[K, V]) Go(ctx context.Context, key K, fn func(context.Context) (V, error)) bool {
	if ctx.Err() != nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calls[key] != nil {
		return false
	}
	c, callCtx := g.add(ctx, key)
	c.waiters++
	stop := context.AfterFunc(ctx, func() { g.leave(key, c) })
	inner := c.cancel
	c.cancel = func() { stop(); inner() }
	go g.run(callCtx, key, c, fn)
	return true
}

// add makes the call for key and its context. The caller holds g.mu.
func (g *Group[K, V]) add(ctx context.Context, key K) (*call[V], context.Context) {
	callCtx := context.WithoutCancel(ctx)
	var cancel context.CancelFunc
	if g.Bound > 0 {
		callCtx, cancel = context.WithTimeoutCause(callCtx, g.Bound, ErrBound)
	} else {
		callCtx, cancel = context.WithCancel(callCtx)
	}
	c := &call[V]{done: make(chan struct{}), cancel: cancel}
	if g.calls == nil {
		g.calls = make(map[K]*call[V])
	}
	g.calls[key] = c
	return c, callCtx
}

func (g *Group[K, V]) run(ctx context.Context, key K, c *call[V], fn func(context.Context) (V, error)) {
	c.err = ErrPanicked // stays if fn ends the goroutine with runtime.Goexit
	defer func() {
		if r := recover(); r != nil {
			c.err = newPanicError(r)
		}
		g.mu.Lock()
		g.free(key, c)
		cancel := c.cancel
		g.mu.Unlock()
		cancel()
		close(c.done)
	}()
	growStack()
	c.value, c.err = fn(ctx)
}

// growStack gives a new goroutine the stack that a request needs at once,
// while there is little on it to copy. Else it would double several times
// under the pipeline's frames, which costs more than sending the request.
//
//go:noinline
func growStack() byte {
	var frame [7 << 10]byte
	return frame[len(os.Args)%len(frame)]
}

// leave takes one waiter off c, and ends c if that was the last.
func (g *Group[K, V]) leave(key K, c *call[V]) {
	g.mu.Lock()
	c.waiters--
	last := c.waiters == 0
	if last {
		g.free(key, c)
	}
	cancel := c.cancel
	g.mu.Unlock()
	if last {
		cancel()
	}
}

// free gives key's slot back if c still holds it. The caller holds g.mu.
func (g *Group[K, V]) free(key K, c *call[V]) {
	if g.calls[key] == c {
		delete(g.calls, key)
	}
}

// A PanicError is the error of a call whose function panicked. It wraps
// [ErrPanicked], and the panic's value if that was an error. Any other value
// is dropped, and with it what it may quote.
type PanicError struct {
	Stack string // where

	kind  string // type of the value
	cause error
}

func newPanicError(value any) *PanicError {
	e := &PanicError{Stack: string(debug.Stack()), kind: fmt.Sprintf("%T", value)}
	e.cause, _ = value.(error)
	return e
}

// Error names the type of the panic's value only.
func (e *PanicError) Error() string { return fmt.Sprintf("%v with a %s", ErrPanicked, e.kind) }

// Unwrap implements the tree for [errors.Is].
func (e *PanicError) Unwrap() []error {
	if e.cause != nil {
		return []error{ErrPanicked, e.cause}
	}
	return []error{ErrPanicked}
}
