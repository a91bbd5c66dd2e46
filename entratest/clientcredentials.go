package entratest

import (
	"slices"
	"strings"
)

// graph is what a .default scope without a resource means.
const graph = "https://graph.microsoft.com"

// clientCredentials is the grant of RFC 6749 section 4.4: the application acts
// as itself.
func clientCredentials(c *call) (*grant, *refusal) {
	app, proof, ref := c.authenticateClient()
	if ref != nil {
		return nil, ref
	}
	identifier, ref := c.applicationResource()
	if ref != nil {
		return nil, ref
	}
	resource, ok := c.tenant.resource(identifier)
	if !ok {
		return nil, refuse(500011, "the tenant has no resource with the identifier "+identifier,
			"The resource principal named %s was not found in the tenant named %s.", identifier, c.tenant.display())
	}
	requested, ref := parseClaims(c.form.Get("claims"), c.now)
	if ref != nil {
		return nil, ref
	}
	token, ref := c.applicationToken(app, proof, identifier, resource, requested)
	if ref != nil {
		return nil, ref
	}
	return &grant{resource: identifier, token: token}, nil
}

// applicationResource reads which resource is asked for: from scope, on the v1
// endpoint from resource, with ADFS from either.
func (c *call) applicationResource() (string, *refusal) {
	resource, scope := c.form.Get("resource"), c.form.Get("scope")
	switch {
	case c.route.dialect == v1 || c.route.dialect == adfs && scope == "":
		if resource == "" {
			return "", missing("resource", "there is no resource in the form")
		}
		return resource, nil
	case resource != "" && c.route.dialect == v2:
		return "", refuse(901002, "the v2.0 endpoint takes scope, not resource",
			"The 'resource' request parameter is not supported.")
	case scope == "":
		return "", missing("scope", "there is no scope in the form")
	}
	// MSAL for Go decorates even this grant with the scopes of user sign-in.
	scopes := slices.DeleteFunc(strings.Fields(scope), isReservedScope)
	var resources []string
	for _, s := range scopes {
		identifier, ok := strings.CutSuffix(s, "/.default")
		if s == ".default" {
			identifier, ok = graph, true
		}
		if !ok || identifier == "" {
			return "", refuse(1002012, "the scope "+s+" does not end in /.default",
				"The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope)
		}
		if !slices.Contains(resources, identifier) {
			resources = append(resources, identifier)
		}
	}
	switch len(resources) {
	case 0:
		return "", refuse(1002012, "the scope has no resource, only the scopes of user sign-in",
			"The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope)
	case 1:
		return resources[0], nil
	}
	return "", refuse(28000, "the scope names several resources: "+strings.Join(resources, ", "),
		"Provided value for the input parameter scope is not valid because it contains more than one resource. Scope %s is not valid.", scope)
}

func isReservedScope(scope string) bool {
	switch strings.ToLower(scope) {
	case "openid", "profile", "offline_access", "email":
		return true
	}
	return false
}
