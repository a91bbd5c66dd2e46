package entratest_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crypto/tls"
	"crypto/x509"

	"github.com/azid-go/azidentity/entratest"
)

func TestPipelinesEndpoint(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	const good = "?api-version=7.1&serviceConnectionId=" + entratest.DefaultServiceConnectionID
	for _, test := range []struct {
		name, method, query, token, suppress string
		status                               int
		want                                 string
	}{
		{"good", "POST", good, entratest.DefaultSystemAccessToken, "Suppress", 200, `"oidcToken":"eyJ`},
		{"bad token", "POST", good, "x", "Suppress", 401, "Sign In"},
		{"bad token, redirect", "POST", good, "x", "", 302, "Object moved"},
		{"no version", "POST", "?serviceConnectionId=x", entratest.DefaultSystemAccessToken, "", 400, "api-version"},
		{"no connection", "POST", "?api-version=7.1", entratest.DefaultSystemAccessToken, "", 404, "No service connection found"},
		{"GET", "GET", good, entratest.DefaultSystemAccessToken, "", 405, "POST only"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, e.PipelinesRequestURI()+test.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+test.token)
		r.Header.Set("X-TFS-FedAuthRedirect", test.suppress)
		resp, err := e.Transport().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if body := readAll(t, resp); resp.StatusCode != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s: got %d %s", test.name, resp.StatusCode, body)
		}
		if resp.StatusCode != 405 && (resp.Header.Get("x-vss-e2eid") == "" || resp.Header.Get("x-msedge-ref") == "") {
			t.Errorf("%s: no request IDs", test.name)
		}
	}
	last := e.Requests(func(en entratest.Entry) bool { return en.Endpoint == entratest.EndpointPipelines })
	if len(last) != 5 || last[1].Reason == "" {
		t.Errorf("the journal has %+v", last)
	}
}

func TestActionsEndpoint(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	for token, want := range map[string]int{entratest.DefaultActionsRequestToken: 200, "x": 401} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.ActionsRequestURL()+"&audience=api://AzureADTokenExchange", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := e.Transport().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if body := readAll(t, resp); resp.StatusCode != want || want == 200 != strings.Contains(body, `"value":"eyJ`) {
			t.Errorf("got %d %s", resp.StatusCode, body)
		}
	}
}

func TestServiceAccountToken(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	path := filepath.Join(t.TempDir(), "token")
	var seen []string
	for range 2 {
		if err := e.WriteServiceAccountToken(path, entratest.DefaultFederatedSubject, entratest.WithLifetime(time.Minute)); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, string(data))
		if got := post(t, e.Transport(), tokenURL, assertionForm(string(data))); got.status != 200 {
			t.Errorf("got %d %v", got.status, got.body)
		}
	}
	if seen[0] == seen[1] {
		t.Error("the token was not rotated")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".token-*")); len(left) > 0 {
		t.Errorf("%v stays", left)
	}
	if err := e.WriteServiceAccountToken(filepath.Join(path, "below", "a file"), "s"); err == nil {
		t.Error("no error")
	}
}

func TestTokenProxy(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	p := e.NewTokenProxy()
	defer p.Close()
	get := func(name, path string, ca []byte) (int, error) {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Post(p.URL+path, "application/x-www-form-urlencoded", strings.NewReader(secretForm().Encode()))
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, nil
	}
	path := strings.TrimPrefix(tokenURL, "https://login.microsoftonline.com")
	old := p.CAPEM()
	if status, err := get(p.ServerName, path, old); status != 200 {
		t.Errorf("got %d, %v", status, err)
	}
	if _, err := get("other.invalid", path, old); err == nil {
		t.Error("another server name was accepted")
	}
	p.RotateCA()
	if _, err := get(p.ServerName, path, old); err == nil {
		t.Error("the old CA still holds")
	}
	if status, err := get(p.ServerName, path, p.CAPEM()); status != 200 {
		t.Errorf("got %d, %v", status, err)
	}
	if n := p.Requests(); n != 2 || e.CountRequests(entratest.EndpointToken) != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}
