package azidentity_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// Pain 35: a probe decides in a second whether a chain goes on, and what it
// decides is not for ever.
func TestPain35Probe(t *testing.T) {
	clearEnvironment(t)
	const json = "application/json"
	for _, tt := range []struct {
		name   string
		fault  entratest.Fault
		probed time.Duration // until the credential is unavailable; 0: it is not
	}{
		{"refused as it should be", entratest.Fault{Status: 400, Body: `{"error":"bad_request_102"}`, ContentType: json, Times: 1}, 0},
		{"container instance", entratest.Fault{Status: 400, Body: "Bad Request", ContentType: "text/plain", Times: 1}, 0},
		{"being updated", entratest.Fault{Status: 410, Body: `{"error":"gone"}`, ContentType: json, Times: 1}, 0},
		{"busy", entratest.Fault{Status: 503, Body: "<html>busy</html>", Times: 1}, 0},
		{"too often", entratest.Fault{RetryAfter: 2 * time.Second, Times: 1}, 0},
		{"silence", entratest.Fault{Hang: true}, time.Second},
		{"nobody", entratest.Fault{Reset: true}, time.Nanosecond},
		{"Docker Desktop", entratest.Fault{Status: 403, Body: "connectex: unreachable network", ContentType: "text/plain"}, time.Nanosecond},
		{"captive portal", entratest.Fault{Body: "<html>terms</html>"}, time.Nanosecond},
		{"another cloud", entratest.Fault{Status: 404, Body: "404 page not found", ContentType: "text/plain"}, time.Nanosecond},
		{"proxy", entratest.Fault{Status: 502, Body: "<html>Bad Gateway</html>"}, time.Nanosecond},
		{"somebody's token", entratest.Fault{Body: `{"access_token":"t","expires_in":"3599"}`, ContentType: json}, time.Nanosecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			e, o := emulate(t, nil)
			tt.fault.Endpoint = entratest.EndpointIMDS
			e.Inject(tt.fault)
			c := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ProbeFirst: true, Tokens: isolated})
			ask := func() (time.Duration, int, error) {
				e.ResetJournal()
				start := time.Now()
				_, err := c.GetToken(context.Background(), armToken)
				return time.Since(start), e.CountRequests(entratest.EndpointIMDS), err
			}
			d, n, err := ask()
			if tt.probed == 0 {
				if err != nil || n != 2 {
					t.Fatalf("%s: %d requests, %v", tt.name, n, err)
				}
				first := e.Journal()[0]
				if len(first.Query) > 0 || first.Header.Get("Metadata") != "" || first.Method != http.MethodGet {
					t.Errorf("%s: the probe is %+v", tt.name, first)
				}
				other := policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}
				if tokenFor(t, c, other); e.CountRequests(entratest.EndpointIMDS) != 3 {
					t.Errorf("%s: probed again", tt.name)
				}
				return
			}
			if !azidentity.IsCredentialUnavailable(err) || n != 1 || d > tt.probed {
				t.Errorf("%s: %d requests in %v, %v", tt.name, n, d, err)
			}
			if d, n, err = ask(); !azidentity.IsCredentialUnavailable(err) || n != 0 || d != 0 {
				t.Errorf("%s: soon after, %d requests in %v, %v", tt.name, n, d, err)
			}
			time.Sleep(5 * time.Second)
			if _, n, err = ask(); !azidentity.IsCredentialUnavailable(err) || n != 1 {
				t.Errorf("%s: later, %d requests, %v", tt.name, n, err)
			}
			e.ClearFaults()
			time.Sleep(5 * time.Second)
			if _, n, err = ask(); err != nil || n != 2 {
				t.Errorf("%s: once it is there, %d requests, %v", tt.name, n, err)
			}
			synctest.Wait()
		})
	}
}

// Patience is for who did not ask for a probe, and for who was told that the
// service is there.
func TestProbeIsAsked(t *testing.T) {
	for _, tt := range []struct {
		name string
		pod  bool
		want time.Duration
		o    azidentity.ManagedIdentityCredentialOptions
	}{
		{"probe", false, time.Second, azidentity.ManagedIdentityCredentialOptions{ProbeFirst: true}},
		{"default", false, time.Minute, azidentity.ManagedIdentityCredentialOptions{}},
		{"named service", true, time.Minute, azidentity.ManagedIdentityCredentialOptions{ProbeFirst: true}},
	} {
		clearEnvironment(t)
		if tt.pod {
			t.Setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://169.254.169.254/")
		}
		synctest.Test(t, func(t *testing.T) {
			e, o := emulate(t, nil)
			e.Inject(entratest.Fault{Endpoint: entratest.EndpointIMDS, Hang: true})
			tt.o.ClientOptions, tt.o.Tokens = o, isolated
			chain, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{managedCred(t, tt.o), secretCred(t, goodKey, o)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if _, err := chain.GetToken(context.Background(), armToken); err != nil {
				t.Error(err)
			}
			d := time.Since(start)
			if tt.want == time.Second && d != tt.want || d < tt.want {
				t.Errorf("%s: the chain went on after %v, want %v", tt.name, d, tt.want)
			}
			synctest.Wait()
		})
	}
}

// A caller that leaves during the probe says nothing about the service.
func TestProbeCancelled(t *testing.T) {
	clearEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, nil)
		cancelFault := e.Inject(entratest.Fault{Endpoint: entratest.EndpointIMDS, Hang: true})
		c := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ProbeFirst: true, Tokens: isolated})
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		_, err := c.GetToken(ctx, armToken)
		if !errors.Is(err, context.DeadlineExceeded) || azidentity.IsCredentialUnavailable(err) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		cancelFault()
		if _, err := c.GetToken(context.Background(), armToken); err != nil {
			t.Errorf("a cancelled probe is remembered: %v", err)
		}
	})
}

// In a pod with workload identity the identity is the pod's, unless another is
// asked for by an ID that only the node knows.
func TestManagedIdentityTokenExchange(t *testing.T) {
	node := entratest.EndpointIMDS
	for _, tt := range []struct {
		name   string
		env    map[string]string
		o      azidentity.ManagedIdentityCredentialOptions
		asked  entratest.Endpoint
		client string
	}{
		{"pod", nil, azidentity.ManagedIdentityCredentialOptions{}, entratest.EndpointToken, entratest.DefaultClientID},
		{"client ID", map[string]string{"AZURE_CLIENT_ID": ""},
			azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(entratest.DefaultClientID)}, entratest.EndpointToken, entratest.DefaultClientID},
		{"probe", nil, azidentity.ManagedIdentityCredentialOptions{ProbeFirst: true}, entratest.EndpointToken, entratest.DefaultClientID},
		{"object ID", nil, azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ObjectID(entratest.DefaultIdentityObjectID)}, node, entratest.DefaultIdentityClientID},
		{"resource ID", nil, azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ResourceID(entratest.DefaultIdentityResourceID)}, node, entratest.DefaultIdentityClientID},
		{"disabled", nil, azidentity.ManagedIdentityCredentialOptions{DisableTokenExchange: true}, node, entratest.DefaultManagedIdentities()[0].ClientID},
		{"no client ID", map[string]string{"AZURE_CLIENT_ID": " "}, azidentity.ManagedIdentityCredentialOptions{}, node, entratest.DefaultManagedIdentities()[0].ClientID},
		{"no tenant", map[string]string{"AZURE_TENANT_ID": ""}, azidentity.ManagedIdentityCredentialOptions{}, node, entratest.DefaultManagedIdentities()[0].ClientID},
		{"no file", map[string]string{"AZURE_FEDERATED_TOKEN_FILE": ""}, azidentity.ManagedIdentityCredentialOptions{}, node, entratest.DefaultManagedIdentities()[0].ClientID},
		{"App Service", map[string]string{"IDENTITY_ENDPOINT": "http://localhost:40400/appservice/msi/token", "IDENTITY_HEADER": "not-a-secret~emulated-identity-header"},
			azidentity.ManagedIdentityCredentialOptions{}, entratest.EndpointAppService, entratest.DefaultManagedIdentities()[0].ClientID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, o := emulate(t, nil)
			clearEnvironment(t)
			file := filepath.Join(t.TempDir(), "token")
			if err := e.WriteServiceAccountToken(file, entratest.DefaultFederatedSubject); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AZURE_TENANT_ID", entratest.DefaultTenantID)
			t.Setenv("AZURE_CLIENT_ID", entratest.DefaultClientID)
			t.Setenv("AZURE_FEDERATED_TOKEN_FILE", file)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			tt.o.ClientOptions = o
			c := managedCred(t, tt.o)
			// A resource is as good as a scope, and tenants of requests mean nothing.
			tokenFor(t, c, policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net"}, TenantID: "another"})
			all := e.Requests(func(en entratest.Entry) bool { return en.Endpoint == tt.asked })
			if len(all) != 1 || all[0].ClientID != tt.client {
				t.Fatalf("%d requests to %s: %+v", len(all), tt.asked, all)
			}
			if tt.asked != entratest.EndpointToken {
				return
			}
			if all[0].Tenant != entratest.DefaultTenantID || all[0].Scope != "https://vault.azure.net/.default" || all[0].AssertionClaims["sub"] != entratest.DefaultFederatedSubject {
				t.Errorf("asked for %+v", all[0])
			}
			w, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: o, ClientID: entratest.DefaultClientID})
			if err != nil {
				t.Fatal(err)
			}
			tokenFor(t, w, policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
			if n := e.CountRequests(entratest.EndpointToken); n != 1 {
				t.Errorf("it shares no tokens with WorkloadIdentityCredential: %d requests", n)
			}
			for _, scopes := range [][]string{nil, {"a", "b"}} {
				if _, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: scopes}); err == nil || !strings.Contains(err.Error(), "exactly one scope") {
					t.Errorf("%q: got %v", scopes, err)
				}
			}
		})
	}
}

func TestManagedIdentityTokenExchangeErrors(t *testing.T) {
	e, o := emulate(t, nil)
	clearEnvironment(t)
	t.Setenv("AZURE_TENANT_ID", entratest.DefaultTenantID)
	t.Setenv("AZURE_CLIENT_ID", entratest.DefaultClientID)
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", filepath.Join(t.TempDir(), "none"))
	c := managedCred(t, azidentity.ManagedIdentityCredentialOptions{ClientOptions: o})
	if _, err := c.GetToken(t.Context(), armToken); err == nil || !strings.HasPrefix(err.Error(), "ManagedIdentityCredential: ") {
		t.Errorf("got %v", err)
	}
	// An ID that is empty is a mistake, and not the pod's.
	if _, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(" ")}); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("got %v", err)
	}
	if n := len(e.Journal()); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// A resource refused a token, and says so with claims. A host that keeps tokens
// has to be told which one, or it hands out the same again.
func TestManagedIdentityRevocation(t *testing.T) {
	const claims = `{"access_token":{"nbf":{"essential":true,"value":"1"}}}`
	for _, tt := range []struct {
		host    entratest.Endpoint
		cae     bool
		fault   entratest.Fault
		renewed bool
	}{
		{host: entratest.EndpointServiceFabric, cae: true, renewed: true},
		{host: entratest.EndpointServiceFabric, renewed: false},
		{host: entratest.EndpointAppService, cae: true, renewed: true},
		{host: entratest.EndpointAppService, renewed: false},
		// A plan that does not know the version yet: a token, if an old one.
		{host: entratest.EndpointAppService, cae: true, renewed: false,
			fault: entratest.Fault{Endpoint: entratest.EndpointAppService, Skip: 1, Times: 1, Status: 400, Body: `{"statusCode":400,"message":"version"}`}},
		{host: entratest.EndpointIMDS, cae: true, renewed: false},
		{host: entratest.EndpointAzureML, cae: true, renewed: false},
		{host: entratest.EndpointCloudShell, cae: true, renewed: false},
	} {
		s := entratest.NewServer(&entratest.Config{HostsKeepTokens: true})
		defer s.Close()
		if tt.fault.Status > 0 {
			s.Inject(tt.fault)
		}
		clearEnvironment(t)
		for name, value := range s.Environment(tt.host) {
			t.Setenv(name, value)
		}
		// Credentials that are constructed alike share their tokens, and with them
		// what there is to refuse.
		o := azidentity.ManagedIdentityCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: s.Client()}}
		c, other := managedCred(t, o), managedCred(t, o)
		first := policy.TokenRequestOptions{Scopes: armToken.Scopes, EnableCAE: tt.cae}
		before := tokenFor(t, c, first)
		again := first
		again.Claims = claims
		after := tokenFor(t, other, again)
		if (after != before) != tt.renewed {
			t.Errorf("%s, CAE %v: renewed is %v, want %v", tt.host, tt.cae, after != before, tt.renewed)
		}
		if kept := tokenFor(t, c, first); kept != after {
			t.Errorf("%s, CAE %v: the token in memory is not the newest", tt.host, tt.cae)
		}
		for _, en := range s.Journal() {
			for _, values := range [][]string{en.Query["claims"], en.Form["claims"]} {
				if len(values) > 0 {
					t.Errorf("%s: claims were sent", tt.host)
				}
			}
		}
	}
}
