package main

import (
	"errors"
	"strings"
	"time"
)

// A floorKey is what separates tokens, as a plain struct.
type floorKey struct {
	authority, tenant, client, proof, user, scopes string
	cae                                            bool
}

// A floor is the least that a cache of tokens can do: one look-up in a Go map,
// one reading of the clock, one comparison. It has no lock, no renewal and no
// bounds, and a caller has to have the key ready.
type floor map[floorKey]int64 // when tokens expire

// keyFor returns a key that shares no string with another call's, as the key
// of a request shares none with the key of the token that it finds.
func keyFor(tenant string) floorKey {
	return floorKey{
		authority: strings.Clone("login.microsoftonline.com"),
		tenant:    tenant,
		client:    guid(client, 1),
		proof:     strings.Repeat("p", 32),
		user:      "", // an application's own token
		scopes:    strings.Clone(armScope[0]),
		cae:       false,
	}
}

// newFloor has a token in each of tenants.
func newFloor(tenants ...string) floor {
	f, expiry := make(floor), time.Now().Add(time.Hour).UnixNano()
	k := keyFor("")
	for _, t := range tenants {
		k.tenant = strings.Clone(t)
		f[k] = expiry
	}
	return f
}

var errNoToken = errors.New("there is no token")

// ask looks k up, n times.
func (f floor) ask(k floorKey, n int) error {
	for range n {
		if f[k] < time.Now().UnixNano() {
			return errNoToken
		}
	}
	return nil
}

// walk looks up each of tenants in turn.
func (f floor) walk(tenants []string) error {
	k := keyFor("")
	for _, t := range tenants {
		k.tenant = t
		if f[k] < time.Now().UnixNano() {
			return errNoToken
		}
	}
	return nil
}
