package tokencache

import (
	"errors"
	"sync"
	"time"
)

// blocks remembers for which keys a server asked to be left alone, so that
// callers that come one after another do not each repeat a request that was
// just refused for being one too many. The key holds the proof: a corrected
// secret is a new key and is tried at once.
type blocks struct {
	mu  sync.Mutex
	all map[Key]block
}

type block struct {
	until time.Time
	err   error
}

// maxBlock bounds what a server can ask for; maxBlocks how many are kept.
const (
	maxBlock  = time.Hour
	maxBlocks = 10_000
)

// check returns the remembered error for k while its time has not passed.
func (b *blocks) check(k Key, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one, ok := b.all[k]; ok && now.Before(one.until) {
		return one.err
	}
	return nil
}

// note remembers err for as long as it asks for, and returns until when, or
// the zero time.
func (b *blocks) note(k Key, err error, now time.Time) time.Time {
	var throttled interface{ ThrottledFor() time.Duration }
	if !errors.As(err, &throttled) {
		return time.Time{}
	}
	d := min(throttled.ThrottledFor(), maxBlock)
	if d <= 0 {
		return time.Time{}
	}
	until := now.Add(d)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = make(map[Key]block)
	}
	if len(b.all) >= maxBlocks {
		b.prune(now)
	}
	b.all[k] = block{until, err}
	return until
}

// prune drops what has passed, or, if that is nothing, anything.
func (b *blocks) prune(now time.Time) {
	for k, one := range b.all {
		if !now.Before(one.until) {
			delete(b.all, k)
		}
	}
	for k := range b.all {
		if len(b.all) < maxBlocks {
			return
		}
		delete(b.all, k)
	}
}

func (b *blocks) clear(k Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, k)
}
