package entratest

import (
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authorization is a request to the authorize endpoint (RFC 6749 section 4.1.1) whose
// client and redirect URI are in order, so that errors can be sent there.
type authorization struct {
	app         *application
	redirectURI string
	mode        string // query, fragment or form_post
	scope       string
	challenge   string
	method      string
}

// serveAuthorize signs a user in and sends the browser back with a code.
func serveAuthorize(c *call) reply {
	a, ref := c.authorization()
	if ref != nil {
		// Whoever asks may have made the redirect URI up: nothing is sent there.
		return c.errorPage(ref)
	}
	if ref := c.checkAuthorization(a); ref != nil {
		return c.sendBack(a, c.refusalParameters(ref))
	}
	silent := slices.Contains(c.prompts(), "none")
	if !c.wantsPage() && (silent || c.form.Get("login_hint") != "") {
		user, ref := c.hinted()
		switch {
		case ref == nil:
			return c.sendBack(a, c.grantCode(a, user, fullSignIn))
		case silent:
			return c.sendBack(a, c.refusalParameters(ref))
		}
	}
	c.e.browsers.mu.Lock()
	defer c.e.browsers.mu.Unlock()
	if silent {
		return c.silently(a)
	}
	b := c.e.browsers.meet(c)
	s := &signIn{begun: c.now, segment: c.segment, dialect: c.route.dialect, form: c.form}
	b.begin(s)
	c.recognise(b, s)
	return c.remember(c.nextPage(b, s, nil), b)
}

// wantsPage tells a browser from a program that cannot show a page.
func (c *call) wantsPage() bool { return strings.Contains(c.req.Header.Get("Accept"), "text/html") }

// authorization reads what has to be right before anything may be sent to the redirect
// URI.
func (c *call) authorization() (*authorization, *refusal) {
	app, ref := c.client()
	if ref != nil {
		return nil, ref
	}
	uri := c.form.Get("redirect_uri")
	if uri == "" {
		return nil, missing("redirect_uri", "there is no redirect_uri in the query")
	}
	if _, registered := app.redirect(uri); !registered {
		return nil, app.wrongRedirect(uri)
	}
	mode := cmp.Or(c.form.Get("response_mode"), "query")
	if !slices.Contains(responseModes, mode) {
		return nil, refuse(70007, "response_mode is "+mode+", known are "+strings.Join(responseModes, ", "),
			"'%s' is not a supported value of 'response_mode' when requesting a token.", mode)
	}
	return &authorization{app: app, redirectURI: uri, mode: mode, scope: c.form.Get("scope")}, nil
}

// responseModes are how an answer reaches the client: in the query or the fragment of
// the redirect URI, or posted there by a page.
var responseModes = []string{"query", "fragment", "form_post"}

func (a *application) wrongRedirect(uri string) *refusal {
	return refuse(50011, fmt.Sprintf("the redirect URI is none of the %d that application %s has", len(a.RedirectURIs)+len(a.PublicRedirectURIs), a.ClientID),
		"The redirect URI '%s' specified in the request does not match the redirect URIs configured for the application '%s'. Make sure the redirect URI sent in the request matches one added to your application.", uri, a.ClientID)
}

// checkAuthorization looks at the rest of the request.
func (c *call) checkAuthorization(a *authorization) (ref *refusal) {
	kind := c.form.Get("response_type")
	switch {
	case kind == "":
		return missing("response_type", "there is no response_type in the query")
	case kind != "code":
		return refuse(70005, "response_type is "+kind+", the emulator knows code only",
			"response_type '%s' is not supported for the application.", kind)
	case a.scope == "":
		return missing("scope", "there is no scope in the query")
	}
	for _, p := range c.prompts() {
		if !slices.Contains([]string{"none", "login", "consent", "select_account", "create"}, p) {
			return refuse(90023, "prompt is "+p, "Unsupported 'prompt' value.")
		}
	}
	if slices.Contains(c.prompts(), "none") && len(c.prompts()) > 1 {
		return refuse(90023, "prompt is none and something else", "Unsupported 'prompt' value.")
	}
	if _, _, _, ref = c.userResource(); ref != nil {
		return ref
	}
	if _, ref = parseClaims(c.form.Get("claims"), c.now); ref != nil {
		return ref
	}
	a.challenge = c.form.Get("code_challenge")
	a.method, ref = checkChallenge(a.challenge, c.form.Get("code_challenge_method"))
	return ref
}

func (c *call) prompts() []string { return strings.Fields(c.form.Get("prompt")) }

// hinted is how a program signs a user in, which cannot show a page: the login hint
// stands for the session of a browser.
func (c *call) hinted() (*User, *refusal) {
	hint := c.form.Get("login_hint")
	u := c.tenant.user(hint)
	switch {
	case hint == "":
		return nil, nobodySignedIn("there is no login_hint, and nobody is signed in")
	case u == nil:
		return nil, nobodySignedIn("tenant " + c.tenant.ID + " has no user of the login_hint")
	}
	if _, ref := c.activeUser(hint); ref != nil {
		ref.oauth = "interaction_required" // at this endpoint
		return nil, ref
	}
	return u, nil
}

func nobodySignedIn(reason string) *refusal {
	return refuse(50058, reason, "A silent sign-in request was sent but no user is signed in.")
}

// grantCode issues a code and returns the parameters that go to the client with it.
func (c *call) grantCode(a *authorization, u *User, did SignIn) url.Values {
	out := url.Values{
		"code": {c.e.codes.issue(codeRecord{
			tenant: c.tenant.ID, client: a.app.ClientID, user: u.ID, redirectURI: a.redirectURI, scope: a.scope,
			nonce: c.form.Get("nonce"), did: did, challenge: a.challenge, method: a.method, expires: c.now.Add(codeLifetime),
		})},
		"session_state": {newGUID()},
	}
	if c.form.Get("client_info") == "1" {
		out.Set("client_info", clientInfo(c.tenant, u))
	}
	return out
}

// refusalParameters are those of RFC 6749 section 4.1.2.1.
func (c *call) refusalParameters(r *refusal) url.Values {
	body := c.refusalBody(r)
	out := url.Values{"error": {body.Error}, "error_description": {body.Description}}
	if body.URI != "" {
		out.Set("error_uri", body.URI)
	}
	return out
}

// sendBack answers with the parameters, and the client's own state, for the redirect
// URI.
func (c *call) sendBack(a *authorization, parameters url.Values) reply {
	if state := c.form.Get("state"); state != "" {
		parameters.Set("state", state)
	}
	if a.mode == "form_post" {
		return page(http.StatusOK, "formpost", struct {
			titled
			Target     template.URL // registered, so of whatever scheme the application has
			Parameters url.Values
		}{titled{"Back to " + a.app.shown()}, template.URL(a.redirectURI), parameters}, a.redirectURI)
	}
	separator := "?"
	switch {
	case a.mode == "fragment":
		separator = "#"
	case strings.Contains(a.redirectURI, "?"):
		separator = "&"
	}
	return reply{
		status: http.StatusFound,
		header: http.Header{"Location": {a.redirectURI + separator + parameters.Encode()}},
	}
}

// shown is the application as pages name it.
func (a *application) shown() string { return cmp.Or(a.Name, a.ClientID) }
