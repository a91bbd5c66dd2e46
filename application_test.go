package azidentity_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// Pain 20: the same code that runs against Entra ID runs offline, over TLS,
// and one request is all it takes.
func TestPain20OverTLS(t *testing.T) {
	t.Parallel()
	s := entratest.NewServer(nil)
	defer s.Close()
	o := azcore.ClientOptions{Transport: s.Client(), Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: s.URL}}
	certs, key := s.DefaultCertificate()
	secret, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := azidentity.NewClientCertificateCredential(tenantID, clientID, certs, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := azidentity.NewClientCertificateCredential(tenantID, clientID, certs, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, SendCertificateChain: true,
			Tokens: azidentity.TokenOptions{Isolated: true}})
	if err != nil {
		t.Fatal(err)
	}
	federated, err := azidentity.NewClientAssertionCredential(tenantID, clientID, func(context.Context) (string, error) {
		return s.FederatedAssertion(entratest.DefaultFederatedSubject)
	}, &azidentity.ClientAssertionCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, cred := range []azcore.TokenCredential{secret, cert, chain, federated} {
		s.ResetJournal()
		if first, second := token(t, cred), token(t, cred); first != second {
			t.Errorf("%T: two tokens for two calls", cred)
		}
		if n := len(s.Journal()); n != 1 || s.CountRequests(entratest.EndpointToken) != 1 {
			t.Errorf("%T: %d requests, want 1", cred, n)
		}
	}
	if e, _ := s.LastRequest(entratest.EndpointToken); e.Form.Get("client_assertion") == "" || e.Status != 200 {
		t.Errorf("the journal does not show the last request: %+v", e)
	}
}

// Pain 12: programs build credentials for every request; equal ones share
// their tokens, in whatever spelling and under whatever alias.
func TestPain12EqualCredentialsShareTokens(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	token(t, secretCred(t, goodKey, o))
	for i := range 10_000 {
		oo := o
		if i%2 == 0 {
			oo.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: "https://login.windows.net/"}
		}
		c, err := azidentity.NewClientSecretCredential(strings.ToUpper(tenantID), strings.ToUpper(clientID), goodKey,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: oo})
		if err != nil {
			t.Fatal(err)
		}
		token(t, c)
	}
	if n := e.CountRequests(entratest.EndpointToken); n != 1 {
		t.Errorf("%d token requests for 10,000 equal credentials, want 1", n)
	}
}

// Pain 12, the other half: nothing that could make it another identity, and
// nothing that the caller keeps to himself, is shared.
func TestPain12OtherCredentialsDoNotShare(t *testing.T) {
	t.Parallel()
	cfg := &entratest.Config{Tenants: []entratest.Tenant{entratest.DefaultTenant()}}
	cfg.Tenants[0].Applications[0].Secrets = append(cfg.Tenants[0].Applications[0].Secrets, entratest.Secret{Value: "another~valid-secret"})
	e, o := emulate(t, cfg)
	_, elsewhere := emulate(t, cfg)
	certs, key := e.DefaultCertificate()
	type options = azidentity.ClientSecretCredentialOptions
	build := map[string]func() (azcore.TokenCredential, error){
		"first": func() (azcore.TokenCredential, error) {
			return azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &options{ClientOptions: o})
		},
		"another secret": func() (azcore.TokenCredential, error) {
			return azidentity.NewClientSecretCredential(tenantID, clientID, "another~valid-secret", &options{ClientOptions: o})
		},
		"another tenant name": func() (azcore.TokenCredential, error) {
			return azidentity.NewClientSecretCredential(entratest.DefaultTenantDomain, clientID, goodKey, &options{ClientOptions: o})
		},
		"another cloud": func() (azcore.TokenCredential, error) {
			o := o
			o.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: "https://login.sovcloud-identity.fr"}
			return azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &options{ClientOptions: o})
		},
		"unverified host": func() (azcore.TokenCredential, error) {
			o := o
			o.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: "https://login.private.example"}
			return azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &options{ClientOptions: o, DisableInstanceDiscovery: true})
		},
		"another transport": func() (azcore.TokenCredential, error) {
			return azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &options{ClientOptions: elsewhere})
		},
		"isolated": func() (azcore.TokenCredential, error) {
			return azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &options{ClientOptions: o, Tokens: azidentity.TokenOptions{Isolated: true}})
		},
		"own policy": func() (azcore.TokenCredential, error) {
			o := o
			o.PerCallPolicies = []policy.Policy{passOn{}}
			return azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &options{ClientOptions: o})
		},
		"certificate": func() (azcore.TokenCredential, error) {
			return azidentity.NewClientCertificateCredential(tenantID, clientID, certs, key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: o})
		},
		"verified host": func() (azcore.TokenCredential, error) {
			o := o
			o.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: "https://login.private.example"}
			return azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &options{ClientOptions: o})
		},
		"another assertion": func() (azcore.TokenCredential, error) {
			return azidentity.NewClientAssertionCredential(tenantID, clientID, func(context.Context) (string, error) {
				return e.FederatedAssertion(entratest.DefaultFederatedSubject)
			}, &azidentity.ClientAssertionCredentialOptions{ClientOptions: o})
		},
		"assertion": func() (azcore.TokenCredential, error) {
			return azidentity.NewClientAssertionCredential(tenantID, clientID, func(context.Context) (string, error) {
				return e.FederatedAssertion(entratest.DefaultFederatedSubject)
			}, &azidentity.ClientAssertionCredentialOptions{ClientOptions: o})
		},
	}
	seen := make(map[string]string)
	for range 2 {
		for name, b := range build {
			c, err := b()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			tok := token(t, c)
			if other, ok := seen[tok]; ok && other != name {
				t.Errorf("%s and %s share a token", name, other)
			}
			seen[tok] = name
		}
	}
	// A token with the wrong secret is never served from the right one's.
	if _, err := secretCred(t, "wrong~secret", o).GetToken(t.Context(), armToken); err == nil {
		t.Error("a credential with a wrong secret got the right one's token")
	}
}

type passOn struct{}

func (passOn) Do(req *policy.Request) (*http.Response, error) { return req.Next() }

// Pain 30: ten thousand credentials constructed, used and dropped leave no
// goroutine; closing is optional, idempotent and harmless to others.
func TestPain30NothingLeaks(t *testing.T) {
	s := entratest.NewServer(nil)
	defer s.Close()
	o := azcore.ClientOptions{Transport: s.Client(), Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: s.URL}}
	build := func(secret string) *azidentity.ClientSecretCredential {
		c, err := azidentity.NewClientSecretCredential(tenantID, clientID, secret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	sibling := build(goodKey)
	want := token(t, sibling)
	before := runtime.NumGoroutine()
	for i := range 10_000 {
		c := build(goodKey)
		if got := token(t, c); got != want {
			t.Fatalf("credential %d got another token", i)
		}
		if i%2 == 0 {
			if err := errors.Join(c.Close(), c.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if after := runtime.NumGoroutine(); after > before+2 {
		t.Errorf("%d goroutines, %d before", after, before)
	}
	if token(t, sibling) != want {
		t.Error("closing others took the sibling's token")
	}
	closed := build(goodKey)
	_ = closed.Close()
	if token(t, closed) != want {
		t.Error("a closed credential does not answer")
	}
	if n := s.CountRequests(entratest.EndpointToken); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
}

// A credential that is closed while it renews behind its caller leaves nothing
// running; one that is not, finishes.
func TestPain30CloseEndsRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, &entratest.Config{TokenLifetime: 4 * time.Hour})
		c := secretCred(t, goodKey, o)
		first := token(t, c)
		time.Sleep(2*time.Hour + time.Minute)
		e.Inject(entratest.Fault{Hang: true})
		if token(t, c) != first {
			t.Error("an aging token was not served")
		}
		synctest.Wait()
		if n := e.CountRequests(entratest.EndpointToken); n != 2 {
			t.Errorf("%d requests, want the renewal under way", n)
		}
		_ = c.Close()
		synctest.Wait() // the bubble panics if the renewal's goroutine stays
	})
}

// Pain 18: whatever the server does, the end of a context is its caller's
// error, at once, and no token comes without an error.
func TestPain18CancellationIsPrompt(t *testing.T) {
	for name, fault := range map[string]entratest.Fault{
		"hangs":      {Hang: true},
		"slow":       {Latency: time.Hour},
		"slow body":  {SlowBody: time.Hour},
		"throttled":  {RetryAfter: 30 * time.Second},
		"overloaded": {Status: 503, RetryAfter: 30 * time.Second},
		"resets":     {Reset: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, o := emulate(t, nil)
				e.Inject(fault)
				c := secretCred(t, goodKey, o)
				defer c.Close()
				for _, end := range []struct {
					want error
					ctx  func() (context.Context, context.CancelFunc)
				}{
					{context.DeadlineExceeded, func() (context.Context, context.CancelFunc) {
						return context.WithTimeout(t.Context(), time.Second)
					}},
					{context.Canceled, func() (context.Context, context.CancelFunc) {
						ctx, cancel := context.WithCancel(t.Context())
						time.AfterFunc(time.Second, cancel)
						return ctx, cancel
					}},
				} {
					o := armToken
					o.Scopes = []string{"https://" + strings.ReplaceAll(end.want.Error(), " ", "-") + ".example/.default"}
					ctx, cancel := end.ctx()
					start := time.Now()
					tok, err := c.GetToken(ctx, o)
					cancel()
					if !errors.Is(err, end.want) || tok.Token != "" {
						t.Errorf("got %q, %v, want %v", tok.Token, err, end.want)
					}
					if d := time.Since(start); d != time.Second {
						t.Errorf("returned after %v, want at once", d)
					}
				}
				synctest.Wait()
			})
		})
	}
}

// Without a deadline of the caller's, a request still ends.
func TestPain18EndsWithoutDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		e.Inject(entratest.Fault{Hang: true})
		start := time.Now()
		_, err := secretCred(t, goodKey, o).GetToken(context.Background(), armToken)
		var failed *azidentity.AuthenticationFailedError
		if !errors.As(err, &failed) || time.Since(start) > 3*time.Minute {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// A 429 is remembered for the key, so that callers that come one after another
// do not storm; a corrected secret is tried at once.
func TestThrottlingIsRememberedPerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		o.Retry.MaxRetries = -1
		e.Inject(entratest.Fault{RetryAfter: time.Minute, Times: 1})
		c := secretCred(t, goodKey, o)
		for range 100 {
			_, err := c.GetToken(t.Context(), armToken)
			var failed *azidentity.AuthenticationFailedError
			if !errors.As(err, &failed) || failed.RetryAfter != time.Minute || failed.RawResponse.StatusCode != 429 {
				t.Fatalf("got %v, want the throttling error", err)
			}
		}
		if n := e.CountRequests(entratest.EndpointToken); n != 1 {
			t.Errorf("%d requests while throttled, want 1", n)
		}
		time.Sleep(time.Minute)
		token(t, c)
	})
}

// Pain 47: a key that only signs is asked once per assertion, not per token.
func TestPain47SignerIsNotAskedForTokensInMemory(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	certs, key := e.DefaultCertificate()
	signer := &countingSigner{Signer: key}
	c, err := azidentity.NewClientCertificateCredential(tenantID, clientID, certs, signer,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: o, Tokens: azidentity.TokenOptions{Isolated: true}})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		token(t, c)
	}
	for i := range 10 {
		tokenFor(t, c, policy.TokenRequestOptions{Scopes: []string{fmt.Sprintf("https://r%d.example/.default", i)}})
	}
	if n := signer.n.Load(); n != 1 {
		t.Errorf("%d signatures for 110 calls and 11 requests, want 1", n)
	}
}

// countingSigner is a key that stays where it is and only signs.
type countingSigner struct {
	crypto.Signer
	n atomic.Int32
}

func (s *countingSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.n.Add(1)
	return s.Signer.Sign(rand, digest, opts)
}

// Pain 48: modern assertions for Entra ID, the legacy form for AD FS.
func TestPain48AssertionHeader(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	certs, key := e.DefaultCertificate()
	for tenant, want := range map[string][2]string{tenantID: {"PS256", "x5t#S256"}, "adfs": {"RS256", "x5t"}} {
		c, err := azidentity.NewClientCertificateCredential(tenant, clientID, certs, key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: o})
		if err != nil {
			t.Fatal(err)
		}
		token(t, c)
		entry, _ := e.LastRequest(entratest.EndpointToken)
		if h := entry.AssertionHeader; h["alg"] != want[0] || h[want[1]] == nil || h["x5c"] != nil {
			t.Errorf("tenant %s: header %v, want %v", tenant, h, want)
		}
	}
}

// Pain 57: a clock that is an hour off, either way, costs one more request,
// once, and the error of one that cannot be helped says how far it is off.
func TestPain57ClockIsOff(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			e, o := emulate(t, &entratest.Config{Clock: func() time.Time { return time.Now().Add(off) }})
			certs, key := e.DefaultCertificate()
			c, err := azidentity.NewClientCertificateCredential(tenantID, clientID, certs, key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: o})
			if err != nil {
				t.Fatal(err)
			}
			token(t, c)
			if n := e.CountRequests(entratest.EndpointToken); n != 2 {
				t.Errorf("%d requests, want 2: one refused, one with the authority's time", n)
			}
			tokenFor(t, c, policy.TokenRequestOptions{Scopes: []string{"https://other.example/.default"}})
			if n := e.CountRequests(entratest.EndpointToken); n != 3 {
				t.Errorf("%d requests, want the offset remembered", n)
			}

			e.Inject(entratest.Fault{Code: 700024})
			_, err = c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://third.example/.default"}})
			if want := map[time.Duration]string{time.Hour: "behind", -time.Hour: "ahead"}[off]; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want an error that says the clock is %s", err, want)
			}
		})
	}
}

// Pain 58: a claims challenge costs one request and does not loop; plain and
// CAE tokens stay apart; what was revoked is not served again.
func TestPain58ClaimsChallenge(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	c := secretCred(t, goodKey, o)
	plain := token(t, c)
	cae := policy.TokenRequestOptions{Scopes: armToken.Scopes, EnableCAE: true}
	revoked := tokenFor(t, c, cae)
	if revoked == plain {
		t.Error("a CAE token and a plain one are the same")
	}
	challenge := cae
	challenge.Claims = `{"access_token":{"nbf":{"essential":true,"value":"1"}}}`
	fresh := tokenFor(t, c, challenge)
	entry, _ := e.LastRequest(entratest.EndpointToken)
	if claims := entry.Form.Get("claims"); !strings.Contains(claims, "CP1") || !strings.Contains(claims, "nbf") {
		t.Errorf("sent claims %s, want the challenge and the capability", claims)
	}
	if got := tokenFor(t, c, cae); got != fresh || got == revoked {
		t.Error("the token that a challenge brought did not replace the revoked one")
	}
	if token(t, c) != plain {
		t.Error("the challenge threw away the plain token")
	}
	if n := e.CountRequests(entratest.EndpointToken); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	bad := cae
	bad.Claims = "not json"
	if _, err := c.GetToken(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "JSON") {
		t.Errorf("got %v, want an error that names the claims", err)
	}
}

// Pain 61: the error of a tenant that is not allowed names the tenants and the
// option, and nothing is sent.
func TestPain61TenantNotAllowed(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	for _, test := range []struct {
		configured string
		allowed    []string
		requested  string
		want       []string // in the error; empty for success
	}{
		{tenantID, nil, tenantID, nil},
		{tenantID, nil, strings.ToUpper(tenantID), nil},
		{tenantID, nil, "other.example", []string{`"other.example"`, tenantID, "AdditionallyAllowedTenants", "none besides it"}},
		{tenantID, []string{"a.example", "b.example"}, "other.example", []string{"a.example, b.example"}},
		{tenantID, []string{"*"}, "bad/tenant", []string{"invalid tenant", "bad/tenant"}},
		{tenantID, []string{"*"}, "..", []string{"invalid tenant"}},
		{tenantID, []string{"*"}, entratest.DefaultTenantDomain, nil},
		{tenantID, []string{strings.ToUpper(entratest.DefaultTenantDomain)}, entratest.DefaultTenantDomain, nil},
		{"adfs", []string{"*"}, "other.example", []string{"AD FS has no tenants"}},
	} {
		c, err := azidentity.NewClientSecretCredential(test.configured, clientID, goodKey,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: o, AdditionallyAllowedTenants: test.allowed})
		if err != nil {
			t.Fatal(err)
		}
		e.ResetJournal()
		_, err = c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: armToken.Scopes, TenantID: test.requested})
		if len(test.want) == 0 {
			if err != nil {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: got %v, want %q in it", test, err, want)
			}
		}
		if n := len(e.Journal()); n != 0 {
			t.Errorf("%+v: %d requests", test, n)
		}
	}
}

// Constructors validate what they are given and name what is wrong.
func TestConstructorsValidate(t *testing.T) {
	t.Parallel()
	_, o := emulate(t, nil)
	type options = azidentity.ClientSecretCredentialOptions
	badHost := o
	badHost.Cloud.ActiveDirectoryAuthorityHost = "http://login.microsoftonline.com"
	noHost := o
	noHost.Cloud.Services = map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {}}
	for want, build := range map[string]func() error{
		"no ActiveDirectoryAuthorityHost": func() error {
			_, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &options{ClientOptions: noHost})
			return err
		},
		"tenant is missing": func() error { _, err := azidentity.NewClientSecretCredential("", clientID, goodKey, nil); return err },
		"invalid tenant": func() error {
			_, err := azidentity.NewClientSecretCredential("a b", clientID, goodKey, nil)
			return err
		},
		"client ID is missing":     func() error { _, err := azidentity.NewClientSecretCredential(tenantID, "", goodKey, nil); return err },
		"client secret is missing": func() error { _, err := azidentity.NewClientSecretCredential(tenantID, clientID, "", nil); return err },
		"must use TLS": func() error {
			_, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &options{ClientOptions: badHost})
			return err
		},
		"getAssertion is nil": func() error {
			_, err := azidentity.NewClientAssertionCredential(tenantID, clientID, nil, nil)
			return err
		},
		"private key": func() error {
			_, err := azidentity.NewClientCertificateCredential(tenantID, clientID, nil, nil, nil)
			return err
		},
		"additionally allowed": func() error {
			_, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &options{AdditionallyAllowedTenants: []string{"a/b"}})
			return err
		},
	} {
		if err := build(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Credential: ") {
			t.Errorf("got %v, want %q and the credential's name in it", err, want)
		}
	}
}

// An error of an assertion callback reaches the caller, whatever its kind.
func TestAssertionCallbackErrors(t *testing.T) {
	t.Parallel()
	_, o := emulate(t, nil)
	cause := errors.New("no assertion today")
	for name, callback := range map[string]func(context.Context) (string, error){
		"error": func(context.Context) (string, error) { return "", cause },
		"empty": func(context.Context) (string, error) { return "", nil },
		"panic": func(context.Context) (string, error) { panic(cause) },
		"unavailable": func(context.Context) (string, error) {
			return "", azidentity.NewCredentialUnavailableError("no token file")
		},
		"failed": func(context.Context) (string, error) { return "", &azidentity.AuthenticationFailedError{Code: "inner"} },
	} {
		c, err := azidentity.NewClientAssertionCredential(tenantID, clientID, callback, &azidentity.ClientAssertionCredentialOptions{ClientOptions: o})
		if err != nil {
			t.Fatal(err)
		}
		tok, err := c.GetToken(t.Context(), armToken)
		var failed *azidentity.AuthenticationFailedError
		isFailed := errors.As(err, &failed)
		switch {
		case tok.Token != "" || err == nil:
			t.Errorf("%s: got %q, %v", name, tok.Token, err)
		case (name == "error" || name == "panic") && !errors.Is(err, cause):
			t.Errorf("%s: %v does not wrap the callback's error", name, err)
		case name == "unavailable" && (isFailed || err.Error() != "no token file"):
			t.Errorf("%s: got %T, want the callback's own error", name, err)
		case name == "failed" && failed.Code != "inner":
			t.Errorf("%s: got %v", name, err)
		case name != "unavailable" && !isFailed:
			t.Errorf("%s: got %T, want *AuthenticationFailedError", name, err)
		}
	}
}

// Pain 36: all credentials at once over shared tokens, under the race detector.
func TestPain36ConcurrentUse(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	certs, key := e.DefaultCertificate()
	cert, err := azidentity.NewClientCertificateCredential(tenantID, clientID, certs, key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{unavailable{}, secretCred(t, goodKey, o)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	creds := []azcore.TokenCredential{secretCred(t, goodKey, o), secretCred(t, goodKey, o), cert, chain, secretCred(t, "wrong~", o)}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 40 {
				c := creds[(i+j)%len(creds)]
				ctx, cancel := context.WithCancel(t.Context())
				if j%5 == 0 {
					cancel()
				}
				tok, err := c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{fmt.Sprintf("https://r%d.example/.default", j%3)}, EnableCAE: j%2 == 0})
				if (tok.Token == "") == (err == nil) {
					t.Errorf("got %q, %v", tok.Token, err)
				}
				cancel()
			}
			_ = creds[i%3].(io.Closer).Close()
		})
	}
	wg.Wait()
}

// unavailable is a credential that cannot try.
type unavailable struct{}

func (unavailable) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, azidentity.NewCredentialUnavailableError("not configured here")
}
