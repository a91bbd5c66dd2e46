package assertion

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// renewBefore is the time an assertion must have left to be used again:
	// enough for a slow request with its retries.
	renewBefore = 2 * time.Minute

	// maxAssertions bounds what is kept. A signature too many costs a service
	// with more tenants about a millisecond; an entry with a chain takes 10 kB.
	maxAssertions = 1024

	// clockStep is the change of offset that matters. The Date header counts
	// whole seconds and is as old as the response's way took.
	clockStep = 5 * time.Second
)

// Cached reuses what its signer signs: one signature for each audience and
// profile in eight minutes, however many callers there are. It keeps the latest
// 1,024. It may be used concurrently and must not be copied.
type Cached struct {
	signer   *Signer
	clientID string

	mu      sync.Mutex // guards what follows; never held while signing
	entries map[cacheKey]entry
	flights map[cacheKey]*flight
	offset  time.Duration
}

type cacheKey struct {
	audience string
	profile  Profile
}

// entry times are this machine's wall clock, without the monotonic reading: that
// one stands still while a laptop sleeps.
type entry struct {
	token  string
	signed time.Time
}

func (e entry) fresh(now time.Time) bool {
	age := now.Sub(e.signed)
	// A negative age: the clock was set back, and the assertion is from its future.
	return age >= 0 && age < Lifetime-renewBefore
}

// flight is one signature under way. token and err are set before done closes.
type flight struct {
	done  chan struct{}
	token string
	err   error
}

// NewCached returns a cache of assertions for one application.
func NewCached(signer *Signer, clientID string) *Cached {
	return &Cached{
		signer:   signer,
		clientID: clientID,
		entries:  map[cacheKey]entry{},
		flights:  map[cacheKey]*flight{},
	}
}

// Signer returns what it was made with.
func (c *Cached) Signer() *Signer { return c.signer }

// Format prints none of the assertions, whatever the verb.
func (c *Cached) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "assertion.Cached(%q, %v)", c.clientID, c.signer)
}

// Assertion returns an assertion for audience that is valid for two minutes or
// more. Callers who need the same one wait for one signature, each as long as
// its own context allows; a signature nobody waits for any more is kept too.
func (c *Cached) Assertion(ctx context.Context, audience string, profile Profile) (string, error) {
	key := cacheKey{audience, profile}
	now := time.Now().Round(0)
	c.mu.Lock()
	if e, ok := c.entries[key]; ok && e.fresh(now) {
		c.mu.Unlock()
		return e.token, nil
	}
	if err := ctx.Err(); err != nil {
		c.mu.Unlock()
		return "", err
	}
	f := c.flights[key]
	if f == nil {
		f = &flight{done: make(chan struct{}), err: errors.New("signing the client assertion: the private key's Sign method ended its goroutine")}
		c.flights[key] = f
		// The goroutine ends when the key has signed; there is one a key at most.
		go c.sign(context.WithoutCancel(ctx), key, f, now, c.offset)
	}
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (c *Cached) sign(ctx context.Context, key cacheKey, f *flight, now time.Time, offset time.Duration) {
	defer close(f.done)
	defer func() { // also when Sign calls runtime.Goexit
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.flights[key] != f {
			return // SetOffset disowned it: signed by the wrong clock
		}
		delete(c.flights, key)
		if f.err == nil {
			c.keep(key, entry{f.token, now})
		}
	}()
	f.token, f.err = c.signer.Sign(ctx, Claims{
		Audience: key.audience,
		ClientID: c.clientID,
		Profile:  key.profile,
		Now:      now.Add(offset),
	})
}

// keep stores e, and makes room by dropping what has expired and, if that is not
// enough, the oldest. c.mu is held.
func (c *Cached) keep(key cacheKey, e entry) {
	var oldest cacheKey
	var since time.Time
	for k, old := range c.entries {
		if !old.fresh(e.signed) {
			delete(c.entries, k)
		} else if since.IsZero() || old.signed.Before(since) {
			oldest, since = k, old.signed
		}
	}
	if len(c.entries) >= maxAssertions {
		delete(c.entries, oldest)
	}
	c.entries[key] = e
}

// Forget drops an assertion that the server refused. One signed since, perhaps
// after another caller's refusal, stays.
func (c *Cached) Forget(audience string, profile Profile, refused string) {
	key := cacheKey{audience, profile}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[key].token == refused {
		delete(c.entries, key)
	}
}

// SetOffset says that the server's clock is ahead of this machine's by d, which
// is negative when it is behind. Assertions made with another offset are
// dropped. Differences of up to five seconds are ignored, so that many callers
// who learn the same offset at once cause one new signature.
func (c *Cached) SetOffset(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if diff := d - c.offset; -clockStep <= diff && diff <= clockStep {
		return
	}
	c.offset = d
	clear(c.entries)
	clear(c.flights)
}

// Offset returns what was set last, for error texts.
func (c *Cached) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}
