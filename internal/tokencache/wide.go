package tokencache

import (
	"slices"
	"sync"
	"unique"
)

// A wideIndex finds tokens that serve more scopes than were asked for. It
// holds only entries with several scopes, which an application's own tokens
// never have, and is asked only after the exact key was not found. Its lock
// may be taken inside a shard's, never the other way round.
type wideIndex struct {
	mu     sync.Mutex
	groups map[group][]*entry
}

// A group is all tokens of one identity, whatever their scopes.
type group struct {
	principal       unique.Handle[Principal]
	tenant, subject string
	cae             bool
}

func groupOf(k Key) group { return group{k.Principal, k.Tenant, k.Subject, k.CAE} }

// serves returns all scopes that e is good for, in canonical form.
func (e *entry) serves() string {
	if e.granted != "" {
		return e.granted
	}
	return e.scopes
}

func (e *entry) isWide() bool {
	_, rest := nextScope(e.serves())
	return rest != ""
}

func (w *wideIndex) add(e *entry) {
	if !e.isWide() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.groups == nil {
		w.groups = make(map[group][]*entry)
	}
	g := groupOf(e.key())
	w.groups[g] = append(w.groups[g], e)
}

func (w *wideIndex) drop(e *entry) {
	if !e.isWide() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	g := groupOf(e.key())
	if left := slices.DeleteFunc(w.groups[g], func(o *entry) bool { return o == e }); len(left) > 0 {
		w.groups[g] = left
	} else {
		delete(w.groups, g)
	}
}

// find returns an entry of k's identity that is good at now and serves all of
// k's scopes, or nil.
func (w *wideIndex) find(k Key, now int64) *entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.groups[groupOf(k)] {
		if now < e.waitFrom && coversScopes([]string{e.serves()}, k.Scopes) {
			return e
		}
	}
	return nil
}
