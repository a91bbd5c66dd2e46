package main

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/tokencache"
)

// fresh numbers clients that no credential has had yet.
var fresh atomic.Int64

func freshClient() string { return guid(client, 1000+int(fresh.Add(1))) }

// missBatch is how many tokens a credential gets in a round of the
// measurements below. It is small, since Microsoft's library takes the longer
// the more it has.
const missBatch = 200

// newTenant is the first token in another tenant, with a credential in use.
func newTenant(r *run) (readings, error) {
	return misses(r, func(i int) policy.TokenRequestOptions { return request(guid(guests, i)) })
}

// newScope is the first token for another resource, with a credential in use.
func newScope(r *run) (readings, error) {
	return misses(r, func(i int) policy.TokenRequestOptions { return policy.TokenRequestOptions{Scopes: scopeOf(i)} })
}

func misses(r *run, of func(i int) policy.TokenRequestOptions) (readings, error) {
	return compareFetches(r, func(l library, a *authority) side {
		var cred azcore.TokenCredential
		return side{
			n: missBatch,
			prepare: func() (err error) {
				if cred, err = l.new(a, config{clientID: freshClient()}); err != nil {
					return err
				}
				if err := ask(cred, request("")); err != nil {
					return err
				}
				a.forget()
				return nil
			},
			run: func(n int) error {
				for i := range n {
					if err := ask(cred, of(i)); err != nil {
						return err
					}
				}
				return nil
			},
		}
	})
}

// newCredential is a credential's construction and first token. No two have
// the same client, so that they share nothing.
func newCredential(r *run) (readings, error) {
	return compareFetches(r, func(l library, a *authority) side {
		return side{
			n:       missBatch,
			prepare: func() error { a.forget(); return nil },
			run: func(n int) error {
				for range n {
					cred, err := l.new(a, config{clientID: freshClient()})
					if err != nil {
						return err
					}
					if err := ask(cred, request("")); err != nil {
						return err
					}
				}
				return nil
			},
		}
	})
}

// compareFetches measures what both libraries need for a token that comes
// from the authority.
func compareFetches(r *run, of func(library, *authority) side) (readings, error) {
	authorities := []*authority{newAuthority(1536), newAuthority(1536)} // a common size of tokens
	c, err := compare(r.rounds, 0, of(libraries.ours, authorities[0]), of(libraries.microsoft, authorities[1]))
	if err != nil {
		return nil, err
	}
	each := func(a *authority) float64 { return float64(a.requests()) / missBatch }
	return readings{
		"requests": {value: each(authorities[0]), detail: fmt.Sprintf("microsoft %.2g", each(authorities[1]))},
		"cpu": {value: ratio(c[0], c[1], byCPU),
			detail: fmt.Sprintf("ours %s, microsoft %s", nanos(typical(c[0], byCPU)), nanos(typical(c[1], byCPU)))},
		"allocs": {value: ratio(c[0], c[1], byAllocs),
			detail: fmt.Sprintf("ours %.0f, microsoft %.0f", typical(c[0], byAllocs), typical(c[1], byAllocs))},
		"bytes": {value: ratio(c[0], c[1], byBytes),
			detail: fmt.Sprintf("ours %.0f, microsoft %.0f", typical(c[0], byBytes), typical(c[1], byBytes))},
	}, nil
}

// An instant is a source of tokens that takes no time.
type instant struct{ token tokencache.Token }

func (s instant) Fetch(context.Context, tokencache.Query) (tokencache.Token, error) {
	return s.token, nil
}

func (instant) Life() context.Context { return context.Background() }

// filing is all that a new token costs besides the request for it: finding
// that there is none, starting the one flight for it, filing the token, waking
// the waiter.
func filing(r *run) (readings, error) {
	src := instant{tokencache.Token{Value: "token", ExpiresOn: time.Now().Add(time.Hour)}}
	cache, next := tokencache.New(tokencache.Limits{}), 0
	owner := tokencache.NewOwner(tokencache.Principal{Authority: "login.microsoftonline.com", Client: guid(client, 1), Flow: "client_credentials"})
	file := func(n int) error {
		for range n {
			next++
			_, err := cache.Get(context.Background(), tokencache.Query{Owner: owner, Tenant: guid(guests, next), Scopes: armScope}, src)
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := file(1000); err != nil {
		return nil, err
	}
	c, err := compare(r.rounds, 0, side{n: 10_000, run: file})
	if err != nil {
		return nil, err
	}
	return readings{
		"cpu": {value: typical(c[0], byCPU) / 1000, detail: strconv.Itoa(next) + " tokens, one after another"},
	}, nil
}
