package managedidentity

import (
	"fmt"
	"strings"
)

// A Source is a hosting environment that hands out tokens. Its value is what
// errors and events call it.
type Source string

// The sources.
const (
	ServiceFabric Source = "Service Fabric"
	AppService    Source = "App Service"
	AzureArc      Source = "Azure Arc"
	TokenExchange Source = "token exchange"
	AzureML       Source = "Azure ML"
	CloudShell    Source = "Cloud Shell"
	IMDS          Source = "IMDS"
)

// environment is a machine's configuration, read once.
type environment struct {
	getenv func(string) string
	exists func(path string) bool
	keys   string // where Azure Arc's agent keeps its keys; empty where there is no such agent
	agent  string // path of that agent's executable
	// exchanges says that an assertion could be exchanged for a token, if there
	// is one.
	exchanges bool
}

// A detection is a row of the table by which a source is chosen.
type detection struct {
	source    Source
	variables []string                         // all of them have to be set
	or        func(*environment) bool          // if not nil, decides instead of variables
	open      func(*environment) (host, error) // nil: Entra ID is asked
	why       string
}

// detections is the table. The first row that fits decides. A variable that is
// set to nothing counts as not set.
func detections() []detection {
	return []detection{
		{ServiceFabric, []string{"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT"}, nil, openServiceFabric,
			"has what App Service has, and a certificate to pin"},
		{AppService, []string{"IDENTITY_ENDPOINT", "IDENTITY_HEADER"}, nil, openAppService,
			"App Service, Functions and Container Apps; also sets the older MSI_ names, so it comes before them"},
		{AzureArc, []string{"IDENTITY_ENDPOINT", "IMDS_ENDPOINT"}, nil, openArc,
			"services of an Arc machine that read the agent's own environment"},
		{AzureML, []string{"MSI_ENDPOINT", "MSI_SECRET"}, nil, openAzureML,
			"Azure ML, and App Service where it only has the version of 2017"},
		{CloudShell, []string{"MSI_ENDPOINT"}, nil, openCloudShell,
			"nothing else has the endpoint alone"},
		{AzureArc, nil, func(e *environment) bool { return e.agent != "" && e.exists(e.agent) }, openArc,
			"most programs on an Arc machine see no variables, but the agent is installed"},
		{TokenExchange, []string{"AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"}, func(e *environment) bool {
			return e.exchanges && e.get("AZURE_TENANT_ID") != "" && e.get("AZURE_FEDERATED_TOKEN_FILE") != ""
		}, nil, "a pod with workload identity; its node has an identity too, but that is not the pod's"},
		{IMDS, nil, func(*environment) bool { return true }, openIMDS,
			"virtual machines, scale sets, AKS nodes and container instances set nothing"},
	}
}

func (e *environment) detect() detection {
	for _, d := range detections() {
		if d.or != nil {
			if d.or(e) {
				return d
			}
			continue
		}
		all := true
		for _, name := range d.variables {
			all = all && e.get(name) != ""
		}
		if all {
			return d
		}
	}
	panic("managedidentity: the last row of the table fits always")
}

func (e *environment) get(name string) string { return strings.TrimSpace(e.getenv(name)) }

// String says what the choice was made by, for errors.
func (d detection) String() string {
	if len(d.variables) == 0 {
		return string(d.source)
	}
	return fmt.Sprintf("%s (chosen by %s)", d.source, strings.Join(d.variables, ", "))
}
