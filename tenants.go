package azidentity

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/azid-go/azidentity/internal/entra"
)

// tenantRules decide in which tenant a token is requested.
type tenantRules struct {
	configured string
	allowed    []string // besides configured; "*" is any
	ignore     bool     // the tenant of a request does not count
}

// anyTenant among the allowed tenants stands for all.
const anyTenant = "*"

func newTenantRules(tenant string, additionallyAllowed []string) (tenantRules, error) {
	if !entra.ValidTenant(tenant) {
		if tenant == "" {
			return tenantRules{}, errors.New("the tenant is missing: pass the directory's ID or domain")
		}
		return tenantRules{}, fmt.Errorf("invalid tenant %.60q: %w", tenant, entra.ErrInvalidTenant)
	}
	for _, t := range additionallyAllowed {
		if t != anyTenant && !entra.ValidTenant(t) {
			return tenantRules{}, fmt.Errorf("invalid tenant %.60q among the additionally allowed ones: %w", t, entra.ErrInvalidTenant)
		}
	}
	return tenantRules{
		configured: tenant,
		allowed:    slices.Clone(additionallyAllowed),
		ignore:     os.Getenv("AZURE_IDENTITY_DISABLE_MULTITENANTAUTH") != "",
	}, nil
}

// resolve returns the tenant for a request that names requested, or nothing.
// The configured tenant always is allowed. The test on warm calls comes first.
func (r *tenantRules) resolve(requested string) (string, error) {
	if requested == "" || requested == r.configured {
		return r.configured, nil
	}
	return r.resolveOther(requested)
}

func (r *tenantRules) resolveOther(requested string) (string, error) {
	switch {
	case r.ignore || strings.EqualFold(requested, r.configured):
		return r.configured, nil
	case strings.EqualFold(r.configured, entra.ADFSTenant):
		return "", fmt.Errorf("AD FS has no tenants: the request names tenant %q", requested)
	case !entra.ValidTenant(requested):
		return "", fmt.Errorf("invalid tenant %.60q in the request: %w", requested, entra.ErrInvalidTenant)
	}
	for _, t := range r.allowed {
		if t == anyTenant || strings.EqualFold(t, requested) {
			return requested, nil
		}
	}
	allowed := "none besides it"
	if len(r.allowed) > 0 {
		allowed = strings.Join(r.allowed, ", ")
	}
	return "", fmt.Errorf(`the request names tenant %q, and the credential is configured for tenant %q (additionally allowed: %s); add %q, or "*" for any tenant, to AdditionallyAllowedTenants`,
		requested, r.configured, allowed, requested)
}
