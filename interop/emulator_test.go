//go:build interop

package interop_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

// An emulator is azid emulator, in a process of its own.
type emulator struct {
	authority   string
	environment map[string]string
	client      *http.Client
}

// startEmulator starts azid emulator as it is on a host, and stops it with the test.
func startEmulator(t *testing.T, host string, flags ...string) *emulator {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(os.Getenv(commandVar), append([]string{"emulator", "--host", host, "--listen", "localhost:0", "--output", "json"}, flags...)...)
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
		if err != nil {
			t.Errorf("azid emulator: %v\n%s", err, stderr.String())
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
	e := &emulator{authority: facts.URL, environment: facts.Environment}
	e.trust(t)
	return e
}

// trust makes the client that trusts the emulator.
func (e *emulator) trust(t *testing.T) {
	t.Helper()
	pem, err := os.ReadFile(e.environment["SSL_CERT_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", e.environment["SSL_CERT_FILE"])
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

// authorize signs the default user in, as a browser with a session would, and
// returns the code that the application gets.
func (e *emulator) authorize(t *testing.T, do ask) string {
	t.Helper()
	query := url.Values{
		"client_id": {do.Client}, "response_type": {"code"}, "redirect_uri": {do.Redirect},
		"scope": {do.Scope + " offline_access"}, "prompt": {"none"}, "login_hint": {entratest.DefaultUsername},
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.authority+"/"+do.Tenant+"/oauth2/v2.0/authorize?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := e.client.Transport.RoundTrip(req) // which follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	back, err := resp.Location()
	if err != nil || back.Query().Get("code") == "" {
		t.Fatalf("the authorize endpoint answered %s, and no code: %v", resp.Status, err)
	}
	return back.Query().Get("code")
}

// redeem spends an authorization code, for the scope it was requested for.
func (e *emulator) redeem(t *testing.T, do ask) {
	t.Helper()
	resp, err := e.client.PostForm(e.authority+"/"+do.Tenant+"/oauth2/v2.0/token", url.Values{
		"client_id": {do.Client}, "grant_type": {"authorization_code"}, "code": {do.Code}, "redirect_uri": {do.Redirect},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the code could not be redeemed: %s", resp.Status)
	}
}

func (e *emulator) journal(t *testing.T) []entratest.Entry {
	t.Helper()
	var journal struct {
		Entries []entratest.Entry `json:"entries"`
	}
	if err := json.Unmarshal(e.do(t, http.MethodGet, "/_emulator/journal"), &journal); err != nil {
		t.Fatal(err)
	}
	return journal.Entries
}

// requestsFor returns the requests for tokens of a resource, to the token endpoint
// and to those of the machine that the emulator plays.
func (e *emulator) requestsFor(t *testing.T, resource string) []entratest.Entry {
	t.Helper()
	return slices.DeleteFunc(e.journal(t), func(r entratest.Entry) bool {
		if r.Endpoint == entratest.EndpointAuthorize {
			return true // it was the test's
		}
		scopes := strings.Fields(r.Form.Get("scope"))
		return r.Query.Get("resource") != resource && r.Form.Get("resource") != resource && !slices.Contains(scopes, resource+"/.default")
	})
}
