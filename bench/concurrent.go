package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// hanging is how long a token in memory takes while a request for another
// tenant's hangs.
func hanging(r *run) (readings, error) {
	var took [2]time.Duration
	for i, l := range both {
		d, err := latency(l, r.calls)
		if err != nil {
			return nil, err
		}
		took[i] = d
	}
	peer := took[1].String()
	if took[1] >= stuck {
		peer = "until the other one answers"
	}
	return readings{"p99": {value: float64(took[0]) / 1e6, detail: fmt.Sprintf("99 of 100 within %v, microsoft %s", took[0], peer)}}, nil
}

// stuck is when a call has waited long enough to know that it will not end by
// itself.
const stuck = 200 * time.Millisecond

// latency returns the time within which 99 of 100 calls for a token in memory
// return while another tenant's request hangs, or stuck.
func latency(l library, calls int) (time.Duration, error) {
	a := newAuthority(64)
	a.hangs = guid(guests, 666)
	cred, err := l.new(a, config{clientID: freshClient()})
	if err != nil {
		return 0, err
	}
	if err := ask(cred, request("")); err != nil {
		return 0, err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(a.release)
	sent := a.tokens.Load()
	wg.Go(func() { _ = ask(cred, request(a.hangs)) })
	for a.tokens.Load() == sent {
		time.Sleep(time.Millisecond)
	}
	done := make(chan error, 1)
	times := make([]time.Duration, calls)
	wg.Go(func() {
		for i := range times {
			start := time.Now()
			if err := ask(cred, request("")); err != nil {
				done <- err
				return
			}
			times[i] = time.Since(start)
		}
		done <- nil
	})
	select {
	case err := <-done:
		slices.Sort(times)
		return times[calls*99/100], err
	case <-time.After(time.Duration(calls)*time.Microsecond*10 + stuck):
		return stuck, nil
	}
}

// crowd is how many requests a thousand callers of a new credential make.
func crowd(*run) (readings, error) {
	n, err := forBoth(func(l library, a *authority) error { return firstCalls(l, a, 1000) })
	if err != nil {
		return nil, err
	}
	return readings{"requests": {value: n[0], detail: fmt.Sprintf("microsoft %.0f", n[1])}}, nil
}

// firstCalls has that many goroutines ask a new credential at once.
func firstCalls(l library, a *authority, callers int) error {
	a.delay = 20 * time.Millisecond
	cred, err := l.new(a, config{clientID: freshClient()})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	start, errs := make(chan struct{}), make([]error, callers)
	for i := range errs {
		wg.Go(func() {
			<-start
			_, errs[i] = cred.GetToken(running, request(""))
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// equals is how many tokens are requested by a program that makes a credential
// for each of its requests.
func equals(r *run) (readings, error) {
	var tokens []float64
	_, err := forBoth(func(l library, a *authority) error {
		err := equalCredentials(l, a, r.equals)
		tokens = append(tokens, float64(a.tokens.Load()))
		return err
	})
	if err != nil {
		return nil, err
	}
	return readings{"requests": {value: tokens[0], detail: fmt.Sprintf("%d credentials; microsoft %.0f", r.equals, tokens[1])}}, nil
}

// equalCredentials makes n credentials one after another, all with the same
// arguments, and gets one token of each.
func equalCredentials(l library, a *authority, n int) error {
	c := config{clientID: freshClient()}
	for range n {
		cred, err := l.new(a, c)
		if err != nil {
			return err
		}
		if err := ask(cred, request("")); err != nil {
			return err
		}
	}
	return nil
}

// forBoth runs one thing with each library and an authority of its own, and
// returns how many requests each sent.
func forBoth(run func(library, *authority) error) (requests [2]float64, err error) {
	for i, l := range both {
		a := newAuthority(64)
		if err := run(l, a); err != nil {
			return requests, fmt.Errorf("%s: %w", l.name, err)
		}
		requests[i] = float64(a.requests())
	}
	return requests, nil
}
