package tokencache

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
	"unique"
)

// A Token is what a [Source] acquires. It prints without its value.
type Token struct {
	Value     string
	ExpiresOn time.Time
	// RefreshOn is when the issuer asks for renewal; zero if it did not say.
	RefreshOn time.Time
	// Granted are the scopes that the issuer says the token has, as it wrote
	// them, or empty for those that were asked for.
	Granted string
}

// Format implements [fmt.Formatter]: it prints the times, never the value.
func (t Token) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "token until "+t.ExpiresOn.UTC().Format(time.RFC3339))
}

const (
	// maxMargin is the time before expiry from which a token is too old to
	// hand out without trying for a better one: callers need some life left
	// in it. The peers all use five minutes.
	maxMargin = 5 * time.Minute
	// minPause and maxPause bound the time between two attempts to renew a
	// token that still works; it doubles with every failure.
	minPause = 30 * time.Second
	maxPause = 5 * time.Minute
)

// An entry is a token in the index. Its plain fields never change; a renewed
// token is a new entry in the same slot.
//
// What a look-up reads comes first, in two cache lines, with the tenant's name
// in place: when there are many tokens, fetching a line costs more than all the
// rest of a look-up.
type entry struct {
	hash      uint64
	principal unique.Handle[Principal]
	tenant    name
	scopes    string // canonical
	subject   string
	cae       bool
	value     string
	expiresOn int64 // all times are Unix nanoseconds
	renewFrom int64 // from here on a renewal runs behind the callers

	waitFrom  int64         // from here on callers wait for it
	refreshOn int64         // the issuer's; 0 if it gave none
	order     uint64        // of the fetch that brought it; a later one wins
	granted   string        // canonical form of granted and requested scopes together, if more than scopes
	usedAt    atomic.Uint32 // in units of useGrain, for eviction
	failures  atomic.Uint32 // renewals failed in a row
	nextTry   atomic.Int64  // no renewal before this
}

// newEntry works out when token is to be renewed. now is the time at which
// the request for it was sent, so that the answer's travel only shortens its
// life here.
func newEntry(k Key, hash, order uint64, t Token, now time.Time) *entry {
	e := keyed(k, hash)
	e.order, e.value, e.expiresOn = order, t.Value, t.ExpiresOn.UnixNano()
	e.usedAt.Store(useTime(now.UnixNano()) - 1) // before any that was found since
	if t.Granted != "" {
		if g := canonicalScopes([]string{k.Scopes, t.Granted}); g != k.Scopes {
			e.granted = g
		}
	}
	// A token that lives less than twenty minutes keeps most of its life.
	margin := min(maxMargin, t.ExpiresOn.Sub(now)/4)
	e.waitFrom = e.expiresOn - int64(margin)
	if t.RefreshOn.IsZero() {
		// Early enough to be done before callers wait, and spread, so that
		// tokens that were acquired together are not renewed together.
		half := int64(margin) / 2
		e.renewFrom = e.waitFrom - half - rand.Int64N(half+1)
	} else {
		e.refreshOn = t.RefreshOn.UnixNano()
		e.renewFrom = min(e.refreshOn, e.waitFrom)
	}
	return e
}

// keyed returns an entry with k's key and nothing else.
func keyed(k Key, hash uint64) *entry {
	return &entry{
		hash: hash, principal: k.Principal, tenant: newName(k.Tenant),
		scopes: intern(k.Scopes), subject: strings.Clone(k.Subject), cae: k.CAE,
	}
}

// key is the inverse of keyed.
func (e *entry) key() Key {
	return Key{Principal: e.principal, Tenant: e.tenant.string(), Subject: e.subject, Scopes: e.scopes, CAE: e.cae}
}

// sameKey reports whether e and o are tokens of one key.
func (e *entry) sameKey(o *entry) bool {
	return e.hash == o.hash && e.principal == o.principal && e.tenant == o.tenant &&
		e.subject == o.subject && e.scopes == o.scopes && e.cae == o.cae
}

// A name is a string of which a short one, such as a GUID, lies in place.
type name struct {
	size  uint8 // of the part in short
	short [39]byte
	rest  string
}

func newName(s string) (n name) {
	n.size = uint8(copy(n.short[:], s))
	n.rest = strings.Clone(s[n.size:])
	return n
}

func (n *name) string() string { return string(n.short[:n.size]) + n.rest }

// is reports whether n is s but for the case of ASCII letters.
func (n *name) is(s string) bool {
	if len(s) != int(n.size)+len(n.rest) {
		return false
	}
	head, tail := s[:n.size], s[n.size:]
	return (string(n.short[:n.size]) == head || equalFold(string(n.short[:n.size]), head)) && equalFold(n.rest, tail)
}

func (e *entry) token() Token {
	t := Token{Value: e.value, ExpiresOn: time.Unix(0, e.expiresOn).UTC()}
	if e.refreshOn != 0 {
		t.RefreshOn = time.Unix(0, e.refreshOn).UTC()
	}
	return t
}

// matches reports whether e is the token that q asks for.
func (e *entry) matches(q *Query) bool {
	return e.principal == q.Owner.principal && e.cae == q.CAE && e.tenant.is(q.Tenant) &&
		e.subject == q.Subject && sameScopes(e.scopes, q.Scopes)
}

// size is about the memory that e occupies, slots and headers included.
func (e *entry) size() int64 {
	n := int64(len(e.value)+len(e.subject)+len(e.granted)) + entryOverhead
	if e.isWide() {
		n += wideOverhead
	}
	return n
}

// What the indexes take for an entry when many have come and gone, measured
// (TestPain9BytesAreCounted).
const (
	entryOverhead = 310
	wideOverhead  = 400
)

// interned holds scopes that were seen lately: tokens have few different ones,
// and share the memory of theirs.
var interned [64]atomic.Pointer[string]

// intern returns a string equal to s that is no part of something large.
func intern(s string) string {
	slot := &interned[foldHash(hashKey, s)%uint64(len(interned))]
	if have := slot.Load(); have != nil && *have == s {
		return *have
	}
	s = strings.Clone(s)
	slot.Store(&s)
	return s
}

// claimRenewal reports whether the caller is to renew e, which at most one is
// within a pause.
func (e *entry) claimRenewal(now int64) bool {
	next := e.nextTry.Load()
	return now >= next && e.nextTry.CompareAndSwap(next, now+int64(minPause))
}

// failed notes that a renewal failed and when the next may be tried, at the
// earliest at notBefore.
func (e *entry) failed(now, notBefore int64) {
	n := min(e.failures.Add(1)-1, 8)
	pause := min(minPause<<n, maxPause)
	pause -= time.Duration(rand.Int64N(int64(pause / 8)))
	e.nextTry.Store(max(now+int64(pause), notBefore))
}

// useGrain is how finely the time of use is kept, as a shift of nanoseconds:
// about 4 s. Coarse, so that callers that share a token seldom write to it.
const useGrain = 32

func useTime(now int64) uint32 { return uint32(now >> useGrain) }

func (e *entry) used(now int64) {
	if t := useTime(now); e.usedAt.Load() != t {
		e.usedAt.Store(t)
	}
}
