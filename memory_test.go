package azidentity_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// An exchanger answers each request for a token with the user assertion that came
// with it, cheaply enough for very many.
type exchanger struct {
	requests atomic.Int64
	more     string // members of the answer besides the usual
}

func (x *exchanger) Do(req *http.Request) (*http.Response, error) {
	x.requests.Add(1)
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	answer := fmt.Sprintf(`{"token_type":"Bearer","expires_in":3599,"access_token":%q%s}`, "for "+form.Get("assertion"), x.more)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer)), Request: req,
	}, nil
}

// Assertions that differ anywhere are different users, whoever chose them: the digest
// in a token's key is of the whole.
func TestUserAssertionsNeverShareAToken(t *testing.T) {
	t.Parallel()
	x := new(exchanger)
	o := azcore.ClientOptions{Transport: x}
	long := strings.Repeat("header.payload", 100) + ".signature"
	assertions := []string{"a", "b", "aa", "a.a", "a.a.", ".a.a", long, long + "s", long[1:], " " + long}
	for i := 0; i < len(long); i += 7 {
		assertions = append(assertions, long[:i]+"X"+long[i+1:])
	}
	for n := 180; n < 780; n += 5 { // around the ends of what is hashed at once
		assertions = append(assertions, strings.Repeat("A", n), strings.Repeat("A", n)+"B")
	}
	all := oboCred(t, o, "")
	for _, built := range []bool{true, false, true} {
		for _, a := range assertions {
			c, ctx := all, azidentity.WithUserAssertion(t.Context(), a)
			if built {
				c, ctx = oboCred(t, o, a), t.Context()
			}
			if tok, err := c.GetToken(ctx, armToken); err != nil || tok.Token != "for "+a {
				t.Fatalf("got %.40q, %v for the assertion %.40q", tok.Token, err, a)
			}
		}
	}
	if n := int(x.requests.Load()); n != len(assertions) {
		t.Errorf("%d requests for %d users", n, len(assertions))
	}
}

// Pain 9: a web API that is sent any number of assertions stays within the limits of
// its memory, and the users who are active stay in it.
func TestPain9BoundedMemoryForUsers(t *testing.T) {
	t.Parallel()
	const active, limit = 20, 1000
	users := 20_000
	for name, limits := range map[string]azidentity.TokenLimits{
		"tokens": {Tokens: limit},
		"bytes":  {Bytes: limit * 500},
	} {
		x := &exchanger{more: `,"refresh_token":"refresh","scope":"https://management.azure.com/user_impersonation"`}
		memory := azidentity.NewTokenMemory(limits)
		c, err := azidentity.NewOnBehalfOfCredentialWithSecret(tenantID, clientID, "", goodKey, &azidentity.OnBehalfOfCredentialOptions{
			ClientOptions: azcore.ClientOptions{Transport: x}, Tokens: azidentity.TokenOptions{Memory: memory},
		})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(assertion string) {
			t.Helper()
			if _, err := c.GetToken(azidentity.WithUserAssertion(context.Background(), assertion), armToken); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		for i := range users {
			ask(fmt.Sprintf("active %d", i%active))
			ask(fmt.Sprintf("once %d", i))
			if s := memory.Stats(); limits.Tokens > 0 && s.Tokens > limit || limits.Bytes > 0 && s.Bytes > limits.Bytes {
				t.Fatalf("%s: got %+v after %d users, want it within the limit", name, s, i)
			}
		}
		s := memory.Stats()
		if s.Tokens < limit/2 || s.Fetches-s.Failures != x.requests.Load() || s.Evicted != 2*s.Fetches-s.Tokens {
			t.Errorf("%s: got %+v for %d requests", name, s, x.requests.Load())
		}
		if again := int(x.requests.Load()) - users - active; again > active {
			t.Errorf("%s: tokens of active users were acquired again %d times", name, again)
		}
	}
}

// A memory is shared by those who are given it, within the rules of sharing.
func TestTokenMemoryIsShared(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	one, other := azidentity.NewTokenMemory(azidentity.TokenLimits{}), azidentity.NewTokenMemory(azidentity.TokenLimits{})
	for _, step := range []struct {
		what     string
		tokens   azidentity.TokenOptions
		requests int // so far
		held     int64
	}{
		{"the first", azidentity.TokenOptions{Memory: one}, 1, 1},
		{"an equal one", azidentity.TokenOptions{Memory: one}, 1, 1},
		{"one with another memory", azidentity.TokenOptions{Memory: other}, 2, 1},
		{"one with the memory of the process", azidentity.TokenOptions{}, 3, 1},
		{"an equal one, again", azidentity.TokenOptions{Memory: one}, 3, 1},
		{"an isolated one", azidentity.TokenOptions{Memory: one, Isolated: true}, 4, 2},
		{"another isolated one", azidentity.TokenOptions{Memory: one, Isolated: true}, 5, 3},
	} {
		c, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &azidentity.ClientSecretCredentialOptions{ClientOptions: o, Tokens: step.tokens})
		if err != nil {
			t.Fatal(err)
		}
		if first, second := token(t, c), token(t, c); first != second {
			t.Errorf("%s: two tokens for two calls", step.what)
		}
		if n, s := e.CountRequests(entratest.EndpointToken), one.Stats(); n != step.requests || s.Tokens != step.held {
			t.Errorf("%s: %d requests so far and %d tokens in memory, want %d and %d", step.what, n, s.Tokens, step.requests, step.held)
		}
	}
	if s := (*azidentity.TokenMemory)(nil).Stats(); s.Tokens == 0 || s.Bytes == 0 {
		t.Errorf("got %+v for the memory of the process", s)
	}
}
