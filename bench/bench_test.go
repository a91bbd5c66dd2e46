package main

import (
	"fmt"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// each runs one benchmark with each library, with a credential that has the
// home tenant's token.
func each(b *testing.B, run func(*testing.B, library, *authority, azcore.TokenCredential)) {
	for _, l := range both {
		b.Run(l.name, func(b *testing.B) {
			a := newAuthority(1536)
			cred, err := l.new(a, config{clientID: freshClient(), isolated: true})
			if err != nil {
				b.Fatal(err)
			}
			if err := ask(cred, request("")); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			run(b, l, a, cred)
		})
	}
}

func BenchmarkFloor(b *testing.B) {
	f, k := newFloor(homeTenant), keyFor(guid(home, 1))
	b.ReportAllocs()
	for b.Loop() {
		if err := f.ask(k, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWarm(b *testing.B) {
	each(b, func(b *testing.B, _ library, _ *authority, cred azcore.TokenCredential) {
		o := request("")
		for b.Loop() {
			if _, err := cred.GetToken(running, o); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWarmParallel(b *testing.B) {
	each(b, func(b *testing.B, _ library, _ *authority, cred azcore.TokenCredential) {
		b.RunParallel(func(p *testing.PB) {
			o := request("")
			for p.Next() {
				if _, err := cred.GetToken(running, o); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// BenchmarkWarmTenants asks in turn for the tokens of many tenants.
func BenchmarkWarmTenants(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("tenants=%d", n), func(b *testing.B) {
			each(b, func(b *testing.B, _ library, _ *authority, cred azcore.TokenCredential) {
				if err := fill(cred, 0, n); err != nil {
					b.Fatal(err)
				}
				tenants := make([]string, n)
				for i := range tenants {
					tenants[i] = guid(guests, i)
				}
				o, i := request(""), 0
				for b.Loop() {
					o.TenantID = tenants[i%n]
					i++
					if _, err := cred.GetToken(running, o); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkNewScope replaces the credential now and then, as the measurements
// of the command do: see missBatch.
func BenchmarkNewScope(b *testing.B) {
	benchmarkMisses(b, func(i int) policy.TokenRequestOptions { return policy.TokenRequestOptions{Scopes: scopeOf(i)} })
}

func BenchmarkNewTenant(b *testing.B) {
	benchmarkMisses(b, func(i int) policy.TokenRequestOptions { return request(guid(guests, i)) })
}

func benchmarkMisses(b *testing.B, of func(int) policy.TokenRequestOptions) {
	each(b, func(b *testing.B, l library, a *authority, cred azcore.TokenCredential) {
		i := 0
		for b.Loop() {
			if i++; i%missBatch == 0 {
				b.StopTimer()
				var err error
				if cred, err = l.new(a, config{clientID: freshClient(), isolated: true}); err != nil {
					b.Fatal(err)
				}
				if err := ask(cred, request("")); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			if err := ask(cred, of(i%missBatch)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNewCredential(b *testing.B) {
	each(b, func(b *testing.B, l library, a *authority, _ azcore.TokenCredential) {
		for b.Loop() {
			cred, err := l.new(a, config{clientID: freshClient()})
			if err != nil {
				b.Fatal(err)
			}
			if err := ask(cred, request("")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkEqualCredential makes a credential per request, as programs do.
func BenchmarkEqualCredential(b *testing.B) {
	each(b, func(b *testing.B, l library, a *authority, _ azcore.TokenCredential) {
		c := config{clientID: freshClient()}
		for b.Loop() {
			cred, err := l.new(a, c)
			if err != nil {
				b.Fatal(err)
			}
			if err := ask(cred, request("")); err != nil {
				b.Fatal(err)
			}
		}
	})
}
