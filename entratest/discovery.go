package entratest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// personalTenant is the directory that consumers stands for.
const personalTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"

// isPseudoTenant says whether a path segment stands for any tenant.
func isPseudoTenant(segment string) bool {
	switch strings.ToLower(segment) {
	case "common", "organizations", "consumers":
		return true
	}
	return false
}

// unknownTenant says why the segment names no tenant.
func (c *call) unknownTenant() *refusal {
	if !guidPattern.MatchString(c.segment) && (!tenantPattern.MatchString(c.segment) || !strings.Contains(c.segment, ".")) {
		return refuse(900023, "the tenant in the path is neither a GUID nor a domain nor a pseudo-tenant",
			"The tenant identifier '%s' is neither a valid DNS name nor a valid external domain.", c.segment)
	}
	return refuse(90002, "no tenant has the ID or domain "+c.segment,
		"Tenant '%s' was not found. Check that the tenant ID is right and that you sign in to the right cloud.", c.segment)
}

// root is the URL under which the tenant's endpoints are. Like Entra, it names a
// tenant by GUID even when the request named it by domain.
func (c *call) root() string {
	switch c.route.dialect {
	case adfs:
		return c.origin + "/adfs"
	case dsts:
		return c.origin + "/dstsv2/" + strings.ToLower(c.segment)
	}
	if isPseudoTenant(c.segment) {
		return c.origin + "/" + strings.ToLower(c.segment)
	}
	return c.origin + "/" + c.tenant.ID
}

// issuer is the iss of tokens, or for organizations and common the template that
// Entra publishes in its place.
func (c *call) issuer() (string, *refusal) {
	tenantID := "{tenantid}"
	switch {
	case c.route.dialect == adfs || c.route.dialect == dsts:
		if c.tenant == nil {
			return "", c.unknownTenant()
		}
		return c.root(), nil
	case c.tenant != nil:
		tenantID = c.tenant.ID
	case strings.EqualFold(c.segment, "consumers"):
		tenantID = personalTenant
	case !isPseudoTenant(c.segment):
		return "", c.unknownTenant()
	}
	origin := issuerOrigin(c.origin)
	if c.route.dialect == v1 {
		return origin + "/" + tenantID + "/", nil
	}
	return origin + "/" + tenantID + "/v2.0", nil
}

// issuerOrigin is the origin that issuers name: the one asked, but a region of a
// cloud (westus.login.microsoft.com) speaks for the whole cloud, and clients refuse
// an issuer that does not. Regions of localhost are there to try regions with.
func issuerOrigin(origin string) string {
	scheme, host, _ := strings.Cut(origin, "://")
	_, rest, ok := strings.Cut(host, ".")
	if !ok {
		return origin
	}
	if name, _, _ := strings.Cut(rest, ":"); name == "localhost" {
		return scheme + "://" + rest
	}
	for _, cloud := range clouds {
		if slices.Contains(cloud.Aliases, rest) {
			return scheme + "://" + cloud.PreferredNetwork
		}
	}
	return origin
}

// serveOpenIDConfiguration answers with URLs on the host that was asked, so that
// the document fits whatever name the emulator was reached by.
func serveOpenIDConfiguration(c *call) reply {
	issuer, ref := c.issuer()
	if ref != nil {
		return c.refuse(ref)
	}
	root := c.root()
	oauth, keys := root+"/oauth2/v2.0", root+"/discovery/v2.0/keys"
	if c.route.dialect == v1 || c.route.dialect == adfs {
		oauth, keys = root+"/oauth2", root+"/discovery/keys"
	}
	host := strings.TrimPrefix(strings.TrimPrefix(c.origin, "https://"), "http://")
	return jsonReply(http.StatusOK, map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                oauth + "/authorize",
		"token_endpoint":                        oauth + "/token",
		"device_authorization_endpoint":         oauth + "/devicecode",
		"end_session_endpoint":                  oauth + "/logout",
		"userinfo_endpoint":                     c.origin + "/oidc/userinfo",
		"jwks_uri":                              keys,
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_modes_supported":              responseModes,
		"response_types_supported":              []string{"code"},
		"code_challenge_methods_supported":      []string{"S256", "plain"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"claims_supported": []string{"sub", "iss", "cloud_instance_name", "aud", "exp", "iat", "auth_time", "acr", "nonce",
			"preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"},
		"request_uri_parameter_supported": false,
		"http_logout_supported":           true,
		"frontchannel_logout_supported":   true,
		"tenant_region_scope":             "WW",
		"cloud_instance_name":             host,
	})
}

// serveInstanceDiscovery vouches for the host of an authority. Clients reach it
// on a public host whatever authority they ask about.
func serveInstanceDiscovery(c *call) reply {
	query := c.req.URL.Query()
	version := query.Get("api-version")
	if version != "1.0" && version != "1.1" {
		return c.refuse(refuse(9002313, "api-version is "+version+", known are 1.0 and 1.1",
			"Invalid request. The api-version is missing or not supported."))
	}
	endpoint, err := url.Parse(query.Get("authorization_endpoint"))
	if err != nil || endpoint.Host == "" {
		return c.refuse(refuse(900144, "authorization_endpoint is missing or not a URL",
			"The request must contain the following parameter: 'authorization_endpoint'."))
	}
	for _, unknown := range c.cfg.UnknownHosts {
		if strings.EqualFold(unknown, endpoint.Host) || strings.EqualFold(unknown, endpoint.Hostname()) {
			return c.refuse(refuse(50049, "the host "+endpoint.Host+" is in UnknownHosts",
				"Unknown or invalid instance."))
		}
	}
	host := strings.ToLower(endpoint.Host)
	// The document is of the version that the authorize endpoint is of.
	base, v2 := strings.CutSuffix(endpoint.Path, "/oauth2/v2.0/authorize")
	document := base + "/v2.0/.well-known/openid-configuration"
	if !v2 {
		document = strings.TrimSuffix(base, "/oauth2/authorize") + "/.well-known/openid-configuration"
	}
	return jsonReply(http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + host + document,
		"api-version":               version,
		"metadata":                  metadataWith(host),
	})
}

type cloudMetadata struct {
	PreferredNetwork string   `json:"preferred_network"`
	PreferredCache   string   `json:"preferred_cache"`
	Aliases          []string `json:"aliases"`
}

// clouds are the public hosts that mean the same cloud as another.
var clouds = []cloudMetadata{
	{"login.microsoftonline.com", "login.windows.net",
		[]string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}},
	{"login.partner.microsoftonline.cn", "login.partner.microsoftonline.cn",
		[]string{"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"}},
	{"login.microsoftonline.us", "login.microsoftonline.us",
		[]string{"login.microsoftonline.us", "login.usgovcloudapi.net"}},
}

// metadataWith returns the public clouds, and a host that is none of theirs as a
// cloud of its own.
func metadataWith(host string) []cloudMetadata {
	if slices.ContainsFunc(clouds, func(m cloudMetadata) bool { return slices.Contains(m.Aliases, host) }) {
		return clouds
	}
	return append([]cloudMetadata{{host, host, []string{host}}}, clouds...)
}
