package entratest_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

func newServer(t *testing.T, cfg *entratest.Config) *entratest.Server {
	t.Helper()
	if cfg == nil {
		cfg = &entratest.Config{}
	}
	cfg.SigningKey = signingKey()
	s := entratest.NewServer(cfg)
	t.Cleanup(s.Close)
	return s
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	metadata := get(t, s.Client(), s.URL+"/"+entratest.DefaultTenantID+"/v2.0/.well-known/openid-configuration")
	got := post(t, s.Client(), metadata.text("token_endpoint"), secretForm())
	if got.status != 200 {
		t.Fatalf("got %d %v", got.status, got.body)
	}
	if iss := claimsOf(t, got.text("access_token"))["iss"]; iss != s.URL+"/"+entratest.DefaultTenantID+"/v2.0" {
		t.Errorf("iss is %v", iss)
	}
	// The client connects to the server whatever the host, and its names are vouched for.
	if got := post(t, s.Client(), tokenURL, secretForm()); got.status != 200 {
		t.Errorf("public host: got %d", got.status)
	}
	assertion, err := s.FederatedAssertion(entratest.DefaultFederatedSubject)
	if err != nil {
		t.Fatal(err)
	}
	if iss := claimsOf(t, assertion)["iss"]; iss != s.URL+"/federation" || iss != s.FederatedIssuer() {
		t.Errorf("the federated iss is %v", iss)
	}
	federation := get(t, s.Client(), s.FederatedIssuer()+"/.well-known/openid-configuration")
	if issuer := federation.text("issuer"); issuer != s.FederatedIssuer() {
		t.Errorf("the federation's metadata names the issuer %q", issuer)
	}
	if keys, _ := get(t, s.Client(), federation.text("jwks_uri")).body["keys"].([]any); len(keys) != 1 {
		t.Errorf("the federation's keys are %v", keys)
	}
	if got := post(t, s.Client(), tokenURL, assertionForm(assertion)); got.status != 200 {
		t.Errorf("federated: got %d %v", got.status, got.body)
	}
}

// TestServerNames connects by each name with a client of its own making.
func TestServerNames(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.CAPEM()) {
		t.Fatal("CAPEM has no certificate")
	}
	addr := strings.Replace(strings.TrimPrefix(s.URL, "https://"), "localhost", "127.0.0.1", 1)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "login.microsoftonline.com", "westus.login.microsoft.com"} {
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: name}}
		conn, err := dialer.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		conn.Close()
	}
	dialer := tls.Dialer{Config: &tls.Config{ServerName: "localhost"}}
	if conn, err := dialer.DialContext(t.Context(), "tcp", addr); err == nil {
		conn.Close()
		t.Error("a client without the CA trusts the server")
	}
}

func TestServerClose(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.Inject(entratest.Fault{Hang: true})
	failed := make(chan error)
	r := newPost(t, tokenURL, secretForm())
	go func() {
		_, err := s.Client().Do(r)
		failed <- err
	}()
	for s.CountRequests(entratest.EndpointToken) == 0 {
		time.Sleep(time.Millisecond) // a socket: there is nothing to select on
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(s.Close)
	}
	wg.Wait()
	if err := <-failed; err == nil {
		t.Error("a hanging request survived Close")
	}
	if _, err := s.Client().Do(newPost(t, tokenURL, secretForm())); err == nil {
		t.Error("the server answers after Close")
	}
}

func TestServerFaults(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.Inject(entratest.Fault{Times: 1, Reset: true})
	s.Inject(entratest.Fault{Times: 1, Truncate: true})
	s.Inject(entratest.Fault{Times: 1, SlowBody: 20 * time.Millisecond})
	if _, err := s.Client().Do(newPost(t, tokenURL, secretForm())); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("reset: got %v", err)
	}
	resp, err := s.Client().Do(newPost(t, tokenURL, secretForm()))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) || int64(len(body)) != resp.ContentLength/2 {
		t.Errorf("truncated: got %d bytes of %d, %v", len(body), resp.ContentLength, err)
	}
	resp.Body.Close()
	if got := post(t, s.Client(), tokenURL, secretForm()); got.status != 200 {
		t.Errorf("slow body: got %d", got.status)
	}
}

func TestServersInParallel(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for range 4 {
		s := newServer(t, nil)
		for range 10 {
			wg.Go(func() {
				resp, err := s.Client().Do(newPost(t, tokenURL, secretForm()))
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
			})
		}
	}
	wg.Wait()
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	if _, err := entratest.Listen("127.0.0.1:0", &entratest.Config{TokenLifetime: -1}); err == nil {
		t.Error("an invalid configuration was taken")
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var op *net.OpError
	if _, err := entratest.Listen(taken.Addr().String(), nil); !errors.As(err, &op) {
		t.Errorf("a taken port: got %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("NewServer did not panic")
		}
	}()
	entratest.NewServer(&entratest.Config{TokenLifetime: -1})
}

func TestRedirectsAreKept(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.Inject(entratest.Fault{Status: http.StatusFound})
	for _, client := range []*http.Client{s.Client(), s.Transport().Client()} {
		if got := get(t, client, fmt.Sprintf("%s/common/discovery/keys", s.URL)); got.status != http.StatusFound {
			t.Errorf("got %d", got.status)
		}
	}
}
