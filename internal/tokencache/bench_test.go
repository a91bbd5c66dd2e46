package tokencache_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/azid-go/azidentity/internal/tokencache"
)

func BenchmarkHit(b *testing.B) {
	for _, n := range []int{1, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("tokens=%d", n), func(b *testing.B) {
			c := tokencache.New(tokencache.Limits{})
			src := &issuer{lifetime: 24 * time.Hour}
			tenants := make([]string, n)
			for i := range tenants {
				tenants[i] = fmt.Sprintf("11111111-2222-3333-4444-%012d", i)
				if _, err := c.Get(b.Context(), query(tenants[i]), src); err != nil {
					b.Fatal(err)
				}
			}
			q := query("")
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				q.Tenant = tenants[i]
				if i++; i == n {
					i = 0
				}
				if _, err := c.Get(b.Context(), q, src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFloor is what a hit is measured against: a map look-up by a key
// that is a struct, and a reading of the clock.
func BenchmarkFloor(b *testing.B) {
	type key struct {
		authority, tenant, client, proof, user, scopes string
		cae                                            bool
	}
	k := key{"login.microsoftonline.com", "11111111-2222-3333-4444-000000000000", "22222222-2222-3333-4444-000000000000", "", "", "https://a.example/.default", false}
	m := map[key]time.Time{k: time.Now().Add(time.Hour)}
	n := 0
	for b.Loop() {
		if time.Now().Before(m[k]) {
			n++
		}
	}
}

func BenchmarkHitParallel(b *testing.B) {
	c := tokencache.New(tokencache.Limits{})
	src := &issuer{lifetime: 24 * time.Hour}
	q := query("11111111-2222-3333-4444-000000000000")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Get(b.Context(), q, src); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMiss(b *testing.B) {
	c := tokencache.New(tokencache.Limits{})
	src := &issuer{lifetime: 24 * time.Hour}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if _, err := c.Get(b.Context(), query(fmt.Sprintf("tenant-%d", i)), src); err != nil {
			b.Fatal(err)
		}
	}
}
