package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

const workingSet = 1000

// manyTokens measures one credential with a million tokens: how it reads, in
// several patterns, and how much memory it takes.
func manyTokens(r *run) (readings, error) {
	const tokenBytes = 64 // a size of the allocator's, so that it can be subtracted
	newCred := func(n int) (azcore.TokenCredential, error) {
		return libraries.ours.new(newAuthority(tokenBytes), config{clientID: guid(client, 100+n), isolated: true})
	}
	single, err := newCred(0)
	if err != nil {
		return nil, err
	}
	few, err := newCred(1)
	if err != nil {
		return nil, err
	}
	many, err := newCred(2)
	if err != nil {
		return nil, err
	}
	if err := fill(single, 0, 1); err != nil {
		return nil, err
	}
	if err := fill(few, 0, workingSet); err != nil {
		return nil, err
	}

	// A table that grows is emptiest just after it has grown: look often, and
	// count the worst.
	before, filled, worst, at := liveHeap(), 0, 0.0, 0
	if err := ask(many, request("")); err != nil {
		return nil, err
	}
	for _, end := range r.fillTo {
		from := filled
		err := inPairs(2*(end-from), func(i, n int) error {
			return fill(many, from+i*n/2, from+(i+1)*n/2)
		})
		if err != nil {
			return nil, err
		}
		filled = end
		if each := (liveHeap()-before)/float64(filled) - tokenBytes; each > worst && filled >= 100_000 {
			worst, at = each, filled
		}
	}
	peer, err := peerMemory(tokenBytes)
	if err != nil {
		return nil, err
	}

	// Tenants as a server has them, fresh from requests: not the strings that
	// the cache holds, and one after another in memory.
	inOrder := make([]string, filled)
	for i := range inOrder {
		inOrder[i] = guid(guests, i)
	}
	plain := newFloor(inOrder...)
	shuffled := make([]string, filled)
	for i, j := range rand.Perm(filled) {
		shuffled[i] = inOrder[j]
	}
	inOrder, shuffled = pack(inOrder), pack(shuffled)
	set := pack(shuffled[:workingSet])
	fewTenants := make([]string, workingSet)
	for i, j := range rand.Perm(workingSet) {
		fewTenants[i] = guid(guests, j)
	}

	hits, err := compare(r.rounds, r.batch,
		walk(single, []string{guid(guests, 0)}),
		walk(many, []string{guid(guests, filled/3)}),
		walk(many, set),
		walk(few, pack(fewTenants)),
		side{n: 10 * workingSet, run: func(n int) error {
			for range n / workingSet {
				if err := plain.walk(set); err != nil {
					return err
				}
			}
			return nil
		}},
	)
	if err != nil {
		return nil, err
	}
	walks, err := compare(r.walks, 0,
		whole(many, inOrder), side{n: filled, run: func(int) error { return plain.walk(inOrder) }},
		whole(many, shuffled), side{n: filled, run: func(int) error { return plain.walk(shuffled) }},
	)
	if err != nil {
		return nil, err
	}
	base := typical(hits[0], byCPU)
	versus := func(c []cost) string { return fmt.Sprintf("one %s, this %s", nanos(base), nanos(typical(c, byCPU))) }
	walked := func(c, plain []cost) reading {
		return reading{value: typical(c, byCPU) / base, detail: fmt.Sprintf("ours %s, a plain map %s", nanos(typical(c, byCPU)), nanos(typical(plain, byCPU)))}
	}
	return readings{
		"same":     {value: ratio(hits[1], hits[0], byCPU), detail: versus(hits[1])},
		"set":      {value: ratio(hits[2], hits[0], byCPU), detail: versus(hits[2]) + ", a plain map " + nanos(typical(hits[4], byCPU))},
		"inorder":  walked(walks[0], walks[1]),
		"shuffled": walked(walks[2], walks[3]),
		"reads": {value: ratio(hits[2], hits[3], byCPU), detail: fmt.Sprintf("%d tokens %s, %d tokens %s",
			workingSet, nanos(typical(hits[3], byCPU)), filled, nanos(typical(hits[2], byCPU)))},
		"allocs": {value: perHit(hits[2])},
		"memory": {value: worst, detail: fmt.Sprintf("the worst was at %d tokens; microsoft %.0f bytes", at, peer)},
	}, nil
}

// whole is a walk through all of tenants.
func whole(cred azcore.TokenCredential, tenants []string) side {
	o := request("")
	return side{n: len(tenants), run: func(int) error {
		for _, t := range tenants {
			o.TenantID = t
			if _, err := cred.GetToken(running, o); err != nil {
				return err
			}
		}
		return nil
	}}
}

// pack returns copies of the strings that lie one after another.
func pack(s []string) []string {
	all := strings.Join(s, "")
	packed := make([]string, len(s))
	for i := range s {
		packed[i], all = all[:len(s[i])], all[len(s[i]):]
	}
	return packed
}

// peerMemory is what one token takes in Microsoft's library, its bytes aside.
// There are few, as each costs a walk through all.
func peerMemory(tokenBytes int) (float64, error) {
	const n = 2000
	cred, err := libraries.microsoft.new(newAuthority(tokenBytes), config{clientID: guid(client, 100)})
	if err != nil {
		return 0, err
	}
	if err := ask(cred, request("")); err != nil {
		return 0, err
	}
	before := liveHeap()
	if err := fill(cred, 0, n); err != nil {
		return 0, err
	}
	each := (liveHeap() - before) / n
	return each - float64(tokenBytes), ask(cred, request(""))
}
