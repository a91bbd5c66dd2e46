// Package holdoff remembers what was refused, so that the same is not asked again and
// again: while a server asks to be left alone, or for seconds when nothing has changed
// in a request that was refused for good several times in a row.
//
// What makes two requests the same is its users' to say, by the key: in package
// tokencache it is the token that is wanted, in package entra the request itself, so
// that one in which anything changes is sent.
package holdoff

import (
	"fmt"
	"sync"
	"time"
)

// Pause is for how long a request is not repeated that was refused for good, such as
// one with a wrong secret, more than Tries times in a row: each within Pause after the
// one before might be sent again. It is short, as what was wrong may be mended on the
// other side, where nobody here sees it: by the time an administrator who registered a
// certificate or granted consent tries again, it is over, and whoever tries once or
// twice meets nothing of it. It is long enough to make of a loop that never pauses
// twelve requests in a minute.
const (
	Pause = 5 * time.Second
	Tries = 2
)

const (
	longest = time.Hour // that a server can ask for
	most    = 10_000    // refusals in one memory
)

// Remembered is the error of a request that was not sent, because of what the same
// one brought before.
type Remembered struct {
	Err   error     // of the one that was sent
	Until time.Time // when the next will be sent
}

// Error has the time in it: it may be read long after.
func (r *Remembered) Error() string {
	return fmt.Sprintf("%v; the same is not asked again until %s", r.Err, Time(r.Until))
}

// Unwrap returns the error of the request that was sent.
func (r *Remembered) Unwrap() error { return r.Err }

// Time writes t as errors do.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// A Memory holds refusals, each for a time. The zero value is ready. All methods are
// safe for concurrent use. It is bounded: when it is full, any may go.
type Memory[K comparable] struct {
	mu  sync.Mutex // guards all below
	all map[K]refusal
}

type refusal struct {
	*Remembered
	inRow int // refusals for good
}

// over reports whether nothing follows from r any more.
func (r refusal) over(now time.Time) bool { return !now.Before(r.Until.Add(Pause)) }

// Empty reports whether there is nothing to be found, which is so nearly always.
func (m *Memory[K]) Empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.all) == 0
}

// Find returns what is remembered for k, a [*Remembered], or nil.
func (m *Memory[K]) Find(k K, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, ok := m.all[k]
	switch {
	case !ok:
		return nil
	case now.Before(one.Until):
		return one.Remembered
	case one.over(now):
		delete(m.all, k)
	}
	return nil
}

// Throttled remembers err for k, for d from now on, as the server asks, and returns
// until when.
func (m *Memory[K]) Throttled(k K, err error, now time.Time, d time.Duration) time.Time {
	until := now.Add(min(d, longest))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(k, refusal{&Remembered{err, until}, 0}, now)
	return until
}

// Refused notes that k was refused for good, and returns until when err is remembered
// for it: the zero time if it will be tried again at once.
func (m *Memory[K]) Refused(k K, err error, now time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := refusal{&Remembered{err, now}, 1}
	if before, ok := m.all[k]; ok && !before.over(now) {
		one.inRow += before.inRow
	}
	if one.inRow > Tries {
		one.Until = now.Add(Pause)
	}
	m.put(k, one, now)
	if one.inRow > Tries {
		return one.Until
	}
	return time.Time{}
}

func (m *Memory[K]) put(k K, one refusal, now time.Time) {
	if m.all == nil {
		m.all = make(map[K]refusal)
	}
	if len(m.all) >= most {
		m.prune(now)
	}
	m.all[k] = one
}

// prune drops what is over, or, if that is nothing, anything.
func (m *Memory[K]) prune(now time.Time) {
	for k, one := range m.all {
		if one.over(now) {
			delete(m.all, k)
		}
	}
	for k := range m.all {
		if len(m.all) < most {
			return
		}
		delete(m.all, k)
	}
}

// Clear forgets what is remembered for k.
func (m *Memory[K]) Clear(k K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, k)
}
