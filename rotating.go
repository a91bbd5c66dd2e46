package azidentity

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/events"
)

// A rotating is a value that others change while the program runs: what a file
// holds, or what a function returns. Whatever the place holds later, the last good
// version stays in memory. It is safe for concurrent use.
type rotating[T any] struct {
	place[T]
	turn chan struct{} // one value: that of whoever reads the place

	mu           sync.Mutex  // guards all below; not held while the place is looked at or read
	held         *edition[T] // nil until a reading was good
	seen         seen        // in the last reading
	failure      error       // of the last reading
	told         [32]byte    // the broken version of the last event
	begun, ended int         // readings, by their ordinals
}

// A place is where a rotating value comes from.
type place[T any] struct {
	name string // in errors and events, such as "secret file /run/secrets/app"
	// unchanged reports, at little cost, that there is no reason to read again.
	unchanged func(seen) bool
	// read returns what the place holds now. first says that there is nothing to
	// fall back on.
	read func(ctx context.Context, first bool) reading[T]
}

// seen is what a reading found, for place.unchanged. The stamp of files tells their
// versions apart, and is empty if they could not be read.
type seen struct {
	stamp string
	at    time.Time
}

// A reading is what came of reading a place once. The digest is that of the
// contents, good or broken, and zero if there were none.
type reading[T any] struct {
	value  T
	digest [32]byte
	stamp  string
	err    error
}

// An edition is a value that was good when it was read. It does not change.
type edition[T any] struct {
	value  T
	digest [32]byte
}

func newRotating[T any](p place[T]) *rotating[T] {
	return &rotating[T]{place: p, turn: make(chan struct{}, 1)}
}

// first makes sure that there is a version, without looking for a newer one.
func (r *rotating[T]) first(ctx context.Context) error {
	if held, _, _ := r.state(); held != nil {
		return nil
	}
	_, err := r.latest(ctx)
	return err
}

func (r *rotating[T]) state() (held *edition[T], last seen, begun int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held, r.seen, r.begun
}

// latest returns the version that counts now. It reads the place if that may hold
// another, unless somebody else does so at the moment. Apart from the end of ctx, it
// fails only as long as there has been no good version.
func (r *rotating[T]) latest(ctx context.Context) (*edition[T], error) {
	held, last, begun := r.state()
	if held != nil && r.unchanged(last) {
		return held, nil
	}
	select {
	case r.turn <- struct{}{}:
	default:
		if held != nil {
			return held, nil
		}
		if err := r.wait(ctx); err != nil {
			return nil, err
		}
	}
	defer r.leave()
	if held, last, _ = r.state(); held == nil || !r.unchanged(last) {
		if err := r.reload(ctx, begun); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held == nil {
		return nil, fmt.Errorf("%s: %w", r.name, r.failure)
	}
	return r.held, nil
}

// refused has the place read once more, as the authority refuses what used holds,
// and reports whether there is another version now. If not, it says what became of
// the place.
func (r *rotating[T]) refused(ctx context.Context, used *edition[T]) (better bool, finding string) {
	held, _, begun := r.state()
	if held.digest == used.digest {
		if r.wait(ctx) != nil {
			return false, ""
		}
		defer r.leave()
		if held, _, _ = r.state(); held.digest == used.digest && r.reload(ctx, begun) != nil {
			return false, ""
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.held.digest != used.digest:
		return true, ""
	case r.failure != nil:
		return false, fmt.Sprintf("%s, which cannot be used now: %v", r.name, r.failure)
	}
	return false, r.name + ", which holds no other now"
}

// wait waits for the turn to read.
func (r *rotating[T]) wait(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *rotating[T]) leave() { <-r.turn }

// reload reads the place for whoever has the turn, unless a reading ended that began
// when more than asked had begun: it is news to the caller. Its error is the end of
// the caller's context, which says nothing about the place.
func (r *rotating[T]) reload(ctx context.Context, asked int) error {
	r.mu.Lock()
	if r.ended > asked {
		r.mu.Unlock()
		return nil
	}
	r.begun++
	begun, first := r.begun, r.held == nil
	r.mu.Unlock()

	got := r.guarded(ctx, first)
	if got.err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if event := r.take(got, begun); event != "" {
		attrs := []slog.Attr{slog.String("from", r.name)}
		if got.err != nil {
			attrs = append(attrs, events.Err(got.err))
		}
		events.Log(ctx, event, attrs...)
	}
	return nil
}

// guarded reads the place. A function that panics is a broken place if there is
// something to fall back on.
func (r *rotating[T]) guarded(ctx context.Context, first bool) (got reading[T]) {
	if !first {
		defer func() {
			if v := recover(); v != nil {
				got = reading[T]{err: fmt.Errorf("the function panicked with a %T", v)}
			}
		}()
	}
	return r.read(ctx, first)
}

// take remembers what was read and returns the event that it is worth, if any.
func (r *rotating[T]) take(got reading[T], ordinal int) (event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.seen, r.failure = ordinal, seen{got.stamp, time.Now()}, got.err
	if got.err != nil {
		broken := got.digest
		if broken == [32]byte{} {
			broken = digest("failure", got.err.Error())
		}
		if r.held == nil || r.told == broken {
			return ""
		}
		r.told = broken
		return events.ProofKept
	}
	r.told = [32]byte{}
	if r.held != nil && r.held.digest == got.digest {
		return ""
	}
	if r.held != nil {
		event = events.ProofChanged
	}
	r.held = &edition[T]{got.value, got.digest}
	return event
}

// A rotatingAuth proves by the latest version of a value.
type rotatingAuth[T any] struct {
	from     *rotating[T]
	clientID string
	renew    func(value T, clientID string, before clientAuth) clientAuth // see [renewSecret]
	identity [32]byte
	alone    bool

	mu  sync.Mutex // guards now
	now *proved[T]
}

// proved is an edition and the proof by it.
type proved[T any] struct {
	edition *edition[T]
	auth    clientAuth
}

func (a *rotatingAuth[T]) Authenticate(ctx context.Context, f *entra.Form, endpoint string, legacy bool) error {
	v, err := a.from.latest(ctx)
	if err != nil {
		return err
	}
	by := a.by(v)
	f.By = by
	return by.auth.Authenticate(ctx, f, endpoint, legacy)
}

func (a *rotatingAuth[T]) by(v *edition[T]) *proved[T] {
	a.mu.Lock()
	defer a.mu.Unlock()
	var before clientAuth
	if a.now != nil {
		before = a.now.auth
	}
	if a.now == nil || a.now.edition != v {
		a.now = &proved[T]{v, a.renew(v.value, a.clientID, before)}
	}
	return a.now
}

// Refused reads the place once more: it may hold another by now, or have changed
// without a trace. What counts is what this request sent, as others may have found
// the new version meanwhile.
func (a *rotatingAuth[T]) Refused(ctx context.Context, e *entra.Error, f *entra.Form) bool {
	by := f.By.(*proved[T])
	retry := by.auth.Refused(ctx, e, f)
	if e.Code != "invalid_client" {
		return retry
	}
	better, finding := a.from.refused(ctx, by.edition)
	e.ProofFrom = finding
	return better || retry
}

// proof is that of the place: whoever reads the same one is the same application,
// whatever it holds today.
func (a *rotatingAuth[T]) proof() [32]byte { return a.identity }
func (a *rotatingAuth[T]) private() bool   { return a.alone }
