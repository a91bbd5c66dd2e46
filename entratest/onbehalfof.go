package entratest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const jwtBearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// onBehalfOf is the grant of RFC 7523 section 2.1 as Entra extends it: an API
// exchanges the token that its caller presented for one for the next API.
func onBehalfOf(c *call) (*grant, *refusal) {
	app, proof, ref := c.authenticateClient()
	if ref != nil {
		return nil, ref
	}
	if use := c.form.Get("requested_token_use"); use != "on_behalf_of" {
		return nil, missing("requested_token_use", fmt.Sprintf("requested_token_use is %q, not on_behalf_of", use))
	}
	text := c.form.Get("assertion")
	if text == "" {
		return nil, missing("assertion", "there is no assertion in the form")
	}
	session, ref := c.checkUserAssertion(app, text)
	if ref != nil {
		return nil, ref
	}
	return c.issueForUser(app, proof, session, web, offlineIn(c.form.Get("scope")))
}

// checkUserAssertion verifies an access token of this emulator that a user has for
// app.
func (c *call) checkUserAssertion(app *application, text string) (userSession, *refusal) {
	invalid := func(reason string) (userSession, *refusal) {
		return userSession{}, refuse(50013, "the assertion is not usable: "+reason, "Assertion failed signature validation or is malformed.")
	}
	t, err := parseJWT(text)
	if err != nil {
		return invalid(err.Error())
	}
	if t.alg() != "RS256" || t.verify(&c.e.signing().private.PublicKey) != nil {
		return invalid("it is not signed by this emulator")
	}
	expires, ok, err := t.date("exp")
	if !ok || err != nil || c.now.After(expires.Add(clockTolerance)) {
		return userSession{}, refuse(500133, "the assertion expired at "+expires.UTC().Format(time.RFC3339),
			"Assertion is not within its valid time range. Ensure that the access token is not expired before using it for user assertion, or request a new token. Current time: %s, expiry time of assertion %s.",
			c.now.UTC().Format(time.RFC3339), expires.UTC().Format(time.RFC3339))
	}
	names := []string{app.ClientID, "api://" + app.ClientID}
	for _, r := range c.tenant.Resources {
		if strings.EqualFold(r.Audience, app.ClientID) {
			names = append(names, r.Identifiers...)
		}
	}
	if !slices.ContainsFunc(t.audiences(), func(aud string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return sameResource(name, aud) })
	}) {
		return userSession{}, refuse(500131, fmt.Sprintf("the assertion is for %q, and the application is %s", t.audiences(), app.ClientID),
			"Assertion audience does not match the Client app presenting the assertion. The audience in the assertion was '%s' and the expected audience is '%s' or one of the Application Uris of this application with App ID '%s'.",
			strings.Join(t.audiences(), ", "), app.ClientID, app.ClientID)
	}
	if !strings.EqualFold(t.claim("tid"), c.tenant.ID) {
		return invalid("it is of tenant " + t.claim("tid"))
	}
	if t.claim("scp") == "" {
		return userSession{}, refuse(240002, "the assertion is not a user's access token: it has no scp",
			"Input id_token cannot be used as 'urn:ietf:params:oauth:grant-type:jwt-bearer' grant.")
	}
	user, ref := c.activeUser(t.claim("oid"))
	if ref != nil {
		return userSession{}, ref
	}
	return c.session(user, t.signIn()), nil
}
