package entratest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// codeLifetime is how long an authorization code can be redeemed.
const codeLifetime = 10 * time.Minute

// codeRecord is what an authorization code stands for.
type codeRecord struct {
	tenant, client, user string
	redirectURI          string
	scope                string
	nonce                string
	did                  SignIn
	challenge, method    string // empty: the code was requested without PKCE
	expires              time.Time
	redeemed             bool
}

// maxCodes bounds what an emulator remembers; the oldest go first.
const maxCodes = 100_000

// authorizationCodes are those that were issued, the redeemed ones included.
type authorizationCodes struct {
	mu    sync.Mutex // guards all below, and the records
	codes map[string]*codeRecord
	order []string
}

func (a *authorizationCodes) issue(rec codeRecord) string {
	code := "1." + opaque(96)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.codes == nil {
		a.codes = map[string]*codeRecord{}
	}
	a.codes[code] = &rec
	a.order = append(a.order, code)
	for len(a.order) > maxCodes {
		delete(a.codes, a.order[0])
		a.order = a.order[1:]
	}
	return code
}

func (a *authorizationCodes) find(code string) (codeRecord, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if rec := a.codes[code]; rec != nil {
		return *rec, true
	}
	return codeRecord{}, false
}

// redeem spends the code, and reports whether it still could be.
func (a *authorizationCodes) redeem(code string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	rec := a.codes[code]
	if rec == nil || rec.redeemed {
		return false
	}
	rec.redeemed = true
	return true
}

// authorizationCode is the grant of RFC 6749 section 4.1.3.
func authorizationCode(c *call) (*grant, *refusal) {
	code, uri := c.form.Get("code"), c.form.Get("redirect_uri")
	rec, known := c.e.codes.find(code)
	if known && c.tenant == nil && isPseudoTenant(c.segment) {
		c.settle(c.directory.tenant(rec.tenant))
	}
	app, ref := c.namedClient()
	if ref != nil {
		return nil, ref
	}
	switch {
	case code == "":
		return nil, missing("code", "there is no code in the form")
	case uri == "":
		return nil, missing("redirect_uri", "there is no redirect_uri in the form")
	}
	kind, registered := app.redirect(uri)
	if !registered {
		ref := app.wrongRedirect(uri)
		ref.oauth = "invalid_client" // at this endpoint
		return nil, ref
	}
	proof, ref := c.prove(app, kind)
	if ref != nil {
		return nil, ref
	}
	if ref := c.checkCode(app, uri, rec, known); ref != nil {
		return nil, ref
	}
	user, ref := c.activeUser(rec.user)
	if ref != nil {
		return nil, ref
	}
	// Without a scope of its own the request is for what the code was requested for.
	if c.form.Get("scope") == "" {
		c.form.Set("scope", rec.scope)
	}
	g, ref := c.issueForUser(app, proof, c.session(user, rec.did), kind, offlineIn(rec.scope))
	if ref != nil {
		return nil, ref
	}
	// Last of all, as a refusal leaves the code as it was; and here alone, as two
	// requests may have come this far.
	if !c.e.codes.redeem(code) {
		return nil, alreadyRedeemed()
	}
	g.user.nonce = rec.nonce
	return g, nil
}

func alreadyRedeemed() *refusal {
	return refuse(54005, "the code was redeemed before",
		"OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.")
}

// checkCode compares the request with the one in which the code was issued.
func (c *call) checkCode(app *application, uri string, rec codeRecord, known bool) *refusal {
	switch {
	case !known || !strings.EqualFold(rec.client, app.ClientID):
		return refuse(70000, "the code is unknown or another client's",
			"The provided value for the 'code' parameter is not valid.")
	case rec.tenant != c.tenant.ID:
		return refuse(700005, fmt.Sprintf("the code was issued by tenant %s, and is redeemed at %s", rec.tenant, c.tenant.ID),
			"The provided authorization code is intended to use against other tenant, thus rejected.")
	case rec.redirectURI != uri:
		return refuse(500112, fmt.Sprintf("the code was requested for %s, and is redeemed with %s", rec.redirectURI, uri),
			"The reply address '%s' does not match the reply address '%s' provided when requesting Authorization code.", uri, rec.redirectURI)
	case rec.redeemed:
		return alreadyRedeemed()
	case !c.now.Before(rec.expires):
		return refuse(70008, "the code expired at "+rec.expires.UTC().Format(time.RFC3339),
			"The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.")
	}
	return checkVerifier(rec, c.form.Get("code_verifier"))
}

// checkVerifier is RFC 7636 section 4.6.
func checkVerifier(rec codeRecord, verifier string) *refusal {
	mismatch := func(code int, reason string) *refusal {
		return refuse(code, reason, "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
	}
	transformed := verifier
	if rec.method == "S256" {
		transformed = challengeOf(verifier)
	}
	switch {
	case rec.challenge == "" && verifier == "":
		return nil
	case rec.challenge == "":
		// Taking it would let who strips the challenge from a request go unnoticed
		// (RFC 9700 section 4.8.2).
		return mismatch(50148, "there is a code_verifier, and the code was requested without code_challenge")
	case verifier == "":
		return mismatch(50148, "there is no code_verifier, and the code was requested with code_challenge")
	case subtle.ConstantTimeCompare([]byte(transformed), []byte(rec.challenge)) != 1:
		return mismatch(501481, "the code_verifier is not the one of the code_challenge ("+rec.method+")")
	}
	return nil
}

// challengeOf is the method S256.
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// challengePattern is the form of verifiers and challenges.
var challengePattern = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// checkChallenge returns the method of a challenge, plain if none is named.
func checkChallenge(challenge, method string) (string, *refusal) {
	switch {
	case challenge == "" && method == "":
		return "", nil
	case challenge == "":
		return "", missing("code_challenge", "there is a code_challenge_method and no code_challenge")
	case method != "" && method != "plain" && method != "S256":
		return "", refuse(50149, "code_challenge_method is "+method+", known are S256 and plain", "Invalid Code_Challenge_method parameter.")
	case !challengePattern.MatchString(challenge):
		return "", refuse(501491, "code_challenge is not 43 to 128 letters, digits or any of -._~", "Invalid size of Code_Challenge parameter.")
	case method == "":
		return "plain", nil
	}
	return method, nil
}

// offlineIn reports whether a scope parameter asks for a refresh token.
func offlineIn(scope string) bool {
	return slices.ContainsFunc(strings.Fields(scope), func(s string) bool { return strings.EqualFold(s, "offline_access") })
}

// WithCodeChallenge requests a code with the challenge of RFC 7636. method is S256, or
// plain, which empty means too.
func WithCodeChallenge(challenge, method string) UserTokenOption {
	return func(o *userTokenOptions) { o.challenge, o.method = challenge, method }
}

// WithScope is what a code is requested for. Default: openid, profile, offline_access
// and Microsoft Graph's User.Read. Without offline_access there will be no refresh token.
func WithScope(scope string) UserTokenOption {
	return func(o *userTokenOptions) { o.codeScope = scope }
}

// WithNonce is the nonce that the ID token will have.
func WithNonce(nonce string) UserTokenOption { return func(o *userTokenOptions) { o.nonce = nonce } }

// AuthorizationCode returns what the user's sign-in sends to an application's redirect
// URI, which has to be a registered one: a code that can be redeemed once, for ten
// minutes unless [Lasting] says otherwise. user is a username.
func (e *Emulator) AuthorizationCode(user, clientID, redirectURI string, options ...UserTokenOption) (string, error) {
	o := userTokenOptions{lifetime: codeLifetime, did: fullSignIn, codeScope: "openid profile offline_access User.Read"}
	for _, option := range options {
		option(&o)
	}
	t, u, err := e.setup.Load().directory.account(o.tenant, user)
	if err != nil {
		return "", err
	}
	app := t.application(clientID)
	if app == nil {
		return "", fmt.Errorf("entratest: tenant %s has no application %q", t.ID, clientID)
	}
	if _, registered := app.redirect(redirectURI); !registered {
		return "", fmt.Errorf("entratest: application %s has no redirect URI %q", clientID, redirectURI)
	}
	method, ref := checkChallenge(o.challenge, o.method)
	if ref != nil {
		return "", fmt.Errorf("entratest: %s", ref.reason)
	}
	return e.codes.issue(codeRecord{
		tenant: t.ID, client: app.ClientID, user: u.ID, redirectURI: redirectURI, scope: o.codeScope, nonce: o.nonce, did: o.did,
		challenge: o.challenge, method: method, expires: e.clock().Add(o.lifetime),
	}), nil
}
