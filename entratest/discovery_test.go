package entratest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/entratest"
)

func TestOpenIDConfiguration(t *testing.T) {
	t.Parallel()
	const id = entratest.DefaultTenantID
	tests := []struct{ url, issuer, token, device, keys string }{
		{"https://login.microsoftonline.com/" + id + "/v2.0/.well-known/openid-configuration",
			"https://login.microsoftonline.com/" + id + "/v2.0", "https://login.microsoftonline.com/" + id + "/oauth2/v2.0/token",
			"https://login.microsoftonline.com/" + id + "/oauth2/v2.0/devicecode", "https://login.microsoftonline.com/" + id + "/discovery/v2.0/keys"},
		{"https://localhost:8443/" + entratest.DefaultTenantDomain + "/v2.0/.well-known/openid-configuration",
			"https://localhost:8443/" + id + "/v2.0", "https://localhost:8443/" + id + "/oauth2/v2.0/token",
			"https://localhost:8443/" + id + "/oauth2/v2.0/devicecode", "https://localhost:8443/" + id + "/discovery/v2.0/keys"},
		{"https://westus.login.microsoft.com/organizations/v2.0/.well-known/openid-configuration",
			"https://login.microsoftonline.com/{tenantid}/v2.0", "https://westus.login.microsoft.com/organizations/oauth2/v2.0/token",
			"https://westus.login.microsoft.com/organizations/oauth2/v2.0/devicecode", "https://westus.login.microsoft.com/organizations/discovery/v2.0/keys"},
		{"https://westus.login.microsoftonline.us/" + id + "/v2.0/.well-known/openid-configuration",
			"https://login.microsoftonline.us/" + id + "/v2.0", "https://westus.login.microsoftonline.us/" + id + "/oauth2/v2.0/token",
			"https://westus.login.microsoftonline.us/" + id + "/oauth2/v2.0/devicecode", "https://westus.login.microsoftonline.us/" + id + "/discovery/v2.0/keys"},
		{"https://westus.localhost:8443/" + id + "/v2.0/.well-known/openid-configuration",
			"https://localhost:8443/" + id + "/v2.0", "https://westus.localhost:8443/" + id + "/oauth2/v2.0/token",
			"https://westus.localhost:8443/" + id + "/oauth2/v2.0/devicecode", "https://westus.localhost:8443/" + id + "/discovery/v2.0/keys"},
		{"https://localhost/consumers/v2.0/.well-known/openid-configuration",
			"https://localhost/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", "https://localhost/consumers/oauth2/v2.0/token",
			"https://localhost/consumers/oauth2/v2.0/devicecode", "https://localhost/consumers/discovery/v2.0/keys"},
		{"https://localhost/" + id + "/.well-known/openid-configuration",
			"https://localhost/" + id + "/", "https://localhost/" + id + "/oauth2/token",
			"https://localhost/" + id + "/oauth2/devicecode", "https://localhost/" + id + "/discovery/keys"},
		{"https://adfs.example.com/adfs/.well-known/openid-configuration",
			"https://adfs.example.com/adfs", "https://adfs.example.com/adfs/oauth2/token",
			"https://adfs.example.com/adfs/oauth2/devicecode", "https://adfs.example.com/adfs/discovery/keys"},
		{"https://dsts.example.com/dstsv2/7a433bfc-2514-4697-b467-e0933190487f/v2.0/.well-known/openid-configuration",
			"https://dsts.example.com/dstsv2/7a433bfc-2514-4697-b467-e0933190487f", "https://dsts.example.com/dstsv2/7a433bfc-2514-4697-b467-e0933190487f/oauth2/v2.0/token",
			"https://dsts.example.com/dstsv2/7a433bfc-2514-4697-b467-e0933190487f/oauth2/v2.0/devicecode", "https://dsts.example.com/dstsv2/7a433bfc-2514-4697-b467-e0933190487f/discovery/v2.0/keys"},
	}
	e := newEmulator(t, nil)
	for _, tt := range tests {
		got := get(t, e.Transport(), tt.url)
		want := map[string]string{
			"issuer": tt.issuer, "token_endpoint": tt.token, "device_authorization_endpoint": tt.device, "jwks_uri": tt.keys,
			"authorization_endpoint": strings.TrimSuffix(tt.token, "token") + "authorize",
		}
		for name, value := range want {
			if got.text(name) != value {
				t.Errorf("%s: %s is %q, want %q", tt.url, name, got.text(name), value)
			}
		}
		if keys, _ := get(t, e.Transport(), got.text("jwks_uri")).body["keys"].([]any); len(keys) != 1 {
			t.Errorf("%s: keys are %v", tt.url, keys)
		}
	}
	if got := get(t, e.Transport(), "https://localhost/"+unknownGUID+"/v2.0/.well-known/openid-configuration"); got.status != 400 || got.text("error") != "invalid_request" {
		t.Errorf("unknown tenant: got %d %v", got.status, got.body)
	}
	if got := get(t, e.Transport(), "https://localhost//common/discovery/keys/"); got.status != 200 {
		t.Errorf("doubled slashes: got %d", got.status)
	}
}

func TestInstanceDiscovery(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, &entratest.Config{UnknownHosts: []string{"Unknown.example.com"}})
	ask := func(version, authorize string) answer {
		return get(t, e.Transport(), "https://login.microsoftonline.com/common/discovery/instance?api-version="+version+
			"&authorization_endpoint="+url.QueryEscape(authorize))
	}
	for _, tt := range []struct{ authorize, document, network, cache string }{
		{"https://localhost:8443/t/oauth2/v2.0/authorize", "https://localhost:8443/t/v2.0/.well-known/openid-configuration", "localhost:8443", "localhost:8443"},
		{"https://login.windows.net/t/oauth2/v2.0/authorize", "https://login.windows.net/t/v2.0/.well-known/openid-configuration", "login.microsoftonline.com", "login.windows.net"},
		{"https://localhost/t/oauth2/authorize", "https://localhost/t/.well-known/openid-configuration", "localhost", "localhost"},
		{"https://localhost/dstsv2", "https://localhost/dstsv2/.well-known/openid-configuration", "localhost", "localhost"},
	} {
		for _, version := range []string{"1.0", "1.1"} {
			got := ask(version, tt.authorize)
			if got.text("tenant_discovery_endpoint") != tt.document || got.text("api-version") != version {
				t.Errorf("%s: got %v", tt.authorize, got.body)
			}
			var found bool
			list, _ := got.body["metadata"].([]any)
			for _, m := range list {
				cloud := m.(map[string]any)
				found = found || cloud["preferred_network"] == tt.network && cloud["preferred_cache"] == tt.cache
			}
			if !found {
				t.Errorf("%s: metadata is %v", tt.authorize, list)
			}
		}
	}
	got := ask("1.1", "https://unknown.example.com:444/t/oauth2/v2.0/authorize")
	if got.status != 400 || got.text("error") != "invalid_instance" || !strings.HasPrefix(got.text("error_description"), "AADSTS50049: ") {
		t.Errorf("got %d %v", got.status, got.body)
	}
	if got := ask("2.0", "https://localhost/t"); got.status != 400 {
		t.Errorf("api-version 2.0: got %d", got.status)
	}
	if got := ask("1.1", ""); got.status != 400 {
		t.Errorf("no authorization_endpoint: got %d", got.status)
	}
}

func TestRegion(t *testing.T) {
	t.Parallel()
	ask := func(e *entratest.Emulator, path, metadata string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://169.254.169.254/metadata/instance/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Metadata", metadata)
		resp, err := e.Transport().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, readAll(t, resp)
	}
	e := newEmulator(t, &entratest.Config{Region: "westus2"})
	if status, body := ask(e, "compute?api-version=2021-02-01", "true"); status != 200 || !strings.Contains(body, `"location":"westus2"`) {
		t.Errorf("compute: got %d %q", status, body)
	}
	if status, body := ask(e, "compute/location?format=text&api-version=2021-01-01", "true"); status != 200 || body != "westus2" {
		t.Errorf("location: got %d %q", status, body)
	}
	if status, _ := ask(e, "compute?api-version=2021-02-01", ""); status != 400 {
		t.Errorf("no Metadata header: got %d", status)
	}
	if status, body := ask(e, "compute", "true"); status != 400 || !strings.Contains(body, "newest-versions") {
		t.Errorf("no api-version: got %d %q", status, body)
	}
	if status, _ := ask(newEmulator(t, nil), "compute?api-version=2021-02-01", "true"); status != 404 {
		t.Errorf("no region: got %d", status)
	}
}
