package azidentity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// onceMore are the ways in which programs ask again and again: each returns the
// credential of the n-th call. All that is in the request stays the same.
var onceMore = map[string]func(t *testing.T, e *entratest.Emulator, o azcore.ClientOptions) func(n int) (azcore.TokenCredential, error){
	"one credential": func(t *testing.T, _ *entratest.Emulator, o azcore.ClientOptions) func(int) (azcore.TokenCredential, error) {
		c := secretCred(t, goodKey, o)
		return func(int) (azcore.TokenCredential, error) { return c, nil }
	},
	"a credential per call": func(t *testing.T, _ *entratest.Emulator, o azcore.ClientOptions) func(int) (azcore.TokenCredential, error) {
		return func(int) (azcore.TokenCredential, error) { return secretCred(t, goodKey, o), nil }
	},
	"a certificate credential per call, tokens of its own": func(_ *testing.T, e *entratest.Emulator, o azcore.ClientOptions) func(int) (azcore.TokenCredential, error) {
		certs, key := e.DefaultCertificate()
		return func(int) (azcore.TokenCredential, error) {
			return azidentity.NewClientCertificateCredential(tenantID, clientID, certs, key,
				&azidentity.ClientCertificateCredentialOptions{ClientOptions: o, Tokens: isolated})
		}
	},
	"a credential per call with one assertion": func(t *testing.T, e *entratest.Emulator, o azcore.ClientOptions) func(int) (azcore.TokenCredential, error) {
		jwt, err := e.FederatedAssertion(subject)
		if err != nil {
			t.Fatal(err)
		}
		return func(int) (azcore.TokenCredential, error) {
			return azidentity.NewClientAssertionCredential(tenantID, clientID, func(context.Context) (string, error) { return jwt, nil },
				&azidentity.ClientAssertionCredentialOptions{ClientOptions: o})
		}
	},
	"a credential per request of a user": func(t *testing.T, e *entratest.Emulator, o azcore.ClientOptions) func(int) (azcore.TokenCredential, error) {
		user := userToken(t, e, entratest.DefaultUsername)
		return func(int) (azcore.TokenCredential, error) { return oboCred(t, o, user), nil }
	},
	"a workload": func(t *testing.T, e *entratest.Emulator, o azcore.ClientOptions) func(int) (azcore.TokenCredential, error) {
		path := pod(t, e)
		return func(int) (azcore.TokenCredential, error) { return workloadCred(t, path, o), nil }
	},
	"a managed identity per call": func(_ *testing.T, _ *entratest.Emulator, o azcore.ClientOptions) func(int) (azcore.TokenCredential, error) {
		return func(int) (azcore.TokenCredential, error) {
			return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: o})
		}
	},
}

// Pain 56: programs that ask again at once, whatever the answer. How many requests
// arrive is bounded by the time that passes, not by the calls: while the server
// throttles, one for each Retry-After; while it refuses, one in five seconds after the
// first two.
func TestPain56Storm(t *testing.T) {
	clearEnvironment(t)
	const scopes, lasts = 3, 2 * time.Minute
	e, o := emulate(t, nil)
	o.Retry.MaxRetries = -1
	for answer, test := range map[string]struct {
		fault entratest.Fault
		every time.Duration
		says  string
	}{
		"throttled":       {entratest.Fault{RetryAfter: 30 * time.Second}, 30 * time.Second, "Throttled until 2000-01-01 "},
		"overloaded":      {entratest.Fault{Status: 503, RetryAfter: 30 * time.Second}, 30 * time.Second, "Throttled until 2000-01-01 "},
		"wrong secret":    {entratest.Fault{Status: 401, Code: 7000215}, 5 * time.Second, "Not asked again until 2000-01-01 "},
		"unknown app":     {entratest.Fault{Status: 400, Code: 700016}, 5 * time.Second, "Not asked again until 2000-01-01 "},
		"missing consent": {entratest.Fault{Status: 400, Code: 65001}, 5 * time.Second, "Not asked again until 2000-01-01 "},
	} {
		for name, open := range onceMore {
			t.Run(answer+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o.Transport = e.Transport() // a new one shares nothing with the storm before
					e.ResetJournal()
					next := open(t, e, o)
					defer e.Inject(test.fault)()
					start, asked := time.Now(), 0
					for n := 0; time.Since(start) < lasts; n++ {
						c, err := next(n)
						if err != nil {
							t.Fatal(err)
						}
						_, err = c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{fmt.Sprintf("https://r%d.example/.default", n%scopes)}})
						if err == nil {
							t.Fatal("no error")
						}
						now := len(e.Journal())
						if asked == now && !strings.Contains(err.Error(), test.says) {
							t.Fatalf("call %d was answered from memory, and until when is not in: %v", n, err)
						}
						asked = now
						time.Sleep(300 * time.Millisecond)
					}
					if n, most := len(e.Journal()), scopes*(2+int(lasts/test.every)); n > most || n < scopes {
						t.Errorf("%d requests in %v, want %d to %d", n, lasts, scopes, most)
					}
				})
			})
		}
	}
}

// Pain 56, the other half: what was refused stands in nobody's way. Whoever mends what
// was wrong is served at once, and so are those who had no part in it.
func TestPain56CorrectedInputWorksAtOnce(t *testing.T) {
	clearEnvironment(t)
	e, o := emulate(t, manyUsers(2))
	o.Retry.MaxRetries = -1
	certs, key := e.DefaultCertificate()
	jwt, err := e.FederatedAssertion(subject)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := e.FederatedAssertion("system:serviceaccount:default:other")
	if err != nil {
		t.Fatal(err)
	}
	path := pod(t, e, entratest.WithClaim("sub", "system:serviceaccount:default:other"))
	workload := workloadCred(t, path, o)
	current := wrong
	source := sourceCred(t, func(context.Context) (string, error) { return current, nil }, o)
	refused := userToken(t, e, "user0@emulator.example.com", entratest.Lasting(-time.Hour))
	all := oboCred(t, o, "")
	var c azcore.TokenCredential
	user := "" // whose assertion the context has
	for _, step := range []struct {
		name string
		do   func()
		good bool
	}{
		{"a wrong secret", func() { c = secretCred(t, "wrong", o) }, false},
		{"the right one", func() { c = secretCred(t, goodKey, o) }, true},
		{"a certificate", func() {
			var err error
			if c, err = azidentity.NewClientCertificateCredential(tenantID, clientID, certs, key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: o}); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"a wrong assertion", func() { c = source }, false},
		{"the right one", func() { current = jwt }, true},
		{"a wrong token file", func() { c = workload }, false},
		{"the right one", func() { rotate(t, e, path) }, true},
		{"a user's expired assertion", func() { c, user = all, refused }, false},
		{"the user's new one", func() { user = userToken(t, e, "user0@emulator.example.com") }, true},
		{"another user's", func() { user = userToken(t, e, "user1@emulator.example.com") }, true},
		{"the expired one again", func() { user = refused }, false},
	} {
		step.do()
		if _, err := c.GetToken(azidentity.WithUserAssertion(t.Context(), user), armToken); (err == nil) != step.good {
			t.Errorf("%s: got %v", step.name, err)
		}
	}
}

// Pain 56: being throttled is nobody else's affair: another tenant, user, scope or
// secret is not held off.
func TestPain56OthersAreNotHeldOff(t *testing.T) {
	clearEnvironment(t)
	cfg := manyUsers(2)
	cfg.Tenants = append(cfg.Tenants, cfg.Tenants[0])
	cfg.Tenants[1].ID, cfg.Tenants[1].Domains = "10000000-aaaa-4aaa-8aaa-000000000002", []string{"other.example.com"}
	cfg.Tenants[0].Applications[0].Secrets = append(cfg.Tenants[0].Applications[0].Secrets, entratest.Secret{Value: "the-second-secret-of-it"})
	e, o := emulate(t, cfg)
	o.Retry.MaxRetries = -1
	throttle := func(c azcore.TokenCredential, ctx context.Context) {
		t.Helper()
		defer e.Inject(entratest.Fault{RetryAfter: 10 * time.Minute})()
		for range 2 {
			_, err := c.GetToken(ctx, armToken)
			var failed *azidentity.AuthenticationFailedError
			if !errors.As(err, &failed) || failed.RetryAfter <= 0 {
				t.Fatalf("got %v, want the throttling error", err)
			}
		}
	}
	c := secretCred(t, goodKey, o)
	throttle(c, t.Context())
	tokenFor(t, c, policy.TokenRequestOptions{Scopes: armToken.Scopes, TenantID: "10000000-aaaa-4aaa-8aaa-000000000002"})
	tokenFor(t, c, policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	tokenFor(t, c, policy.TokenRequestOptions{Scopes: armToken.Scopes, EnableCAE: true})
	token(t, secretCred(t, "the-second-secret-of-it", o))

	all := oboCred(t, o, "")
	throttle(all, azidentity.WithUserAssertion(t.Context(), userToken(t, e, "user0@emulator.example.com")))
	if _, err := all.GetToken(azidentity.WithUserAssertion(t.Context(), userToken(t, e, "user1@emulator.example.com")), armToken); err != nil {
		t.Errorf("another user is held off: %v", err)
	}
	if _, err := c.GetToken(t.Context(), armToken); err == nil || len(e.Requests(func(en entratest.Entry) bool { return en.Status == 429 })) != 2 {
		t.Errorf("got %v; want the first still held off", err)
	}
}

// Pain 56: who hears of a refusal late waits for what is left of it, and no longer.
func TestPain56OnlyWhatIsLeft(t *testing.T) {
	for name, test := range map[string]struct {
		fault entratest.Fault // for as many requests as go out before they are held off
		lasts time.Duration
	}{
		"throttled": {entratest.Fault{RetryAfter: 30 * time.Second, Times: 1}, 30 * time.Second},
		"refused":   {entratest.Fault{Code: 700016, Times: 3}, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, o := emulate(t, nil)
				o.Retry.MaxRetries = -1
				e.Inject(test.fault)
				for range test.fault.Times - 1 {
					if _, err := secretCred(t, goodKey, o).GetToken(t.Context(), armToken); err == nil {
						t.Fatal("no error")
					}
				}
				start := time.Now()
				for time.Since(start) < test.lasts {
					c, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &azidentity.ClientSecretCredentialOptions{ClientOptions: o, Tokens: isolated})
					if err != nil {
						t.Fatal(err)
					}
					if _, err := c.GetToken(t.Context(), armToken); err == nil {
						t.Fatalf("no error after %v", time.Since(start))
					}
					time.Sleep(time.Second)
					if time.Since(start) == test.lasts {
						token(t, c) // which has just been refused from memory
					}
				}
				if n, want := len(e.Journal()), test.fault.Times+1; n != want {
					t.Errorf("%d requests, want %d", n, want)
				}
			})
		})
	}
}

// Pain 56: an administrator who mends something on the other side is not waited for if
// the program tried once or twice, and for seconds if it went on trying: the error says
// until when.
func TestPain56MendedOnTheOtherSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := entratest.Config{Tenants: []entratest.Tenant{entratest.DefaultTenant()}}
		cfg.Tenants[0].Applications[0].Disabled = true
		e, o := emulate(t, &cfg)
		c := secretCred(t, goodKey, o)
		disable := func(disabled bool) {
			cfg.Tenants[0].Applications[0].Disabled = disabled
			if err := e.Reconfigure(&cfg); err != nil {
				t.Fatal(err)
			}
		}
		refused := func(times int) {
			for range times {
				_, err := c.GetToken(t.Context(), armToken)
				wantFinding(t, err, "AADSTS7000112")
			}
		}
		refused(2)
		disable(false)
		token(t, c)
		disable(true)
		c = secretCred(t, goodKey, o)
		time.Sleep(24 * time.Hour)
		start := time.Now().UTC()
		refused(3)
		disable(false)
		time.Sleep(5*time.Second - 1)
		_, err := c.GetToken(t.Context(), armToken)
		wantFinding(t, err, "AADSTS7000112", "Not asked again until "+start.Add(5*time.Second).Format("2006-01-02 15:04:05Z")+": the same was refused at "+start.Format("2006-01-02 15:04:05Z"))
		time.Sleep(time.Nanosecond)
		token(t, c)
	})
}

// Pain 56: the error says throttled, until when, and the likely cause; also to callers
// that come later, for whom the first one's deadline means nothing.
func TestPain56ThrottlingIsExplained(t *testing.T) {
	clearEnvironment(t)
	for name, test := range map[string]struct {
		open func(t *testing.T, o azcore.ClientOptions) azcore.TokenCredential
		want string
	}{
		"shared": {func(t *testing.T, o azcore.ClientOptions) azcore.TokenCredential { return secretCred(t, goodKey, o) }, "many processes"},
		"alone": {func(t *testing.T, o azcore.ClientOptions) azcore.TokenCredential {
			return sourceCred(t, func(context.Context) (string, error) { return "a.b.c", nil }, o)
		}, "construct it once"},
		"managed identity": {func(t *testing.T, o azcore.ClientOptions) azcore.TokenCredential {
			return managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, Tokens: isolated})
		}, "construct it once"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, o := emulate(t, nil)
				e.Inject(entratest.Fault{RetryAfter: 40 * time.Second})
				c := test.open(t, o)
				hurried, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if _, err := c.GetToken(hurried, armToken); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the caller's own deadline", err)
				}
				synctest.Wait()
				_, err := c.GetToken(t.Context(), armToken)
				var failed *azidentity.AuthenticationFailedError
				if !errors.As(err, &failed) || errors.Is(err, context.DeadlineExceeded) || failed.RetryAfter != 30*time.Second {
					t.Errorf("got %v with %v to wait; want 30s, and nobody else's deadline", err, failed.RetryAfter)
				}
				wantText(t, err, "2000-01-01 00:00:40Z")
				time.Sleep(30 * time.Second)
				o.Retry.MaxRetries = -1
				_, err = test.open(t, o).GetToken(t.Context(), armToken)
				wantText(t, err, "Throttled until 2000-01-01 00:01:20Z", "Next: ", test.want)
				if n := len(e.Journal()); n != 2 {
					t.Errorf("%d requests, want 2", n)
				}
			})
		})
	}
}
