package tokencache

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// shardCount bounds how long a growing table keeps other writers waiting.
// Readers never wait.
const shardCount = 16

// An index finds entries by query. Reading takes no lock and writes to no
// memory that readers share; writing locks one shard.
type index struct {
	limits Limits
	tokens atomic.Int64
	bytes  atomic.Int64
	shards [shardCount]shard
	wide   wideIndex
}

// A shard is a hash table with open addressing. Its slots are read without a
// lock: a slot goes from nil to an entry, then to newer entries or to gone,
// never back to nil, so a reader that meets nil has seen the whole chain. A
// table that fills up is replaced as a whole.
type shard struct {
	table atomic.Pointer[table]

	live atomic.Int64 // entries

	mu    sync.Mutex // guards all below and all writing
	taken int        // slots that are not nil
	hand  int        // where the search for expired entries goes on
}

type table struct {
	mask  uint64
	slots []atomic.Pointer[entry]
}

// gone marks a slot whose entry was removed.
var gone = new(entry)

func (x *index) shard(hash uint64) *shard { return &x.shards[hash>>60%shardCount] }

// find returns the entry for q, or nil.
func (x *index) find(q *Query, hash uint64) *entry {
	t := x.shard(hash).table.Load()
	if t == nil {
		return nil
	}
	for i := hash; ; i++ {
		e := t.slots[i&t.mask].Load()
		if e == nil {
			return nil
		}
		if e.hash == hash && e != gone && e.matches(q) {
			return e
		}
	}
}

// put files e, unless a later fetch has brought its successor already, and
// drops what has to go for it.
func (x *index) put(e *entry, now int64) (expired, evicted int) {
	s := x.shard(e.hash)
	s.mu.Lock()
	old, slot := s.slotFor(e)
	if old != nil && old.order > e.order {
		s.mu.Unlock()
		return 0, 0
	}
	slot.Store(e) // readers see the old token or the new one, never neither
	s.live.Add(1)
	x.count(e, 1)
	x.wide.add(e)
	if old != nil {
		x.uncount(s, old)
	}
	expired = x.sweep(s, now)
	s.mu.Unlock()

	if e.size() > x.limits.Bytes { // all others would have to leave, and that would not do
		x.drop(e)
		return expired, 1
	}
	for x.limits.exceeded(x.tokens.Load(), x.bytes.Load()) {
		if !x.evictOne(e, now) {
			break
		}
		evicted++
	}
	return expired, evicted
}

func (x *index) count(e *entry, sign int64) {
	x.tokens.Add(sign)
	x.bytes.Add(sign * e.size())
}

// slotFor returns the slot in which e belongs and the entry it would replace.
func (s *shard) slotFor(e *entry) (old *entry, slot *atomic.Pointer[entry]) {
	t := s.table.Load()
	if t == nil || 2*(s.taken+1) > len(t.slots) {
		t = s.rebuild()
	}
	var free *atomic.Pointer[entry]
	for i := e.hash; ; i++ {
		slot := &t.slots[i&t.mask]
		switch have := slot.Load(); {
		case have == nil:
			if free == nil {
				s.taken++
				free = slot
			}
			return nil, free
		case have == gone:
			if free == nil {
				free = slot
			}
		case have.sameKey(e):
			return have, slot
		}
	}
}

// rebuild makes a table in which at most a quarter of the slots are taken.
func (s *shard) rebuild() *table {
	live := int(s.live.Load())
	size := 8
	for size < 4*(live+1) {
		size *= 2
	}
	t := &table{mask: uint64(size - 1), slots: make([]atomic.Pointer[entry], size)}
	if old := s.table.Load(); old != nil {
		for i := range old.slots {
			e := old.slots[i].Load()
			if e == nil || e == gone {
				continue
			}
			for j := e.hash; ; j++ {
				if slot := &t.slots[j&t.mask]; slot.Load() == nil {
					slot.Store(e)
					break
				}
			}
		}
	}
	s.taken, s.hand = live, 0
	s.table.Store(t)
	return t
}

// sweepSlots is how many slots one write inspects for expired entries. A table
// has at most sixteen slots a token, so that a steady stream of new tokens
// keeps the expired ones a constant share.
const sweepSlots = 32

// sweep removes expired entries from the next slots of s, whose lock the
// caller holds, and returns how many it removed.
func (x *index) sweep(s *shard, now int64) (n int) {
	t := s.table.Load()
	for range min(sweepSlots, len(t.slots)) {
		slot := &t.slots[s.hand]
		s.hand = (s.hand + 1) % len(t.slots)
		if e := slot.Load(); e != nil && e != gone && e.expiresOn <= now {
			x.remove(s, slot, e)
			n++
		}
	}
	return n
}

// remove empties slot, which holds e. The caller holds the lock of s.
func (x *index) remove(s *shard, slot *atomic.Pointer[entry], e *entry) {
	slot.Store(gone)
	x.uncount(s, e)
}

func (x *index) uncount(s *shard, e *entry) {
	s.live.Add(-1)
	x.count(e, -1)
	x.wide.drop(e)
}

// drop removes e if it is still filed.
func (x *index) drop(e *entry) {
	s := x.shard(e.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table.Load()
	for i := e.hash; ; i++ {
		slot := &t.slots[i&t.mask]
		switch slot.Load() {
		case e:
			x.remove(s, slot, e)
			return
		case nil:
			return
		}
	}
}

// removeAll removes the entries that are meant.
func (x *index) removeAll(meant func(*entry) bool) {
	for i := range x.shards {
		s := &x.shards[i]
		s.mu.Lock()
		if t := s.table.Load(); t != nil {
			for j := range t.slots {
				if e := t.slots[j].Load(); e != nil && e != gone && meant(e) {
					x.remove(s, &t.slots[j], e)
				}
			}
		}
		s.mu.Unlock()
	}
}

// evictOne removes the least recently used of a few entries that it draws,
// expired ones first, but not keep. It reports whether there was one.
func (x *index) evictOne(keep *entry, now int64) bool {
	const draws = 8
	// The fuller of two shards: by chance alone some would run out of what is not
	// in use.
	start := rand.IntN(shardCount)
	if other := rand.IntN(shardCount); x.shards[other].live.Load() > x.shards[start].live.Load() {
		start = other
	}
	for i := range shardCount {
		s := &x.shards[(start+i)%shardCount]
		s.mu.Lock()
		t := s.table.Load()
		var worst *entry
		var at *atomic.Pointer[entry]
		if t != nil {
			from := rand.IntN(len(t.slots))
			seen := 0
			for j := range len(t.slots) {
				slot := &t.slots[(from+j)&int(t.mask)]
				e := slot.Load()
				if e == nil || e == gone || e == keep {
					continue
				}
				if seen++; worst == nil || e.expiresOn <= now || worst.expiresOn > now && e.usedAt.Load() < worst.usedAt.Load() {
					worst, at = e, slot
				}
				if seen == draws {
					break
				}
			}
		}
		if worst != nil {
			x.remove(s, at, worst)
		}
		s.mu.Unlock()
		if worst != nil {
			return true
		}
	}
	return false
}
