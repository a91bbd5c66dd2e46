//go:build interop

package interop_test

import (
	"context"
	"crypto/sha1" // the hash by which Service Fabric names its certificate
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

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
	proof     string // see construct
	tenant    string // default entratest.DefaultTenantID
	authority string // default none
	env       map[string]string
	skip      bool // instance discovery
	requests  []policy.TokenRequestOptions
	fails     bool // every request

	host  entratest.Endpoint // where the credential is, if not just anywhere
	id    identity           // of the machine
	hint  string             // for the browser: who is to sign in
	fault *entratest.Fault   // of the machine's endpoint, in virtual time
}

// scenarios is what is compared: service principals, for themselves and on behalf of
// a user, people, and managed identities. wire_differences_test.go says what that leaves out.
func scenarios() []scenario {
	return slices.Concat(applicationScenarios(), peopleScenarios(), machineScenarios())
}

func applicationScenarios() []scenario {
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
	for _, proof := range []string{"file", "workload", "pipelines"} {
		for _, cae := range []bool{false, true} {
			for _, claims := range []string{"", challenge} {
				add(scenario{name: fmt.Sprintf("%s cae=%t claims=%t", proof, cae, claims != ""), proof: proof, requests: []policy.TokenRequestOptions{
					{Scopes: []string{scope}, EnableCAE: cae, Claims: claims},
				}})
			}
		}
		add(scenario{name: proof + " several", proof: proof, requests: several})
		add(scenario{name: proof + " private, no discovery", proof: proof, authority: "https://" + privateHost, skip: true, requests: one})
		add(scenario{name: proof + " private, discovery", proof: proof, authority: "https://" + privateHost, requests: one})
		add(scenario{name: proof + " region", proof: proof, env: map[string]string{"AZURE_REGIONAL_AUTHORITY_NAME": "westeurope"}, requests: one})
	}
	for _, proof := range []string{"file", "workload"} {
		add(scenario{name: proof + " expired", proof: proof + ", expired", requests: one, fails: true})
	}
	add(scenario{name: "pipelines, wrong system access token", proof: "pipelines, wrong token", requests: one, fails: true})
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
	makeArcKeys(t)
	extra := entratest.DefaultTenant()
	extra.ID, extra.Domains = otherTenant, nil
	emulator, err := entratest.New(&entratest.Config{
		Tenants:         []entratest.Tenant{entratest.DefaultTenant(), extra},
		UnknownHosts:    []string{refusedHost},
		ArcKeyDirectory: arcKeys,
		DeviceCodes:     entratest.DeviceCodes{Interval: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	occurred := map[string]bool{}
	all, ran := scenarios(), 0
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			for name, value := range s.env {
				t.Setenv(name, value)
			}
			if s.host != "" {
				for name, value := range (*entratest.Emulator)(nil).Environment(s.host) {
					t.Setenv(name, value)
				}
				// Microsoft's library knows one address of the metadata service.
				t.Setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "")
			}
			theirs, ours := runBoth(t, s, emulator)
			for _, outcome := range ours.outcomes {
				if (outcome == "a token") == s.fails {
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

// runBoth runs s with Microsoft's credential, then with ours, against the emulator.
func runBoth(t *testing.T, s scenario, emulator *entratest.Emulator) (theirs, ours run) {
	t.Helper()
	if s.fault == nil && s.proof != "device" {
		recorder, client := newRecorder(t, emulator)
		return runThere(t, s, emulator, recorder, client)
	}
	synctest.Test(t, func(t *testing.T) {
		recorder := &recorder{}
		client := &http.Client{Transport: recordingTransport{recorder, emulator.Transport()}}
		theirs, ours = runThere(t, s, emulator, recorder, client)
	})
	return theirs, ours
}

// A stage is what the credentials of a scenario are constructed of.
type stage struct {
	scenario
	emulator  *entratest.Emulator
	options   func() azcore.ClientOptions
	secret    string
	user      string // the token that a user has for the application
	tokenFile string // with a federated assertion
	browser   func(address string) error
}

func runThere(t *testing.T, s scenario, emulator *entratest.Emulator, recorder *recorder, client *http.Client) (theirs, ours run) {
	t.Helper()
	if s.tenant == "" {
		s.tenant = entratest.DefaultTenantID
	}
	st := &stage{
		scenario: s, emulator: emulator, secret: entratest.DefaultClientSecret,
		options: func() azcore.ClientOptions {
			o := azcore.ClientOptions{Transport: client, Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: s.authority}}
			if s.fault == nil {
				o.Retry.MaxRetries = -1
			}
			return o
		},
		tokenFile: filepath.Join(t.TempDir(), "token"),
	}
	if s.proof == "wrong secret" {
		st.secret = "wrong"
	}
	var err error
	if st.user, err = emulator.UserToken(entratest.DefaultUsername, entratest.DefaultClientID); err != nil {
		t.Fatal(err)
	}
	lifetime := time.Hour
	if strings.HasSuffix(s.proof, ", expired") {
		lifetime = -time.Hour
	}
	if err := emulator.WriteServiceAccountToken(st.tokenFile, entratest.DefaultFederatedSubject, entratest.WithLifetime(lifetime)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SYSTEM_OIDCREQUESTURI", emulator.PipelinesRequestURI())
	if s.host == entratest.EndpointServiceFabric {
		t.Setenv("IDENTITY_ENDPOINT", strings.Replace(os.Getenv("IDENTITY_ENDPOINT"), "http:", "https:", 1))
		sum := sha1.Sum(recorder.certificate.Raw)
		t.Setenv("IDENTITY_SERVER_THUMBPRINT", hex.EncodeToString(sum[:]))
	}
	if s.proof == "browser" {
		st.browser = browserOf(t, recorder, emulator)
	}
	a, errA := st.theirs()
	b, errB := st.ours()
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	life := func(cred azcore.TokenCredential) (r run) {
		if s.fault != nil {
			defer emulator.Inject(*s.fault)()
		}
		for _, o := range s.requests {
			token, err := cred.GetToken(t.Context(), o)
			switch {
			case err != nil && strings.Contains(err.Error(), st.secret):
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

// assertion is a callback for a client assertion.
func (s *stage) assertion(context.Context) (string, error) {
	return s.emulator.FederatedAssertion(entratest.DefaultFederatedSubject)
}

// systemToken is what the pipeline's job shows.
func (s *stage) systemToken() string {
	if s.proof == "pipelines, wrong token" {
		return "wrong"
	}
	return entratest.DefaultSystemAccessToken
}

// readFile is how users of Microsoft's library present a token from a file.
func (s *stage) readFile(context.Context) (string, error) {
	text, err := os.ReadFile(s.tokenFile)
	return string(text), err
}
