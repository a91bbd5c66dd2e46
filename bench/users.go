package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	ours "github.com/azid-go/azidentity"
)

// assertionOf returns the token that a user presented: as long as those that Entra ID
// issues for an API, and no part of another string.
func assertionOf(user int) string {
	const length, from = 1300, 300
	n := strconv.Itoa(user)
	return strings.Repeat("h", from) + n + strings.Repeat("p", length-from-len(n))
}

// userBytes is a common size of tokens.
const userBytes = 1536

// activeUsers are as many users as one server has at a time.
const activeUsers = 100

// anew constructs a credential for a user and gets one token.
func anew(l library, a *authority, c config, assertion string) error {
	cred, err := l.obo(a, c, assertion)
	if err != nil {
		return err
	}
	return ask(cred, request(""))
}

// asUser gets one token of a credential for all users.
func asUser(cred azcore.TokenCredential, assertion string) error {
	_, err := cred.GetToken(ours.WithUserAssertion(running, assertion), request(""))
	return err
}

// users returns the assertions of n users, and a function that returns one after
// another.
func users(n int) (assertions []string, next func() string) {
	for i := range n {
		assertions = append(assertions, assertionOf(i))
	}
	i := 0
	return assertions, func() string {
		if i++; i >= n {
			i = 0
		}
		return assertions[i]
	}
}

// repeat returns the side that does one thing again and again.
func repeat(once func() error) side {
	return side{run: func(n int) error {
		for range n {
			if err := once(); err != nil {
				return err
			}
		}
		return nil
	}}
}

// userAgain is a web API that gets a token on behalf of a user whom it has seen.
func userAgain(r *run) (readings, error) {
	assertions, next := users(activeUsers)
	authorities := []*authority{newUserAuthority(userBytes), newUserAuthority(userBytes)}
	c := config{clientID: freshClient()}
	lasting, err := libraries.ours.obo(authorities[0], c, "")
	if err != nil {
		return nil, err
	}
	for _, u := range assertions {
		if err := asUser(lasting, u); err != nil {
			return nil, err
		}
	}
	app := newAuthority(userBytes)
	secret := func() error {
		cred, err := libraries.ours.new(app, c)
		if err != nil {
			return err
		}
		return ask(cred, request(""))
	}
	if err := secret(); err != nil {
		return nil, err
	}
	authorities[0].forget()
	asked := 0
	costs, err := compare(r.rounds, r.batch,
		repeat(func() error { return anew(libraries.ours, authorities[0], c, next()) }),
		repeat(func() error { asked++; return anew(libraries.microsoft, authorities[1], c, next()) }),
		repeat(func() error { return asUser(lasting, next()) }),
		repeat(secret),
	)
	if err != nil {
		return nil, err
	}
	detail := fmt.Sprintf("medians: ours %s, %.0f allocations; microsoft %s, %.0f", nanos(typical(costs[0], byCPU)), typical(costs[0], byAllocs),
		nanos(typical(costs[1], byCPU)), typical(costs[1], byAllocs))
	return readings{
		"requests":  {value: float64(authorities[0].requests()), detail: fmt.Sprintf("microsoft %.2g for each", float64(authorities[1].requests())/float64(asked))},
		"cpu":       {value: undisturbed(costs[0], byCPU) / 1000, detail: detail},
		"microsoft": {value: ratio(costs[1], costs[0], byCPU), detail: detail},
		"lasting":   {value: undisturbed(costs[2], byCPU) / 1000, detail: fmt.Sprintf("%.0f allocations", typical(costs[2], byAllocs))},
		"secret":    {value: undisturbed(costs[3], byCPU) / 1000, detail: fmt.Sprintf("%.0f allocations", typical(costs[3], byAllocs))},
	}, nil
}

// sameUser constructs n credentials for one user, one after another.
func sameUser(l library, a *authority, n int) error {
	c := config{clientID: freshClient()}
	for range n {
		if err := anew(l, a, c, assertionOf(1)); err != nil {
			return err
		}
	}
	return nil
}

// newUser is the first token on behalf of a user: with a credential for the user, in
// both libraries, and with one that serves all users.
func newUser(r *run) (readings, error) {
	seen := 0
	of := func(a *authority, serve func(c config) (func(assertion string) error, error)) side {
		var fresh []string
		var get func(string) error
		return side{
			n: missBatch,
			prepare: func() (err error) {
				fresh = fresh[:0]
				for range missBatch {
					seen++
					fresh = append(fresh, assertionOf(seen))
				}
				a.forget()
				get, err = serve(config{clientID: freshClient()})
				return err
			},
			run: func(n int) error {
				for _, u := range fresh[:n] {
					if err := get(u); err != nil {
						return err
					}
				}
				return nil
			},
		}
	}
	var authorities []*authority
	for range 3 {
		authorities = append(authorities, newUserAuthority(userBytes))
	}
	built := func(l library, a *authority) side {
		return of(a, func(c config) (func(string) error, error) {
			return func(u string) error { return anew(l, a, c, u) }, nil
		})
	}
	c, err := compare(r.rounds, 0, built(libraries.ours, authorities[0]), built(libraries.microsoft, authorities[1]),
		of(authorities[2], func(c config) (func(string) error, error) {
			cred, err := libraries.ours.obo(authorities[2], c, "")
			return func(u string) error { return asUser(cred, u) }, err
		}))
	if err != nil {
		return nil, err
	}
	got := readings{}
	for prefix, i := range map[string]int{"": 0, "lasting ": 2} {
		got[prefix+"requests"] = reading{value: float64(authorities[i].requests()) / missBatch, detail: fmt.Sprintf("microsoft %.2g", float64(authorities[1].requests())/missBatch)}
		got[prefix+"cpu"] = reading{value: ratio(c[i], c[1], byCPU), detail: fmt.Sprintf("ours %s, microsoft %s", nanos(typical(c[i], byCPU)), nanos(typical(c[1], byCPU)))}
		got[prefix+"allocs"] = reading{value: ratio(c[i], c[1], byAllocs), detail: fmt.Sprintf("ours %.0f, microsoft %.0f", typical(c[i], byAllocs), typical(c[1], byAllocs))}
	}
	return got, nil
}

// manyUsers is a hit through one credential with very many users, beside one through
// one with few.
func manyUsers(r *run) (readings, error) {
	serve := func(n int) (azcore.TokenCredential, error) {
		memory := ours.NewTokenMemory(ours.TokenLimits{})
		cred, err := libraries.ours.obo(newUserAuthority(64), config{clientID: freshClient(), memory: memory}, "")
		if err != nil {
			return nil, err
		}
		for i := range n {
			if err := asUser(cred, assertionOf(i)); err != nil {
				return nil, err
			}
		}
		return cred, nil
	}
	few, err := serve(activeUsers)
	if err != nil {
		return nil, err
	}
	many, err := serve(r.users)
	if err != nil {
		return nil, err
	}
	// As a server has them, fresh from requests. Each side has strings of its own.
	turns := func(cred azcore.TokenCredential, users []int) side {
		var contexts []context.Context
		for _, u := range users {
			contexts = append(contexts, ours.WithUserAssertion(running, assertionOf(u)))
		}
		o, i := request(""), 0
		return repeat(func() error {
			if i++; i >= len(contexts) {
				i = 0
			}
			_, err := cred.GetToken(contexts[i], o)
			return err
		})
	}
	c, err := compare(r.rounds, r.batch,
		turns(few, []int{activeUsers / 3}), turns(many, []int{r.users / 3}),
		turns(few, rand.Perm(activeUsers)), turns(many, rand.Perm(r.users)[:activeUsers]),
		turns(many, rand.Perm(r.users)[:min(r.users, 20_000)]),
	)
	if err != nil {
		return nil, err
	}
	detail := func(a, b []cost) string {
		return fmt.Sprintf("%d users %s, %d users %s", activeUsers, nanos(typical(b, byCPU)), r.users, nanos(typical(a, byCPU)))
	}
	return readings{
		"same":     {value: ratio(c[1], c[0], byCPU), detail: detail(c[1], c[0])},
		"set":      {value: ratio(c[3], c[2], byCPU), detail: detail(c[3], c[2])},
		"shuffled": {value: ratio(c[4], c[2], byCPU), detail: detail(c[4], c[2]) + ", their assertions read from memory"},
	}, nil
}

// flooded is one credential with a bounded memory, and users of whom most are never
// seen again.
func flooded(r *run) (readings, error) {
	const limit, looks = 64 << 20, 10
	before := liveHeap()
	memory := ours.NewTokenMemory(ours.TokenLimits{Bytes: limit})
	a := newUserAuthority(userBytes)
	cred, err := libraries.ours.obo(a, config{clientID: freshClient(), memory: memory}, "")
	if err != nil {
		return nil, err
	}
	var calls atomic.Int64
	worst := 0.0
	for look := range looks {
		each := r.flood / looks
		err := inPairs(each, func(half, n int) error {
			for i := range n {
				if err := asUser(cred, assertionOf(activeUsers+look*each+half*n+i)); err != nil {
					return err
				}
				if i%10 == 0 {
					calls.Add(1)
					if err := asUser(cred, assertionOf(i/10%activeUsers)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		worst = max(worst, liveHeap()-before)
	}
	s := memory.Stats()
	again := a.tokens.Load() - int64(r.flood) - activeUsers
	return readings{
		"memory": {value: worst / limit, detail: fmt.Sprintf("%d users; %d tokens of %.1f MiB at the end, %d evicted; the heap grew by %.1f MiB at most",
			r.flood, s.Tokens, float64(s.Bytes)/(1<<20), s.Evicted, worst/(1<<20))},
		"again": {value: float64(max(again, 0)) / float64(calls.Load()), detail: fmt.Sprintf("%d of %d calls for %d users", again, calls.Load(), activeUsers)},
	}, nil
}
