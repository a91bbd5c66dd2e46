package tokencache_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity/internal/holdoff"
	"github.com/azid-go/azidentity/internal/loopback"
	"github.com/azid-go/azidentity/internal/tokencache"
)

func TestMain(m *testing.M) { loopback.Main(m) }

// issuer is a Source whose answers a test scripts.
type issuer struct {
	lifetime  time.Duration
	refreshIn time.Duration
	latency   time.Duration
	granted   string
	padding   int    // of the token, in bytes
	hang      string // tenant whose requests are never answered
	life      context.Context

	down  atomic.Bool
	fails error
	n     atomic.Int64
}

func (i *issuer) Life() context.Context {
	if i.life != nil {
		return i.life
	}
	return context.Background()
}

func (i *issuer) Fetch(ctx context.Context, q tokencache.Query) (tokencache.Token, error) {
	n := i.n.Add(1)
	wait := i.latency
	if i.hang != "" && q.Tenant == i.hang {
		wait = 24 * time.Hour
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return tokencache.Token{}, ctx.Err()
	}
	if i.down.Load() {
		if i.fails != nil {
			return tokencache.Token{}, i.fails
		}
		return tokencache.Token{}, errors.New("the issuer is down")
	}
	t := tokencache.Token{Value: fmt.Sprintf("token %d", n) + strings.Repeat(" ", i.padding), ExpiresOn: time.Now().Add(i.lifetime), Granted: i.granted}
	if i.refreshIn > 0 {
		t.RefreshOn = time.Now().Add(i.refreshIn)
	}
	return t, nil
}

var owner = tokencache.NewOwner(tokencache.Principal{Authority: "login.microsoftonline.com", Client: "c"})

func query(tenant string, scopes ...string) tokencache.Query {
	if len(scopes) == 0 {
		scopes = []string{"https://a.example/.default"}
	}
	return tokencache.Query{Owner: owner, Tenant: tenant, Scopes: scopes}
}

func get(t *testing.T, c *tokencache.Cache, q tokencache.Query, src tokencache.Source) string {
	t.Helper()
	tok, err := c.Get(t.Context(), q, src)
	if err != nil {
		t.Fatal(err)
	}
	if tok.Value == "" || !tok.ExpiresOn.After(time.Now()) {
		t.Fatalf("got token %q until %v at %v", tok.Value, tok.ExpiresOn, time.Now())
	}
	return tok.Value
}

// Pain 7: while one tenant's request hangs, another's cached tokens are
// returned without waiting.
func TestPain7CachedTokensNeverWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour, hang: "a"}
		get(t, c, query("b"), src)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.Get(ctx, query("a"), src) })
		synctest.Wait()
		start := time.Now()
		for range 10_000 {
			get(t, c, query("b"), src)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("10,000 hits waited %v for a stranger", d)
		}
		cancel()
		wg.Wait()
	})
}

// Pain 8: a thousand cold calls are one fetch, and a caller that gives up does
// not fail the others.
func TestPain8ColdStampedeIsOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour, latency: time.Second}
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Get(first, query("a"), src); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
		})
		synctest.Wait()
		for range 999 {
			wg.Go(func() { get(t, c, query("a"), src) })
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		if n := src.n.Load(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

// A caller who missed a token that was filed the moment after does not fetch
// another.
func TestPain8LateCallersFindTheToken(t *testing.T) {
	t.Parallel()
	for round := range 200 {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour}
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				<-start
				get(t, c, query("a"), src)
			})
		}
		close(start)
		wg.Wait()
		if n := src.n.Load(); n != 1 {
			t.Fatalf("round %d: %d fetches, want 1", round, n)
		}
	}
}

// Pain 9: a million distinct users in a cache of 10,000 leave memory under a
// fixed ceiling, and expired tokens go without being asked for.
func TestPain9BoundedMemory(t *testing.T) {
	const limit = 10_000
	c := tokencache.New(tokencache.Limits{Tokens: limit})
	src := &issuer{lifetime: time.Hour}
	users := 1_000_000
	if testing.Short() || raceEnabled {
		users = 100_000
	}
	before := liveHeap()
	for i := range users {
		q := query("a")
		q.Subject = fmt.Sprintf("user-%d", i)
		get(t, c, q, src)
	}
	if grown := liveHeap() - before; grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes, want at most 16 MiB", grown)
	}
	if s := c.Stats(); s.Tokens > limit || s.Evicted != int64(users)-s.Tokens {
		t.Errorf("got %+v, want %d tokens and the rest evicted", s, limit)
	}
	runtime.KeepAlive(c)
}

func TestPain9ByteLimit(t *testing.T) {
	t.Parallel()
	c := tokencache.New(tokencache.Limits{Bytes: 100_000})
	src := &issuer{lifetime: time.Hour}
	for i := range 10_000 {
		get(t, c, query(fmt.Sprintf("tenant-%d", i)), src)
	}
	if s := c.Stats(); s.Bytes > 100_000 || s.Tokens < 100 {
		t.Errorf("got %+v, want close to 100,000 bytes", s)
	}
}

func TestPain9ExpiredTokensLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour}
		for i := range 5_000 {
			get(t, c, query(fmt.Sprintf("old-%d", i)), src)
		}
		time.Sleep(2 * time.Hour)
		for i := range 5_000 {
			get(t, c, query(fmt.Sprintf("new-%d", i)), src)
		}
		if s := c.Stats(); s.Tokens > 5_100 || s.Expired < 4_900 {
			t.Errorf("got %+v, want the 5,000 expired tokens gone", s)
		}
	})
}

// Pain 9: what a cache counts is no less than what it occupies, and not much more;
// tokens that serve more scopes than were asked for included.
func TestPain9BytesAreCounted(t *testing.T) {
	for name, granted := range map[string]string{
		"exact": "", "wide": "https://a.example/User.Read https://a.example/Mail.Read openid profile email",
	} {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour, granted: granted}
		before := liveHeap()
		for i := range 50_000 {
			q := query("a3b0c5f2-0000-4000-8000-000000000000")
			sum := sha256.Sum256([]byte(strconv.Itoa(i)))
			q.Subject = string(sum[:])
			get(t, c, q, src)
		}
		grown, counted := liveHeap()-before, c.Stats().Bytes
		if ratio := float64(grown) / float64(counted); ratio < 0.6 || ratio > 1 {
			t.Errorf("%s: counted %d bytes, and the heap grew by %d", name, counted, grown)
		}
		runtime.KeepAlive(c)
	}
}

// A token that alone is more than may be kept is handed out, and nothing else leaves
// for it. The one that it replaces does: its issuer was asked for another.
func TestOversizedTokensAreNotKept(t *testing.T) {
	t.Parallel()
	c := tokencache.New(tokencache.Limits{Bytes: 100_000})
	src := &issuer{lifetime: time.Hour}
	for i := range 100 {
		get(t, c, query(fmt.Sprintf("tenant-%d", i)), src)
	}
	before := c.Stats()
	large := &issuer{lifetime: time.Hour, padding: 200_000}
	for range 2 {
		get(t, c, query("large"), large)
	}
	if s := c.Stats(); large.n.Load() != 2 || s.Tokens != before.Tokens || s.Evicted != before.Evicted+2 {
		t.Errorf("%d fetches; got %+v, want %+v but for the two that were not kept", large.n.Load(), s, before)
	}
	q := query("tenant-0")
	q.Claims = `{"access_token":{}}`
	get(t, c, q, large)
	if s := c.Stats(); s.Tokens != before.Tokens-1 {
		t.Errorf("%d tokens, want %d without the one that was replaced", s.Tokens, before.Tokens-1)
	}
}

// A flood of tokens that nobody asks for again leaves alone those that are in use,
// even if no time passes.
func TestEvictionSparesWhatIsUsedInAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const active = 100
		c := tokencache.New(tokencache.Limits{Tokens: 1000})
		src := &issuer{lifetime: time.Hour}
		for i := range 20_000 {
			get(t, c, query(fmt.Sprintf("active-%d", i%active)), src)
			get(t, c, query(fmt.Sprintf("flood-%d", i)), src)
		}
		if again := src.n.Load() - 20_000 - active; again > active/10 {
			t.Errorf("%d tokens in use were fetched again, want at most %d", again, active/10)
		}
		if s := c.Stats(); s.Tokens != 1000 {
			t.Errorf("%d tokens, want 1000", s.Tokens)
		}
	})
}

// Least recently used tokens leave first.
func TestEvictionSparesWhatIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{Tokens: 1000})
		src := &issuer{lifetime: 24 * time.Hour}
		for i := range 100 {
			get(t, c, query(fmt.Sprintf("hot-%d", i)), src)
		}
		for i := range 5_000 {
			if i%100 == 0 {
				time.Sleep(2 * time.Minute)
				for j := range 100 {
					get(t, c, query(fmt.Sprintf("hot-%d", j)), src)
				}
			}
			get(t, c, query(fmt.Sprintf("cold-%d", i)), src)
		}
		if again := src.n.Load() - 5_100; again > 25 {
			t.Errorf("tokens in constant use were evicted %d times in 5,000 insertions", again)
		}
	})
}

// Pain 16: the issuer is down from minute 31 to 59 of a 60-minute token that
// is to be renewed at minute 30. No caller sees an error, the attempts are
// few, and they resume.
func TestPain16OutageWhileTheTokenWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour, refreshIn: 31 * time.Minute}
		first := get(t, c, query("a"), src)
		time.Sleep(31 * time.Minute)
		src.down.Store(true)
		for range 28 * 60 {
			if v := get(t, c, query("a"), src); v != first {
				t.Fatalf("got %s, want the token in memory", v)
			}
			time.Sleep(time.Second)
		}
		if n := src.n.Load() - 1; n < 3 || n > 12 {
			t.Errorf("%d attempts in 28 minutes, want a few", n)
		}
		src.down.Store(false)
		time.Sleep(time.Minute + time.Second)
		if v := get(t, c, query("a"), src); v == first {
			t.Error("still the expired token")
		}
	})
}

// One key's failed renewals never slow another's.
func TestPain16BackoffIsPerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour, refreshIn: 30 * time.Minute}
		get(t, c, query("a"), src)
		get(t, c, query("b"), src)
		time.Sleep(31 * time.Minute)
		src.down.Store(true)
		get(t, c, query("a"), src)
		synctest.Wait()
		src.down.Store(false)
		before := get(t, c, query("b"), src)
		synctest.Wait()
		if after := get(t, c, query("b"), src); after == before {
			t.Error("b was not renewed at once")
		}
	})
}

// Pain 17: with an endpoint that takes 2 s, no call takes any time over three
// renewals.
func TestPain17RenewalRunsBehind(t *testing.T) {
	for name, refreshIn := range map[string]time.Duration{"issuer's hint": 30 * time.Minute, "no hint": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := tokencache.New(tokencache.Limits{})
				src := &issuer{lifetime: time.Hour, refreshIn: refreshIn, latency: 2 * time.Second}
				get(t, c, query("a"), src)
				for src.n.Load() < 4 {
					start := time.Now()
					get(t, c, query("a"), src)
					if d := time.Since(start); d > 0 {
						t.Fatalf("a call took %v during renewal %d", d, src.n.Load())
					}
					time.Sleep(5 * time.Second)
				}
				synctest.Wait()
			})
		})
	}
}

// Whoever switches renewal behind off waits for a renewal late in the token's
// life, and never before.
func TestPain17OffSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour, refreshIn: 30 * time.Minute, latency: time.Second, life: ended}
		get(t, c, query("a"), src)
		time.Sleep(54 * time.Minute)
		get(t, c, query("a"), src)
		synctest.Wait()
		if n := src.n.Load(); n != 1 {
			t.Errorf("%d fetches at minute 54, want no renewal behind", n)
		}
		time.Sleep(3 * time.Minute)
		if v := get(t, c, query("a"), src); v != "token 2" {
			t.Errorf("got %s, want a new token", v)
		}
	})
}

// A token with little life left is worth a short wait, no more: when the
// issuer hangs the old one is served until it expires, and never after.
func TestOldTokenServedWhileTheIssuerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour}
		first := get(t, c, query("a"), src)
		time.Sleep(57 * time.Minute)
		src.hang = "a"
		start := time.Now()
		if v := get(t, c, query("a"), src); v != first {
			t.Errorf("got %s, want the old token", v)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("waited %v, want 5s", d)
		}
		time.Sleep(3 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if tok, err := c.Get(ctx, query("a"), src); !errors.Is(err, context.DeadlineExceeded) || tok.Value != "" {
			t.Errorf("got %v, %v after expiry, want the caller's deadline", tok, err)
		}
	})
}

// A fetch has an end of its own, which is not a caller's deadline.
func TestFetchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour, hang: "a"}
		_, err := c.Get(t.Context(), query("a"), src)
		if !errors.Is(err, tokencache.ErrFetchBound) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want ErrFetchBound", err)
		}
	})
}

// Pain 58: a claims challenge is never answered from memory, costs one
// request, replaces the token, and the next plain call is a hit.
func TestPain58ClaimsBypassAndReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour, refreshIn: 10 * time.Minute, latency: time.Second}
		q := query("a")
		q.CAE = true
		get(t, c, q, src)
		challenge := q
		challenge.Claims = `{"access_token":{"nbf":{"essential":true,"value":"1"}}}`

		// A renewal that began before the challenge ends after it: its token
		// may be the revoked one and must not win.
		time.Sleep(11 * time.Minute)
		get(t, c, q, src)
		time.Sleep(time.Millisecond)
		fresh := get(t, c, challenge, src)
		synctest.Wait()
		if v := get(t, c, q, src); v != fresh {
			t.Errorf("got %s after the challenge, want %s", v, fresh)
		}
		plain := q
		plain.CAE = false
		if v := get(t, c, plain, src); v == fresh {
			t.Error("a CAE token was handed to a caller who cannot handle challenges")
		}
	})
}

type throttled struct{ d time.Duration }

func (throttled) Error() string                 { return "throttled" }
func (e throttled) ThrottledFor() time.Duration { return e.d }

// A server's Retry-After is remembered for the key that it was said to, and
// for no other.
func TestThrottledKeyIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour, fails: fmt.Errorf("wrapped: %w", throttled{time.Minute})}
		src.down.Store(true)
		for i := range 1000 {
			_, err := c.Get(t.Context(), query("a"), src)
			var r *holdoff.Remembered
			if !errors.Is(err, throttled{time.Minute}) || errors.As(err, &r) != (i > 0) || i > 0 && time.Until(r.Until) != time.Minute {
				t.Fatalf("call %d: got %v, want the throttling error, and until when after the first", i, err)
			}
		}
		if n := src.n.Load(); n != 1 {
			t.Errorf("%d fetches while throttled, want 1", n)
		}
		src.down.Store(false)
		get(t, c, query("b"), src)
		time.Sleep(time.Minute)
		get(t, c, query("a"), src)
	})
}

// A renewal behind heeds it too.
func TestThrottledRenewalWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Hour, refreshIn: time.Minute, fails: throttled{20 * time.Minute}}
		get(t, c, query("a"), src)
		src.down.Store(true)
		for range 20 {
			time.Sleep(time.Minute)
			get(t, c, query("a"), src)
			synctest.Wait()
		}
		if n := src.n.Load(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

func TestSupersetOfScopes(t *testing.T) {
	t.Parallel()
	c := tokencache.New(tokencache.Limits{})
	src := &issuer{lifetime: time.Hour, granted: "Mail.Read User.Read profile"}
	q := query("a", "Mail.Read", "Files.Read")
	q.Subject = "user"
	want := get(t, c, q, src)
	for _, scopes := range [][]string{{"files.read"}, {"User.Read"}, {"user.read", "Mail.Read"}, {"Files.Read Mail.Read"}} {
		q := q
		q.Scopes = scopes
		if v := get(t, c, q, src); v != want {
			t.Errorf("%v: got %s, want %s", scopes, v, want)
		}
	}
	other := q
	other.Scopes = []string{"Files.Read"}
	other.Subject = "another user"
	if v := get(t, c, other, src); v == want {
		t.Error("one user's token was handed to another")
	}
	more := q
	more.Scopes = []string{"Files.Read", "Sites.Read"}
	if v := get(t, c, more, src); v == want {
		t.Error("the token was handed out for a scope that it lacks")
	}
}

// Tokens for callers who have several users leave with their group.
func TestWideTokensAreBounded(t *testing.T) {
	t.Parallel()
	c := tokencache.New(tokencache.Limits{Tokens: 100})
	src := &issuer{lifetime: time.Hour, granted: "a b"}
	before := liveHeap()
	for i := range 50_000 {
		q := query("a", "a")
		q.Subject = fmt.Sprintf("user-%d", i)
		get(t, c, q, src)
	}
	if grown := liveHeap() - before; grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes for 100 tokens", grown)
	}
	runtime.KeepAlive(c)
}

func TestShortLivedTokensAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		src := &issuer{lifetime: time.Minute}
		for range 300 {
			get(t, c, query("a"), src)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		// Renewed with half of its life left at the earliest.
		if n := src.n.Load(); n < 5 || n > 10 {
			t.Errorf("%d fetches in 5 minutes of 1-minute tokens, want 5 to 10", n)
		}
	})
}

func TestExpiredOnArrivalIsAnError(t *testing.T) {
	t.Parallel()
	c := tokencache.New(tokencache.Limits{})
	tok, err := c.Get(t.Context(), query("a"), &issuer{lifetime: -time.Second})
	if err == nil || tok.Value != "" || !strings.Contains(err.Error(), "clock") {
		t.Errorf("got %v, %v, want an error that names the clock", tok, err)
	}
}

// Pain 36: many callers, all paths at once, under the race detector.
func TestPain36Stress(t *testing.T) {
	t.Parallel()
	c := tokencache.New(tokencache.Limits{Tokens: 50})
	src := &issuer{lifetime: 40 * time.Millisecond, granted: "a b"}
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 500 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%7 == 0 {
					cancel()
				}
				q := query(fmt.Sprintf("tenant-%d", (g+i)%80))
				if i%11 == 0 {
					q.Claims = "{}"
				}
				tok, err := c.Get(ctx, q, src)
				if (tok.Value == "") == (err == nil) {
					t.Errorf("got token %q and error %v", tok.Value, err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if s := c.Stats(); s.Tokens > 50 {
		t.Errorf("%d tokens, want at most 50", s.Tokens)
	}
}

func TestTokenNeverPrints(t *testing.T) {
	t.Parallel()
	tok := tokencache.Token{Value: "canary"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(verb, tok) + fmt.Sprintf(verb, &tok); strings.Contains(s, "canary") {
			t.Errorf("%s prints the token: %s", verb, s)
		}
	}
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What is kept beside an identity's tokens is one thing for all scopes, belongs to
// that identity alone, and leaves in time.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		q := query("a", "x")
		q.Subject = "user"
		if got := c.Kept(q); got != "" {
			t.Errorf("got %q from an empty cache", got)
		}
		c.Keep(q, "refresh token", time.Now().Add(time.Hour))
		for name, test := range map[string]struct {
			change func(*tokencache.Query)
			want   string
		}{
			"itself":           {func(*tokencache.Query) {}, "refresh token"},
			"other scopes":     {func(q *tokencache.Query) { q.Scopes = []string{"y", "z"} }, "refresh token"},
			"with a challenge": {func(q *tokencache.Query) { q.Claims = "{}" }, "refresh token"},
			"other tenant":     {func(q *tokencache.Query) { q.Tenant = "b" }, ""},
			"other user":       {func(q *tokencache.Query) { q.Subject = "other" }, ""},
			"CAE":              {func(q *tokencache.Query) { q.CAE = true }, ""},
		} {
			other := q
			test.change(&other)
			if got := c.Kept(other); got != test.want {
				t.Errorf("%s: got %q, want %q", name, got, test.want)
			}
		}
		c.Keep(q, "its successor", time.Now().Add(time.Hour))
		c.Drop(q, "refresh token")
		if got := c.Kept(q); got != "its successor" {
			t.Errorf("got %q: dropping the old one took the new one away", got)
		}
		c.Drop(q, "its successor")
		if got := c.Kept(q); got != "" || c.Stats().Tokens != 0 {
			t.Errorf("got %q and %d tokens after dropping it", got, c.Stats().Tokens)
		}
		c.Keep(q, "again", time.Now().Add(time.Hour))
		time.Sleep(time.Hour)
		if got := c.Kept(q); got != "" {
			t.Errorf("got %q after its time", got)
		}
	})
}

// A token that is put is found by its key, and by Get, until it is due for renewal.
func TestPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New(tokencache.Limits{})
		q := query("t")
		if _, ok := c.Find(q); ok {
			t.Error("found a token in an empty cache")
		}
		c.Put(q, tokencache.Token{Value: "put", ExpiresOn: time.Now().Add(time.Hour)})
		src := &issuer{lifetime: time.Hour}
		if tok, ok := c.Find(q); !ok || tok.Value != "put" || get(t, c, q, src) != "put" {
			t.Errorf("found %t %v", ok, tok)
		}
		q.Claims = "claims"
		if _, ok := c.Find(q); !ok {
			t.Error("claims are part of the key")
		}
		for _, other := range []tokencache.Query{query("another"), query("t", "https://b.example/.default"), {Owner: owner, Tenant: "t", Scopes: q.Scopes, CAE: true}} {
			if _, ok := c.Find(other); ok {
				t.Errorf("found the token for %+v", other)
			}
		}
		time.Sleep(56 * time.Minute)
		if _, ok := c.Find(q); ok {
			t.Error("found a token that is due for renewal")
		}
		c.Put(q, tokencache.Token{Value: "next", ExpiresOn: time.Now().Add(time.Hour)})
		if tok, ok := c.Find(q); !ok || tok.Value != "next" || c.Stats().Tokens != 1 {
			t.Errorf("found %t %v among %d", ok, tok, c.Stats().Tokens)
		}
	})
}

// Peek finds what Get would replace, and nothing of others.
func TestPeek(t *testing.T) {
	t.Parallel()
	c := tokencache.New(tokencache.Limits{})
	owner := tokencache.NewOwner(tokencache.Principal{Client: "peek"})
	q := tokencache.Query{Owner: owner, Scopes: []string{"a"}}
	if got := c.Peek(q); got != "" {
		t.Errorf("got %q from an empty cache", got)
	}
	want, err := c.Get(t.Context(), q, peekSource{})
	if err != nil {
		t.Fatal(err)
	}
	q.Claims = "claims"
	if got := c.Peek(q); got != want.Value {
		t.Errorf("got %q, want %q", got, want.Value)
	}
	q.CAE = true
	if got := c.Peek(q); got != "" {
		t.Errorf("got %q for another kind of token", got)
	}
}

type peekSource struct{}

func (peekSource) Life() context.Context { return context.Background() }

func (peekSource) Fetch(context.Context, tokencache.Query) (tokencache.Token, error) {
	return tokencache.Token{Value: "peeked", ExpiresOn: time.Now().Add(time.Hour)}, nil
}
