package main

import (
	"slices"

	"github.com/azid-go/azidentity/entratest"
)

// An emulatedHost is where programs that use the emulator believe to run. It
// gives them what they would find there, and takes away what they would not.
type emulatedHost struct {
	name string
	// identity is the managed identity endpoint of the host, if it has one.
	identity entratest.Endpoint
	// add adds the rest of the host's variables.
	add func(*environment, hostFacts)
}

// hostFacts are what variables are made of.
type hostFacts struct {
	server    *entratest.Server
	tenant    entratest.Tenant
	app       entratest.Application
	machine   []entratest.ManagedIdentity
	assertion string // path
}

// emulatedHosts are the values of --host. The first is no host: an application
// with all that it can prove itself with.
var emulatedHosts = []emulatedHost{
	{name: "application"},
	{name: "imds", identity: entratest.EndpointIMDS},
	{name: "app-service", identity: entratest.EndpointAppService},
	{name: "container-apps", identity: entratest.EndpointAppService},
	{name: "azure-ml", identity: entratest.EndpointAzureML, add: addAzureML},
	{name: "legacy-app-service", identity: entratest.EndpointLegacyAppService},
	{name: "cloud-shell", identity: entratest.EndpointCloudShell},
	{name: "arc", identity: entratest.EndpointAzureArc},
	{name: "service-fabric", identity: entratest.EndpointServiceFabric},
	{name: "workload-identity", add: addWorkload},
	{name: "pipelines", add: addPipelines},
	{name: "github-actions", add: addActions},
}

func emulatedHostNames() (names []string) {
	for _, h := range emulatedHosts {
		names = append(names, h.name)
	}
	return names
}

func emulatedHostNamed(name string) emulatedHost {
	return emulatedHosts[slices.IndexFunc(emulatedHosts, func(h emulatedHost) bool { return h.name == name })]
}

// application says that no host is emulated.
func (h emulatedHost) application() bool { return h.identity == "" && h.add == nil }

// hostVariables are all variables by which a credential knows an application or
// a host. Those that a host does not have are unset there.
var hostVariables = []string{
	"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_USERNAME", "AZURE_PASSWORD",
	"AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_FEDERATED_TOKEN_FILE",
	"AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_SNI_NAME", "AZURE_KUBERNETES_CA_FILE", "AZURE_KUBERNETES_CA_DATA",
	"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT",
	"MSI_ENDPOINT", "MSI_SECRET", "DEFAULT_IDENTITY_CLIENT_ID",
	"AZURE_POD_IDENTITY_AUTHORITY_HOST", "MSAL_MANAGED_IDENTITY_ENDPOINT",
	"SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN",
	"AZURESUBSCRIPTION_TENANT_ID", "AZURESUBSCRIPTION_CLIENT_ID", "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
	"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
}

// variables adds what the host has, and says what it does not have.
func (h emulatedHost) variables(e *environment, facts hostFacts) {
	if h.identity != "" {
		values := facts.server.Environment(h.identity)
		for _, name := range hostVariables {
			e.add(name, values[name])
		}
	}
	if h.add != nil {
		h.add(e, facts)
	}
	for _, name := range hostVariables {
		if e.get(name) == "" {
			*e = append(*e, variable{name: name, unset: true})
		}
	}
}

// addAzureML names the identity of the compute, which its images do.
func addAzureML(e *environment, f hostFacts) {
	for _, m := range f.machine {
		if m.SystemAssigned {
			e.add("DEFAULT_IDENTITY_CLIENT_ID", m.ClientID)
		}
	}
}

// addWorkload adds what the webhook of Kubernetes puts into a pod.
func addWorkload(e *environment, f hostFacts) {
	e.add("AZURE_TENANT_ID", f.tenant.ID)
	e.add("AZURE_CLIENT_ID", f.app.ClientID)
	e.add("AZURE_FEDERATED_TOKEN_FILE", f.assertion)
}

// addPipelines adds what a task with a service connection finds, and the job's
// token, which the pipeline has to map.
func addPipelines(e *environment, f hostFacts) {
	e.add("SYSTEM_OIDCREQUESTURI", f.server.PipelinesRequestURI())
	e.add("SYSTEM_ACCESSTOKEN", entratest.DefaultSystemAccessToken)
	e.add("AZURESUBSCRIPTION_TENANT_ID", f.tenant.ID)
	e.add("AZURESUBSCRIPTION_CLIENT_ID", f.app.ClientID)
	e.add("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", entratest.DefaultServiceConnectionID)
}

// addActions adds what a job with id-token: write finds, and the names by which
// workflows pass on whom to be.
func addActions(e *environment, f hostFacts) {
	e.add("ACTIONS_ID_TOKEN_REQUEST_URL", f.server.ActionsRequestURL())
	e.add("ACTIONS_ID_TOKEN_REQUEST_TOKEN", entratest.DefaultActionsRequestToken)
	e.add("AZURE_TENANT_ID", f.tenant.ID)
	e.add("AZURE_CLIENT_ID", f.app.ClientID)
}
