package entratest

import (
	"fmt"
	"net/http"
	"strings"
)

// DefaultSubscriptionID is that of the one subscription of the default tenant.
const DefaultSubscriptionID = "50000000-eeee-4eee-8eee-000000000001"

// Subscription is an Azure subscription of a tenant. Everybody there may see it.
type Subscription struct {
	// ID is a GUID.
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// resourceManagerAudiences are those of tokens for Azure Resource Manager.
var resourceManagerAudiences = []string{"https://management.core.windows.net", "https://management.azure.com"}

func (p *problems) subscriptions(path string, all []Subscription) {
	taken := map[string]bool{}
	for i, s := range all {
		p.guid(fmt.Sprintf("%s[%d].id", path, i), s.ID)
		key := strings.ToLower(s.ID)
		if taken[key] {
			p.add(fmt.Sprintf("%s[%d].id", path, i), "%s is another subscription of this tenant already", s.ID)
		}
		taken[key] = true
	}
}

// The emulator plays as much of Azure Resource Manager as sign-ins of developers' tools
// need: the tenants that a user has an account in, and a tenant's subscriptions.

// serveTenants lists the tenants in which the token's user has an account.
func serveTenants(c *call) reply {
	t, refused := c.resourceManagerToken()
	if refused != nil {
		return *refused
	}
	list := []any{}
	for _, other := range c.directory.tenants {
		if other != c.tenant && other.user(t.claim("preferred_username")) == nil {
			continue
		}
		one := map[string]any{
			"id": "/tenants/" + other.ID, "tenantId": other.ID, "displayName": other.display(),
			"tenantCategory": "Home", "tenantType": "AAD", "domains": append([]string{}, other.Domains...),
		}
		if len(other.Domains) > 0 {
			one["defaultDomain"] = other.Domains[0]
		}
		list = append(list, one)
	}
	return jsonReply(http.StatusOK, map[string]any{"value": list})
}

// serveSubscriptions lists the subscriptions of the token's tenant.
func serveSubscriptions(c *call) reply {
	if _, refused := c.resourceManagerToken(); refused != nil {
		return *refused
	}
	list := []any{}
	for _, s := range c.tenant.Subscriptions {
		list = append(list, map[string]any{
			"id": "/subscriptions/" + s.ID, "subscriptionId": s.ID, "tenantId": c.tenant.ID, "displayName": s.Name,
			"state": "Enabled", "authorizationSource": "RoleBased", "managedByTenants": []any{},
			"subscriptionPolicies": map[string]string{
				"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off",
			},
		})
	}
	return jsonReply(http.StatusOK, map[string]any{"value": list, "count": map[string]any{"type": "Total", "value": len(list)}})
}

// resourceManagerToken verifies the request's token, and settles the tenant that it is
// of, or answers what is wrong, as Azure Resource Manager does.
func (c *call) resourceManagerToken() (*jwt, *reply) {
	fail := func(status int, code, reason, message string) (*jwt, *reply) {
		c.entry.Error, c.entry.Reason = code, reason
		rep := graphError(status, code, message)
		if status == http.StatusUnauthorized {
			rep.header.Set("WWW-Authenticate", `Bearer authorization_uri="`+c.origin+`/common", error="invalid_token", error_description="`+message+`"`)
		}
		return nil, &rep
	}
	text, ok := strings.CutPrefix(c.req.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return fail(http.StatusUnauthorized, "AuthenticationFailed", "there is no bearer token in the request",
			"Authentication failed. The 'Authorization' header is missing or invalid.")
	}
	t, reason := c.checkAccessToken(strings.TrimSpace(text), resourceManagerAudiences...)
	if reason == "" {
		if c.tenant = c.directory.tenant(t.claim("tid")); c.tenant == nil {
			reason = "the token's tenant is not in the directory"
		}
	}
	if reason != "" {
		return fail(http.StatusUnauthorized, "InvalidAuthenticationToken", reason, "The access token is invalid.")
	}
	c.entry.Tenant = c.tenant.ID
	if c.req.URL.Query().Get("api-version") == "" {
		return fail(http.StatusBadRequest, "MissingApiVersionParameter", "there is no api-version in the query",
			"The api-version query parameter (?api-version=) is required for all requests.")
	}
	return t, nil
}
