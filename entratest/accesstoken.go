package entratest

import (
	"slices"
	"time"
)

// accessToken is a token before it is signed.
type accessToken struct {
	claims    map[string]any
	issued    time.Time
	lifetime  time.Duration
	refreshIn time.Duration // 0: not sent
}

// refreshInFrom is the lifetime from which Entra sends refresh_in.
const refreshInFrom = 2 * time.Hour

// applicationToken builds the token of an application acting as itself.
func (c *call) applicationToken(app *application, proof proof, identifier string, resource Resource, requested claimsRequest) (accessToken, *refusal) {
	t, ref := c.newToken(app, proof, identifier, resource, requested)
	if ref != nil {
		return accessToken{}, ref
	}
	t.claims["idtyp"] = "app"
	t.claims["oid"], t.claims["sub"] = app.ObjectID, app.ObjectID
	if roles := app.roles(identifier); len(roles) > 0 {
		t.claims["roles"] = roles
	}
	return t, nil
}

// newToken builds what tokens of applications and of users have in common.
func (c *call) newToken(app *application, proof proof, identifier string, resource Resource, requested claimsRequest) (accessToken, *refusal) {
	issuer, ref := c.issuer()
	if ref != nil {
		return accessToken{}, ref
	}
	t := accessToken{lifetime: c.cfg.TokenLifetime, refreshIn: app.RefreshIn, issued: c.now.Truncate(time.Second)}
	if requested.cae {
		t.lifetime = c.cfg.CAETokenLifetime
	}
	if app.TokenLifetime > 0 {
		t.lifetime = app.TokenLifetime
	}
	if t.refreshIn == 0 && t.lifetime >= refreshInFrom {
		t.refreshIn = t.lifetime / 2
	}
	if requested.notBefore.After(t.issued) {
		t.issued = requested.notBefore
	}
	audience := resource.Audience
	if audience == "" {
		audience = identifier
	}
	t.claims = map[string]any{
		"aud": audience,
		"iss": issuer,
		"iat": t.issued.Unix(),
		"nbf": t.issued.Unix(),
		"exp": t.issued.Add(t.lifetime).Unix(),
		"aio": opaque(24),
		"rh":  "1." + opaque(33) + ".",
		"tid": c.tenant.ID,
		"uti": opaque(16),
	}
	if c.route.dialect == v1 {
		t.claims["ver"] = "1.0"
		t.claims["appid"] = app.ClientID
		t.claims["appidacr"] = string(proof)
		t.claims["idp"] = issuer
	} else {
		t.claims["ver"] = "2.0"
		t.claims["azp"] = app.ClientID
		t.claims["azpacr"] = string(proof)
	}
	if requested.cae {
		t.claims["xms_cc"] = []string{"CP1"}
	}
	if len(requested.acrs) > 0 {
		t.claims["acrs"] = requested.acrs
	}
	return t, nil
}

// roles returns the app roles granted on a resource, sorted.
func (a *application) roles(identifier string) []string {
	var all []string
	for resource, roles := range a.Roles {
		if sameResource(resource, identifier) {
			all = append(all, roles...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
