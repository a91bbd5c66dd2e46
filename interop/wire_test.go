//go:build interop

package interop_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	microsoft "github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

const (
	scope       = "api://10000000-0000-4000-8000-00000000000a/.default"
	otherScope  = "api://10000000-0000-4000-8000-00000000000b/.default"
	otherTenant = "10000000-aaaa-4aaa-8aaa-000000000002"
	privateHost = "login.private.example"
	refusedHost = "login.refused.example"
	challenge   = `{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}`
)

// A scenario is a credential's life: how it is configured, and the tokens that
// are asked of it in turn.
type scenario struct {
	name      string
	proof     string // see runBoth
	tenant    string // default entratest.DefaultTenantID
	authority string // default none
	env       map[string]string
	skip      bool // instance discovery
	requests  []policy.TokenRequestOptions
	fails     bool // every request
}

// scenarios is what is compared: service principals, for themselves and on behalf of
// a user. wire_differences_test.go says what that leaves out.
func scenarios() []scenario {
	one := []policy.TokenRequestOptions{{Scopes: []string{scope}}}
	several := []policy.TokenRequestOptions{ // the second is in the cache
		{Scopes: []string{scope}}, {Scopes: []string{scope}}, {Scopes: []string{otherScope}},
		{Scopes: []string{scope}, TenantID: otherTenant}, {Scopes: []string{scope}, EnableCAE: true},
	}
	proofs := []string{"secret", "certificate", "chain", "assertion"}
	var all []scenario
	add := func(s scenario) { all = append(all, s) }
	for _, proof := range proofs {
		for _, tenant := range []string{"", otherTenant} {
			for _, cae := range []bool{false, true} {
				for _, claims := range []string{"", challenge} {
					add(scenario{
						name:     fmt.Sprintf("%s tenant=%t cae=%t claims=%t", proof, tenant != "", cae, claims != ""),
						proof:    proof,
						requests: []policy.TokenRequestOptions{{Scopes: []string{scope}, TenantID: tenant, EnableCAE: cae, Claims: claims}},
					})
				}
			}
		}
		add(scenario{name: proof + " several", proof: proof, requests: several})
		add(scenario{name: proof + " adfs", proof: proof, tenant: "adfs", requests: one})
		add(scenario{name: proof + " adfs private", proof: proof, tenant: "adfs", authority: "https://" + privateHost, requests: one})
		add(scenario{name: proof + " region", proof: proof, env: map[string]string{"AZURE_REGIONAL_AUTHORITY_NAME": "westeurope"}, requests: one})
		add(scenario{name: proof + " private, no discovery", proof: proof, authority: "https://" + privateHost, skip: true, requests: one})
	}
	for _, proof := range proofs {
		add(scenario{name: "on behalf of, " + proof, proof: "obo " + proof, requests: one})
		add(scenario{name: "on behalf of, " + proof + " several", proof: "obo " + proof, requests: []policy.TokenRequestOptions{
			{Scopes: []string{scope}}, {Scopes: []string{scope}}, // the second is in the cache
			{Scopes: []string{otherScope}}, // by the refresh token
			{Scopes: []string{scope}, Claims: challenge},
		}})
		add(scenario{name: "on behalf of, " + proof + " cae", proof: "obo " + proof, requests: []policy.TokenRequestOptions{{Scopes: []string{scope}, EnableCAE: true}}})
	}
	for _, host := range []string{
		"login.windows.net", "login.microsoft.com", "sts.windows.net",
		"login.microsoftonline.us", "login.usgovcloudapi.net", "login.partner.microsoftonline.cn", "login.chinacloudapi.cn",
	} {
		add(scenario{name: "alias " + host, proof: "secret", authority: "https://" + host + "/", requests: one})
	}
	add(scenario{name: "authority by environment", proof: "secret", env: map[string]string{"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us"}, requests: one})
	add(scenario{name: "known host, no discovery", proof: "secret", skip: true, requests: one})
	add(scenario{name: "tenant by domain", proof: "secret", tenant: entratest.DefaultTenantDomain, requests: one})
	add(scenario{name: "private, discovery", proof: "secret", authority: "https://" + privateHost, requests: several})
	add(scenario{name: "private, discovery, region", proof: "secret", authority: "https://" + privateHost, env: map[string]string{"AZURE_REGIONAL_AUTHORITY_NAME": "westeurope"}, requests: one})
	add(scenario{name: "certificate private, discovery", proof: "certificate", authority: "https://" + privateHost, requests: one})
	add(scenario{name: "refused by discovery", proof: "secret", authority: "https://" + refusedHost, requests: one, fails: true})
	add(scenario{name: "unknown tenant", proof: "secret", tenant: "10000000-aaaa-4aaa-8aaa-00000000dead", requests: one, fails: true})
	add(scenario{name: "wrong secret", proof: "wrong secret", requests: one, fails: true})
	region := map[string]string{"AZURE_REGIONAL_AUTHORITY_NAME": "TryAutoDetect", "REGION_NAME": "westeurope"}
	add(scenario{name: "region detected", proof: "secret", env: region, requests: one})
	for _, host := range []string{"login.windows.net", "login.microsoftonline.us", privateHost} {
		add(scenario{
			name: "region at " + host, proof: "secret", authority: "https://" + host, skip: true,
			env: map[string]string{"AZURE_REGIONAL_AUTHORITY_NAME": "westeurope"}, requests: one,
		})
	}
	return all
}

// TestWire runs every scenario with Microsoft's credential and with ours, and
// compares the requests. What differs is in the table of known differences,
// and everything in the table occurs.
func TestWire(t *testing.T) {
	occurred := map[string]bool{}
	all, ran := scenarios(), 0
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			for name, value := range s.env {
				t.Setenv(name, value)
			}
			theirs, ours := runBoth(t, s)
			for _, outcome := range ours.outcomes {
				if outcome != "a token" && !s.fails {
					t.Errorf("got %s", outcome)
				}
			}
			for _, d := range compare(theirs, ours) {
				known := explain(s, d)
				if known == nil {
					t.Errorf("not in the table of known differences: %v", d)
					continue
				}
				occurred[known.key] = true
			}
			ran++
		})
	}
	if t.Failed() || ran < len(all) {
		return // what has not run cannot have occurred
	}
	for _, k := range knownDifferences {
		if !occurred[k.key] {
			t.Errorf("%s: no longer occurs: remove it from the table, and from docs/architecture.md", k.key)
		}
	}
}

// A run is what a credential sent in a scenario, and with what success.
type run struct {
	requests []request
	outcomes []string // of each GetToken
}

// runBoth runs s with Microsoft's credential, then with ours, against one emulator.
func runBoth(t *testing.T, s scenario) (theirs, ours run) {
	t.Helper()
	tenant := s.tenant
	if tenant == "" {
		tenant = entratest.DefaultTenantID
	}
	extra := entratest.DefaultTenant()
	extra.ID, extra.Domains = otherTenant, nil
	emulator, err := entratest.New(&entratest.Config{
		Tenants:      []entratest.Tenant{entratest.DefaultTenant(), extra},
		UnknownHosts: []string{refusedHost},
	})
	if err != nil {
		t.Fatal(err)
	}
	recorder, client := newRecorder(t, emulator)
	options := func() azcore.ClientOptions {
		return azcore.ClientOptions{
			Transport: client, Retry: policy.RetryOptions{MaxRetries: -1},
			Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: s.authority},
		}
	}
	assertion := func(context.Context) (string, error) {
		return emulator.FederatedAssertion(entratest.DefaultFederatedSubject)
	}
	certs, key := emulator.DefaultCertificate()
	secret, additional := entratest.DefaultClientSecret, []string{"*"}
	if s.proof == "wrong secret" {
		secret = "wrong"
	}

	var a, b azcore.TokenCredential
	var errA, errB error
	switch s.proof {
	case "secret", "wrong secret":
		a, errA = microsoft.NewClientSecretCredential(tenant, entratest.DefaultClientID, secret, &microsoft.ClientSecretCredentialOptions{
			ClientOptions: options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
		b, errB = azidentity.NewClientSecretCredential(tenant, entratest.DefaultClientID, secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	case "certificate", "chain":
		a, errA = microsoft.NewClientCertificateCredential(tenant, entratest.DefaultClientID, certs, key, &microsoft.ClientCertificateCredentialOptions{
			ClientOptions: options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip, SendCertificateChain: s.proof == "chain",
		})
		b, errB = azidentity.NewClientCertificateCredential(tenant, entratest.DefaultClientID, certs, key, &azidentity.ClientCertificateCredentialOptions{
			ClientOptions: options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip, SendCertificateChain: s.proof == "chain",
		})
	case "assertion":
		a, errA = microsoft.NewClientAssertionCredential(tenant, entratest.DefaultClientID, assertion, &microsoft.ClientAssertionCredentialOptions{
			ClientOptions: options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
		b, errB = azidentity.NewClientAssertionCredential(tenant, entratest.DefaultClientID, assertion, &azidentity.ClientAssertionCredentialOptions{
			ClientOptions: options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	default:
		user, err := emulator.UserToken(entratest.DefaultUsername, entratest.DefaultClientID)
		if err != nil {
			t.Fatal(err)
		}
		theirs := &microsoft.OnBehalfOfCredentialOptions{ClientOptions: options(), SendCertificateChain: s.proof == "obo chain"}
		ours := &azidentity.OnBehalfOfCredentialOptions{ClientOptions: options(), SendCertificateChain: s.proof == "obo chain"}
		switch s.proof {
		case "obo secret":
			a, errA = microsoft.NewOnBehalfOfCredentialWithSecret(tenant, entratest.DefaultClientID, user, secret, theirs)
			b, errB = azidentity.NewOnBehalfOfCredentialWithSecret(tenant, entratest.DefaultClientID, user, secret, ours)
		case "obo certificate", "obo chain":
			a, errA = microsoft.NewOnBehalfOfCredentialWithCertificate(tenant, entratest.DefaultClientID, user, certs, key, theirs)
			b, errB = azidentity.NewOnBehalfOfCredentialWithCertificate(tenant, entratest.DefaultClientID, user, certs, key, ours)
		case "obo assertion":
			a, errA = microsoft.NewOnBehalfOfCredentialWithClientAssertions(tenant, entratest.DefaultClientID, user, assertion, theirs)
			b, errB = azidentity.NewOnBehalfOfCredentialWithClientAssertions(tenant, entratest.DefaultClientID, user, assertion, ours)
		default:
			t.Fatalf("no proof %q", s.proof)
		}
	}
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	life := func(cred azcore.TokenCredential) (r run) {
		for _, o := range s.requests {
			token, err := cred.GetToken(t.Context(), o)
			switch {
			case err != nil && strings.Contains(err.Error(), secret):
				t.Errorf("%T: the error contains the secret", cred)
			case err != nil:
				t.Logf("%T: %v", cred, err)
				r.outcomes = append(r.outcomes, "an error")
			case token.Token == "":
				r.outcomes = append(r.outcomes, "nothing")
			default:
				r.outcomes = append(r.outcomes, "a token")
			}
		}
		r.requests = recorder.take()
		return r
	}
	return life(a), life(b)
}
