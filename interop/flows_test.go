//go:build interop

package interop_test

import "github.com/azid-go/azidentity/entratest"

// A flow is a way to get a token, or to be refused one: a row of docs/interop.md.
type flow struct {
	name string
	// credential and proof say to a peer what to construct.
	credential, proof string
	// host is what the emulator stands for beside Entra ID: its variables are in
	// the environment. Empty: nothing.
	host string
	// id is the identity of the machine to ask for. Zero: the system-assigned one.
	id identity
	// federated and user change the assertions that are presented: query
	// parameters of the emulator's endpoints that mint them.
	federated, user string
	secret          string // default entratest.DefaultClientSecret
	refused         int    // the AADSTS code that the peer has to show
	cannot          map[string]cannot
}

// An identity of the machine, by one of its IDs.
type identity struct{ kind, value string }

var (
	byClientID   = identity{"client", entratest.DefaultIdentityClientID}
	byObjectID   = identity{"object", entratest.DefaultIdentityObjectID}
	byResourceID = identity{"resource", entratest.DefaultIdentityResourceID}
)

// A cannot is why a peer does not have a flow, and what shows that: what it says
// when it is told to. If it says nothing, it gets a token in another way.
type cannot struct{ why, says string }

// The peers, as docs/interop.md names them.
const (
	pythonPeer     = "Python"
	pythonAIOPeer  = "Python, aio"
	javaScriptPeer = "JavaScript"
	microsoftPeer  = "Go, Microsoft's"
	ourPeer        = "Go, this library"
)

func inPython(why, says string) map[string]cannot {
	return map[string]cannot{pythonPeer: {why, says}, pythonAIOPeer: {why, says}}
}

// flows is what every peer is told to do.
var flows = []flow{
	{name: "client secret", credential: "client", proof: "secret"},
	{name: "client certificate", credential: "client", proof: "certificate"},
	{name: "client certificate, with its chain", credential: "client", proof: "chain", cannot: map[string]cannot{
		pythonAIOPeer: {"it takes `send_certificate_chain`, and sends no chain", ""},
	}},
	{name: "federated assertion", credential: "client", proof: "assertion"},
	{name: "environment, client secret", credential: "environment", proof: "secret", host: "environment"},

	{name: "workload identity", credential: "workloadIdentity", proof: "assertion", cannot: noWorkloadIdentity},
	{name: "Azure Pipelines", credential: "pipelines", proof: "assertion", host: "pipelines", cannot: noPipelines},

	{name: "on behalf of, client secret", credential: "onBehalfOf", proof: "secret"},
	{name: "on behalf of, certificate", credential: "onBehalfOf", proof: "certificate"},
	{name: "on behalf of, federated assertion", credential: "onBehalfOf", proof: "assertion", cannot: inPython(
		"`OnBehalfOfCredential` of this version takes a secret or a certificate", `Either "client_certificate" or "client_secret" must be provided`)},

	{name: "wrong client secret", credential: "client", proof: "secret", secret: "wrong", refused: 7000215},
	{name: "federated assertion, expired", credential: "client", proof: "assertion", federated: "lifetime=-1h", refused: 700024},
	{name: "federated assertion, other subject", credential: "client", proof: "assertion", federated: "subject=other", refused: 700213},
	{name: "federated assertion, other audience", credential: "client", proof: "assertion", federated: "audience=api://other", refused: 700212},
	{name: "workload identity, token expired", credential: "workloadIdentity", proof: "assertion", federated: "lifetime=-1h", refused: 700024, cannot: noWorkloadIdentity},
	{name: "workload identity, other audience", credential: "workloadIdentity", proof: "assertion", federated: "audience=api://other", refused: 700212, cannot: noWorkloadIdentity},
	{name: "on behalf of, wrong client secret", credential: "onBehalfOf", proof: "secret", secret: "wrong", refused: 7000215},
	{name: "on behalf of, user's token expired", credential: "onBehalfOf", proof: "secret", user: "lifetime=-1h", refused: 500133},
	{name: "on behalf of, user's token for another API", credential: "onBehalfOf", proof: "secret", user: "audience=api://other", refused: 500131},
}

var (
	noWorkloadIdentity = inPython("this version has no `WorkloadIdentityCredential`", "has no attribute 'WorkloadIdentityCredential'")
	noPipelines        = inPython("this version has no `AzurePipelinesCredential`", "has no attribute 'AzurePipelinesCredential'")
)
