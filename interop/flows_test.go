//go:build interop

package interop_test

import "github.com/azid-go/azidentity/entratest"

// A flow is a way to get a token, or to be refused one: a row of docs/interop.md.
type flow struct {
	name string
	// credential and proof say to a peer what to construct.
	credential, proof string
	// host is where the peer is, as azid emulator --host names it.
	host string
	// id is the identity of the machine to ask for. Zero: the system-assigned one.
	id identity
	// federated and user change the assertions that are presented: query
	// parameters of the emulator's endpoints that mint them.
	federated, user string
	secret          string // default entratest.DefaultClientSecret; or the user's password
	spent           bool   // the authorization code was redeemed by someone else
	refused         int    // the AADSTS code that the peer has to show
	declined        bool   // the user says no
	username        string // default entratest.DefaultUsername
	then            string // what the token is asked for after the sign-in: see below
	cannot          map[string]cannot
}

// people reports whether somebody signs in.
func (f flow) people() bool { return f.host == people || f.host == peopleTooLate }

// machine reports whether the token is a managed identity's.
func (f flow) machine() bool { return f.proof == "" && !f.people() }

// fails reports whether there is to be no token.
func (f flow) fails() bool { return f.refused != 0 || f.declined }

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

// What a flow.then is: a token is asked for once more, of the same credential, or of
// another one that has the record of the sign-in and may ask nobody.
const (
	thenAgain  = "again"
	thenOther  = "other scope"
	thenRecord = "record"
)

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
	{name: "client secret", host: "application", credential: "client", proof: "secret"},
	{name: "client certificate", host: "application", credential: "client", proof: "certificate"},
	{name: "client certificate, with its chain", host: "application", credential: "client", proof: "chain", cannot: map[string]cannot{
		pythonAIOPeer: {"The asynchronous credential takes `send_certificate_chain`, and sends no chain.", ""},
	}},
	{name: "federated assertion", host: "application", credential: "client", proof: "assertion"},
	{name: "environment, client secret", host: "application", credential: "environment", proof: "secret"},

	{name: "workload identity", host: "workload-identity", credential: "workloadIdentity", proof: "assertion", cannot: noWorkloadIdentity},
	{name: "Azure Pipelines", credential: "pipelines", proof: "assertion", host: "pipelines", cannot: noPipelines},

	{name: "workload identity as a managed identity", host: "workload-identity", credential: "managedIdentity", proof: "assertion", cannot: map[string]cannot{
		microsoftPeer: {"`ManagedIdentityCredential` does not look for a token file, and asks the metadata service of virtual machines.", "169.254.169.254"},
	}},

	{name: "virtual machine", host: "imds", credential: "managedIdentity"},
	{name: "virtual machine, client ID", host: "imds", credential: "managedIdentity", id: byClientID},
	{name: "virtual machine, object ID", host: "imds", credential: "managedIdentity", id: byObjectID},
	{name: "virtual machine, resource ID", host: "imds", credential: "managedIdentity", id: byResourceID},
	{name: "App Service", host: "app-service", credential: "managedIdentity"},
	{name: "App Service, client ID", host: "app-service", credential: "managedIdentity", id: byClientID},
	{name: "App Service, object ID", host: "app-service", credential: "managedIdentity", id: byObjectID},
	{name: "App Service, resource ID", host: "app-service", credential: "managedIdentity", id: byResourceID},
	{name: "Azure ML", host: "azure-ml", credential: "managedIdentity"},
	{name: "Azure ML, client ID", host: "azure-ml", credential: "managedIdentity", id: byClientID},
	{name: "App Service of 2017", host: "legacy-app-service", credential: "managedIdentity", cannot: map[string]cannot{
		javaScriptPeer: {"It cannot read the date that the endpoint writes, and takes the token for expired.", "says that the token expires"},
		microsoftPeer:  {"It cannot read the date that the endpoint writes.", "invalid ExpiresOn format"},
	}},
	{name: "Cloud Shell", host: "cloud-shell", credential: "managedIdentity"},
	{name: "Azure Arc", host: "arc", credential: "managedIdentity"},
	{name: "Azure Arc, client ID", host: "arc", credential: "managedIdentity", id: byClientID, cannot: inPython(
		"This version knows only the machine's own identity there.", "not supported by Azure Arc")},
	{name: "Service Fabric", host: "service-fabric", credential: "managedIdentity", cannot: map[string]cannot{
		javaScriptPeer: {"It does not look at the thumbprint that the host gives, and does not trust the host's certificate, which is its own.", "self-signed certificate"},
	}},

	{name: "on behalf of, client secret", host: "application", credential: "onBehalfOf", proof: "secret"},
	{name: "on behalf of, certificate", host: "application", credential: "onBehalfOf", proof: "certificate"},
	{name: "on behalf of, federated assertion", host: "application", credential: "onBehalfOf", proof: "assertion", cannot: inPython(
		"`OnBehalfOfCredential` of this version takes a secret or a certificate only.", `Either "client_certificate" or "client_secret" must be provided`)},

	{name: "authorization code, public client", host: "application", credential: "authorizationCode", proof: "none", cannot: map[string]cannot{
		microsoftPeer: {noAuthorizationCode, "no such credential"},
	}},
	{name: "authorization code, client secret", host: "application", credential: "authorizationCode", proof: "secret", cannot: map[string]cannot{
		pythonPeer:    {noCodeSecret, "AADSTS7000218"},
		pythonAIOPeer: {noCodeSecret, "AADSTS7000218"},
		microsoftPeer: {noAuthorizationCode, "no such credential"},
	}},

	{name: "device code", host: people, credential: "deviceCode", cannot: noPeople},
	{name: "device code, token in memory", host: people, credential: "deviceCode", then: thenAgain, cannot: noPeople},
	{name: "device code, then another scope", host: people, credential: "deviceCode", then: thenOther, cannot: noPeople},
	{name: "device code, then another credential by the record", host: people, credential: "deviceCode", then: thenRecord, cannot: noSharedMemory},
	{name: "browser", host: people, credential: "browser", cannot: noPeople},
	{name: "browser, token in memory", host: people, credential: "browser", then: thenAgain, cannot: noPeople},
	{name: "browser, then another scope", host: people, credential: "browser", then: thenOther, cannot: noPeople},
	{name: "browser, then another credential by the record", host: people, credential: "browser", then: thenRecord, cannot: noSharedMemory},
	{name: "user name and password", host: people, credential: "password", cannot: noPeople},
	{name: "user name and password, token in memory", host: people, credential: "password", then: thenAgain, cannot: noPeople},
	{name: "user name and password, then another scope", host: people, credential: "password", then: thenOther, cannot: noPeople},

	{name: "device code, declined", host: people, credential: "deviceCode", declined: true, cannot: map[string]cannot{
		pythonAIOPeer: noPeople[pythonAIOPeer],
		microsoftPeer: {noReason, "Response contained no body"},
	}},
	{name: "device code, expired", host: peopleTooLate, credential: "deviceCode", refused: 70019, cannot: map[string]cannot{
		pythonAIOPeer:  noPeople[pythonAIOPeer],
		javaScriptPeer: {"It says `expired_token`, and not the code.", "expired_token"},
		microsoftPeer:  {noReason, "Response contained no body"},
	}},
	{name: "wrong password", host: people, credential: "password", secret: "wrong", refused: 50126, cannot: noPeople},
	{name: "password where multifactor authentication is required", host: people, credential: "password", username: verifiedUser, refused: 50076, cannot: noPeople},

	{name: "wrong client secret", host: "application", credential: "client", proof: "secret", secret: "wrong", refused: 7000215},
	{name: "federated assertion, expired", host: "application", credential: "client", proof: "assertion", federated: "lifetime=-1h", refused: 700024},
	{name: "federated assertion, other subject", host: "application", credential: "client", proof: "assertion", federated: "subject=other", refused: 700213},
	{name: "federated assertion, other audience", host: "application", credential: "client", proof: "assertion", federated: "audience=api://other", refused: 700212},
	{name: "workload identity, token expired", host: "application", credential: "workloadIdentity", proof: "assertion", federated: "lifetime=-1h", refused: 700024, cannot: noWorkloadIdentity},
	{name: "workload identity, other audience", host: "application", credential: "workloadIdentity", proof: "assertion", federated: "audience=api://other", refused: 700212, cannot: noWorkloadIdentity},
	{name: "on behalf of, wrong client secret", host: "application", credential: "onBehalfOf", proof: "secret", secret: "wrong", refused: 7000215},
	{name: "on behalf of, user's token expired", host: "application", credential: "onBehalfOf", proof: "secret", user: "lifetime=-1h", refused: 500133},
	{name: "authorization code, redeemed before", host: "application", credential: "authorizationCode", proof: "none", spent: true, refused: 54005, cannot: map[string]cannot{
		microsoftPeer: {noAuthorizationCode, "no such credential"},
	}},
	{name: "on behalf of, user's token for another API", host: "application", credential: "onBehalfOf", proof: "secret", user: "audience=api://other", refused: 500131},
}

var (
	noWorkloadIdentity = inPython("This version has no `WorkloadIdentityCredential`.", "has no attribute 'WorkloadIdentityCredential'")
	noPipelines        = inPython("This version has no `AzurePipelinesCredential`.", "has no attribute 'AzurePipelinesCredential'")
)

var (
	noPeople       = map[string]cannot{pythonAIOPeer: {noAIOPeople, "has no attribute"}}
	noSharedMemory = map[string]cannot{
		pythonPeer:     {noMemory, "AuthenticationRequiredError"},
		pythonAIOPeer:  {noAIOPeople, "has no attribute"},
		javaScriptPeer: {noMemory, "AuthenticationRequiredError"},
		microsoftPeer:  {noMemory, "can't acquire a token without user interaction"},
	}
)

const (
	noAIOPeople         = "`azure.identity.aio` has no credentials for people."
	noReason            = "It is refused, but the error does not say why: \"Response contained no body\", when there was one."
	noMemory            = "Without a persistent cache, no credential finds the tokens of another."
	noAuthorizationCode = "Microsoft's library for Go has no `AuthorizationCodeCredential`."
	noCodeSecret        = "`AuthorizationCodeCredential` takes a secret, and does not send it."
)

// machineEndpoints are those that hosts have for managed identities.
var machineEndpoints = map[string]entratest.Endpoint{
	"imds": entratest.EndpointIMDS, "app-service": entratest.EndpointAppService,
	"azure-ml": entratest.EndpointAzureML, "legacy-app-service": entratest.EndpointLegacyAppService,
	"cloud-shell": entratest.EndpointCloudShell, "arc": entratest.EndpointAzureArc,
	"service-fabric": entratest.EndpointServiceFabric,
}
