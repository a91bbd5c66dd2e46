package entratest

import (
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// federatedLifetime is that of Kubernetes' projected service account tokens.
const federatedLifetime = time.Hour

// FederatedIssuer returns the issuer of [Emulator.FederatedAssertion]: an OpenID
// Connect issuer that the emulator hosts beside Entra, standing for a Kubernetes
// cluster or a build service. A [Server]'s is below its URL.
func (e *Emulator) FederatedIssuer() string { return e.base + "/federation" }

// AssertionOption changes an assertion of [Emulator.FederatedAssertion].
type AssertionOption func(*federatedAssertion)

type federatedAssertion struct {
	now    int64
	claims map[string]any
}

// WithIssuer sets iss. The signature remains that of the hosted issuer.
func WithIssuer(issuer string) AssertionOption { return WithClaim("iss", issuer) }

// WithAudience sets aud. Default [DefaultFederatedAudience].
func WithAudience(audience string) AssertionOption { return WithClaim("aud", audience) }

// WithLifetime sets exp that long from now. Default 1h; a negative lifetime makes
// an expired assertion.
func WithLifetime(lifetime time.Duration) AssertionOption {
	return func(a *federatedAssertion) { a.claims["exp"] = a.now + int64(lifetime/time.Second) }
}

// WithClaim sets a claim; a nil value removes it.
func WithClaim(name string, value any) AssertionOption {
	return func(a *federatedAssertion) {
		a.claims[name] = value
		if value == nil {
			delete(a.claims, name)
		}
	}
}

// FederatedAssertion returns a token of the hosted issuer about the subject, as a
// workload would read it from a file or a build service. The default application
// accepts it for [DefaultFederatedSubject].
func (e *Emulator) FederatedAssertion(subject string, options ...AssertionOption) (string, error) {
	now := e.clock().Unix()
	a := &federatedAssertion{now, map[string]any{
		"iss": e.FederatedIssuer(),
		"sub": subject,
		"aud": DefaultFederatedAudience,
		"iat": now,
		"nbf": now,
		"jti": newGUID(),
	}}
	for _, option := range append([]AssertionOption{WithLifetime(federatedLifetime)}, options...) {
		option(a)
	}
	return e.federation().sign(a.claims)
}

func serveFederationConfiguration(c *call) reply {
	issuer := c.origin + "/federation"
	return jsonReply(http.StatusOK, map[string]any{
		"issuer":                                issuer,
		"jwks_uri":                              issuer + "/keys",
		"response_types_supported":              []string{"id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func serveFederationKeys(c *call) reply { return jwksReply(c.e.federation().jwk("")) }

// checkFederated checks an assertion of an outside issuer against the federated
// credentials of the application, in the order in which Entra reports mismatches.
func (c *call) checkFederated(app *application, t *jwt) *refusal {
	issuer, subject, audiences := t.claim("iss"), t.claim("sub"), t.audiences()
	presented := fmt.Sprintf("presented are issuer %q, subject %q, audience %q", issuer, subject, audiences)
	left := app.FederatedCredentials
	if len(left) == 0 {
		return refuse(70021, fmt.Sprintf("the application %s has no federated credentials; %s", app.ClientID, presented),
			"No matching federated identity record found for presented assertion. Assertion Issuer: '%s'. Assertion Subject: '%s'. Assertion Audience: '%s'.", issuer, subject, strings.Join(audiences, ", "))
	}
	narrow := func(fits func(FederatedCredential) bool) bool {
		left = filter(left, fits)
		return len(left) > 0
	}
	if !narrow(func(f FederatedCredential) bool { return c.e.issuerOf(f) == issuer }) {
		return refuse(700211, fmt.Sprintf("no federated credential of application %s trusts the issuer; %s; configured are %s", app.ClientID, presented, c.e.describe(app)),
			"No matching federated identity record found for presented assertion issuer '%s'. Check the federated credential's issuer, subject and audience against the assertion.", issuer)
	}
	sameIssuer := left
	if !narrow(func(f FederatedCredential) bool { return f.Subject == subject }) {
		reason := fmt.Sprintf("no federated credential of application %s has the subject; %s; configured are %s", app.ClientID, presented, c.e.describe(app))
		if slices.ContainsFunc(sameIssuer, func(f FederatedCredential) bool { return strings.EqualFold(f.Subject, subject) }) {
			return refuse(7002138, reason+"; the difference is in letter case only",
				"No matching federated identity record found for presented assertion subject '%s'. The subject matches a record except for its letter case, which has to be the same.", subject)
		}
		return refuse(700213, reason,
			"No matching federated identity record found for presented assertion subject '%s'. Check the federated credential's issuer, subject and audience against the assertion.", subject)
	}
	if !narrow(func(f FederatedCredential) bool {
		return slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(f.Audiences, a) })
	}) {
		return refuse(700212, fmt.Sprintf("no federated credential of application %s has the audience; %s; configured are %s", app.ClientID, presented, c.e.describe(app)),
			"No matching federated identity record found for presented assertion audience '%s'. Check the federated credential's issuer, subject and audience against the assertion.", strings.Join(audiences, ", "))
	}
	if ref := c.checkIssuerSignature(t, issuer); ref != nil {
		return ref
	}
	return c.checkWindow(t)
}

func (c *call) checkIssuerSignature(t *jwt, issuer string) *refusal {
	if alg := t.alg(); alg != "RS256" {
		return refuse(5002730, fmt.Sprintf("the assertion's alg is %q, federated assertions need RS256", alg),
			"Invalid JWT token. Unsupported key for the signing algorithm.")
	}
	keys := c.issuerKeys(issuer)
	if len(keys) == 0 {
		return refuse(50166, fmt.Sprintf("the emulator has no keys of the issuer %q: list it in Issuers", issuer),
			"Request to External OIDC endpoint failed.")
	}
	for _, key := range keys {
		if t.verify(key) == nil {
			return nil
		}
	}
	return refuse(700027, fmt.Sprintf("the signature fits none of %d keys of the issuer %q", len(keys), issuer),
		"Client assertion failed signature validation. [Reason - The key was not found, Key identifier used by client: '%s']", t.headerString("kid"))
}

func (e *Emulator) issuerOf(f FederatedCredential) string {
	if f.Issuer == "" {
		return e.FederatedIssuer()
	}
	return f.Issuer
}

// issuerKeys finds the keys of an issuer: a configured one, the hosted one, or a
// tenant of this emulator, whose tokens (a managed identity's) may be trusted too.
func (c *call) issuerKeys(issuer string) []*rsa.PublicKey {
	if keys := c.directory.issuers[issuer]; len(keys) > 0 {
		return keys
	}
	if issuer == c.e.FederatedIssuer() {
		return []*rsa.PublicKey{&c.e.federation().private.PublicKey}
	}
	if u, err := url.Parse(issuer); err == nil {
		id, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		if c.directory.tenant(id) != nil {
			return []*rsa.PublicKey{&c.e.signing().private.PublicKey}
		}
	}
	return nil
}

// describe lists an application's federated credentials for the developer.
func (e *Emulator) describe(app *application) string {
	var all []string
	for _, f := range app.FederatedCredentials {
		all = append(all, fmt.Sprintf("%s {issuer %q, subject %q, audiences %q}", f.Name, e.issuerOf(f), f.Subject, f.Audiences))
	}
	return strings.Join(all, ", ")
}

func filter[T any](all []T, keep func(T) bool) []T {
	var out []T
	for _, v := range all {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}
