package entratest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The user-assigned identity of [DefaultManagedIdentities].
const (
	DefaultIdentityClientID   = "30000000-cccc-4ccc-8ccc-000000000001"
	DefaultIdentityObjectID   = "30000000-cccc-4ccc-8ccc-000000000002"
	DefaultIdentityResourceID = "/subscriptions/40000000-dddd-4ddd-8ddd-000000000001/resourceGroups/emulator/providers/Microsoft.ManagedIdentity/userAssignedIdentities/default"

	// identityHeader is what App Service and its kin want to be shown.
	identityHeader = "not-a-secret~emulated-identity-header"
)

// ManagedIdentity is an identity of the machine that the emulator plays, in its
// first tenant.
type ManagedIdentity struct {
	// SystemAssigned identities are what is asked for without an ID. There is
	// one at most.
	SystemAssigned bool `json:"systemAssigned,omitempty"`
	// ClientID and ObjectID are GUIDs. The object ID defaults to one derived from
	// the client ID.
	ClientID string `json:"clientId"`
	ObjectID string `json:"objectId,omitempty"`
	// ResourceID in Azure Resource Manager, the xms_mirid of its tokens.
	ResourceID string `json:"resourceId,omitempty"`
}

// DefaultManagedIdentities are those of a nil [Config]: a system-assigned one and
// a user-assigned one.
func DefaultManagedIdentities() []ManagedIdentity {
	return []ManagedIdentity{
		{SystemAssigned: true, ClientID: "30000000-cccc-4ccc-8ccc-000000000003", ObjectID: "30000000-cccc-4ccc-8ccc-000000000004",
			ResourceID: "/subscriptions/40000000-dddd-4ddd-8ddd-000000000001/resourceGroups/emulator/providers/Microsoft.Compute/virtualMachines/emulated"},
		{ClientID: DefaultIdentityClientID, ObjectID: DefaultIdentityObjectID, ResourceID: DefaultIdentityResourceID},
	}
}

// identities copies those of a configuration, or reports what is wrong.
func (d *directory) addIdentities(p *problems, in []ManagedIdentity) {
	system := false
	for i, id := range in {
		path := "managedIdentities[" + strconv.Itoa(i) + "]"
		p.guid(path+".clientId", id.ClientID)
		if id.ObjectID == "" {
			id.ObjectID = stableGUID("managed identity", id.ClientID)
		} else {
			p.guid(path+".objectId", id.ObjectID)
		}
		if id.SystemAssigned && system {
			p.add(path+".systemAssigned", "a machine has one system-assigned identity")
		}
		system = system || id.SystemAssigned
		d.identities = append(d.identities, id)
	}
}

// selector is the parameter of a request that names an identity.
type selector struct {
	parameter string
	value     func(ManagedIdentity) string
}

func byClientID(m ManagedIdentity) string   { return m.ClientID }
func byObjectID(m ManagedIdentity) string   { return m.ObjectID }
func byResourceID(m ManagedIdentity) string { return m.ResourceID }

// identity finds the identity that the parameters name, nil if there is none. A
// request without a selector is for the system-assigned one, or for the only one.
func (c *call) identity(params url.Values, selectors []selector) *ManagedIdentity {
	all := c.directory.identities
	named := false
	for _, s := range selectors {
		v := params.Get(s.parameter)
		if v == "" {
			continue
		}
		named = true
		for i := range all {
			if strings.EqualFold(s.value(all[i]), v) {
				return &all[i]
			}
		}
	}
	for i := range all {
		if !named && (all[i].SystemAssigned || len(all) == 1) {
			return &all[i]
		}
	}
	return nil
}

// issued is a token of a managed identity, before a host dresses it up.
type issued struct {
	identity *ManagedIdentity
	resource string
	text     string
	expires  time.Time
	lifetime time.Duration
}

// issue makes a token for what the parameters ask for. Its failures are
// "resource" and "identity", by what was not found.
func (c *call) issue(params url.Values, selectors []selector) (issued, string) {
	resource := params.Get("resource")
	c.entry.Scope = resource
	t := c.directory.first()
	if resource == "" || t == nil {
		c.entry.Reason = "there is no resource in the request, or no tenant in the emulator"
		return issued{}, "resource"
	}
	r, ok := t.resource(resource)
	if !ok || strings.HasSuffix(resource, "/.default") {
		c.entry.Reason = "the resource " + resource + " is not configured, or it is a scope"
		return issued{}, "resource"
	}
	id := c.identity(params, selectors)
	if id == nil {
		c.entry.Reason = "no identity fits the request: see Config.ManagedIdentities"
		return issued{}, "identity"
	}
	c.entry.Tenant, c.entry.ClientID = t.ID, id.ClientID
	now := c.now.Truncate(time.Second)
	lifetime := c.cfg.TokenLifetime
	audience := r.Audience
	if audience == "" {
		audience = resource
	}
	issuer := "https://sts.windows.net/" + t.ID + "/"
	if strings.HasPrefix(c.origin, "https:") {
		issuer = issuerOrigin(c.origin) + "/" + t.ID + "/" // where the keys can be discovered
	}
	claims := map[string]any{
		"aud": audience, "iss": issuer, "idp": issuer,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(lifetime).Unix(),
		"aio": opaque(24), "appid": id.ClientID, "appidacr": "2", "idtyp": "app",
		"oid": id.ObjectID, "sub": id.ObjectID, "tid": t.ID, "uti": opaque(16), "ver": "1.0",
	}
	if id.ResourceID != "" {
		claims["xms_mirid"] = id.ResourceID
	}
	refused := ""
	if c.revokes() {
		refused = params.Get("token_sha256_to_refresh")
		if strings.Contains(params.Get("xms_cc"), "cp1") {
			claims["xms_cc"] = []string{"CP1"}
		}
	}
	key := keptKey{c.route.endpoint, id.ClientID, resource}
	if kept, ok := c.e.kept.Load(key); ok && c.cfg.HostsKeepTokens && kept.(issued).stillGood(now, refused) {
		return kept.(issued), ""
	}
	text, err := c.e.signing().sign(claims)
	if err != nil {
		panic(err)
	}
	token := issued{id, resource, text, now.Add(lifetime), lifetime}
	if c.cfg.HostsKeepTokens {
		c.e.kept.Store(key, token)
	}
	return token, ""
}

// keptKey is what a host keeps a token by.
type keptKey struct {
	host               Endpoint
	identity, resource string
}

// stillGood reports whether a host hands the token out again, to a client that
// may say the hash of one that was refused.
func (i issued) stillGood(now time.Time, refused string) bool {
	sum := sha256.Sum256([]byte(i.text))
	return i.expires.After(now) && !strings.EqualFold(refused, hex.EncodeToString(sum[:]))
}

// revokes reports whether the endpoint understands which token was refused.
func (c *call) revokes() bool {
	switch c.route.endpoint {
	case EndpointServiceFabric:
		return true
	case EndpointAppService:
		return c.req.URL.Query().Get("api-version") == revokingVersion
	}
	return false
}

// numbers is the form with all numbers as strings that most hosts have.
func (i issued) numbers() map[string]any {
	return map[string]any{
		"access_token": i.text, "token_type": "Bearer", "resource": i.resource, "client_id": i.identity.ClientID,
		"expires_on": strconv.FormatInt(i.expires.Unix(), 10),
	}
}

func (c *call) refuseWith(status int, body any, code string) reply {
	c.entry.Error = code
	return jsonReply(status, body)
}

// Environment returns the variables by which a program finds the emulator in
// place of the managed identity endpoint of a host, for programs in this process
// that use [Emulator.Transport]. The hosts are the endpoints from EndpointIMDS to
// EndpointAzureArc; others have none. A variable that is empty is to be unset.
//
// Service Fabric pins a certificate, which needs a [Server] and its
// [Server.Environment].
func (e *Emulator) Environment(host Endpoint) map[string]string {
	return environment("http://localhost:40400", "", host)
}

// Environment is [Emulator.Environment] for all programs on this machine. The
// endpoints are at [Server.MachineURL], and Service Fabric's at a port of its own
// with a certificate of its own, which only the thumbprint vouches for.
func (s *Server) Environment(host Endpoint) map[string]string {
	if host == EndpointServiceFabric {
		return environment(s.fabricURL, s.fabricThumbprint, host)
	}
	return environment(s.MachineURL, "", host)
}

func environment(base, thumbprint string, host Endpoint) map[string]string {
	env := map[string]string{
		"IDENTITY_ENDPOINT": "", "IDENTITY_HEADER": "", "IDENTITY_SERVER_THUMBPRINT": "", "IMDS_ENDPOINT": "",
		"MSI_ENDPOINT": "", "MSI_SECRET": "", "DEFAULT_IDENTITY_CLIENT_ID": "", "AZURE_POD_IDENTITY_AUTHORITY_HOST": "",
	}
	switch host {
	case EndpointIMDS:
		env["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = base
	case EndpointAppService:
		env["IDENTITY_ENDPOINT"], env["IDENTITY_HEADER"] = base+"/appservice/msi/token", identityHeader
		env["MSI_ENDPOINT"], env["MSI_SECRET"] = env["IDENTITY_ENDPOINT"], identityHeader // the older names are there too
	case EndpointServiceFabric:
		env["IDENTITY_ENDPOINT"], env["IDENTITY_HEADER"] = base+"/servicefabric/metadata/identity/oauth2/token", identityHeader
		env["IDENTITY_SERVER_THUMBPRINT"] = thumbprint
	case EndpointAzureML:
		env["MSI_ENDPOINT"], env["MSI_SECRET"] = base+"/azureml/msi/auth", identityHeader
	case EndpointLegacyAppService:
		env["MSI_ENDPOINT"], env["MSI_SECRET"] = base+"/legacyappservice/msi/token", identityHeader
	case EndpointCloudShell:
		env["MSI_ENDPOINT"] = base + "/cloudshell/oauth2/token"
	case EndpointAzureArc:
		env["IDENTITY_ENDPOINT"], env["IMDS_ENDPOINT"] = base+"/arc/metadata/identity/oauth2/token", base
	}
	return env
}

var metadataMissing = map[string]string{"error": "bad_request_102", "error_description": "Required metadata header not specified"}

// hasMetadata is what stands between these endpoints and requests that a server
// was tricked into.
func (c *call) hasMetadata() bool {
	ok := c.req.Header.Get("Metadata") == "true" && c.req.Header.Get("X-Forwarded-For") == ""
	if !ok {
		c.entry.Reason = "the header Metadata: true is missing, or the request was forwarded"
	}
	return ok
}

func (c *call) hasVersion(versions ...string) bool {
	ok := slices.Contains(versions, c.req.URL.Query().Get("api-version"))
	if !ok {
		c.entry.Reason = "the api-version is not " + strings.Join(versions, " or ")
	}
	return ok
}

var badVersion = map[string]string{"error": "invalid_request", "error_description": "api-version is missing or not supported"}

func badRequest(c *call, body map[string]string) reply {
	return c.refuseWith(http.StatusBadRequest, body, body["error"])
}
