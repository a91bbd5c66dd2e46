//go:build interop

package interop_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
)

// arcKeys is where clients look for the keys of Azure Arc's agent. /var/opt is these
// tests' own, see isolated.
const arcKeys = "/var/opt/azcmagent/tokens"

// machineScenarios are managed identities, on every host that Microsoft's library
// knows, and what happens when its endpoint has a bad day.
func machineScenarios() []scenario {
	var all []scenario
	add := func(s scenario) {
		// Microsoft's library keeps tokens for the life of the process, whatever the host.
		unique := fmt.Sprintf("api://wire/%d/", asked.Add(1))
		for i := range s.requests {
			s.requests[i].Scopes[0] = unique + s.requests[i].Scopes[0]
		}
		all = append(all, s)
	}
	for _, host := range []entratest.Endpoint{
		entratest.EndpointIMDS, entratest.EndpointAppService, entratest.EndpointServiceFabric,
		entratest.EndpointAzureML, entratest.EndpointCloudShell, entratest.EndpointAzureArc,
	} {
		add(scenario{name: string(host), proof: "machine", host: host, requests: []policy.TokenRequestOptions{
			{Scopes: []string{"a/.default"}}, {Scopes: []string{"a/.default"}}, // the second is in memory
			{Scopes: []string{"b"}}, {Scopes: []string{"c//.default"}},
			{Scopes: []string{"a/.default"}, Claims: challenge},
		}})
		add(scenario{name: string(host) + " cae", proof: "machine", host: host, requests: []policy.TokenRequestOptions{
			{Scopes: []string{"a/.default"}, EnableCAE: true}, {Scopes: []string{"a/.default"}, EnableCAE: true, Claims: challenge},
		}})
		for _, id := range []identity{byClientID, byObjectID, byResourceID} {
			switch {
			case host == entratest.EndpointServiceFabric || host == entratest.EndpointCloudShell:
			case host == entratest.EndpointAzureML && id != byClientID:
			default:
				add(scenario{name: string(host) + " " + id.kind, proof: "machine", host: host, id: id, requests: []policy.TokenRequestOptions{{Scopes: []string{"a/.default"}}}})
			}
		}
		if host == entratest.EndpointServiceFabric {
			continue // it pins its certificate, which takes sockets
		}
		for _, fault := range []entratest.Fault{
			{Status: http.StatusBadRequest}, {Status: http.StatusForbidden}, {Status: http.StatusNotFound}, {Status: http.StatusGone},
			{Status: http.StatusTooManyRequests}, {Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second},
			{Status: http.StatusInternalServerError}, {Status: http.StatusServiceUnavailable},
		} {
			for _, times := range []int{0, 1} { // 0 is always
				fault := fault
				fault.Endpoint, fault.Times = host, times
				final := fault.Status == http.StatusBadRequest || fault.Status == http.StatusForbidden
				add(scenario{
					name:  fmt.Sprintf("%s %d, times=%d, Retry-After=%v", host, fault.Status, fault.Times, fault.RetryAfter),
					proof: "machine", host: host, fault: &fault, fails: final || times == 0,
					requests: []policy.TokenRequestOptions{{Scopes: []string{"a/.default"}}},
				})
			}
		}
	}
	chain := map[string]string{"AZURE_TOKEN_CREDENTIALS": "prod"}
	add(scenario{name: "probe", proof: "probe", env: chain, requests: []policy.TokenRequestOptions{{Scopes: []string{"a/.default"}}, {Scopes: []string{"b/.default"}}}})
	return all
}

// makeArcKeys makes the directory of Azure Arc's keys.
func makeArcKeys(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(arcKeys, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll("/var/opt/azcmagent"); err != nil {
			t.Error(err)
		}
	})
}
