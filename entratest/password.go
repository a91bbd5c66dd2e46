package entratest

import (
	"crypto/subtle"
	"fmt"
	"strings"
	"time"
)

const (
	defaultLockoutThreshold = 10
	lockoutTime             = time.Minute
)

// passwordGrant is the grant of RFC 6749 section 4.3.
func passwordGrant(c *call) (*grant, *refusal) {
	username := c.form.Get("username")
	switch {
	case strings.EqualFold(c.segment, "common") || strings.EqualFold(c.segment, "consumers"):
		return nil, refuse(9001023, "the password grant needs a tenant or organizations in the path",
			"The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.")
	case username == "":
		return nil, missing("username", "there is no username in the form")
	case c.form.Get("password") == "":
		return nil, missing("password", "there is no password in the form")
	}
	if c.tenant == nil && isPseudoTenant(c.segment) {
		c.settle(c.directory.tenant(domain(username)))
	}
	app, proof, kind, ref := c.nativeClient()
	if ref != nil {
		return nil, ref
	}
	user, ref := c.activeUser(username)
	if ref != nil {
		return nil, ref
	}
	if c.tenant.federated(domain(username)) != nil {
		return nil, refuse(50126, "the user's domain is federated: the password has to go to its server",
			"Error validating credentials due to invalid username or password.")
	}
	if ref := c.checkPassword(user, c.form.Get("password")); ref != nil {
		return nil, ref
	}
	return c.issueForUser(app, proof, c.session(user, SignIn{}), kind, offlineIn(c.form.Get("scope")))
}

// checkPassword is the check itself, with its count of failures.
func (c *call) checkPassword(u *User, password string) (ref *refusal) {
	c.e.people.change(u.ID, func(p *person) {
		right := u.Password
		if p.password != nil {
			right = *p.password
		}
		if c.now.Before(p.lockedUntil) {
			ref = locked(p)
			return
		}
		if right == "" || subtle.ConstantTimeCompare([]byte(right), []byte(password)) != 1 {
			ref = refuse(50126, fmt.Sprintf("the password of %s is another (wrong %d times in a row)", u.Username, p.failures+1),
				"Error validating credentials due to invalid username or password.")
			if p.failures++; p.failures >= c.cfg.LockoutThreshold {
				p.failures, p.lockedUntil = 0, c.now.Add(lockoutTime)
			}
			return
		}
		p.failures = 0
		if u.PasswordExpired && p.password == nil {
			ref = refuse(50055, "the user's password is configured as expired", "The password is expired.")
			ref.suberror = "user_password_expired"
		}
	})
	return ref
}

func locked(p *person) *refusal {
	return refuse(50053, "too many wrong passwords; the account is locked until "+p.lockedUntil.UTC().Format(time.RFC3339),
		"The account is locked, you've tried to sign in too many times with an incorrect user ID or password.")
}
