package main

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// again returns the side that gets one token in memory again and again.
func again(l library) (side, error) {
	cred, err := l.new(newAuthority(64), config{clientID: guid(client, 1)})
	if err != nil {
		return side{}, err
	}
	o := request("")
	return side{run: func(n int) error {
		for range n {
			if _, err := cred.GetToken(running, o); err != nil {
				return err
			}
		}
		return nil
	}}, ask(cred, o)
}

// walk returns the side that gets the tokens of tenants in turn, from where it
// stopped in the round before.
func walk(cred azcore.TokenCredential, tenants []string) side {
	o, i := request(""), 0
	return side{run: func(n int) error {
		for range n {
			if i == len(tenants) {
				i = 0
			}
			o.TenantID = tenants[i]
			i++
			if _, err := cred.GetToken(running, o); err != nil {
				return err
			}
		}
		return nil
	}}
}

// warmOne is a token in memory against the floor.
func warmOne(r *run) (readings, error) {
	f := newFloor(homeTenant)
	k := keyFor(guid(home, 1))
	us, err := again(libraries.ours)
	if err != nil {
		return nil, err
	}
	ms, err := again(libraries.microsoft)
	if err != nil {
		return nil, err
	}
	c, err := compare(r.rounds, r.batch, side{run: func(n int) error { return f.ask(k, n) }}, us, ms)
	if err != nil {
		return nil, err
	}
	detail := fmt.Sprintf("floor %s, ours %s, microsoft %s", nanos(typical(c[0], byCPU)), nanos(typical(c[1], byCPU)), nanos(typical(c[2], byCPU)))
	return readings{
		"floor":     {value: ratio(c[1], c[0], byCPU), detail: detail},
		"allocs":    {value: perHit(c[1]), detail: fmt.Sprintf("microsoft %.0f", typical(c[2], byAllocs))},
		"microsoft": {value: ratio(c[2], c[1], byCPU), detail: detail},
	}, nil
}

// warmLogged is a token in memory while the program logs everything.
func warmLogged(r *run) (readings, error) {
	quiet, err := again(libraries.ours)
	if err != nil {
		return nil, err
	}
	loud, before := quiet, slog.Default()
	defer slog.SetDefault(before)
	quiet.prepare = func() error { slog.SetDefault(before); return nil }
	debug := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))
	loud.prepare = func() error { slog.SetDefault(debug); return nil }
	c, err := compare(r.rounds, r.batch, quiet, loud)
	if err != nil {
		return nil, err
	}
	return readings{
		"ratio": {value: ratio(c[1], c[0], byCPU), detail: fmt.Sprintf("not logging %s, logging %s", nanos(typical(c[0], byCPU)), nanos(typical(c[1], byCPU)))},
	}, nil
}

// warmTenants is a token in memory among those of many tenants.
func warmTenants(r *run) (readings, error) {
	tenants := make([]string, r.tenants)
	for i := range tenants {
		tenants[i] = guid(guests, i)
	}
	rand.Shuffle(len(tenants), func(i, j int) { tenants[i], tenants[j] = tenants[j], tenants[i] })
	var sides []side
	for _, l := range both {
		cred, err := l.new(newAuthority(64), config{clientID: guid(client, 2), isolated: true})
		if err != nil {
			return nil, err
		}
		if err := fill(cred, 0, len(tenants)); err != nil {
			return nil, err
		}
		sides = append(sides, walk(cred, tenants))
	}
	c, err := compare(r.rounds, r.batch, sides...)
	if err != nil {
		return nil, err
	}
	us, ms := typical(c[0], byCPU), typical(c[1], byCPU)
	return readings{
		"microsoft": {value: ratio(c[1], c[0], byCPU), detail: fmt.Sprintf("%d tenants: ours %s, microsoft %s", len(tenants), nanos(us), nanos(ms))},
	}, nil
}

// warmScopes is a token in memory among those for many scopes of one tenant,
// against one that is alone.
func warmScopes(r *run) (readings, error) {
	const scopes = 1000
	var sides []side
	for _, l := range both {
		for _, n := range []int{1, scopes} {
			cred, err := l.new(newAuthority(64), config{clientID: guid(client, 3), isolated: true})
			if err != nil {
				return nil, err
			}
			var all []policy.TokenRequestOptions
			for i := range n {
				all = append(all, policy.TokenRequestOptions{Scopes: scopeOf(i)})
				if err := ask(cred, all[i]); err != nil {
					return nil, err
				}
			}
			i := 0
			sides = append(sides, side{run: func(n int) error {
				for range n {
					if i++; i >= len(all) {
						i = 0
					}
					if _, err := cred.GetToken(running, all[i]); err != nil {
						return err
					}
				}
				return nil
			}})
		}
	}
	c, err := compare(r.rounds, r.batch, sides...)
	if err != nil {
		return nil, err
	}
	return readings{
		"ratio": {value: ratio(c[1], c[0], byCPU), detail: fmt.Sprintf("one scope %s, %d scopes %s; microsoft %s and %s", nanos(typical(c[0], byCPU)),
			scopes, nanos(typical(c[1], byCPU)), nanos(typical(c[2], byCPU)), nanos(typical(c[3], byCPU)))},
	}, nil
}

// warmPair is what a second goroutine adds, with one credential and one token.
// Beside it stands what it adds to two loops that share nothing: the most that
// the machine has to give while it is measured.
func warmPair(r *run) (readings, error) {
	one, err := again(libraries.ours)
	if err != nil {
		return nil, err
	}
	ms, err := again(libraries.microsoft)
	if err != nil {
		return nil, err
	}
	floors := [2]floor{newFloor(homeTenant), newFloor(homeTenant)}
	keys := [2]floorKey{keyFor(guid(home, 1)), keyFor(guid(home, 1))}
	alone := side{run: func(n int) error { return floors[0].ask(keys[0], n) }}
	apart := side{run: func(n int) error {
		return inPairs(n, func(i, n int) error { return floors[i].ask(keys[i], n) })
	}}
	pair := func(s side) side {
		run := s.run
		s.run = func(n int) error { return inPairs(n, func(_, n int) error { return run(n) }) }
		return s
	}
	c, err := compare(8*r.rounds, r.batch/4, one, pair(one), alone, apart, ms, pair(ms))
	if err != nil {
		return nil, err
	}
	var gain, machine, peer []float64 // of the rounds that count, of all, of Microsoft's
	for i := range c[0] {
		got := c[2][i].wall / c[3][i].wall
		machine, peer = append(machine, got), append(peer, c[4][i].wall/c[5][i].wall)
		if got >= wholeMachine {
			gain = append(gain, c[0][i].wall/c[1][i].wall)
		}
	}
	detail := fmt.Sprintf("two loops that share nothing %.2f, microsoft %.2f, in %d of %d rounds both processors were free",
		median(machine), median(peer), len(gain), len(machine))
	result := reading{value: ratio(c[0], c[1], byWall), detail: detail, unjudged: len(gain) < enoughRounds}
	if !result.unjudged {
		result.value = median(gain)
	}
	return readings{"gain": result, "cpu": {value: 2 * ratio(c[0], c[1], byCPU)}}, nil
}

const (
	// wholeMachine is what two loops that share nothing gain over one, at
	// least, while two processors are there for them. Where they do not, a
	// lock that all callers share would not show either.
	wholeMachine = 1.85
	// enoughRounds is how many such rounds make a verdict.
	enoughRounds = 7
)

// inPairs does n operations, half of them on each of two goroutines.
func inPairs(n int, run func(i, n int) error) error {
	var wg sync.WaitGroup
	var errs [2]error
	for i := range errs {
		wg.Go(func() { errs[i] = run(i, n/2) })
	}
	wg.Wait()
	if errs[0] != nil {
		return errs[0]
	}
	return errs[1]
}
