package azidentity_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

func pemOf(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// scripted is a credential that does as its function says and counts.
type scripted struct {
	calls  atomic.Int32
	closed atomic.Int32
	get    func(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error)
}

func (s *scripted) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	s.calls.Add(1)
	return s.get(ctx, o)
}

func (s *scripted) Close() error { s.closed.Add(1); return nil }

func ok(token string) *scripted {
	return &scripted{get: func(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
		return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(time.Hour)}, nil
	}}
}

func fails(err error) *scripted {
	return &scripted{get: func(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
		return azcore.AccessToken{}, err
	}}
}

func chainOf(t testing.TB, o *azidentity.ChainedTokenCredentialOptions, sources ...azcore.TokenCredential) *azidentity.ChainedTokenCredential {
	t.Helper()
	c, err := azidentity.NewChainedTokenCredential(sources, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChainRemembersTheWinner(t *testing.T) {
	t.Parallel()
	for _, retry := range []bool{false, true} {
		skipped, winner, never := fails(azidentity.NewCredentialUnavailableError("no")), ok("t"), ok("u")
		c := chainOf(t, &azidentity.ChainedTokenCredentialOptions{RetrySources: retry}, skipped, winner, never)
		for range 5 {
			tok, err := c.GetToken(t.Context(), armToken)
			if err != nil || tok.Token != "t" {
				t.Fatalf("got %q, %v", tok.Token, err)
			}
		}
		want := int32(1)
		if retry {
			want = 5
		}
		if skipped.calls.Load() != want || winner.calls.Load() != 5 || never.calls.Load() != 0 {
			t.Errorf("RetrySources %v: calls %d, %d, %d", retry, skipped.calls.Load(), winner.calls.Load(), never.calls.Load())
		}
	}
}

// One caller at a time goes through the sources; the others wait under their
// own contexts, and use the winner.
func TestChainConcurrentFirstCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &scripted{get: func(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
			select {
			case <-time.After(10 * time.Second):
				return azcore.AccessToken{}, azidentity.NewCredentialUnavailableError("no")
			case <-ctx.Done():
				return azcore.AccessToken{}, ctx.Err()
			}
		}}
		c := chainOf(t, nil, slow, ok("t"))
		var wg sync.WaitGroup
		leader, cancelLeader := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := c.GetToken(leader, armToken); !errors.Is(err, context.Canceled) {
				t.Errorf("the leader got %v", err)
			}
		})
		synctest.Wait()
		for range 50 {
			wg.Go(func() {
				if tok, err := c.GetToken(t.Context(), armToken); err != nil || tok.Token != "t" {
					t.Errorf("got %q, %v", tok.Token, err)
				}
			})
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			if _, err := c.GetToken(ctx, armToken); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("a waiter got %v after %v, want its own deadline", err, time.Since(start))
			}
		})
		time.Sleep(2 * time.Second)
		cancelLeader()
		wg.Wait()
		if n := slow.calls.Load(); n != 2 {
			t.Errorf("the slow source was asked %d times, want 2: by the leader and by its successor", n)
		}
	})
}

// Pain 14: the cause that matters comes first, what was skipped is listed, and
// every attempt can be reached.
func TestPain14ChainErrors(t *testing.T) {
	t.Parallel()
	_, o := emulate(t, nil)
	skipped := azidentity.NewCredentialUnavailableError("FirstCredential: not configured: FIRST_ID is not set")
	c := chainOf(t, nil, fails(skipped), unavailable{}, secretCred(t, "wrong~secret", o), ok("never"))
	_, err := c.GetToken(t.Context(), armToken)
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.Code != "invalid_client" || failed.RawResponse == nil || !errors.Is(err, skipped) {
		t.Fatalf("got %#v, want the refusal and the skipped error in the tree", err)
	}
	lines := strings.Split(err.Error(), "\n")
	if !strings.HasPrefix(lines[0], "ChainedTokenCredential: ClientSecretCredential: Entra ID refused the secret") {
		t.Errorf("the first line is %q, want the cause", lines[0])
	}
	tail := strings.Join(lines[len(lines)-3:], "\n")
	if want := "Attempted credentials:\n\tscripted: FirstCredential: not configured: FIRST_ID is not set\n\tunavailable: not configured here"; tail != want {
		t.Errorf("got\n%s\nwant\n%s", tail, want)
	}

	c = chainOf(t, nil, fails(skipped), unavailable{})
	_, err = c.GetToken(t.Context(), armToken)
	if errors.As(err, &failed) || !isUnavailable(t, err) || !errors.Is(err, skipped) {
		t.Errorf("got %#v, want an error on which an outer chain goes on", err)
	}
	want := "ChainedTokenCredential: none of its 2 credentials could get a token\nAttempted credentials:\n\tscripted: FirstCredential: not configured: FIRST_ID is not set\n\tunavailable: not configured here"
	if err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// The failure of an inner chain stops the outer one, although members of the
// inner one were unavailable.
func TestChainOfChains(t *testing.T) {
	t.Parallel()
	refused := &azidentity.AuthenticationFailedError{Code: "invalid_client"}
	next := ok("t")
	inner := chainOf(t, nil, unavailable{}, fails(refused))
	if _, err := chainOf(t, nil, inner, next).GetToken(t.Context(), armToken); !errors.Is(err, refused) || next.calls.Load() != 0 {
		t.Errorf("got %v after %d calls of the next source, want the inner failure", err, next.calls.Load())
	}
	inner = chainOf(t, nil, unavailable{}, unavailable{})
	if tok, err := chainOf(t, nil, inner, next).GetToken(t.Context(), armToken); err != nil || tok.Token != "t" {
		t.Errorf("got %q, %v, want the outer chain to go on", tok.Token, err)
	}
}

func TestChainStopsAtOtherErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk on fire")
	next := ok("t")
	_, err := chainOf(t, nil, fails(cause), next).GetToken(t.Context(), armToken)
	var failed *azidentity.AuthenticationFailedError
	if !errors.Is(err, cause) || !errors.As(err, &failed) || next.calls.Load() != 0 {
		t.Errorf("got %v after %d calls of the next source", err, next.calls.Load())
	}
	if tok, err := chainOf(t, nil, ok("")).GetToken(t.Context(), armToken); err == nil || tok.Token != "" {
		t.Errorf("got %q, %v for a source without token or error", tok.Token, err)
	}
}

func TestChainValidation(t *testing.T) {
	t.Parallel()
	var typedNil *azidentity.ClientSecretCredential
	for _, sources := range [][]azcore.TokenCredential{nil, {}, {ok("t"), nil}, {typedNil}} {
		if _, err := azidentity.NewChainedTokenCredential(sources, nil); err == nil || !strings.HasPrefix(err.Error(), "ChainedTokenCredential: ") {
			t.Errorf("%v: got %v", sources, err)
		}
	}
	first := ok("t")
	sources := []azcore.TokenCredential{first}
	c := chainOf(t, nil, sources...)
	sources[0] = nil
	if _, err := c.GetToken(t.Context(), armToken); err != nil {
		t.Errorf("the chain follows changes of the caller's slice: %v", err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil || first.closed.Load() != 2 {
		t.Errorf("Close: %v, passed on %d times", err, first.closed.Load())
	}
}

func TestBearerTokenProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := ok("a.b.c")
		get := azidentity.NewBearerTokenProvider(src, armScope)
		for range 100 {
			if tok, err := get(t.Context()); tok != "a.b.c" || err != nil {
				t.Fatalf("got %q, %v", tok, err)
			}
		}
		if n := src.calls.Load(); n != 1 {
			t.Errorf("%d calls of a credential that does not cache, want 1", n)
		}
		time.Sleep(58 * time.Minute)
		if _, err := get(t.Context()); err != nil || src.calls.Load() != 2 {
			t.Errorf("got %v after %d calls, want a renewal", err, src.calls.Load())
		}

		cause := errors.New("no")
		if _, err := azidentity.NewBearerTokenProvider(fails(cause), armScope)(t.Context()); !errors.Is(err, cause) {
			t.Errorf("got %v, want the credential's error", err)
		}

		e, o := emulate(t, nil)
		mine := azidentity.NewBearerTokenProvider(secretCred(t, goodKey, o), armScope)
		for range 10 {
			if _, err := mine(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := e.CountRequests(entratest.EndpointToken); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}
