//go:build interop

package interop_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/azid-go/azidentity/entratest"
)

// An emulator is azid emulator, in a process of its own.
type emulator struct {
	authority   string
	ca          string // file
	certificate string // file, with the key
	assertion   string // file
	client      *http.Client
}

// startEmulator starts azid emulator, and stops it with the test.
func startEmulator(t *testing.T, flags ...string) *emulator {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(os.Getenv(commandVar), append([]string{"emulator", "--listen", "localhost:0", "--output", "json"}, flags...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	endWithThis(cmd)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		tooLate := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		if !tooLate.Stop() {
			t.Errorf("azid emulator does not end when it is interrupted: %v", err)
		}
		if t.Failed() {
			t.Logf("azid emulator: %v\n%s", err, stderr.String())
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("azid emulator left %v behind, %v", left, err)
		}
	})
	var facts struct {
		URL         string            `json:"url"`
		Environment map[string]string `json:"environment"`
	}
	if err := json.NewDecoder(stdout).Decode(&facts); err != nil {
		t.Fatalf("azid emulator printed no facts: %v", err)
	}
	e := &emulator{
		authority:   facts.URL,
		ca:          facts.Environment["SSL_CERT_FILE"],
		certificate: facts.Environment["AZURE_CLIENT_CERTIFICATE_PATH"],
		assertion:   facts.Environment["AZURE_FEDERATED_TOKEN_FILE"],
	}
	e.trust(t)
	return e
}

// trust makes the client that trusts the emulator.
func (e *emulator) trust(t *testing.T) {
	t.Helper()
	pem, err := os.ReadFile(e.ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", e.ca)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	e.client = &http.Client{Transport: transport}
}

// do sends a request to one of the emulator's own endpoints.
func (e *emulator) do(t *testing.T, method, path string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, e.authority+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s, %v", method, path, resp.Status, err)
	}
	return body
}

// readAssertion returns the token of the issuer that the application trusts.
func (e *emulator) readAssertion(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(e.assertion)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// takeTokenRequests returns the requests to the token endpoint since the last time.
func (e *emulator) takeTokenRequests(t *testing.T) []entratest.Entry {
	t.Helper()
	var journal struct {
		Entries []entratest.Entry `json:"entries"`
	}
	if err := json.Unmarshal(e.do(t, http.MethodGet, "/_emulator/journal?endpoint=token"), &journal); err != nil {
		t.Fatal(err)
	}
	e.do(t, http.MethodDelete, "/_emulator/journal")
	return journal.Entries
}

// resource is what the peers ask tokens for. An application ID URI, so that it
// is of no cloud.
const resource = "api://10000000-0000-4000-8000-00000000000a"

// verify checks a token as the API it is for would, with a library that nobody
// here wrote: issuer and keys by discovery, signature, audience, expiry.
func (e *emulator) verify(t *testing.T, raw string, expiresOn time.Time) {
	t.Helper()
	e.verifyOf(t, entratest.DefaultClientID, raw, expiresOn)
}

// verifyOf checks the token of an application.
func (e *emulator) verifyOf(t *testing.T, clientID, raw string, expiresOn time.Time) {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), e.client)
	provider, err := oidc.NewProvider(ctx, e.authority+"/"+entratest.DefaultTenantID+"/v2.0")
	if err != nil {
		t.Fatal(err)
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: resource}).Verify(ctx, raw)
	if err != nil {
		t.Fatalf("the token is not valid: %v", err)
	}
	var claims struct {
		Tenant      string `json:"tid"`
		Application string `json:"azp"`
	}
	if err := token.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if claims.Tenant != entratest.DefaultTenantID || claims.Application != clientID {
		t.Errorf("got a token of application %q in tenant %q", claims.Application, claims.Tenant)
	}
	// Clients count expires_in from when they got it, the token from when it was made.
	if d := expiresOn.Sub(token.Expiry).Abs(); d > 5*time.Second {
		t.Errorf("the client says that the token expires at %v, it does at %v", expiresOn, token.Expiry)
	}
	const other = "api://10000000-0000-4000-8000-00000000000b"
	if _, err := provider.Verifier(&oidc.Config{ClientID: other}).Verify(ctx, raw); err == nil {
		t.Errorf("the token is valid for %s as well", other)
	}
}

// proofs are the ways in which each peer proves who it is.
var proofs = []string{"secret", "certificate", "chain", "assertion"}

// A peerRequest tells a program in another language what to do. It goes to its
// standard input, as it has secrets.
type peerRequest struct {
	Authority   string `json:"authority"`
	Tenant      string `json:"tenant"`
	Client      string `json:"client"`
	Scope       string `json:"scope"`
	Proof       string `json:"proof"`
	Secret      string `json:"secret,omitempty"`
	Certificate string `json:"certificate,omitempty"`
	Assertion   string `json:"assertion,omitempty"`
	Async       bool   `json:"async"`
}

// peerToken lets a program get a token, and verifies it.
func (e *emulator) peerToken(t *testing.T, do peerRequest, env []string, name string, args ...string) {
	t.Helper()
	do.Authority, do.Tenant, do.Client, do.Scope = e.authority, entratest.DefaultTenantID, entratest.DefaultClientID, resource+"/.default"
	switch do.Proof {
	case "secret":
		do.Secret = entratest.DefaultClientSecret
	case "certificate", "chain":
		do.Certificate = e.certificate
	case "assertion":
		do.Assertion = e.readAssertion(t)
	}
	in, err := json.Marshal(do)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8"}, env...)
	cmd.Stdin = strings.NewReader(string(in))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	var got struct {
		Token     string `json:"token"`
		ExpiresOn int64  `json:"expiresOn"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%s printed %d bytes that are not what was asked: %v", name, len(out), err)
	}
	e.verify(t, got.Token, time.Unix(got.ExpiresOn, 0))
}

// expectRequest checks that the last token was got by one request, of a client
// whose User-Agent or SKU begins like this, and with the proof that was meant.
func (e *emulator) expectRequest(t *testing.T, client, proof string) entratest.Entry {
	t.Helper()
	all := e.takeTokenRequests(t)
	if len(all) != 1 {
		t.Fatalf("got %d token requests, want 1", len(all))
	}
	r := all[0]
	if agents := fmt.Sprint(r.Header["User-Agent"], r.Header["X-Client-Sku"], r.Form["x-client-SKU"]); !strings.Contains(agents, client) {
		t.Errorf("the request came from %s, want %s", agents, client)
	}
	if r.GrantType != "client_credentials" || r.Status != http.StatusOK {
		t.Errorf("got grant %q with status %d", r.GrantType, r.Status)
	}
	if want := proof == "secret"; want != r.Form.Has("client_secret") {
		t.Errorf("client_secret: got %t, want %t", r.Form.Has("client_secret"), want)
	}
	var subject any
	switch proof {
	case "certificate", "chain":
		subject = entratest.DefaultClientID
	case "assertion":
		subject = entratest.DefaultFederatedSubject
	}
	if got := r.AssertionClaims["sub"]; got != subject {
		t.Errorf("got an assertion about %v, want %v", got, subject)
	}
	return r
}
