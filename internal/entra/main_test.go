package entra_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"flag"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/loopback"
)

func TestMain(m *testing.M) { loopback.Main(m, entra.SharedTransport, entra.DirectTransport) }

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	tenant  = entratest.DefaultTenantID
	vault   = "https://vault.azure.net/.default"
	private = "login.private.example.com" // an authority that no table has
)

// signingKey saves most tests the time of generating one.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// newEmulator makes an emulator. Call it outside of a synctest bubble, or
// after signingKey.
func newEmulator(t testing.TB, cfg entratest.Config) *entratest.Emulator {
	t.Helper()
	cfg.SigningKey = signingKey()
	e, err := entratest.New(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func authority(t testing.TB, s string) entra.Authority {
	t.Helper()
	a, _, err := entra.ParseAuthority(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// newClient makes a client of the public cloud over the transport, with
// changes.
func newClient(t testing.TB, transport policy.Transporter, changes ...func(*entra.Config)) *entra.Client {
	t.Helper()
	cfg := entra.Config{
		Authority: authority(t, entra.PublicCloudHost), Module: "azidentity", Version: "v1.2.3",
		Options: policy.ClientOptions{Transport: transport},
	}
	for _, change := range changes {
		change(&cfg)
	}
	c, err := entra.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func at(t testing.TB, host string) func(*entra.Config) {
	return func(cfg *entra.Config) { cfg.Authority = authority(t, host) }
}

func in(region string) func(*entra.Config) {
	return func(cfg *entra.Config) { cfg.Region = region }
}

func skipDiscovery(cfg *entra.Config) { cfg.SkipDiscovery = true }

// request is what the emulator's default application is granted.
func request() entra.ClientCredentials {
	return entra.ClientCredentials{
		Tenant: tenant, ClientID: entratest.DefaultClientID, Scopes: []string{vault},
		Auth: &proof{secret: entratest.DefaultClientSecret},
	}
}

// proof is a ClientAuth that takes note of what it is asked.
type proof struct {
	secret string
	fail   error
	mend   string // the better secret of a second try

	mu        sync.Mutex
	endpoints []string
	legacy    []bool
	refusals  []*entra.Error
}

func (p *proof) Authenticate(_ context.Context, f *entra.Form, endpoint string, legacy bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endpoints, p.legacy = append(p.endpoints, endpoint), append(p.legacy, legacy)
	if p.fail != nil {
		return p.fail
	}
	f.SetSecret("client_secret", p.secret)
	return nil
}

func (p *proof) Refused(_ context.Context, e *entra.Error, f *entra.Form) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusals = append(p.refusals, e)
	if f.Secret("client_secret") != p.secret {
		panic("the form is not the one that was refused")
	}
	if p.mend == "" {
		return false
	}
	p.secret = p.mend
	return true
}

// transporter is a transport made of a function.
type transporter func(*http.Request) (*http.Response, error)

func (f *transporter) Do(r *http.Request) (*http.Response, error) { return (*f)(r) }

// answering returns a transport that gives answers in turn, the last one for
// ever, and counts the requests.
func answering(answers ...func(*http.Request) (*http.Response, error)) (policy.Transporter, func() int) {
	var mu sync.Mutex
	n := 0
	f := transporter(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		answer := answers[min(n, len(answers)-1)]
		n++
		mu.Unlock()
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		return answer(r)
	})
	return &f, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// status is an answer with a body and headers, name and value in turn.
func status(code int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func broken(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection reset by peer")
}

const goodToken = `{"token_type":"Bearer","expires_in":3599,"access_token":"token"}`

var granted = status(200, goodToken)

// hosts returns the hosts of the journal's requests, in order.
func hosts(e *entratest.Emulator) []string {
	var all []string
	for _, entry := range e.Journal() {
		all = append(all, entry.Host)
	}
	return all
}

// throttledFor returns what err says of the time not to repeat the request.
func throttledFor(err error) time.Duration {
	var throttled interface{ ThrottledFor() time.Duration }
	if !errors.As(err, &throttled) {
		return 0
	}
	return throttled.ThrottledFor()
}
