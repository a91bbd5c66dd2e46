package entratest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// person is what has happened to a user since the emulator started.
type person struct {
	password *Password // nil: the configured one
	disabled *bool     // nil: as configured
	// sessions counts how often all of the user's were ended. Refresh tokens of a
	// lower number are void.
	sessions int
	// validFrom is the second from which access tokens are good.
	validFrom time.Time

	failures    int // wrong passwords in a row
	lockedUntil time.Time
	consents    map[string]bool // by client ID
}

// people are those to whom something has happened, by object ID.
type people struct {
	mu   sync.Mutex // guards all below
	byID map[string]*person
}

// change calls f with the user's person under the lock.
func (p *people) change(id string, f func(*person)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID == nil {
		p.byID = map[string]*person{}
	}
	if p.byID[id] == nil {
		p.byID[id] = &person{consents: map[string]bool{}}
	}
	f(p.byID[id])
}

// view returns a copy.
func (p *people) view(id string) person {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID[id] == nil {
		return person{}
	}
	return *p.byID[id]
}

// endSessions is what a revocation and a password change have in common. Access tokens
// carry whole seconds: those of this one are over, too.
func (p *person) endSessions(now time.Time) {
	p.sessions++
	p.validFrom = now.Truncate(time.Second).Add(time.Second)
}

// changeUser applies a change to a user of any tenant, by username or object ID.
func (e *Emulator) changeUser(user string, f func(*person)) error {
	_, u := e.setup.Load().directory.anyUser(user)
	if u == nil {
		return fmt.Errorf("entratest: there is no user %q", user)
	}
	e.people.change(u.ID, f)
	return nil
}

// anyUser finds a user of any tenant, nil if there is none.
func (d *directory) anyUser(name string) (*tenant, *User) {
	for _, t := range d.tenants {
		if u := t.user(name); u != nil {
			return t, u
		}
	}
	return nil, nil
}

// RevokeSessions ends all sessions of a user, as an administrator does: refresh tokens
// are refused with AADSTS50173, and resources that know of continuous access evaluation,
// such as /_api/me, want a newer access token. user is a username or an object ID.
func (e *Emulator) RevokeSessions(user string) error {
	return e.changeUser(user, func(p *person) { p.endSessions(e.clock()) })
}

// SetPassword gives a user another password, and ends the sessions as
// [Emulator.RevokeSessions] does. It also unlocks the account.
func (e *Emulator) SetPassword(user string, password Password) error {
	return e.changeUser(user, func(p *person) {
		p.password = &password
		p.failures, p.lockedUntil = 0, time.Time{}
		p.endSessions(e.clock())
	})
}

// SetDisabled disables a user, or enables one. Whoever is disabled gets no tokens
// (AADSTS50057), and those at hand are no longer taken by resources that know of
// continuous access evaluation.
func (e *Emulator) SetDisabled(user string, disabled bool) error {
	return e.changeUser(user, func(p *person) {
		p.disabled = &disabled
		if disabled {
			p.endSessions(e.clock())
		}
	})
}

// Consent notes that a user lets an application act for them: see
// [Application.ConsentRequired].
func (e *Emulator) Consent(user, clientID string) error {
	return e.changeUser(user, func(p *person) { p.consents[strings.ToLower(clientID)] = true })
}

func (e *Emulator) consented(u *User, app *application) bool {
	if slices.ContainsFunc(u.Consents, func(id string) bool { return strings.EqualFold(id, app.ClientID) }) {
		return true
	}
	e.people.mu.Lock()
	defer e.people.mu.Unlock()
	p := e.people.byID[u.ID]
	return p != nil && p.consents[strings.ToLower(app.ClientID)]
}
