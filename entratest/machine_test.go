package entratest_test

import (
	"crypto/sha1" // the platform names its certificate by this hash
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

const vault = "https://vault.azure.net"

// ask sends a request for a managed identity's token. headers are names and
// values.
func ask(t *testing.T, e *entratest.Emulator, method, target string, params url.Values, headers ...string) answer {
	t.Helper()
	var body *strings.Reader
	if method == http.MethodPost {
		body = strings.NewReader(params.Encode())
	} else {
		target, body = target+"?"+params.Encode(), strings.NewReader("")
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return send(t, e.Transport(), r)
}

func params(version string, more ...string) url.Values {
	v := url.Values{"resource": {vault}}
	if version != "" {
		v.Set("api-version", version)
	}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

// What every host answers, with the status and error of the real ones.
func TestManagedIdentityEndpoints(t *testing.T) {
	t.Parallel()
	const (
		imds   = "2018-02-01"
		apps   = "2019-08-01"
		ml     = "2017-09-01"
		fabric = "2019-07-01-preview"
		nobody = "50000000-eeee-4eee-8eee-000000000001"
	)
	e := newEmulator(t, nil)
	header := e.Environment(entratest.EndpointAppService)["IDENTITY_HEADER"]
	for _, tt := range []struct {
		name    string
		host    entratest.Endpoint
		params  url.Values
		headers []string
		status  int
		expires string // start of expires_on, or nothing
	}{
		{"token", entratest.EndpointIMDS, params(imds), []string{"Metadata", "true"}, 200, "1"},
		{"client ID", entratest.EndpointIMDS, params(imds, "client_id", entratest.DefaultIdentityClientID), []string{"Metadata", "true"}, 200, "1"},
		{"other name of the resource ID", entratest.EndpointIMDS, params(imds, "mi_res_id", entratest.DefaultIdentityResourceID), []string{"Metadata", "true"}, 200, "1"},
		{"probe", entratest.EndpointIMDS, url.Values{}, nil, 400, ""},
		{"forwarded", entratest.EndpointIMDS, params(imds), []string{"Metadata", "true", "X-Forwarded-For", "10.0.0.1"}, 400, ""},
		{"version", entratest.EndpointIMDS, params(apps), []string{"Metadata", "true"}, 400, ""},
		{"a scope", entratest.EndpointIMDS, params(imds, "resource", vault+"/.default"), []string{"Metadata", "true"}, 400, ""},
		{"no such identity", entratest.EndpointIMDS, params(imds, "client_id", nobody), []string{"Metadata", "true"}, 400, ""},
		{"token", entratest.EndpointAppService, params(apps), []string{"X-IDENTITY-HEADER", header}, 200, "1"},
		{"no header", entratest.EndpointAppService, params(apps), nil, 401, ""},
		{"version", entratest.EndpointAppService, params(ml), []string{"X-IDENTITY-HEADER", header}, 400, ""},
		{"a scope", entratest.EndpointAppService, params(apps, "resource", vault+"/.default"), []string{"X-IDENTITY-HEADER", header}, 500, ""},
		{"no such identity", entratest.EndpointAppService, params(apps, "principal_id", nobody), []string{"X-IDENTITY-HEADER", header}, 400, ""},
		{"token", entratest.EndpointAzureML, params(ml, "clientid", entratest.DefaultIdentityClientID), []string{"secret", header}, 200, "1"},
		{"token", entratest.EndpointLegacyAppService, params(ml), []string{"secret", header}, 200, ""},
		{"wrong secret", entratest.EndpointAzureML, params(ml), []string{"secret", "x"}, 401, ""},
		{"version", entratest.EndpointAzureML, params(apps), []string{"secret", header}, 400, ""},
		{"no such identity", entratest.EndpointAzureML, params(ml, "clientid", nobody), []string{"secret", header}, 400, ""},
		{"token", entratest.EndpointCloudShell, params(""), []string{"Metadata", "true"}, 200, "1"},
		{"no header", entratest.EndpointCloudShell, params(""), nil, 400, ""},
		{"no resource", entratest.EndpointCloudShell, params("", "resource", ""), []string{"Metadata", "true"}, 400, ""},
		{"without TLS", entratest.EndpointServiceFabric, params(fabric), []string{"Secret", header}, 400, ""},
		{"no directory for keys", entratest.EndpointAzureArc, params("2020-06-01"), []string{"Metadata", "true"}, 500, ""},
		{"older version", entratest.EndpointAzureArc, params("2019-11-01"), []string{"Metadata", "true"}, 500, ""},
		{"version", entratest.EndpointAzureArc, params(apps), []string{"Metadata", "true"}, 400, ""},
	} {
		method, target := http.MethodGet, ""
		for name, value := range e.Environment(tt.host) {
			switch {
			case name == "AZURE_POD_IDENTITY_AUTHORITY_HOST" && value != "":
				target = value + "/metadata/identity/oauth2/token/" // a slash too many
			case strings.HasSuffix(name, "I_ENDPOINT") || name == "IDENTITY_ENDPOINT":
				target += strings.TrimPrefix(value, target)
			}
		}
		if tt.host == entratest.EndpointCloudShell {
			method = http.MethodPost
		}
		got := ask(t, e, method, target, tt.params, tt.headers...)
		entry, _ := e.LastRequest(tt.host)
		if got.status != tt.status || entry.Status != tt.status || (entry.Reason == "") != (tt.status == 200) {
			t.Errorf("%s, %s: got %d %v, journal %+v; want %d", tt.host, tt.name, got.status, got.body, entry, tt.status)
		}
		if tt.status == 200 && (strings.Count(got.text("access_token"), ".") != 2 || !strings.HasPrefix(got.text("expires_on"), tt.expires)) {
			t.Errorf("%s, %s: got %v", tt.host, tt.name, got.body)
		}
	}
	legacy := e.Environment(entratest.EndpointLegacyAppService)["MSI_ENDPOINT"]
	date := ask(t, e, http.MethodGet, legacy, params(ml), "secret", header).text("expires_on")
	if _, err := time.Parse("01/02/2006 15:04:05 -07:00", date); err != nil {
		t.Errorf("App Service of 2017 says that a token expires on %q", date)
	}
	journal, err := json.Marshal(e.Journal())
	if err != nil || strings.Contains(string(journal), header) {
		t.Errorf("the journal holds the identity header, or %v", err)
	}
}

func TestManagedIdentityToken(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, &entratest.Config{ManagedIdentities: []entratest.ManagedIdentity{{ClientID: entratest.DefaultIdentityClientID, ResourceID: "/a/b"}}})
	base := e.Environment(entratest.EndpointIMDS)["AZURE_POD_IDENTITY_AUTHORITY_HOST"]
	got := ask(t, e, http.MethodGet, base+"/metadata/identity/oauth2/token", params("2018-02-01"), "Metadata", "true")
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(got.text("access_token"), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(b, &claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"aud": vault, "iss": "https://sts.windows.net/" + entratest.DefaultTenantID + "/", "tid": entratest.DefaultTenantID,
		"appid": entratest.DefaultIdentityClientID, "xms_mirid": "/a/b", "idtyp": "app", "ver": "1.0",
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %s", name, claims[name], want)
		}
	}
	if claims["oid"] == "" || claims["oid"] != claims["sub"] {
		t.Errorf("oid is %v, sub %v", claims["oid"], claims["sub"])
	}
}

// The agent's key serves once, and its file goes.
func TestArcChallenge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := newEmulator(t, &entratest.Config{ArcKeyDirectory: dir})
	target := e.Environment(entratest.EndpointAzureArc)["IDENTITY_ENDPOINT"]
	first := ask(t, e, http.MethodGet, target, params("2020-06-01"), "Metadata", "true")
	path := strings.TrimPrefix(first.header.Get("Www-Authenticate"), "Basic realm=")
	key, err := os.ReadFile(path)
	if first.status != 401 || err != nil {
		t.Fatalf("got %d, %v", first.status, err)
	}
	for _, want := range []int{200, 401} {
		got := ask(t, e, http.MethodGet, target, params("2020-06-01"), "Metadata", "true", "Authorization", "Basic "+string(key))
		if got.status != want {
			t.Errorf("got %d %v, want %d", got.status, got.body, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestManagedIdentityConfig(t *testing.T) {
	t.Parallel()
	id := entratest.DefaultIdentityClientID
	for want, bad := range map[string][]entratest.ManagedIdentity{
		"managedIdentities[0].clientId":       {{ClientID: "x"}},
		"managedIdentities[0].objectId":       {{ClientID: id, ObjectID: "x"}},
		"managedIdentities[1].systemAssigned": {{ClientID: id, SystemAssigned: true}, {ClientID: id, SystemAssigned: true}},
	} {
		if _, err := entratest.New(&entratest.Config{ManagedIdentities: bad}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %s", err, want)
		}
	}
	// No identities at all is a machine that has none.
	e := newEmulator(t, &entratest.Config{ManagedIdentities: []entratest.ManagedIdentity{}})
	base := e.Environment(entratest.EndpointIMDS)["AZURE_POD_IDENTITY_AUTHORITY_HOST"]
	if got := ask(t, e, http.MethodGet, base+"/metadata/identity/oauth2/token", params("2018-02-01"), "Metadata", "true"); got.text("error") != "invalid_request" {
		t.Errorf("got %v", got.body)
	}
}

// The machine's endpoints are found without TLS, and nothing else is there.
func TestMachineURL(t *testing.T) {
	t.Parallel()
	s := newServer(t, &entratest.Config{ArcKeyDirectory: t.TempDir()})
	plain := &http.Client{Transport: &http.Transport{}} // knows nothing of the server
	t.Cleanup(plain.CloseIdleConnections)
	imds := s.Environment(entratest.EndpointIMDS)["AZURE_POD_IDENTITY_AUTHORITY_HOST"] + "/metadata/identity/oauth2/token"
	for _, client := range []*http.Client{plain, s.Client()} {
		for _, base := range []string{imds, "http://169.254.169.254/metadata/identity/oauth2/token"} {
			if client == plain && base != imds {
				continue
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"?"+params("2018-02-01").Encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Metadata", "true")
			got := send(t, client, r)
			// The keys that the token is signed with can be discovered, with TLS.
			issuer, _ := claimsOf(t, got.text("access_token"))["iss"].(string)
			if got.status != 200 || get(t, s.Client(), issuer+".well-known/openid-configuration").text("issuer") != issuer {
				t.Errorf("%s: got %d, issuer %q", base, got.status, issuer)
			}
		}
	}
	for _, path := range []string{
		"/" + entratest.DefaultTenantID + "/oauth2/v2.0/token", "/_emulator/journal", "/_emulator/assertion?subject=x",
		"/" + entratest.DefaultTenantID + "/discovery/v2.0/keys", "/servicefabric/metadata/identity/oauth2/token", "/federation/keys",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r, err := http.NewRequestWithContext(t.Context(), method, s.MachineURL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := send(t, plain, r); got.status != 404 {
				t.Errorf("%s %s: got %d", method, path, got.status)
			}
		}
	}
	for _, host := range []entratest.Endpoint{
		entratest.EndpointAppService, entratest.EndpointAzureML, entratest.EndpointLegacyAppService, entratest.EndpointAzureArc, entratest.EndpointCloudShell,
	} {
		env := s.Environment(host)
		target := env["IDENTITY_ENDPOINT"]
		if target == "" {
			target = env["MSI_ENDPOINT"]
		}
		if !strings.HasPrefix(target, s.MachineURL+"/") {
			t.Errorf("%s is at %s, want it below %s", host, target, s.MachineURL)
		}
		get(t, plain, target)
		if entry, ok := s.LastRequest(host); !ok && host != entratest.EndpointCloudShell || ok && entry.Status < 400 {
			t.Errorf("%s: the journal has %+v", host, entry)
		}
	}
	s.Close()
	for _, u := range []string{s.MachineURL, s.Environment(entratest.EndpointServiceFabric)["IDENTITY_ENDPOINT"]} {
		if resp, err := plain.Get(u); err == nil {
			resp.Body.Close()
			t.Errorf("%s answers after Close", u)
		}
	}
}

// A node's certificate is its own: the authority's CA does not vouch for it, the
// thumbprint does.
func TestServiceFabricCertificate(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	env := s.Environment(entratest.EndpointServiceFabric)
	var seen string
	pinning := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // the test looks at the certificate itself
		VerifyConnection: func(c tls.ConnectionState) error {
			sum := sha1.Sum(c.PeerCertificates[0].Raw)
			seen = hex.EncodeToString(sum[:])
			return nil
		},
	}}}
	t.Cleanup(pinning.CloseIdleConnections)
	ask := func(client *http.Client, version string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, env["IDENTITY_ENDPOINT"]+"?"+params(version).Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Secret", env["IDENTITY_HEADER"])
		return client.Do(r)
	}
	resp, err := ask(pinning, "2019-07-01-preview")
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != 200 || seen != env["IDENTITY_SERVER_THUMBPRINT"] {
		t.Errorf("got %d from a server with %s, want 200 from %s", resp.StatusCode, seen, env["IDENTITY_SERVER_THUMBPRINT"])
	}
	if resp, err := ask(s.Client(), "2019-07-01-preview"); err == nil {
		resp.Body.Close()
		t.Error("the certificate is one of the CA's")
	}
}

// A key is for who can read its file, and files that nobody came back with go
// with the server.
func TestArcKeyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newServer(t, &entratest.Config{ArcKeyDirectory: dir})
	target := s.Environment(entratest.EndpointAzureArc)["IDENTITY_ENDPOINT"]
	got := ask(t, s.Emulator, http.MethodGet, target, params("2020-06-01"), "Metadata", "true")
	path := strings.TrimPrefix(got.header.Get("Www-Authenticate"), "Basic realm=")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		t.Errorf("the key file is %v, error %v", info, err)
	}
	s.Close()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// Faults have the form that each host's own refusals have, from Go and from a seed
// file.
func TestMachineFaults(t *testing.T) {
	t.Parallel()
	for _, host := range []entratest.Endpoint{
		entratest.EndpointIMDS, entratest.EndpointAppService, entratest.EndpointServiceFabric,
		entratest.EndpointAzureML, entratest.EndpointLegacyAppService, entratest.EndpointCloudShell, entratest.EndpointAzureArc,
	} {
		for status, code := range map[int]string{400: "", 401: "", 404: "", 410: "", 429: "", 500: "", 503: "", 403: "said"} {
			fault := entratest.Fault{Endpoint: host, Status: status, Error: code, RetryAfter: 3 * time.Second, Claims: `{"a":1}`}
			seed, err := json.Marshal(&entratest.Config{Faults: []entratest.Fault{fault}})
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := entratest.ParseSeed(seed)
			if err != nil {
				t.Fatal(err)
			}
			seeded, injected := newEmulator(t, cfg), newEmulator(t, nil)
			injected.Inject(fault)
			for _, e := range []*entratest.Emulator{seeded, injected} {
				env := e.Environment(host)
				target := env["IDENTITY_ENDPOINT"] + env["AZURE_POD_IDENTITY_AUTHORITY_HOST"]
				switch {
				case host == entratest.EndpointIMDS:
					target += "/metadata/identity/oauth2/token"
				case target == "":
					target = env["MSI_ENDPOINT"]
				}
				method := http.MethodGet
				if host == entratest.EndpointCloudShell {
					method = http.MethodPost
				}
				got := ask(t, e, method, target, params(""), "Metadata", "true")
				said := ""
				switch body := got.body["error"].(type) {
				case string:
					said = body
				case map[string]any:
					said, _ = body["code"].(string)
				default:
					if n, ok := got.body["statusCode"].(float64); ok && got.text("message") != "" {
						said = strconv.Itoa(int(n))
					}
				}
				entry, _ := e.LastRequest(host)
				if got.status != status || got.header.Get("Retry-After") != "3" || said == "" || code != "" && said != code && said != "403" ||
					got.text("claims") != fault.Claims || got.body["error_codes"] != nil || !entry.Faulted || entry.Error == "" {
					t.Errorf("%s, %d: got %d %v %v, journal %+v", host, status, got.status, got.header, got.body, entry)
				}
			}
		}
	}
	for want, bad := range map[string]string{
		"faults[0].endpoint: there is no imdz":      `{"faults": [{"endpoint": "imdz"}]}`,
		"faults[1].status: 99 is none":              `{"faults": [{}, {"status": 99}]}`,
		"faults[0].latency: a duration is a string": `{"faults": [{"latency": 3}]}`,
		"hostsKeepTokens: true or false":            `{"hostsKeepTokens": "yes"}`,
		`unknown member "latancy"`:                  `{"faults": [{"latancy": "3s"}]}`,
	} {
		if _, err := entratest.ParseSeed([]byte(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", bad, err, want)
		}
	}
}
