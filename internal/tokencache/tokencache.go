// Package tokencache decides, for every token request, between the token that
// is in memory and asking for another one.
//
// It owns the key that separates tokens, the index that finds them, the times
// at which they are renewed, the one flight per key that does it, and the
// bounds on memory. How a token is acquired is the business of a [Source]:
// a grant at the token endpoint, a managed identity endpoint, a command. Where
// bytes rest on disk or in a shared store is the business of package cache.
//
// A request finds its token in one of four states:
//
//   - fresh: returned. No lock, no allocation, one look-up, one clock reading.
//   - aging, past the time at which renewal is due: returned, and renewed
//     behind the caller, once.
//   - old, with too little life left to be useful: callers wait for a renewal.
//     If that fails or dawdles, they get the old token as long as it works.
//   - missing or expired: callers wait, each under its own context.
package tokencache

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/azid-go/azidentity/internal/events"
	"github.com/azid-go/azidentity/internal/flight"
	"github.com/azid-go/azidentity/internal/holdoff"
)

// A Source acquires tokens.
type Source interface {
	// Fetch acquires the token that q asks for. Its context carries the first
	// caller's values and is cancelled when nobody waits any more.
	//
	// An error with a method ThrottledFor() time.Duration that returns a
	// positive duration keeps the cache from asking for the same again for that
	// long: callers get that error, as a [*holdoff.Remembered]. One with a method
	// RefusedForGood() bool that returns true does so for seconds, once it has come
	// several times in a row. The key holds the proof, so that a corrected secret is
	// another request.
	Fetch(ctx context.Context, q Query) (Token, error)

	// Life ends when the source is closed: renewals behind that nobody waits
	// for end with it, and none begin.
	Life() context.Context
}

// Limits bound a cache. The zero value means the defaults.
type Limits struct {
	Tokens int64 // most tokens kept; default 2,000,000
	Bytes  int64 // most memory for tokens and their keys; default 4 GiB
}

func (l Limits) withDefaults() Limits {
	if l.Tokens <= 0 {
		l.Tokens = 2_000_000
	}
	if l.Bytes <= 0 {
		l.Bytes = 4 << 30
	}
	return l
}

func (l Limits) exceeded(tokens, bytes int64) bool { return tokens > l.Tokens || bytes > l.Bytes }

const (
	// fetchBound ends a fetch that has neither failed nor succeeded, retries
	// and the pauses that a server asked for included.
	fetchBound = 3 * time.Minute
	// patience is how long callers wait for the renewal of an old token
	// before they get the old one.
	patience = 5 * time.Second
)

// ErrFetchBound is the error of a fetch that took too long, whatever its
// callers' own deadlines.
var ErrFetchBound = errors.New("no answer within " + fetchBound.String())

// A Cache keeps tokens in memory. Use [New]. All methods are safe for
// concurrent use.
type Cache struct {
	index   index
	flights flight.Group[request, Token]
	order   atomic.Uint64
	refused holdoff.Memory[request]
	stats   counters
}

// A request is what concurrent callers can share one fetch for.
type request struct {
	key    Key
	claims string
}

// New returns an empty cache.
func New(l Limits) *Cache {
	c := new(Cache)
	c.index.limits = l.withDefaults()
	c.flights.Bound = fetchBound
	return c
}

// Get returns the token that q asks for, from memory or from src. It never
// returns a token past its expiry, nor a zero token without an error. When ctx
// ends first, its error is returned at once.
//
// A query with claims is never answered from memory; the token it brings
// replaces the one in memory.
func (c *Cache) Get(ctx context.Context, q Query, src Source) (Token, error) {
	hash := q.hash()
	if q.Claims == "" {
		if e := c.index.find(&q, hash); e != nil {
			now := time.Now().UnixNano()
			if now < e.renewFrom {
				e.used(now)
				return e.token(), nil
			}
			if now < e.expiresOn {
				return c.renew(ctx, q, hash, src, e, now)
			}
		}
	}
	return c.acquire(ctx, q, hash, src)
}

// Peek returns the token in memory for q, whatever its age and whatever claims q
// has, or "".
func (c *Cache) Peek(q Query) string {
	if e := c.index.find(&q, q.hash()); e != nil {
		return e.value
	}
	return ""
}

// renew returns e, which is due for renewal, or a better token.
func (c *Cache) renew(ctx context.Context, q Query, hash uint64, src Source, e *entry, now int64) (Token, error) {
	e.used(now)
	req := request{key: e.key()}
	if e.claimRenewal(now) {
		c.flights.Go(src.Life(), req, func(ctx context.Context) (Token, error) {
			return c.fetch(ctx, q, hash, req, src, e)
		})
	}
	if now < e.waitFrom {
		return e.token(), nil
	}
	waitCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t, joined, err := c.flights.Join(waitCtx, req)
	if !joined && src.Life().Err() != nil {
		t, err = c.acquire(waitCtx, q, hash, src)
		joined = true
	}
	switch {
	case joined && err == nil:
		return t, nil
	case ctx.Err() != nil:
		return Token{}, ctx.Err()
	case time.Now().UnixNano() < e.expiresOn:
		c.stats.stale.Add(1)
		events.Log(ctx, events.OldTokenServed)
		return e.token(), nil
	}
	return c.acquire(ctx, q, hash, src)
}

// acquire fetches the token that q asks for or joins a fetch under way.
func (c *Cache) acquire(ctx context.Context, q Query, hash uint64, src Source) (Token, error) {
	req := request{key: q.Key(), claims: q.Claims}
	if q.Claims == "" {
		now := time.Now().UnixNano()
		if e := c.index.wide.find(req.key, now); e != nil {
			e.used(now)
			return e.token(), nil
		}
	}
	return c.flights.Do(ctx, req, func(ctx context.Context) (Token, error) {
		return c.fetch(ctx, q, hash, req, src, nil)
	})
}

// fetch is the one place in which tokens are acquired. It runs at most once
// at a time for a request. aging is the entry that it renews, if any.
func (c *Cache) fetch(ctx context.Context, q Query, hash uint64, req request, src Source, aging *entry) (Token, error) {
	start := time.Now()
	if q.Claims == "" {
		// Another flight may have landed between the look-up and this one.
		if e := c.index.find(&q, hash); e != nil && e != aging && start.UnixNano() < e.waitFrom {
			return e.token(), nil
		}
	}
	if err := c.refused.Find(req, start); err != nil {
		return Token{}, err
	}
	order := c.order.Add(1)
	c.stats.fetches.Add(1)
	t, err := src.Fetch(ctx, q)
	if err == nil && !t.ExpiresOn.After(time.Now()) {
		err = errors.New("the token that came back has already expired: check this machine's clock")
	}
	if err != nil {
		c.stats.failures.Add(1)
		now := time.Now()
		until := c.note(req, err, now)
		if aging != nil {
			aging.failed(now.UnixNano(), until.UnixNano())
			events.Log(ctx, events.RenewalFailed, events.Err(err))
		}
		if errors.Is(context.Cause(ctx), flight.ErrBound) && errors.Is(err, context.DeadlineExceeded) {
			err = &boundError{err}
		}
		return Token{}, err
	}
	c.refused.Clear(req)
	c.file(newEntry(req.key, hash, order, t, start), start)
	return t, nil
}

// note remembers err if it asks for that, and returns until when.
func (c *Cache) note(req request, err error, now time.Time) time.Time {
	var again *holdoff.Remembered
	if errors.As(err, &again) {
		return again.Until // the source knows, and how long it still is
	}
	// Only the part that asks is remembered: the rest may be about this fetch, such
	// as the end of its context.
	var throttled interface {
		error
		ThrottledFor() time.Duration
	}
	if errors.As(err, &throttled) && throttled.ThrottledFor() > 0 {
		return c.refused.Throttled(req, throttled, now, throttled.ThrottledFor())
	}
	var refused interface {
		error
		RefusedForGood() bool
	}
	if errors.As(err, &refused) && refused.RefusedForGood() {
		return c.refused.Refused(req, refused, now)
	}
	return time.Time{}
}

// A boundError hides the deadline of the fetch itself: it is not the caller's.
type boundError struct{ err error }

func (e *boundError) Error() string { return ErrFetchBound.Error() + ": " + e.err.Error() }
func (e *boundError) Unwrap() error { return ErrFetchBound }

// Stats are a cache's counters since it was made. Hits are not among them:
// counting them would make every hit write to memory that all callers share.
type Stats struct {
	Tokens      int64 // in memory now
	Bytes       int64 // that they occupy, keys included, about
	Fetches     int64 // calls to a source
	Failures    int64 // of those
	StaleServed int64 // old tokens handed out because a renewal failed
	Expired     int64 // tokens dropped after their expiry
	Evicted     int64 // tokens dropped for the limits
}

type counters struct {
	fetches, failures, stale, expired, evicted atomic.Int64
}

// Stats returns the counters.
func (c *Cache) Stats() Stats {
	return Stats{
		Tokens:      c.index.tokens.Load(),
		Bytes:       c.index.bytes.Load(),
		Fetches:     c.stats.fetches.Load(),
		Failures:    c.stats.failures.Load(),
		StaleServed: c.stats.stale.Load(),
		Expired:     c.stats.expired.Load(),
		Evicted:     c.stats.evicted.Load(),
	}
}
