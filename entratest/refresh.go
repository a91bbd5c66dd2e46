package entratest

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// refreshRecord is what a refresh token stands for.
type refreshRecord struct {
	tenant, client, user string
	platform             platform // of the client that got it
	family               string   // of applications that may use it, empty: none
	did                  SignIn
	session              int // the number of the user's sessions: see person
	at                   time.Time
}

// maxRefreshTokens bounds what an emulator remembers; the oldest go first.
const maxRefreshTokens = 100_000

// refreshTokens are those that were issued. Redeeming one issues another and leaves
// it working, as Entra does: the client may not have got the answer.
type refreshTokens struct {
	mu     sync.Mutex // guards all below
	tokens map[string]refreshRecord
	order  []string
}

func (r *refreshTokens) issue(rec refreshRecord) string {
	token := "1." + opaque(48)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tokens == nil {
		r.tokens = map[string]refreshRecord{}
	}
	r.tokens[token] = rec
	r.order = append(r.order, token)
	for len(r.order) > maxRefreshTokens {
		delete(r.tokens, r.order[0])
		r.order = r.order[1:]
	}
	return token
}

func (r *refreshTokens) find(token string) (refreshRecord, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec, ok := r.tokens[token]
	return rec, ok
}

// RevokeRefreshTokens makes all refresh tokens of a user useless, as a password
// change or an administrator does.
func (e *Emulator) RevokeRefreshTokens(user string) {
	s := e.setup.Load()
	e.refresh.mu.Lock()
	defer e.refresh.mu.Unlock()
	for token, rec := range e.refresh.tokens {
		t := s.directory.tenant(rec.tenant)
		if t == nil {
			continue
		}
		if u := t.user(user); u != nil && u.ID == rec.user {
			delete(e.refresh.tokens, token)
		}
	}
}

// refreshToken is the grant of RFC 6749 section 6.
func refreshToken(c *call) (*grant, *refusal) {
	token := c.form.Get("refresh_token")
	rec, ok := c.e.refresh.find(token)
	if ok && c.tenant == nil && isPseudoTenant(c.segment) {
		c.settle(c.directory.tenant(rec.tenant))
	}
	app, ref := c.namedClient()
	if ref != nil {
		return nil, ref
	}
	if !ok && !c.hasProof() && len(app.PublicRedirectURIs) > 0 {
		rec.platform = publicClient
	}
	proof, ref := c.prove(app, rec.platform)
	if ref != nil {
		return nil, ref
	}
	if token == "" {
		return nil, missing("refresh_token", "there is no refresh_token in the form")
	}
	if ref := rec.check(app, ok); ref != nil {
		return nil, ref
	}
	user, ref := c.activeUser(rec.user)
	if ref != nil {
		return nil, ref
	}
	if p := c.e.people.view(user.ID); rec.session < p.sessions {
		ref := refuse(50173, "the user's sessions were revoked, or the password changed, after the sign-in of "+rec.at.UTC().Format(time.RFC3339),
			"The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password. The grant was issued on '%s' and the TokensValidFrom date (before which tokens are not valid) for this user is '%s'.",
			rec.at.UTC().Format(time.RFC3339Nano), p.validFrom.UTC().Format(time.RFC3339Nano))
		ref.suberror = "bad_token"
		return nil, ref
	}
	return c.issueForUser(app, proof, userSession{user: user, did: rec.did, number: rec.session}, rec.platform, true)
}

// check says whether app may redeem the token: it is its own, or of its family.
func (rec refreshRecord) check(app *application, known bool) *refusal {
	own := strings.EqualFold(rec.client, app.ClientID)
	switch {
	case known && (own || rec.family != "" && rec.family == app.FamilyID):
		return nil
	case known && rec.family != "":
		ref := refuse(70000, fmt.Sprintf("the refresh token is of family %s, and application %s is not in it", rec.family, app.ClientID),
			"The refresh token was issued to a family of clients, and this client is not a member of it.")
		ref.suberror = "client_mismatch"
		return ref
	}
	ref := refuse(70000, "the refresh token is unknown, revoked, or another client's",
		"The provided grant has expired due to it being revoked or is invalid. A fresh grant must be obtained.")
	ref.suberror = "bad_token"
	return ref
}
