package managedidentity_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/managedidentity"
	"github.com/azid-go/azidentity/internal/tokencache"
)

// cached is a client behind a cache, as ManagedIdentityCredential has it.
type cached struct {
	*managedidentity.Client
	life context.Context
}

func (c cached) Life() context.Context { return c.life }

func (c cached) Fetch(ctx context.Context, _ tokencache.Query) (tokencache.Token, error) {
	t, err := c.Token(ctx, managedidentity.Request{Resource: resource})
	return tokencache.Token{Value: t.Value, ExpiresOn: t.ExpiresOn, RefreshOn: t.RefreshOn}, err
}

// The week of the other credentials (TestWeek of the root package) on Azure Arc, whose
// key files the credential itself looks for in the agent's own directory only.
func TestArcWeek(t *testing.T) {
	t.Parallel()
	keys := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const lives, week, step = time.Hour, 7 * 24 * time.Hour, 30 * time.Second
		e := emulate(t, &entratest.Config{ArcKeyDirectory: keys, JournalSize: 1 << 20, TokenLifetime: lives})
		ctx, end := context.WithCancel(context.Background())
		defer end()
		src := cached{mustClient(t, arc, managedidentity.Identity{}, policy.ClientOptions{Transport: e.Transport()}, keys), ctx}
		cache := tokencache.New(tokencache.Limits{})
		q := tokencache.Query{Owner: tokencache.NewOwner(tokencache.Principal{Flow: "managed_identity"}), Scopes: []string{resource}}
		start := time.Now()
		away := func(at time.Duration) bool { return 34*time.Hour <= at && at <= 37*time.Hour }
		weather := []struct {
			from, to time.Duration
			fault    entratest.Fault
		}{
			{34 * time.Hour, 35 * time.Hour, entratest.Fault{Reset: true}},
			{35 * time.Hour, 36 * time.Hour, entratest.Fault{Hang: true}},
			{36 * time.Hour, 37 * time.Hour, entratest.Fault{Status: 503}},
		}
		for _, w := range weather {
			time.AfterFunc(w.from, func() { e.Inject(w.fault) })
			time.AfterFunc(w.to-time.Second, e.ClearFaults)
		}
		// It flaps for six hours: each renewal meets these, one after another.
		for at := 80 * time.Hour; at < 86*time.Hour; at += 20 * time.Minute {
			time.AfterFunc(at, func() {
				e.ClearFaults()
				for _, status := range []int{404, 429, 500} {
					e.Inject(entratest.Fault{Status: status, Times: 1})
				}
			})
		}
		time.AfterFunc(86*time.Hour, e.ClearFaults)

		var expires time.Time
		for time.Since(start) < week {
			began := time.Now()
			tok, err := cache.Get(context.Background(), q, src)
			at, took := began.Sub(start), time.Since(began)
			left := expires.Sub(began)
			switch {
			case err != nil && (took < left || !away(at)):
				t.Fatalf("at %v a call failed: %v", at, err)
			case err == nil && !tok.ExpiresOn.After(time.Now()):
				t.Fatalf("at %v an expired token was returned", at)
			case left > 5*time.Second && took > 5*time.Second, left > 5*time.Minute && took > 0:
				t.Fatalf("at %v a call took %v with a token in memory", at, took)
			case err == nil:
				expires = tok.ExpiresOn
			}
			time.Sleep(step)
		}
		synctest.Wait()
		// A renewal every 50 minutes at the earliest is two requests: the challenge and
		// the key. While the agent is away, a call sends four in 7 s at least, or in 127 s
		// if they hang. While it flaps, a fault costs one or two.
		most := 2*int(week/(50*time.Minute)) + 2*4*int(time.Hour/(step+7*time.Second)) + 4*int(time.Hour/(step+127*time.Second)) + 2*3*18 + 8
		answered := len(e.Requests(func(en entratest.Entry) bool { return en.Status == http.StatusOK }))
		if n := e.CountRequests(entratest.EndpointAzureArc); n > most || answered < int(week/lives) {
			t.Errorf("%d requests, %d of them answered with a token; want at most %d, and %d answers", n, answered, most, int(week/lives))
		}
		if s := cache.Stats(); s.Tokens != 1 {
			t.Errorf("%d tokens in memory, want 1", s.Tokens)
		}
	})
}
