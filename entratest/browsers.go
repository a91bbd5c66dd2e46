package entratest

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// browser is one that people use the pages with. A cookie tells it.
type browser struct {
	id string
	// accounts are those that have signed in, the latest first.
	accounts []*account
	signIns  []*signIn // under way, oldest first
}

// account is a user who has signed in, in a browser.
type account struct {
	tenant, user string // GUIDs
	did          SignIn
	number       int // of the user's sessions: see person
}

// browsers are those that the pages were shown to.
type browsers struct {
	mu  sync.Mutex // guards all below, and what it points to
	all []*browser // the one that was seen last is the last
}

// Bounds of what an emulator remembers; the oldest go first.
const (
	maxBrowsers = 1_000
	maxSignIns  = 20 // of one browser
)

// browser finds the one that a call comes from, nil if it has not been here before.
func (b *browsers) find(c *call) *browser {
	cookie, err := c.req.Cookie(c.cookieName())
	if err != nil {
		return nil
	}
	i := slices.IndexFunc(b.all, func(known *browser) bool { return known.id == cookie.Value })
	if i < 0 {
		return nil
	}
	known := b.all[i]
	b.all = append(slices.Delete(b.all, i, i+1), known)
	return known
}

// meet finds the browser of a call, or takes it for a new one.
func (b *browsers) meet(c *call) *browser {
	if known := b.find(c); known != nil {
		return known
	}
	if len(b.all) >= maxBrowsers {
		b.all = slices.Delete(b.all, 0, 1)
	}
	met := &browser{id: opaque(32)}
	b.all = append(b.all, met)
	return met
}

// cookieName has the port: browsers keep cookies by host alone, and emulators are told
// apart by their ports.
func (c *call) cookieName() string {
	_, port, _ := net.SplitHostPort(c.req.Host)
	return strings.TrimSuffix("entratest-browser-"+port, "-")
}

// remember adds the cookie to an answer.
func (c *call) remember(rep reply, b *browser) reply {
	cookie := http.Cookie{
		Name: c.cookieName(), Value: b.id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(c.origin, "https:"),
	}
	rep.header.Add("Set-Cookie", cookie.String())
	return rep
}

// signIn is a person on the way through the pages, on behalf of an application.
type signIn struct {
	// id is in the forms of the pages, and in nobody else's: other sites cannot have a
	// form sent here.
	id    string
	begun time.Time

	// The request: an authorization request, or what a device code was issued for.
	segment  string // the tenant as it was named
	dialect  dialect
	form     url.Values
	device   bool
	userCode string // of the device; empty: not entered yet

	// How far the person is.
	tenant, user string // GUIDs; empty: not chosen yet
	byName       bool   // the user is to be named, not picked
	username     string // that was given
	account      *account
	code         string // that the second factor has to give; empty: not asked for yet
	consented    bool
	confirmed    bool // the application, at a device code
}

func (b *browser) begin(s *signIn) {
	s.id = opaque(24)
	b.signIns = append(b.signIns, s)
	if len(b.signIns) > maxSignIns {
		b.signIns = slices.Delete(b.signIns, 0, 1)
	}
}

func (b *browser) find(id string) *signIn {
	i := slices.IndexFunc(b.signIns, func(s *signIn) bool { return s.id == id })
	if i < 0 {
		return nil
	}
	return b.signIns[i]
}

func (b *browser) end(s *signIn) {
	b.signIns = slices.DeleteFunc(b.signIns, func(other *signIn) bool { return other == s })
}

// admit notes who has given a password, and what that was worth before is over.
func (b *browser) admit(a *account) {
	b.accounts = slices.DeleteFunc(b.accounts, func(old *account) bool { return old.tenant == a.tenant && old.user == a.user })
	b.accounts = slices.Insert(b.accounts, 0, a)
}

// signedIn returns the accounts of a browser whose users still exist, may sign in, and
// have had no session ended since.
func (c *call) signedIn(b *browser) []*account {
	return slices.DeleteFunc(slices.Clone(b.accounts), func(a *account) bool {
		t := c.directory.tenant(a.tenant)
		return t == nil || t.user(a.user) == nil || c.e.people.view(a.user).sessions != a.number
	})
}

// Verification is the second factor of somebody who is signing in on the pages: the code
// that a telephone would show.
type Verification struct {
	Username string `json:"username"`
	ClientID string `json:"clientId"`
	Code     string `json:"code"`
	// Time when it was asked for, by Config.Clock.
	Time time.Time `json:"time"`
}

// Verifications returns the codes that people are being asked for, oldest first. See
// [Config.VerificationCode] for one that is known beforehand.
func (e *Emulator) Verifications() []Verification {
	e.browsers.mu.Lock()
	defer e.browsers.mu.Unlock()
	d := e.setup.Load().directory
	all := []Verification{}
	for _, b := range e.browsers.all {
		for _, s := range b.signIns {
			if _, u := d.anyUser(s.user); s.code != "" && u != nil {
				all = append(all, Verification{Username: u.Username, ClientID: s.form.Get("client_id"), Code: s.code, Time: s.begun})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Verification) int { return a.Time.Compare(b.Time) })
	return all
}
