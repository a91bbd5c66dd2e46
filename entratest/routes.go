package entratest

import (
	"net/http"
	"slices"
	"strings"
)

// Endpoint names a kind of endpoint, in the journal and in faults.
type Endpoint string

// The endpoints. EndpointUnknown is that of requests for anything else.
const (
	EndpointUnknown             Endpoint = "unknown"
	EndpointToken               Endpoint = "token"
	EndpointAuthorize           Endpoint = "authorize"
	EndpointInstanceDiscovery   Endpoint = "instanceDiscovery"
	EndpointOpenIDConfiguration Endpoint = "openidConfiguration"
	EndpointKeys                Endpoint = "keys"
	EndpointDeviceCode          Endpoint = "deviceCode"
	EndpointDeviceLogin         Endpoint = "deviceLogin"
	EndpointSignIn              Endpoint = "signIn"
	EndpointUserRealm           Endpoint = "userRealm"
	EndpointFederationServer    Endpoint = "federationServer"
	EndpointAPI                 Endpoint = "api"
	EndpointResourceManager     Endpoint = "resourceManager"
	EndpointRegion              Endpoint = "region"
	EndpointFederation          Endpoint = "federation"
	EndpointPipelines           Endpoint = "pipelines"
	EndpointGitHubActions       Endpoint = "githubActions"
	EndpointIMDS                Endpoint = "imds"
	EndpointAppService          Endpoint = "appService"
	EndpointServiceFabric       Endpoint = "serviceFabric"
	EndpointAzureML             Endpoint = "azureML"
	EndpointLegacyAppService    Endpoint = "legacyAppService"
	EndpointCloudShell          Endpoint = "cloudShell"
	EndpointAzureArc            Endpoint = "azureArc"
)

// route is a row of the endpoint table.
type route struct {
	method   string
	pattern  string // segments; {name} stands for any one segment
	endpoint Endpoint
	dialect  dialect
	serve    func(*call) reply
	// private endpoints are the emulator's own: not in the journal, no faults.
	private bool
}

// dialect says which service a path belongs to: they differ in names of fields,
// in the URLs they speak of and in what they accept.
type dialect int

const (
	v2 dialect = iota
	v1
	adfs
	dsts
)

// routes is the endpoint table. The first row that fits wins, so literal paths
// stand before those with a tenant.
func routes() []route {
	return []route{
		{"GET", "/_emulator", "", v2, loopbackOnly(consoleOnly(serveConsole)), true},
		{"POST", "/_emulator", "", v2, consoleOnly(serveConsoleChange), true},
		{"GET", "/_emulator/verifications", "", v2, loopbackOnly(serveVerifications), true},
		{"GET", "/_emulator/journal", "", v2, loopbackOnly(serveJournal), true},
		{"DELETE", "/_emulator/journal", "", v2, loopbackOnly(serveJournalReset), true},
		{"GET", "/_emulator/faults", "", v2, loopbackOnly(serveFaultList), true},
		{"POST", "/_emulator/faults", "", v2, loopbackOnly(serveFaultAdd), true},
		{"DELETE", "/_emulator/faults", "", v2, loopbackOnly(serveFaultReset), true},
		{"GET", "/_emulator/assertion", "", v2, loopbackOnly(serveAssertion), true},
		{"GET", "/_emulator/user-token", "", v2, loopbackOnly(serveUserToken), true},
		{"GET", "/_emulator/devicecodes", "", v2, loopbackOnly(serveDeviceCodeList), true},
		{"POST", "/_emulator/devicecodes", "", v2, loopbackOnly(serveDeviceCodeDecision), true},
		{"POST", "/_emulator/users", "", v2, loopbackOnly(serveUserChange), true},

		{"GET", "/_pages/{file}", "", v2, serveAsset, true},
		{"GET", "/devicelogin", EndpointDeviceLogin, v2, serveDeviceLogin, false},
		{"GET", "/common/oauth2/deviceauth", EndpointDeviceLogin, v2, serveDeviceLogin, false},
		{"GET", "/common/login", EndpointSignIn, v2, serveSignInLost, false},
		{"POST", "/common/login", EndpointSignIn, v2, serveSignIn, false},

		{"GET", "/_api/me", EndpointAPI, v2, serveMe, false},
		{"GET", "/tenants", EndpointResourceManager, v2, serveTenants, false},
		{"GET", "/subscriptions", EndpointResourceManager, v2, serveSubscriptions, false},

		{"GET", "/metadata/instance/compute", EndpointRegion, v2, serveCompute, false},
		{"GET", "/metadata/instance/compute/location", EndpointRegion, v2, serveLocation, false},

		{"GET", "/metadata/identity/oauth2/token", EndpointIMDS, v1, serveIMDS, false},
		{"GET", "/appservice/msi/token", EndpointAppService, v1, serveAppService, false},
		{"GET", "/servicefabric/metadata/identity/oauth2/token", EndpointServiceFabric, v1, serveServiceFabric, false},
		{"GET", "/azureml/msi/auth", EndpointAzureML, v1, serveAzureML, false},
		{"GET", "/legacyappservice/msi/token", EndpointLegacyAppService, v1, serveAzureML, false},
		{"POST", "/cloudshell/oauth2/token", EndpointCloudShell, v1, serveCloudShell, false},
		{"GET", "/arc/metadata/identity/oauth2/token", EndpointAzureArc, v1, serveArc, false},

		{"GET", "/federation/.well-known/openid-configuration", EndpointFederation, v2, serveFederationConfiguration, false},
		{"GET", "/federation/keys", EndpointFederation, v2, serveFederationKeys, false},

		{"POST", pipelinesPattern, EndpointPipelines, v2, servePipelines, false},
		{"GET", actionsPattern, EndpointGitHubActions, v2, serveActions, false},

		{"GET", "/adfs/services/trust/mex", EndpointFederationServer, v2, serveMEX, false},
		{"POST", "/adfs/services/trust/2005/usernamemixed", EndpointFederationServer, v2, serveTrust2005, false},
		{"POST", "/adfs/services/trust/13/usernamemixed", EndpointFederationServer, v2, serveTrust13, false},

		{"GET", "/adfs/.well-known/openid-configuration", EndpointOpenIDConfiguration, adfs, serveOpenIDConfiguration, false},
		{"GET", "/adfs/oauth2/authorize", EndpointAuthorize, adfs, serveAuthorize, false},
		{"POST", "/adfs/oauth2/token", EndpointToken, adfs, serveToken, false},
		{"POST", "/adfs/oauth2/devicecode", EndpointDeviceCode, adfs, serveDeviceCode, false},
		{"GET", "/adfs/discovery/keys", EndpointKeys, adfs, serveKeys, false},

		{"GET", "/dstsv2/{tenant}/v2.0/.well-known/openid-configuration", EndpointOpenIDConfiguration, dsts, serveOpenIDConfiguration, false},
		{"GET", "/dstsv2/{tenant}/oauth2/v2.0/authorize", EndpointAuthorize, dsts, serveAuthorize, false},
		{"POST", "/dstsv2/{tenant}/oauth2/v2.0/token", EndpointToken, dsts, serveToken, false},
		{"GET", "/dstsv2/{tenant}/discovery/v2.0/keys", EndpointKeys, dsts, serveKeys, false},

		{"GET", "/{tenant}/discovery/instance", EndpointInstanceDiscovery, v2, serveInstanceDiscovery, false},
		{"GET", "/{tenant}/v2.0/.well-known/openid-configuration", EndpointOpenIDConfiguration, v2, serveOpenIDConfiguration, false},
		{"GET", "/{tenant}/.well-known/openid-configuration", EndpointOpenIDConfiguration, v1, serveOpenIDConfiguration, false},
		{"GET", "/{tenant}/discovery/v2.0/keys", EndpointKeys, v2, serveKeys, false},
		{"GET", "/{tenant}/discovery/keys", EndpointKeys, v1, serveKeys, false},
		{"GET", "/{tenant}/oauth2/v2.0/authorize", EndpointAuthorize, v2, serveAuthorize, false},
		{"GET", "/{tenant}/userrealm/{user}", EndpointUserRealm, v2, serveUserRealm, false},
		{"POST", "/{tenant}/oauth2/v2.0/devicecode", EndpointDeviceCode, v2, serveDeviceCode, false},
		{"POST", "/{tenant}/oauth2/v2.0/token", EndpointToken, v2, serveToken, false},
		{"POST", "/{tenant}/oauth2/token", EndpointToken, v1, serveToken, false},
	}
}

// findRoute finds the row for a request and the tenant segment of its path.
// Letter case and doubled or trailing slashes do not matter: clients join base
// URLs and paths in their own ways.
func findRoute(routes []route, method, path string) (route, string) {
	segments := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var wrongMethod []string
	for _, rt := range routes {
		tenant, ok := rt.matches(segments)
		switch {
		case !ok:
		case rt.method == method:
			return rt, tenant
		default:
			wrongMethod = append(wrongMethod, rt.method)
		}
	}
	if len(wrongMethod) > 0 {
		return route{endpoint: EndpointUnknown, serve: methodNotAllowed(wrongMethod)}, ""
	}
	return route{endpoint: EndpointUnknown, serve: serveNotFound}, ""
}

func (rt route) matches(segments []string) (tenant string, ok bool) {
	want := strings.Split(rt.pattern[1:], "/")
	if len(want) != len(segments) {
		return "", false
	}
	for i, w := range want {
		if w == "{tenant}" {
			tenant = segments[i]
		} else if strings.HasPrefix(w, "{") {
			continue
		} else if !strings.EqualFold(w, segments[i]) {
			return "", false
		}
	}
	return tenant, true
}

func serveNotFound(c *call) reply {
	var known []string
	for _, rt := range c.routes {
		known = append(known, rt.method+" "+rt.pattern)
	}
	c.entry.Reason = "no endpoint has this path"
	return jsonReply(http.StatusNotFound, map[string]any{
		"error":             "not_found",
		"error_description": "the Entra ID emulator has no endpoint " + c.req.Method + " " + c.req.URL.Path,
		"endpoints":         known,
	})
}

func methodNotAllowed(allowed []string) func(*call) reply {
	return func(c *call) reply {
		c.entry.Reason = "the endpoint takes " + strings.Join(allowed, " or ") + " only"
		rep := jsonReply(http.StatusMethodNotAllowed, map[string]any{
			"error":             "method_not_allowed",
			"error_description": c.req.Method + " " + c.req.URL.Path + ": " + c.entry.Reason,
		})
		rep.header["Allow"] = slices.Clone(allowed)
		return rep
	}
}
