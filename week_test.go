package azidentity_test

import (
	"cmp"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// A weekRow is a credential that has to get through a week.
type weekRow struct {
	name string
	host entratest.Endpoint // whose variables the credential finds; empty for none
	via  entratest.Endpoint // where it asks for an assertion before it asks Entra ID; empty for nowhere
	open func(t *testing.T, w *week) (azcore.TokenCredential, error)
	// perUser says that calls carry the user's assertion in their context.
	perUser bool
}

// from is the endpoint whose answers are the row's tokens.
func (r weekRow) from() entratest.Endpoint {
	if r.via == entratest.EndpointIMDS || r.host == "" {
		return entratest.EndpointToken
	}
	return r.host
}

// weekRows are the service credentials, and those of people who have signed in. Not among them are those that need a real
// socket, process or place on the machine, none of which a bubble of virtual time
// can hold: the AKS token proxy (TestPain73TokenProxyRotates, over loopback; all
// above its transport is the row "workload identity"), AssertionFromCommand
// (TestPain42Sources), and Azure Arc, whose key files have a fixed place
// (internal/managedidentity.TestArcWeek).
var weekRows = []weekRow{
	{name: "client secret", open: func(_ *testing.T, w *week) (azcore.TokenCredential, error) {
		return azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &azidentity.ClientSecretCredentialOptions{ClientOptions: w.o})
	}},
	{name: "client certificate", open: func(_ *testing.T, w *week) (azcore.TokenCredential, error) {
		certs, key := w.e.DefaultCertificate()
		return azidentity.NewClientCertificateCredential(tenantID, clientID, certs, key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: w.o})
	}},
	{name: "assertion callback", open: func(_ *testing.T, w *week) (azcore.TokenCredential, error) {
		return w.byAssertion(w.federated)
	}},
	{name: "assertion from a file", open: func(t *testing.T, w *week) (azcore.TokenCredential, error) {
		return w.byAssertion(azidentity.AssertionFromFile(w.pod(t), nil))
	}},
	{name: "assertion from GitHub Actions", via: entratest.EndpointGitHubActions, open: func(_ *testing.T, w *week) (azcore.TokenCredential, error) {
		return w.byAssertion(azidentity.AssertionFromGitHubActions(&azidentity.AssertionOptions{ClientOptions: w.o}))
	}},
	{name: "assertion from a URL", via: entratest.EndpointGitHubActions, open: func(_ *testing.T, w *week) (azcore.TokenCredential, error) {
		return w.byAssertion(azidentity.AssertionFromURL(azidentity.AssertionRequest{
			URL:    w.e.ActionsRequestURL() + "&audience=" + azidentity.ExchangeAudience,
			Header: http.Header{"Authorization": {"Bearer " + entratest.DefaultActionsRequestToken}},
			Member: "value",
		}, &azidentity.AssertionOptions{ClientOptions: w.o}))
	}},
	{name: "assertion from a managed identity", host: entratest.EndpointIMDS, via: entratest.EndpointIMDS, open: func(_ *testing.T, w *week) (azcore.TokenCredential, error) {
		inner, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: w.o})
		if err != nil {
			return nil, err
		}
		w.closers = append(w.closers, inner)
		return w.byAssertion(azidentity.AssertionFromCredential(inner, ""))
	}},
	{name: "on behalf of, by secret", open: func(t *testing.T, w *week) (azcore.TokenCredential, error) {
		return azidentity.NewOnBehalfOfCredentialWithSecret(tenantID, clientID, w.user(t), goodKey, &azidentity.OnBehalfOfCredentialOptions{ClientOptions: w.o})
	}},
	{name: "on behalf of, by certificate", open: func(t *testing.T, w *week) (azcore.TokenCredential, error) {
		certs, key := w.e.DefaultCertificate()
		return azidentity.NewOnBehalfOfCredentialWithCertificate(tenantID, clientID, w.user(t), certs, key, &azidentity.OnBehalfOfCredentialOptions{ClientOptions: w.o})
	}},
	{name: "on behalf of, by assertion", open: func(t *testing.T, w *week) (azcore.TokenCredential, error) {
		return azidentity.NewOnBehalfOfCredentialWithClientAssertions(tenantID, clientID, w.user(t), w.federated, &azidentity.OnBehalfOfCredentialOptions{ClientOptions: w.o})
	}},
	{name: "on behalf of all users", perUser: true, open: func(_ *testing.T, w *week) (azcore.TokenCredential, error) {
		return azidentity.NewOnBehalfOfCredentialWithSecret(tenantID, clientID, "", goodKey, &azidentity.OnBehalfOfCredentialOptions{ClientOptions: w.o})
	}},
	{name: "a signed-in user", open: func(t *testing.T, w *week) (azcore.TokenCredential, error) {
		c, err := azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
			ClientOptions: w.o, TenantID: tenantID, ClientID: clientID, DisableAutomaticAuthentication: true,
			UserPrompt: func(_ context.Context, m azidentity.DeviceCodeMessage) error {
				return w.e.ApproveDeviceCode(m.UserCode, entratest.DefaultUsername, entratest.SignIn{})
			},
		})
		if err == nil {
			_, err = c.Authenticate(t.Context(), &armToken)
		}
		return c, err
	}},
	{name: "user's password", open: func(_ *testing.T, w *week) (azcore.TokenCredential, error) {
		return azidentity.NewUsernamePasswordCredential(tenantID, clientID, entratest.DefaultUsername, entratest.DefaultPassword, &azidentity.UsernamePasswordCredentialOptions{ClientOptions: w.o})
	}},
	{name: "authorization code", open: func(t *testing.T, w *week) (azcore.TokenCredential, error) {
		code, err := w.e.AuthorizationCode(entratest.DefaultUsername, clientID, entratest.DefaultRedirectURI)
		if err != nil {
			t.Fatal(err)
		}
		return azidentity.NewAuthorizationCodeCredential(tenantID, clientID, code, entratest.DefaultRedirectURI, &azidentity.AuthorizationCodeCredentialOptions{
			ClientOptions: w.o, Authentication: azidentity.AuthenticationBySecret(goodKey),
		})
	}},
	{name: "secret from a file", open: func(t *testing.T, w *week) (azcore.TokenCredential, error) {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(goodKey), 0o600); err != nil {
			t.Fatal(err)
		}
		return azidentity.NewApplicationCredential(tenantID, clientID, azidentity.AuthenticationBySecretFile(path), &azidentity.ApplicationCredentialOptions{ClientOptions: w.o})
	}},
	{name: "workload identity", open: func(t *testing.T, w *week) (azcore.TokenCredential, error) {
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: w.o, TenantID: tenantID, ClientID: clientID, TokenFilePath: w.pod(t),
		})
	}},
	{name: "Azure Pipelines", via: entratest.EndpointPipelines, open: func(_ *testing.T, w *week) (azcore.TokenCredential, error) {
		return azidentity.NewAzurePipelinesCredential(tenantID, clientID, connection, systemToken, &azidentity.AzurePipelinesCredentialOptions{ClientOptions: w.o})
	}},
	{name: "virtual machine", host: entratest.EndpointIMDS, open: managedFor(nil)},
	{name: "virtual machine, user-assigned", host: entratest.EndpointIMDS, open: managedFor(azidentity.ResourceID(entratest.DefaultIdentityResourceID))},
	{name: "App Service and Container Apps", host: entratest.EndpointAppService, open: managedFor(nil)},
	{name: "App Service, user-assigned", host: entratest.EndpointAppService, open: managedFor(azidentity.ClientID(entratest.DefaultIdentityClientID))},
	{name: "Azure ML", host: entratest.EndpointAzureML, open: managedFor(azidentity.ClientID(entratest.DefaultIdentityClientID))},
	{name: "Cloud Shell", host: entratest.EndpointCloudShell, open: managedFor(nil)},
	{name: "Service Fabric", host: entratest.EndpointServiceFabric, open: func(t *testing.T, w *week) (azcore.TokenCredential, error) {
		w.o.Transport = serviceFabric(t, w)
		return managedFor(nil)(t, w)
	}},
}

func managedFor(id azidentity.ManagedIDKind) func(*testing.T, *week) (azcore.TokenCredential, error) {
	return func(_ *testing.T, w *week) (azcore.TokenCredential, error) {
		return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: w.o, ID: id})
	}
}

// A week is what a credential goes through.
type week struct {
	row     weekRow
	e       *entratest.Emulator
	o       azcore.ClientOptions
	file    string        // with the service account token, if the credential reads one
	lives   time.Duration // an access token
	step    time.Duration // between calls
	start   time.Time
	cred    azcore.TokenCredential
	closers []io.Closer

	mu        sync.Mutex // guards all below
	assertion string     // the user's, for perUser
	since     time.Time  // when that came
	expires   time.Time  // of the token that a call returned last
}

func (w *week) byAssertion(get func(context.Context) (string, error)) (azcore.TokenCredential, error) {
	return azidentity.NewClientAssertionCredential(tenantID, clientID, get, &azidentity.ClientAssertionCredentialOptions{ClientOptions: w.o})
}

// pod is the file with the service account token, which is replaced every hour.
func (w *week) pod(t *testing.T) string {
	w.file = pod(t, w.e)
	return w.file
}

// federated is what an issuer of its own says about the application.
func (w *week) federated(context.Context) (string, error) { return w.e.FederatedAssertion(subject) }

func (w *week) user(t *testing.T) string {
	return userToken(t, w.e, entratest.DefaultUsername, entratest.Lasting(userComes))
}

// A spell is a time of bad weather.
type spell struct {
	from, lasts time.Duration
	every       time.Duration // the faults begin anew; 0: they last
	faults      []entratest.Fault
	fails       time.Duration // in how long a request fails with all its tries, at least
	// after is for how long the server asked to be left alone when the spell ended.
	after time.Duration
}

const weekLong = 7 * 24 * time.Hour

// weather of a week: Entra ID, and all that issues tokens and assertions, is away for
// three hours, flaps for six, and throttles for two. While it flaps, every twenty
// minutes the next requests fail, as many as every schedule of retries bears.
var weather = []spell{
	{from: 34 * time.Hour, lasts: time.Hour, fails: 7 * time.Second, faults: []entratest.Fault{{Reset: true}}},
	{from: 35 * time.Hour, lasts: time.Hour, fails: 127 * time.Second, faults: []entratest.Fault{{Hang: true}}},
	{from: 36 * time.Hour, lasts: time.Hour, fails: 7 * time.Second, faults: []entratest.Fault{{Status: 503}}},
	{from: 80 * time.Hour, lasts: 6 * time.Hour, every: 20 * time.Minute, faults: []entratest.Fault{
		{Status: 404, Times: 1}, {Status: 410, Times: 1}, {Status: 429, Times: 1}, {Status: 500, Times: 1}}},
	{from: 120 * time.Hour, lasts: time.Hour, faults: []entratest.Fault{{RetryAfter: 20 * time.Second}}},
	{from: 121 * time.Hour, lasts: time.Hour, faults: []entratest.Fault{{RetryAfter: 10 * time.Minute}}, after: 10 * time.Minute},
}

// passes lets the weather happen.
func (w *week) passes() {
	for _, s := range weather {
		time.Sleep(time.Until(w.start.Add(s.from)))
		end := w.start.Add(s.from + s.lasts)
		for time.Now().Before(end) {
			w.e.ClearFaults()
			for _, f := range s.faults {
				w.e.Inject(f)
			}
			time.Sleep(min(cmp.Or(s.every, s.lasts), time.Until(end)))
		}
		w.e.ClearFaults()
	}
}

// allWell reports whether nothing keeps a call at a time from succeeding, and for how
// long that has been so.
func (w *week) allWell(at time.Time) (bool, time.Duration) {
	since := w.start
	for _, s := range weather {
		if from, to := w.start.Add(s.from), w.start.Add(s.from+s.lasts+s.after); !at.Before(from) {
			if !at.After(to) {
				return false, 0
			}
			since = to
		}
	}
	return true, at.Sub(since)
}

// held is the expiry of the newest token that the emulator issued for the calls of
// now.
func (w *week) held() (until time.Time) {
	for _, en := range w.e.Requests(nil) {
		if en.Endpoint == w.row.from() && en.Status == http.StatusOK && !en.Time.Before(w.since) {
			until = en.Time.Truncate(time.Second).Add(w.lives)
		}
	}
	return until
}

const (
	// waitable is the life left in a token from which on callers wait for its
	// renewal, and patience for how long.
	waitable = 5 * time.Minute
	patience = 5 * time.Second
	// pauses bound how long a request that failed in bad weather takes to notice
	// that it is over.
	pauses = 35 * time.Second
)

// call asks for a token, and holds what comes to the rules.
func (w *week) call(t *testing.T) {
	ctx := context.Background()
	w.mu.Lock()
	if w.row.perUser {
		ctx = azidentity.WithUserAssertion(ctx, w.assertion)
	}
	left := time.Until(w.expires)
	w.mu.Unlock()
	began := time.Now()
	tok, err := w.cred.GetToken(ctx, armToken)
	now := time.Now()
	took := now.Sub(began)

	w.mu.Lock()
	defer w.mu.Unlock()
	at := began.Sub(w.start)
	well, since := w.allWell(began)
	switch {
	case err != nil:
		if until := w.held(); now.Before(until) {
			t.Errorf("at %v a call failed while a token was held that works for %v: %v", at, until.Sub(now), err)
		}
		if well {
			t.Errorf("at %v, %v after all was well again, a call failed: %v", at, since, err)
		}
	case !tok.ExpiresOn.After(now):
		t.Errorf("at %v a token was returned that expired at %v", at, tok.ExpiresOn.Sub(w.start))
	default:
		w.expires = tok.ExpiresOn
	}
	switch {
	case left > waitable && took > 0:
		t.Errorf("at %v a call took %v with a token that works for %v", at, took, left)
	case left > patience && took > patience:
		t.Errorf("at %v a call took %v with a token that works for %v", at, took, left)
	case left <= 0 && well && took > 0 && (since > time.Minute || took > pauses):
		t.Errorf("at %v, %v after all was well again, a call took %v", at, since, took)
	}
}

// budget is the most requests that any endpoint may get in the week.
//
//   - A token is renewed ten minutes before its expiry at the earliest, or at half of
//     its life if the issuer asks for that (the emulator does from two hours on). Each
//     renewal is one request, and so is the first token of each of a user's assertions.
//   - While nothing answers, a caller without a token tries again with each call: four
//     requests over at least seven seconds (azcore's pauses, and those of the hosts,
//     are 0.8, 2.4 and 5.6 s, times 0.8 at least), or 127 s if each try hangs for its
//     30 s. The next call comes a step later. The metadata service is asked seven
//     times, over at least 77 s, which is less.
//   - A renewal of a token that still works is tried again after 30, 60, 120, 240 and
//     then 300 s, all less an eighth at most: 5 and one in 262 s.
//   - While it flaps, each of its faults costs one request more.
//   - While it throttles, one request goes out for each Retry-After.
func (w *week) budget() int {
	uses := w.lives - 10*time.Minute
	if w.lives >= 2*time.Hour {
		uses = w.lives / 2
	}
	n := 1 + int(weekLong/uses)
	if w.row.perUser {
		n += int(weekLong / userComes)
	}
	for _, s := range weather {
		switch ask := s.faults[0].RetryAfter; {
		case ask > 0:
			n += 1 + int(s.lasts/ask)
		case s.every > 0:
			n += len(s.faults) * int(s.lasts/s.every)
		case w.lives > 4*time.Hour: // no token expires in the three hours
			n += 4 * (5 + int(s.lasts/(262*time.Second)))
		default:
			n += 4 * (1 + int(s.lasts/(w.step+s.fails)))
		}
	}
	return n
}

// kubelet replaces the service account token every hour; the old one expires a little
// later.
func (w *week) kubelet(t *testing.T) {
	for range int(weekLong / time.Hour) {
		if err := w.e.WriteServiceAccountToken(w.file, subject, entratest.WithLifetime(65*time.Minute)); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
	}
}

// userComes is how often a user brings another assertion.
const userComes = 6 * time.Hour

// run is the week: a service that asks for a token at each step, from twenty places
// at the beginning of each hour.
func (w *week) run(t *testing.T) {
	var background sync.WaitGroup
	background.Go(w.passes)
	if w.file != "" {
		background.Go(func() { w.kubelet(t) })
	}
	var user, burst time.Duration // when they come next
	for at := time.Duration(0); at < weekLong; at = time.Since(w.start) {
		if at >= user && w.row.perUser {
			w.mu.Lock()
			w.assertion, w.since, w.expires = w.user(t), time.Now(), time.Time{}
			w.mu.Unlock()
			user += userComes
		}
		callers := 1
		if at >= burst {
			callers = 20
			burst += time.Hour
		}
		var calls sync.WaitGroup
		for range callers {
			calls.Go(func() { w.call(t) })
		}
		calls.Wait()
		time.Sleep(w.step)
		if t.Failed() {
			break
		}
	}
	background.Wait()
	synctest.Wait()
}

// Acceptance of a service: a week in which the world goes wrong. No call fails while
// a token works, none waits that need not, all is well as soon as the world is, and
// the number of requests stays within a budget. At its end no goroutine is left, or
// the bubble panics, and no more tokens are in memory than at its start.
func TestWeek(t *testing.T) {
	cfg := entratest.Config{JournalSize: 1 << 20, Tenants: []entratest.Tenant{entratest.DefaultTenant()}}
	app := &cfg.Tenants[0].Applications[0]
	app.FederatedCredentials = append(app.FederatedCredentials, entratest.FederatedCredential{
		Issuer: "https://sts.windows.net/" + tenantID + "/", Subject: entratest.DefaultManagedIdentities()[0].ObjectID,
	})
	e, o := emulate(t, &cfg)
	for _, one := range []struct{ lives, step time.Duration }{{time.Hour, time.Minute}, {24 * time.Hour, 5 * time.Minute}} {
		cfg.TokenLifetime = one.lives
		if err := e.Reconfigure(&cfg); err != nil {
			t.Fatal(err)
		}
		for _, row := range weekRows {
			t.Run(fmt.Sprintf("%s, tokens for %v", row.name, one.lives), func(t *testing.T) {
				onHost(t, e, row.host)
				t.Setenv("SYSTEM_OIDCREQUESTURI", e.PipelinesRequestURI())
				t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", e.ActionsRequestURL())
				t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", entratest.DefaultActionsRequestToken)
				e.ResetJournal()
				before := azidentity.SharedTokens()
				synctest.Test(t, func(t *testing.T) {
					o.Transport = e.Transport() // a new one shares no tokens with the row before
					w := &week{row: row, e: e, o: o, lives: one.lives, step: one.step, start: time.Now()}
					cred, err := row.open(t, w)
					if err != nil {
						t.Fatal(err)
					}
					w.cred = cred
					w.closers = append(w.closers, cred.(io.Closer))
					w.run(t)
					for _, c := range w.closers {
						if err := c.Close(); err != nil {
							t.Error(err)
						}
					}
					for _, endpoint := range []entratest.Endpoint{row.from(), row.via} {
						n := e.CountRequests(endpoint)
						if least := int(weekLong / one.lives); endpoint != "" && (n < least || n > w.budget()) {
							t.Errorf("%d requests to %s, want %d to %d", n, endpoint, least, w.budget())
						}
					}
				})
				// A token and a refresh token, for each user that came: those of users who
				// left go as others come, which so few need not have done yet.
				most := int64(2)
				if row.perUser {
					most *= int64(weekLong / userComes)
				}
				if n := azidentity.SharedTokens().Tokens - before.Tokens; n > most {
					t.Errorf("%d tokens more in memory than at the start, want %d at most", n, most)
				}
			})
		}
	}
}

// serviceFabric is a client of a platform that presents the certificate which the
// environment names. Its connections are pipes, so that virtual time goes on.
func serviceFabric(t *testing.T, w *week) *http.Client {
	certs, key := w.e.DefaultCertificate()
	sum := sha1.Sum(certs[0].Raw)
	t.Setenv("IDENTITY_ENDPOINT", "https://localhost:2377/servicefabric/metadata/identity/oauth2/token")
	t.Setenv("IDENTITY_SERVER_THUMBPRINT", hex.EncodeToString(sum[:]))
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: w.e, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{certs[0].Raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS12,
	}}
	go func() { _ = server.ServeTLS(l, "", "") }()
	w.closers = append(w.closers, server)
	return &http.Client{Transport: &http.Transport{DialContext: l.dial}}
}

// pipes are a listener whose connections never leave the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
