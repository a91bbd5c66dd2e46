package entra_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
)

// Pain 19: for a known host the first token takes one request.
func TestPain19KnownHostIsOneRequest(t *testing.T) {
	t.Parallel()
	for _, aliases := range entra.Clouds() {
		for _, host := range aliases {
			e := newEmulator(t, entratest.Config{})
			c := newClient(t, e.Transport(), at(t, host))
			if n := len(e.Journal()); n != 0 {
				t.Errorf("%s: the constructor sent %d requests", host, n)
			}
			token, err := c.ClientCredentials(t.Context(), request())
			if err != nil || token.AccessToken == "" {
				t.Errorf("%s: %v", host, err)
			}
			if got := hosts(e); !slices.Equal(got, []string{host}) {
				t.Errorf("%s: requests to %q, want one to it", host, got)
			}
		}
	}
}

// Pain 19: for any other host it takes two more, once per process.
func TestPain19UnknownHostIsDiscoveredOnce(t *testing.T) {
	t.Parallel()
	const second = "10000000-aaaa-4aaa-8aaa-000000000002"
	other := entratest.DefaultTenant()
	other.ID, other.Domains = second, []string{"second.example.com"}
	e := newEmulator(t, entratest.Config{Tenants: []entratest.Tenant{entratest.DefaultTenant(), other}})
	transport := e.Transport()
	e.Inject(entratest.Fault{Latency: 20 * time.Millisecond})
	var wg sync.WaitGroup
	for range 8 {
		c := newClient(t, transport, at(t, private))
		for _, tenant := range []string{tenant, second, entratest.DefaultTenantDomain, "second.example.com"} {
			for range 4 {
				wg.Go(func() {
					r := request()
					r.Tenant = tenant
					if _, err := c.ClientCredentials(t.Context(), r); err != nil {
						t.Errorf("%s: %v", tenant, err)
					}
				})
			}
		}
	}
	wg.Wait()
	for endpoint, want := range map[entratest.Endpoint]int{
		entratest.EndpointInstanceDiscovery: 1, entratest.EndpointOpenIDConfiguration: 1, entratest.EndpointToken: 8 * 4 * 4,
	} {
		if got := e.CountRequests(endpoint); got != want {
			t.Errorf("%s: got %d requests, want %d", endpoint, got, want)
		}
	}
	for _, entry := range e.Journal() {
		if entry.Endpoint == entratest.EndpointInstanceDiscovery {
			if got := entry.Query.Get("authorization_endpoint"); entry.Host != entra.PublicCloudHost || !strings.HasPrefix(got, "https://"+private+"/") || entry.Query.Get("api-version") != "1.1" {
				t.Errorf("instance discovery at %s with %v", entry.Host, entry.Query)
			}
		}
	}
}

func TestPain19SkipDiscovery(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{UnknownHosts: []string{private}})
	if _, err := newClient(t, e.Transport(), at(t, private), skipDiscovery).ClientCredentials(t.Context(), request()); err != nil {
		t.Error(err)
	}
	if got := hosts(e); !slices.Equal(got, []string{private}) {
		t.Errorf("requests to %q, want one to %s", got, private)
	}
}

// A tenant can be given by a domain, and the metadata name it by its ID: the
// token is requested under the name that was given.
func TestDomainTenant(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{})
	r := request()
	r.Tenant = entratest.DefaultTenantDomain
	if _, err := newClient(t, e.Transport(), at(t, private)).ClientCredentials(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if entry, _ := e.LastRequest(entratest.EndpointToken); entry.Path != "/"+entratest.DefaultTenantDomain+"/oauth2/v2.0/token" {
		t.Errorf("got %s, want the domain in the path", entry.Path)
	}
}

// What a tenant was refused for is no other tenant's error.
func TestDiscoveryErrorsAreTheTenantsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t, entratest.Config{})
		c := newClient(t, e.Transport(), at(t, private))
		e.Inject(entratest.Fault{Endpoint: entratest.EndpointOpenIDConfiguration, Latency: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() {
			r := request()
			r.Tenant = "nowhere.example.com"
			_, err := c.ClientCredentials(t.Context(), r)
			var e *entra.Error
			if !errors.As(err, &e) || !e.Has(90002) || !strings.HasSuffix(e.URL, "/nowhere.example.com/v2.0/.well-known/openid-configuration") || e.Method != http.MethodGet {
				t.Errorf("got %v, want AADSTS90002 from the metadata", err)
			}
		})
		synctest.Wait()
		for range 3 {
			wg.Go(func() {
				if _, err := c.ClientCredentials(t.Context(), request()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestInvalidInstanceIsFatal(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{UnknownHosts: []string{private}})
	for _, region := range []string{"", "westeurope"} {
		_, err := newClient(t, e.Transport(), at(t, private), in(region)).ClientCredentials(t.Context(), request())
		const want = "login.private.example.com is not an authority that login.microsoftonline.com knows (AADSTS50049): check AZURE_AUTHORITY_HOST and the cloud option; for a private or disconnected cloud, whose authority you trust, set DisableInstanceDiscovery"
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if n := e.CountRequests(entratest.EndpointToken); n != 0 {
		t.Errorf("the secret was sent to an untrusted host %d times", n)
	}
}

// Without an answer to instance discovery the metadata must do, and soon.
func TestNoAnswerToInstanceDiscovery(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]entratest.Fault{
		"reset":      {Reset: true},
		"hang":       {Hang: true},
		"status 503": {Status: 503},
		"refusal":    {Error: "invalid_request", Code: 9002313},
		"garbage":    {Body: "<html></html>"},
		"not JSON":   {Body: "{", ContentType: "application/json"},
		"truncated":  {Truncate: true},
		"others":     {Body: `{"metadata":[{"aliases":["login.other.example.com"]},{}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newEmulator(t, entratest.Config{})
				fault.Endpoint = entratest.EndpointInstanceDiscovery
				e.Inject(fault)
				c := newClient(t, e.Transport(), at(t, private))
				start := time.Now()
				if _, err := c.ClientCredentials(t.Context(), request()); err != nil {
					t.Error(err)
				}
				if d := time.Since(start); d > entra.ValidateHosts {
					t.Errorf("took %v, want at most %v", d, entra.ValidateHosts)
				}
				e.ResetJournal()
				if _, err := c.ClientCredentials(t.Context(), request()); err != nil || len(e.Journal()) != 1 {
					t.Errorf("the second token took %d requests; %v", len(e.Journal()), err)
				}
			})
		})
	}
}

func TestMetadataRefused(t *testing.T) {
	t.Parallel()
	const token = `"token_endpoint":"https://login.private.example.com/t/oauth2/v2.0/token"`
	for _, tc := range []struct{ body, want string }{
		{`<html>`, "it is not the JSON that it should be"},
		{`{"issuer":5}`, "it is not the JSON that it should be"},
		{`{}`, "it has no issuer that is an https URL"},
		{`{"issuer":"http://login.private.example.com/t",` + token + `}`, "it has no issuer that is an https URL"},
		{`{"issuer":"https:///t",` + token + `}`, "it has no issuer that is an https URL"},
		{`{"issuer":"%",` + token + `}`, "it has no issuer that is an https URL"},
		{`{"issuer":"https://login.evil.example.com/t",` + token + `}`, `its issuer is at "login.evil.example.com", which is another host`},
		{`{"issuer":"https://login.private.example.com/t"}`, "it has no token_endpoint that is an https URL"},
		{`{"issuer":"https://login.private.example.com/t","token_endpoint":"http://login.private.example.com/t"}`, "it has no token_endpoint that is an https URL"},
		{`{"issuer":"https://login.private.example.com/t","token_endpoint":"https://u:p@login.private.example.com/t"}`, "it has no token_endpoint that is an https URL"},
		{`{"issuer":"https://login.private.example.com/t","token_endpoint":"https://;/t"}`, "it has no token_endpoint that is an https URL"},
		{`{"issuer":"https://login.private.example.com/t","token_endpoint":"https:login.private.example.com/t"}`, "it has no token_endpoint that is an https URL"},
	} {
		e := newEmulator(t, entratest.Config{})
		e.Inject(entratest.Fault{Endpoint: entratest.EndpointOpenIDConfiguration, Body: tc.body})
		_, err := newClient(t, e.Transport(), at(t, private)).ClientCredentials(t.Context(), request())
		if want := "the OpenID Connect metadata of " + private + ": " + tc.want; err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", tc.body, err, want)
		}
		if n := e.CountRequests(entratest.EndpointToken); n != 0 {
			t.Errorf("%s: %d token requests, want none", tc.body, n)
		}
	}
	e := newEmulator(t, entratest.Config{})
	e.Inject(entratest.Fault{Endpoint: entratest.EndpointOpenIDConfiguration, Reset: true})
	c := newClient(t, e.Transport(), at(t, private), func(cfg *entra.Config) { cfg.Options.Retry.MaxRetries = -1 })
	if _, err := c.ClientCredentials(t.Context(), request()); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("got %v, want the reset", err)
	}
}

func TestDecodeMetadata(t *testing.T) {
	t.Parallel()
	const guid = "10000000-aaaa-4aaa-8aaa-00000000000f"
	for _, tc := range []struct{ host, tenant, issuer, endpoint, want string }{
		{private, guid, "https://" + private + "/" + guid + "/v2.0", "https://" + private + "/" + guid + "/oauth2/v2.0/token", "https://" + private + "/{tenant}/oauth2/v2.0/token"},
		{private, "contoso.com", "https://" + private + "/" + guid + "/v2.0", "https://" + private + "/" + strings.ToUpper(guid) + "/oauth2/v2.0/token", "https://" + private + "/{tenant}/oauth2/v2.0/token"},
		{private, "common", "https://" + private + "/{tenantid}/v2.0", "https://" + private + "/common/oauth2/v2.0/token", "https://" + private + "/{tenant}/oauth2/v2.0/token"},
		{private, "common", "https://" + private + "/{tenantid}/v2.0", "https://" + private + "/{tenantid}/oauth2/v2.0/token", "https://" + private + "/{tenant}/oauth2/v2.0/token"},
		{private, "t", "https://STS.windows.net/t/", "https://" + strings.ToUpper(private) + "/t/token", "https://" + private + "/{tenant}/token"},
		{"westus." + private, "t", "https://" + private + "/t", "https://westus." + private + "/t/token", "https://westus." + private + "/{tenant}/token"},
		{private, "t", "https://alias.example.com/t", "https://tokens.example.com:8443/t/token", "https://tokens.example.com:8443/{tenant}/token"},
		{private, "t", "https://" + private, "https://" + private + "/token", "https://" + private + "/token"},
		{private, "t", "https://" + private, "https://" + private + "/%3Fa/t/token", "https://" + private + "/%3Fa/{tenant}/token"},
	} {
		body := fmt.Sprintf(`{"issuer":%q,"token_endpoint":%q}`, tc.issuer, tc.endpoint)
		got, err := entra.DecodeMetadata([]byte(body), tc.host, tc.tenant, []string{"Alias.example.com"})
		if err != nil || got != tc.want {
			t.Errorf("%s: got %s, %v; want %s", body, got, err, tc.want)
		}
	}
}

// A token endpoint that does not name the tenant is that tenant's only.
func TestEndpointWithoutTenant(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{})
	c := newClient(t, e.Transport(), at(t, private))
	for i, tenant := range []string{"a", "b", "a"} {
		defer e.Inject(entratest.Fault{Endpoint: entratest.EndpointOpenIDConfiguration, Tenant: tenant,
			Body: fmt.Sprintf(`{"issuer":"https://%s","token_endpoint":"https://%s/for-%s/token"}`, private, private, tenant)})()
		r := request()
		r.Tenant = tenant
		r.Scopes = []string{fmt.Sprintf("https://r%d.example/.default", i)} // the same would not be asked twice
		_, _ = c.ClientCredentials(t.Context(), r)
		all := e.Journal()
		if got, want := all[len(all)-1].Path, "/for-"+tenant+"/token"; got != want {
			t.Errorf("%s: got %s, want %s", tenant, got, want)
		}
	}
	if n := e.CountRequests(entratest.EndpointOpenIDConfiguration); n != 2 {
		t.Errorf("%d metadata requests, want 2", n)
	}
}

func TestDecodeInstances(t *testing.T) {
	t.Parallel()
	const body = `{"metadata":[{"aliases":["a.example.com"]},{"aliases":["B.example.com","b2.example.com"]}]}`
	for _, tc := range []struct {
		status int
		body   string
		host   string
		want   []string
		fails  bool
	}{
		{200, body, "b.example.com", []string{"B.example.com", "b2.example.com"}, false},
		{200, body, "c.example.com", nil, false},
		{200, `{}`, "c.example.com", nil, false},
		{200, `[]`, "c.example.com", nil, true},
		{200, ``, "c.example.com", nil, true},
		{400, `{"error":"invalid_instance"}`, "c.example.com", nil, true},
		{400, `{"error":"invalid_request"}`, "c.example.com", nil, true},
		{503, ``, "c.example.com", nil, true},
	} {
		got, err := entra.DecodeInstances(tc.status, http.Header{}, []byte(tc.body), tc.host)
		if !slices.Equal(got, tc.want) || (err != nil) != tc.fails || errors.Is(err, entra.ErrUnknownInstance) != strings.Contains(tc.body, "invalid_instance") {
			t.Errorf("%d %s: got %q, %v; want %q", tc.status, tc.body, got, err, tc.want)
		}
	}
}

// only is a transport that fails the test for any host that is not listed.
type only struct {
	t     *testing.T
	inner policy.Transporter
	hosts []string
}

func (o *only) Do(r *http.Request) (*http.Response, error) {
	if !slices.Contains(o.hosts, r.URL.Host) {
		o.t.Errorf("%s: a request to %s", o.t.Name(), r.URL)
	}
	return o.inner.Do(r)
}

// Pain 49: with a known host, or with discovery off, nothing goes elsewhere.
func TestPain49NothingGoesElsewhere(t *testing.T) {
	t.Setenv("REGION_NAME", "")
	const dsts = "https://dsts.example.com/dstsv2/7a433bfc-2514-4697-b467-e0933190487f"
	for _, tc := range []struct {
		name, authority, tenant string
		skip                    bool
		region                  string
		hosts                   []string
	}{
		{"public", "login.microsoftonline.com", tenant, false, "", []string{"login.microsoftonline.com"}},
		{"alias", "sts.windows.net", tenant, false, "", []string{"sts.windows.net"}},
		{"public, discovery off", "login.microsoftonline.com", tenant, true, "", []string{"login.microsoftonline.com"}},
		{"government", "login.microsoftonline.us", tenant, false, "", []string{"login.microsoftonline.us"}},
		{"China", "login.chinacloudapi.cn", tenant, false, "", []string{"login.chinacloudapi.cn"}},
		{"public, region", "login.microsoftonline.com", tenant, false, "westus", []string{"westus.login.microsoft.com"}},
		{"government, region, discovery off", "login.microsoftonline.us", tenant, true, "usgovvirginia", []string{"usgovvirginia.login.microsoftonline.us"}},
		{"public, detection", "login.microsoftonline.com", tenant, true, entra.AutoDetect, []string{"169.254.169.254", "westeurope.login.microsoft.com"}},
		{"private, discovery off", private, tenant, true, "", []string{private}},
		{"private, region, discovery off", private, tenant, true, "local", []string{private}},
		{"loopback, discovery off", "localhost:8443", tenant, true, "", []string{"localhost:8443"}},
		{"private, discovery on", private, tenant, false, "", []string{entra.PublicCloudHost, private}},
		{"ADFS", "https://adfs.example.com/adfs", "adfs", false, "", []string{"adfs.example.com"}},
		{"ADFS, region", "https://adfs.example.com/adfs", "adfs", false, "westus", []string{"adfs.example.com"}},
		{"ADFS, detection", "https://adfs.example.com/adfs", "adfs", true, entra.AutoDetect, []string{"adfs.example.com"}},
		{"dSTS", dsts, tenant, false, "", []string{"dsts.example.com"}},
		{"dSTS, region", dsts, tenant, false, "westus", []string{"dsts.example.com"}},
		{"dSTS, detection", dsts, tenant, true, entra.AutoDetect, []string{"dsts.example.com"}},
		{"external identities", "contoso.ciamlogin.com", tenant, false, "westus", []string{"contoso.ciamlogin.com"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEmulator(t, entratest.Config{Region: "westeurope"})
			c := newClient(t, &only{t, e.Transport(), tc.hosts}, at(t, tc.authority), in(tc.region), func(cfg *entra.Config) { cfg.SkipDiscovery = tc.skip })
			r := request()
			r.Tenant = tc.tenant
			for range 2 {
				if _, err := c.ClientCredentials(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
			if got := hosts(e); len(got) < 2 {
				t.Errorf("requests to %q, want two tokens", got)
			}
		})
	}
}

// Pain 50: ADFS and dSTS have paths and assertions of their own, and nothing
// is asked of Entra.
func TestPain50ADFSAndDSTS(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ authority, tenant, host, path string }{
		{"https://adfs.example.com/adfs", "adfs", "adfs.example.com", "/adfs/oauth2/token"},
		{"adfs.example.com", "ADFS", "adfs.example.com", "/adfs/oauth2/token"},
		{"https://dsts.example.com/dstsv2/" + tenant, tenant, "dsts.example.com", "/dstsv2/" + tenant + "/oauth2/v2.0/token"},
		{"https://dsts.example.com/dstsv2", tenant, "dsts.example.com", "/dstsv2/" + tenant + "/oauth2/v2.0/token"},
	} {
		e := newEmulator(t, entratest.Config{})
		r, p := request(), &proof{secret: entratest.DefaultClientSecret}
		r.Tenant, r.Auth = tc.tenant, p
		c := newClient(t, &only{t, e.Transport(), []string{tc.host}}, at(t, tc.authority))
		if _, err := c.ClientCredentials(t.Context(), r); err != nil {
			t.Errorf("%s: %v", tc.authority, err)
		}
		all := e.Journal()
		if len(all) != 1 || all[0].Path != tc.path {
			t.Errorf("%s: requests %v, want one for %s", tc.authority, all, tc.path)
		}
		if len(p.legacy) != 1 || !p.legacy[0] || p.endpoints[0] != "https://"+tc.host+tc.path {
			t.Errorf("%s: the proof was asked for %v, legacy %v", tc.authority, p.endpoints, p.legacy)
		}
	}
	e := newEmulator(t, entratest.Config{})
	p := &proof{secret: entratest.DefaultClientSecret}
	r := request()
	r.Auth = p
	if _, err := newClient(t, e.Transport()).ClientCredentials(t.Context(), r); err != nil || p.legacy[0] {
		t.Errorf("Entra: legacy %v; %v", p.legacy, err)
	}
}
