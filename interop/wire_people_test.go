//go:build interop

package interop_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
)

// oldChallenge is one for scenarios in virtual time, which begins in the year 2000.
const oldChallenge = `{"access_token":{"nbf":{"essential":true,"value":"900000000"}}}`

// peopleScenarios are people who sign in, and what is asked later by their refresh token.
func peopleScenarios() []scenario {
	one := []policy.TokenRequestOptions{{Scopes: []string{scope}}}
	var all []scenario
	for _, proof := range []string{"device", "password", "browser"} {
		for _, s := range []scenario{
			{name: "", requests: one},
			{name: " cae", requests: []policy.TokenRequestOptions{{Scopes: []string{scope}, EnableCAE: true}}},
			{name: " several", requests: []policy.TokenRequestOptions{
				{Scopes: []string{scope}}, {Scopes: []string{scope}}, // the second is in the cache
				{Scopes: []string{otherScope}}, // by the refresh token
			}},
			{name: " claims", requests: []policy.TokenRequestOptions{{Scopes: []string{scope}}, {Scopes: []string{scope}, Claims: oldChallenge}}},
			{name: " cae later", requests: []policy.TokenRequestOptions{{Scopes: []string{scope}}, {Scopes: []string{scope}, EnableCAE: true}}},
			{name: " organizations", tenant: "organizations", requests: []policy.TokenRequestOptions{{Scopes: []string{scope}}, {Scopes: []string{otherScope}}}},
			{name: " elsewhere", requests: []policy.TokenRequestOptions{{Scopes: []string{scope}}, {Scopes: []string{scope}, TenantID: otherTenant}}},
			{name: " private, no discovery", authority: "https://" + privateHost, skip: true, requests: one},
			{name: " private, discovery", authority: "https://" + privateHost, requests: one},
		} {
			s.name, s.proof = proof+s.name, proof
			all = append(all, s)
		}
	}
	return append(all,
		scenario{name: "browser, hint", proof: "browser", hint: entratest.DefaultUsername, requests: one},
		scenario{name: "wrong password", proof: "wrong password", requests: one, fails: true},
	)
}

// browserOf makes the system's browser one that leads to the emulator, and returns it.
// What it sends to the authorize endpoint is recorded.
func browserOf(t *testing.T, r *recorder, emulator *entratest.Emulator) func(address string) error {
	t.Helper()
	open := func(address string) error { return browse(browserTransport{r, emulator.Transport()}, address) }
	owner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		address, err := io.ReadAll(req.Body)
		if err == nil {
			err = open(string(address))
		}
		if err != nil {
			t.Errorf("the browser: %v", err)
		}
	}))
	t.Cleanup(owner.Close)
	path, _ := withBrowser(t, owner.URL)
	t.Setenv("PATH", path)
	return open
}

// A browserTransport leads to the emulator, but for applications on this machine.
type browserTransport struct {
	recorder *recorder
	emulator *entratest.Transport
}

func (b browserTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" {
		return http.DefaultTransport.RoundTrip(req)
	}
	if strings.HasSuffix(req.URL.Path, "/authorize") {
		if err := b.recorder.record(req); err != nil {
			return nil, err
		}
	}
	return b.emulator.RoundTrip(req)
}
