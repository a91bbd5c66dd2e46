package entratest

import (
	"strings"
	"sync"
)

// refreshRecord is what a refresh token stands for.
type refreshRecord struct {
	tenant, client, user string
	platform             platform // of the client that got it
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
	app, ref := c.namedClient()
	if ref != nil {
		return nil, ref
	}
	token := c.form.Get("refresh_token")
	rec, ok := c.e.refresh.find(token)
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
	if !ok || !strings.EqualFold(rec.client, app.ClientID) {
		ref := refuse(70000, "the refresh token is unknown, revoked, or another client's",
			"The provided grant has expired due to it being revoked or is invalid. A fresh grant must be obtained.")
		ref.suberror = "bad_token"
		return nil, ref
	}
	user, ref := c.tenant.activeUser(rec.user)
	if ref != nil {
		return nil, ref
	}
	return c.issueForUser(app, proof, user, rec.platform, true)
}
