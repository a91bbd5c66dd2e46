package entratest

import (
	"crypto/subtle"
	"fmt"
	"net/url"
	"time"
)

// proof is how a client showed who it is, as the azpacr claim counts it.
type proof string

const (
	proofNone      proof = "0" // a public client
	proofSecret    proof = "1"
	proofAssertion proof = "2"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// client identifies the application without a proof, and settles which tenant a
// pseudo-tenant means.
func (c *call) client() (*application, *refusal) {
	if c.tenant == nil && !isPseudoTenant(c.segment) {
		return nil, c.unknownTenant()
	}
	id := c.form.Get("client_id")
	if id == "" {
		return nil, missing("client_id", "there is no client_id in the form")
	}
	if c.tenant == nil {
		if c.settle(c.directory.home(id)); c.tenant == nil {
			return nil, refuse(700016, "no tenant has the application "+id,
				"Application with identifier '%s' was not found in the directory.", id)
		}
	}
	app := c.tenant.application(id)
	if app == nil {
		return nil, refuse(700016, fmt.Sprintf("tenant %s does not have the application %s", c.tenant.ID, id),
			"Application with identifier '%s' was not found in the directory '%s'. It may not have been installed by the administrator of the tenant, or the request was sent to the wrong tenant.", id, c.tenant.display())
	}
	if app.Disabled {
		return nil, refuse(7000112, "the application "+id+" is configured as disabled",
			"Application '%s'(%s) is disabled.", app.ClientID, app.Name)
	}
	return app, nil
}

// settle says which tenant a pseudo-tenant stands for, if there is one.
func (c *call) settle(t *tenant) {
	if c.tenant = t; t != nil {
		c.entry.Tenant = t.ID
	}
}

// nativeClient identifies the application of a grant that public clients use too:
// without a proof, if the application is registered as one, else with.
func (c *call) nativeClient() (*application, proof, platform, *refusal) {
	app, ref := c.namedClient()
	if ref != nil {
		return nil, "", web, ref
	}
	kind := web
	if !c.hasProof() && len(app.PublicRedirectURIs) > 0 {
		kind = publicClient
	}
	proof, ref := c.prove(app, kind)
	return app, proof, kind, ref
}

// namedClient identifies the application of a request to the token endpoint, without a
// proof.
func (c *call) namedClient() (*application, *refusal) {
	// Basic authentication (RFC 6749 section 2.3.1) is what OAuth libraries other
	// than Microsoft's try first.
	if id, secret, ok := c.basicAuth(); ok && c.form.Get("client_secret") == "" {
		c.form.Set("client_id", id)
		c.form.Set("client_secret", secret)
		c.entry.ClientID = id
	}
	return c.client()
}

// authenticateClient identifies a confidential client and checks its proof.
func (c *call) authenticateClient() (*application, proof, *refusal) {
	app, ref := c.namedClient()
	if ref != nil {
		return nil, "", ref
	}
	proof, ref := c.prove(app, web)
	return app, proof, ref
}

// hasProof reports whether the form has one, good or bad.
func (c *call) hasProof() bool {
	return c.form.Get("client_assertion") != "" || c.form.Get("client_secret") != ""
}

// prove checks the application's proof. A public client must not have any.
func (c *call) prove(app *application, kind platform) (proof, *refusal) {
	assertion, secret := c.form.Get("client_assertion"), c.form.Get("client_secret")
	switch {
	case kind == publicClient && c.hasProof():
		return "", refuse(700025, "the redirect URI is that of a public client, and the form has a client_assertion or client_secret",
			"Client is public so neither 'client_assertion' nor 'client_secret' should be presented.")
	case kind == publicClient:
		return proofNone, nil
	case assertion != "":
		if got := c.form.Get("client_assertion_type"); got != jwtBearer {
			return "", missing("client_assertion_type", "client_assertion_type is not "+jwtBearer)
		}
		return proofAssertion, c.checkAssertion(app, assertion)
	case secret != "":
		return proofSecret, c.checkSecret(app, secret)
	}
	return "", refuse(7000218, "the form has neither client_assertion nor client_secret",
		"The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
}

// basicAuth reads an Authorization header, whose two parts are urlencoded there.
func (c *call) basicAuth() (id, secret string, ok bool) {
	id, secret, ok = c.req.BasicAuth()
	id, err1 := url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	return id, secret, ok && err1 == nil && err2 == nil
}

func (c *call) checkSecret(app *application, secret string) *refusal {
	var expired *Secret
	for i, s := range app.Secrets {
		if subtle.ConstantTimeCompare([]byte(s.Value), []byte(secret)) != 1 {
			continue
		}
		if s.Expires.IsZero() || c.now.Before(s.Expires) {
			return nil
		}
		expired = &app.Secrets[i]
	}
	if expired != nil {
		return refuse(7000222, fmt.Sprintf("the secret of application %s expired at %s", app.ClientID, expired.Expires.UTC().Format(time.RFC3339)),
			"The provided client secret keys for app '%s' are expired. Create new keys for the app.", app.ClientID)
	}
	return refuse(7000215, fmt.Sprintf("the secret matches none of %d secrets of application %s", len(app.Secrets), app.ClientID),
		"Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.ClientID)
}

// display is the tenant as error texts name it.
func (t *tenant) display() string {
	if t.Name != "" {
		return t.Name
	}
	return t.ID
}
