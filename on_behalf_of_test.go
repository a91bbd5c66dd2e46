package azidentity_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

func userToken(t testing.TB, e *entratest.Emulator, user string, options ...entratest.UserTokenOption) string {
	t.Helper()
	tok, err := e.UserToken(user, clientID, options...)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func oboCred(t testing.TB, o azcore.ClientOptions, assertion string) *azidentity.OnBehalfOfCredential {
	t.Helper()
	c, err := azidentity.NewOnBehalfOfCredentialWithSecret(tenantID, clientID, assertion, goodKey, &azidentity.OnBehalfOfCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// manyUsers is the default tenant with n users, user0@… and so on.
func manyUsers(n int) *entratest.Config {
	tenant := entratest.DefaultTenant()
	for i := range n {
		tenant.Users = append(tenant.Users, entratest.User{Username: fmt.Sprintf("user%d@emulator.example.com", i)})
	}
	return &entratest.Config{Tenants: []entratest.Tenant{tenant}}
}

// Pain 41: the flow takes every kind of proof.
func TestPain41OnBehalfOfByEveryProof(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	certs, key := e.DefaultCertificate()
	options := &azidentity.OnBehalfOfCredentialOptions{ClientOptions: o, SendCertificateChain: true, Tokens: azidentity.TokenOptions{Isolated: true}}
	user := userToken(t, e, entratest.DefaultUsername)
	bySecret, err1 := azidentity.NewOnBehalfOfCredentialWithSecret(tenantID, clientID, user, goodKey, options)
	byCert, err2 := azidentity.NewOnBehalfOfCredentialWithCertificate(tenantID, clientID, user, certs, key, options)
	bySigner, err4 := azidentity.NewOnBehalfOfCredentialWithCertificate(tenantID, clientID, user, certs, &countingSigner{Signer: key}, options)
	byAssertion, err3 := azidentity.NewOnBehalfOfCredentialWithClientAssertions(tenantID, clientID, user, func(context.Context) (string, error) {
		return e.FederatedAssertion(entratest.DefaultFederatedSubject)
	}, options)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*azidentity.OnBehalfOfCredential{"secret": bySecret, "certificate": byCert, "signer": bySigner, "assertion": byAssertion} {
		e.ResetJournal()
		if first, second := token(t, c), token(t, c); first != second {
			t.Errorf("%s: two tokens for two calls", name)
		}
		entry, _ := e.LastRequest(entratest.EndpointToken)
		if len(e.Journal()) != 1 || entry.Form.Get("requested_token_use") != "on_behalf_of" ||
			entry.Scope != armScope+" openid offline_access profile" || entry.Form.Get("client_info") != "1" {
			t.Errorf("%s: sent %v in %d requests", name, entry.Form, len(e.Journal()))
		}
		if _, chain := entry.AssertionHeader["x5c"]; chain != (name == "certificate" || name == "signer") {
			t.Errorf("%s: chain sent: %v", name, chain)
		}
	}
	for name, build := range map[string]func() error{
		"secret": func() error {
			_, err := azidentity.NewOnBehalfOfCredentialWithSecret(tenantID, clientID, user, "", nil)
			return err
		},
		"private key": func() error {
			_, err := azidentity.NewOnBehalfOfCredentialWithCertificate(tenantID, clientID, user, nil, nil, nil)
			return err
		},
		"getAssertion": func() error {
			_, err := azidentity.NewOnBehalfOfCredentialWithClientAssertions(tenantID, clientID, user, nil, nil)
			return err
		},
	} {
		if err := build(); err == nil || !strings.Contains(err.Error(), name) || !strings.HasPrefix(err.Error(), "OnBehalfOfCredential: ") {
			t.Errorf("got %v, want an error that names the %s", err, name)
		}
	}
}

// Pain 11: an API that builds a credential for each request gets its user's token
// from memory, and nobody else's.
func TestPain11CredentialPerRequest(t *testing.T) {
	t.Parallel()
	const users = 50
	e, o := emulate(t, manyUsers(users))
	assertions := make([]string, users)
	for i := range assertions {
		assertions[i] = userToken(t, e, fmt.Sprintf("user%d@emulator.example.com", i))
	}
	seen := make(map[string]int)
	for range 10 {
		for i, a := range assertions {
			tok := token(t, oboCred(t, o, a))
			if other, ok := seen[tok]; ok && other != i {
				t.Fatalf("users %d and %d share a token", i, other)
			}
			seen[tok] = i
		}
	}
	if n := e.CountRequests(entratest.EndpointToken); n != users || len(seen) != users {
		t.Errorf("%d exchanges and %d tokens for %d users", n, len(seen), users)
	}
	if app := token(t, secretCred(t, goodKey, o)); seen[app] != 0 {
		t.Error("the application's own token is a user's")
	}
}

// Pain 11: one credential serves all users; the assertion comes with the context.
func TestPain11OneCredentialForAllUsers(t *testing.T) {
	t.Parallel()
	const users = 50
	e, o := emulate(t, manyUsers(users))
	c := oboCred(t, o, "")
	if _, err := c.GetToken(t.Context(), armToken); err == nil || !strings.Contains(err.Error(), "WithUserAssertion") {
		t.Errorf("without an assertion: got %v", err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := make(map[string]int)
	for i := range users {
		assertion := userToken(t, e, fmt.Sprintf("user%d@emulator.example.com", i))
		for range 4 {
			wg.Go(func() {
				tok, err := c.GetToken(azidentity.WithUserAssertion(t.Context(), assertion), armToken)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if other, ok := seen[tok.Token]; ok && other != i {
					t.Errorf("users %d and %d share a token", i, other)
				}
				seen[tok.Token] = i
			})
		}
		// A credential with an assertion of its own never listens to the context.
		if i == 0 {
			own := token(t, oboCred(t, o, assertion))
			ctx := azidentity.WithUserAssertion(t.Context(), userToken(t, e, "user1@emulator.example.com"))
			if tok, err := oboCred(t, o, assertion).GetToken(ctx, armToken); err != nil || tok.Token != own {
				t.Errorf("the context's assertion won over the constructor's: %v", err)
			}
		}
	}
	wg.Wait()
	if n := e.CountRequests(entratest.EndpointToken); n != users {
		t.Errorf("%d exchanges for %d users", n, users)
	}
}

// Pain 40: the user's refresh token keeps the tokens coming after the assertion has
// expired, also behind the callers.
func TestPain40RefreshAfterTheAssertionExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		c := oboCred(t, o, "")
		ctx := azidentity.WithUserAssertion(t.Context(), userToken(t, e, entratest.DefaultUsername))
		last := ""
		for range 8 * 12 {
			tok, err := c.GetToken(ctx, armToken)
			if err != nil {
				t.Fatal(err)
			}
			last = tok.Token
			synctest.Wait()
			time.Sleep(5 * time.Minute)
		}
		grants := map[string]int{}
		for _, entry := range e.Journal() {
			grants[entry.GrantType]++
		}
		if n := grants["refresh_token"]; grants["urn:ietf:params:oauth:grant-type:jwt-bearer"] != 1 || n < 7 || n > 10 {
			t.Errorf("got %v in 8 hours, want one exchange and about eight refreshes", grants)
		}

		// Another resource comes by the same refresh token; a revoked one makes the
		// credential turn to the assertion, which has expired by now.
		e.ResetJournal()
		if _, err := c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}); err != nil {
			t.Error(err)
		}
		e.RevokeRefreshTokens(entratest.DefaultUsername)
		_, err := c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}})
		var failed *azidentity.AuthenticationFailedError
		if !errors.As(err, &failed) || failed.Code != "invalid_grant" || !strings.Contains(err.Error(), "AADSTS500133") {
			t.Errorf("got %v, want the assertion's expiry", err)
		}
		if tok, err := c.GetToken(ctx, armToken); err != nil || tok.Token != last {
			t.Errorf("the token in memory is gone: %v", err)
		}
	})
}

// What the token in memory was granted for serves the scopes it includes.
func TestOnBehalfOfGrantedScopes(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	c := oboCred(t, o, userToken(t, e, entratest.DefaultUsername))
	first := tokenFor(t, c, policy.TokenRequestOptions{Scopes: []string{"User.Read", "Mail.Read"}})
	if second := tokenFor(t, c, policy.TokenRequestOptions{Scopes: []string{"mail.read", "user.read"}}); second != first {
		t.Error("the same scopes in another order are another token")
	}
	if n := e.CountRequests(entratest.EndpointToken); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// A claims challenge reaches the middle tier ready to be sent on.
func TestOnBehalfOfClaimsChallenge(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	const claims = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	e.Inject(entratest.Fault{Code: 50079, Claims: claims})
	_, err := oboCred(t, o, userToken(t, e, entratest.DefaultUsername)).GetToken(t.Context(), armToken)
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.Claims != claims {
		t.Fatalf("got %v, want the claims", err)
	}
	want := `Bearer error="insufficient_claims", claims="` + base64.StdEncoding.EncodeToString([]byte(claims)) + `"`
	if got := failed.ClaimsChallenge(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (&azidentity.AuthenticationFailedError{}).ClaimsChallenge(); got != "" {
		t.Errorf("got %q without claims", got)
	}
}

// The refusals that an API meets say what to do and hold no token.
func TestOnBehalfOfRefusals(t *testing.T) {
	t.Parallel()
	cfg := manyUsers(1)
	cfg.Tenants[0].Users[1].Disabled = true
	e, o := emulate(t, cfg)
	foreign, err := e.UserToken(entratest.DefaultUsername, "api://another")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ assertion, want string }{
		"expired":       {userToken(t, e, entratest.DefaultUsername, entratest.Lasting(-time.Hour)), "AADSTS500133"},
		"another API's": {foreign, "AADSTS500131"},
		"disabled user": {userToken(t, e, "user0@emulator.example.com"), "AADSTS50057"},
		"not a token":   {"not.a.token", "AADSTS50013"},
		"the app's own": {token(t, secretCred(t, goodKey, o)), "AADSTS500131"},
	} {
		_, err := oboCred(t, o, test.assertion).GetToken(t.Context(), armToken)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		} else if i := strings.LastIndexByte(test.assertion, '.'); len(test.assertion) > 50 && strings.Contains(err.Error(), test.assertion[i+1:]) {
			t.Errorf("%s: the error holds the assertion", name)
		}
	}
}

// A user's token in memory costs what an application's does, and hashing the assertion.
func TestOnBehalfOfHitCostsNoMore(t *testing.T) {
	e, o := emulate(t, nil)
	c := oboCred(t, o, "")
	ctx := azidentity.WithUserAssertion(t.Context(), userToken(t, e, entratest.DefaultUsername))
	if _, err := c.GetToken(ctx, armToken); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := c.GetToken(ctx, armToken); err != nil {
			t.Fatal(err)
		}
	}); n > 2 {
		t.Errorf("%v allocations for a token in memory, want at most 2", n)
	}
	runtime.KeepAlive(c)
}

// A refresh token that is not refused is as good as before: while Entra ID throttles or
// fails, nothing is sent in its place.
func TestOnBehalfOfOutageIsNoRefusal(t *testing.T) {
	for name, fault := range map[string]entratest.Fault{
		"throttled": {Status: 429, RetryAfter: 2 * time.Minute}, "overloaded": {Status: 503}, "timeout": {Status: 408},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, o := emulate(t, nil)
				o.Retry.MaxRetries = -1
				c := oboCred(t, o, userToken(t, e, entratest.DefaultUsername))
				defer c.Close()
				first := token(t, c)
				time.Sleep(2 * time.Hour)
				cancel := e.Inject(fault)
				if _, err := c.GetToken(t.Context(), armToken); err == nil {
					t.Fatal("no error")
				}
				cancel()
				time.Sleep(2 * time.Minute)
				if token(t, c) == first {
					t.Error("an expired token was returned")
				}
				refreshed := e.Requests(func(en entratest.Entry) bool { return en.GrantType == "refresh_token" })
				if len(refreshed) != 2 || len(e.Journal()) != 3 {
					t.Errorf("%d requests, %d of them with the refresh token; want 3 and 2", len(e.Journal()), len(refreshed))
				}
			})
		})
	}
}
