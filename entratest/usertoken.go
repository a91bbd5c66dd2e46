package entratest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// userGrant is what a grant hands out beside the access token when it acts for a
// user.
type userGrant struct {
	app          *application
	user         *User
	scopes       []string // granted, as the scope member lists them
	refreshToken string   // empty: none is handed out
	nonce        string   // of the sign-in, for the ID token
	openID       bool
}

// respond adds the members of a user's answer.
func (g *userGrant) respond(c *call, body map[string]any) {
	body["scope"] = strings.Join(g.scopes, " ")
	if g.refreshToken != "" {
		body["refresh_token"] = g.refreshToken
		if g.app.FamilyID != "" {
			body["foci"] = g.app.FamilyID
		}
	}
	if g.openID {
		body["id_token"] = c.idToken(g.app, g.user, g.nonce)
	}
	if c.form.Get("client_info") == "1" {
		body["client_info"] = clientInfo(c.tenant, g.user)
	}
}

func clientInfo(t *tenant, u *User) string {
	info, err := json.Marshal(map[string]string{"uid": u.ID, "utid": t.ID})
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(info)
}

// idToken builds and signs the user's ID token for an application.
func (c *call) idToken(app *application, u *User, nonce string) string {
	issuer, ref := c.issuer()
	if ref != nil {
		panic("a user's tenant has an issuer")
	}
	now := c.now.Unix()
	claims := map[string]any{
		"aud": app.ClientID, "iss": issuer, "iat": now, "nbf": now, "exp": now + 3600,
		"name": u.Name, "oid": u.ID, "preferred_username": u.Username,
		"sub": pairwise(app.ClientID, u.ID), "tid": c.tenant.ID, "uti": opaque(16), "ver": "2.0",
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	text, err := c.e.signing().sign(claims)
	if err != nil {
		panic(err)
	}
	return text
}

// pairwise is the sub of a user's tokens: one for each application.
func pairwise(clientID, userID string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(stableGUID("pairwise subject", clientID, userID)))
}

// into writes what the user did into the claims of an access token.
func (s SignIn) into(claims map[string]any) {
	claims["amr"] = []string{"pwd"}
	if s.MFA {
		claims["amr"] = []string{"pwd", "mfa"}
	}
	if s.CompliantDevice {
		claims["deviceid"] = stableGUID("device", fmt.Sprint(claims["oid"]))
	}
}

// signIn reads it there.
func (t *jwt) signIn() SignIn {
	amr, _ := t.claims["amr"].([]any)
	return SignIn{MFA: slices.Contains(amr, any("mfa")), CompliantDevice: t.claim("deviceid") != ""}
}

// userToken builds an access token with which app acts for the user of a session.
func (c *call) userToken(app *application, proof proof, s userSession, identifier string, resource Resource, scopes []string, requested claimsRequest) (accessToken, *refusal) {
	u := s.user
	t, ref := c.newToken(app, proof, identifier, resource, requested)
	if ref != nil {
		return accessToken{}, ref
	}
	t.claims["name"] = u.Name
	t.claims["oid"] = u.ID
	t.claims["preferred_username"] = u.Username
	t.claims["sub"] = pairwise(fmt.Sprint(t.claims["aud"]), u.ID)
	t.claims["scp"] = strings.Join(delegated(identifier, scopes), " ")
	s.did.into(t.claims)
	return t, nil
}

// userImpersonation is the permission that a .default scope stands for: the
// emulator keeps no list of what users have consented to.
const userImpersonation = "user_impersonation"

// delegated returns the names of the permissions that scopes ask for on a resource.
func delegated(identifier string, scopes []string) []string {
	var names []string
	for _, s := range scopes {
		name := strings.TrimPrefix(s, identifier+"/")
		if name == ".default" {
			name = userImpersonation
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// userResource reads which resource a user's request is for. Scopes without a
// resource are Microsoft Graph's.
func (c *call) userResource() (identifier string, scopes []string, openID bool, _ *refusal) {
	if c.form.Get("scope") == "" {
		return "", nil, false, missing("scope", "there is no scope in the form")
	}
	for _, s := range strings.Fields(c.form.Get("scope")) {
		if isReservedScope(s) {
			openID = openID || strings.EqualFold(s, "openid")
			continue
		}
		resource := graph
		if i := strings.LastIndexByte(s, '/'); strings.Contains(s, "://") || guidPattern.MatchString(s[:max(i, 0)]) {
			resource = s[:i]
		} else {
			s = graph + "/" + s
		}
		if identifier != "" && !sameResource(identifier, resource) {
			return "", nil, false, refuse(28000, "the scope names two resources: "+identifier+" and "+resource,
				"Provided value for the input parameter scope is not valid because it contains more than one resource. Scope %s is not valid.", c.form.Get("scope"))
		}
		identifier, scopes = resource, append(scopes, s)
	}
	if identifier == "" {
		identifier, scopes = graph, []string{graph + "/User.Read"}
	}
	return identifier, scopes, openID, nil
}

// issueForUser is the last part of all grants that act for a user. offline adds a
// refresh token, for a client of the platform.
func (c *call) issueForUser(app *application, proof proof, s userSession, kind platform, offline bool) (*grant, *refusal) {
	identifier, scopes, openID, ref := c.userResource()
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
	if ref := c.checkConditions(app, s, identifier, requested); ref != nil {
		return nil, ref
	}
	token, ref := c.userToken(app, proof, s, identifier, resource, scopes, requested)
	if ref != nil {
		return nil, ref
	}
	g := &userGrant{app: app, user: s.user, openID: openID}
	for _, name := range delegated(identifier, scopes) {
		g.scopes = append(g.scopes, identifier+"/"+name)
	}
	for _, scope := range scopes {
		if strings.HasSuffix(scope, "/.default") {
			g.scopes = append(g.scopes, scope)
		}
	}
	if offline {
		g.refreshToken = c.e.refresh.issue(refreshRecord{
			tenant: c.tenant.ID, client: app.ClientID, user: s.user.ID, platform: kind, family: app.FamilyID, did: s.did, session: s.number, at: c.now,
		})
	}
	return &grant{resource: identifier, token: token, user: g}, nil
}

// A UserTokenOption changes a token of [Emulator.UserToken] or a code of
// [Emulator.AuthorizationCode].
type UserTokenOption func(*userTokenOptions)

type userTokenOptions struct {
	tenant, origin string
	lifetime       time.Duration
	scope          string
	did            SignIn

	codeScope, nonce, challenge, method string // of codes only
}

// InTenant issues the token or code in another tenant than the first.
func InTenant(tenant string) UserTokenOption { return func(o *userTokenOptions) { o.tenant = tenant } }

// FromOrigin issues the token by another authority than login.microsoftonline.com,
// for example https://localhost:8443.
func FromOrigin(origin string) UserTokenOption {
	return func(o *userTokenOptions) { o.origin = origin }
}

// Lasting sets the lifetime, which may be negative. Default 1h, of codes ten minutes.
func Lasting(lifetime time.Duration) UserTokenOption {
	return func(o *userTokenOptions) { o.lifetime = lifetime }
}

// WithSignIn is how the user signed in. Default: of tokens a password alone, of codes
// all that may be asked for.
func WithSignIn(s SignIn) UserTokenOption { return func(o *userTokenOptions) { o.did = s } }

// UserToken returns an access token that a user has for a web API, as the API finds
// it in the Authorization header of a request: what the on-behalf-of grant takes as
// its assertion. user is a username, audience the API's client ID or one of its
// identifiers.
func (e *Emulator) UserToken(user, audience string, options ...UserTokenOption) (string, error) {
	o := userTokenOptions{origin: "https://login.microsoftonline.com", lifetime: time.Hour, scope: userImpersonation}
	for _, option := range options {
		option(&o)
	}
	s := e.setup.Load()
	t, u, err := s.directory.account(o.tenant, user)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequest(http.MethodPost, o.origin+"/"+t.ID+"/oauth2/v2.0/token", nil)
	if err != nil {
		return "", fmt.Errorf("entratest: %w", err)
	}
	c := &call{e: e, setup: s, req: r, now: e.clock(), origin: o.origin, segment: t.ID, tenant: t}
	client := &application{Application: Application{ClientID: stableGUID("client of a web API", t.ID, audience), TokenLifetime: time.Hour}}
	token, ref := c.userToken(client, proofNone, c.session(u, o.did), audience, Resource{}, []string{audience + "/" + o.scope}, claimsRequest{})
	if ref != nil {
		return "", fmt.Errorf("entratest: %s", ref.reason)
	}
	token.claims["exp"] = token.issued.Add(o.lifetime).Unix()
	if o.lifetime < 0 {
		token.claims["iat"] = token.issued.Add(o.lifetime - time.Hour).Unix()
		token.claims["nbf"] = token.claims["iat"]
	}
	return e.signing().sign(token.claims)
}
