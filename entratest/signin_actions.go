package entratest

import (
	"crypto/subtle"
	"net/url"
	"slices"
	"strings"
)

// actions are what a person can do on a page. They change the sign-in, and return an
// answer, or else what was wrong.
var actions = map[string]func(*call, *browser, *signIn, url.Values) (*reply, *refusal){
	"code":     (*call).enterUserCode,
	"account":  (*call).pickAccount,
	"another":  (*call).useAnother,
	"username": (*call).enterUsername,
	"password": (*call).enterPassword,
	"verify":   (*call).enterVerification,
	"device":   (*call).useCompliantDevice,
	"consent":  (*call).giveConsent,
	"confirm":  (*call).confirmApp,
	"cancel":   (*call).cancel,
	"return":   (*call).returnRefused,
}

func (c *call) pickAccount(b *browser, s *signIn, posted url.Values) (*reply, *refusal) {
	tenantID, userID, _ := strings.Cut(posted.Get("account"), "/")
	t := c.directory.tenant(tenantID)
	if t == nil || t.user(userID) == nil || !slices.Contains(c.homes(s), t) {
		return nil, refuse(50034, "the form names a user whom the page did not show", "The user account does not exist in the directory.")
	}
	c.choose(s, t, t.user(userID))
	if s.prompts("login") {
		return nil, nil
	}
	for _, a := range c.usable(b, s) {
		if a.tenant == s.tenant && a.user == s.user {
			s.account = a
		}
	}
	return nil, nil
}

func (c *call) useAnother(_ *browser, s *signIn, posted url.Values) (*reply, *refusal) {
	s.tenant, s.user, s.account, s.code, s.username = "", "", nil, "", ""
	s.byName = posted.Get("by") == "name"
	c.resume(s)
	return nil, nil
}

func (c *call) enterUsername(_ *browser, s *signIn, posted url.Values) (*reply, *refusal) {
	s.username = strings.TrimSpace(posted.Get("loginfmt"))
	for _, t := range c.homes(s) {
		if u := t.user(s.username); u != nil {
			c.choose(s, t, u)
			return nil, nil
		}
	}
	s.byName = true
	return nil, refuse(50034, "none of the tenants that may sign in has a user of this name",
		"The user account %s does not exist in the directory.", s.username)
}

func (c *call) enterPassword(b *browser, s *signIn, posted url.Values) (*reply, *refusal) {
	// The page may be an older one, by the browser's way back: who it is of counts.
	if u, name := c.chosen(s), posted.Get("username"); name != "" && (u == nil || !strings.EqualFold(u.Username, name)) {
		if _, ref := c.enterUsername(b, s, url.Values{"loginfmt": {name}}); ref != nil {
			return nil, ref
		}
	}
	if s.user == "" {
		return nil, nil
	}
	// Of federated domains, too: the emulator plays their servers as well.
	u, ref := c.activeUser(s.user)
	if ref == nil {
		ref = c.checkPassword(u, posted.Get("passwd"))
	}
	if ref != nil {
		return nil, ref
	}
	s.account = &account{tenant: c.tenant.ID, user: u.ID, number: c.e.people.view(u.ID).sessions}
	b.admit(s.account)
	return nil, nil
}

func (c *call) enterVerification(_ *browser, s *signIn, posted url.Values) (*reply, *refusal) {
	switch {
	case s.account == nil || s.code == "":
		return nil, nil
	case subtle.ConstantTimeCompare([]byte(s.code), []byte(strings.ReplaceAll(posted.Get("verification_code"), " ", ""))) != 1:
		return nil, refuse(500121, "the verification code is another; /_emulator/ and Verifications show it",
			"Authentication failed during strong authentication request.")
	}
	s.account.did.MFA, s.code = true, ""
	return nil, nil
}

// useCompliantDevice is for whoever runs the emulator, and wants to see the other side
// of the condition.
func (c *call) useCompliantDevice(_ *browser, s *signIn, _ url.Values) (*reply, *refusal) {
	if s.account != nil {
		s.account.did.CompliantDevice = true
	}
	return nil, nil
}

func (c *call) giveConsent(_ *browser, s *signIn, _ url.Values) (*reply, *refusal) {
	app, ref := c.client()
	if ref == nil && s.account != nil {
		ref = c.unmet(s, app)
	}
	// Consent is the last question.
	if s.account != nil && (ref == nil || ref.code == 65001) {
		s.consented = true
		c.e.people.change(s.user, func(p *person) { p.consents[strings.ToLower(c.form.Get("client_id"))] = true })
	}
	return nil, nil
}

func (c *call) confirmApp(_ *browser, s *signIn, _ url.Values) (*reply, *refusal) {
	s.confirmed = s.account != nil
	return nil, nil
}

// cancel sends the application away empty-handed.
func (c *call) cancel(b *browser, s *signIn, _ url.Values) (*reply, *refusal) {
	ref := refuse(65004, "the user cancelled", "User declined to consent to access the app.")
	if s.device {
		return c.declineDevice(b, s), nil
	}
	return c.sendRefused(b, ref, s), nil
}

// returnRefused sends the application the refusal that the page showed.
func (c *call) returnRefused(b *browser, s *signIn, _ url.Values) (*reply, *refusal) {
	app, ref := c.client()
	if ref == nil && s.account != nil && !s.device {
		if ref = c.unmet(s, app); ref != nil {
			return c.sendRefused(b, ref, s), nil
		}
	}
	return nil, ref
}

func (c *call) sendRefused(b *browser, ref *refusal, s *signIn) *reply {
	b.end(s)
	a, wrong := c.authorization()
	if wrong != nil {
		rep := c.errorPage(wrong)
		return &rep
	}
	parameters := c.refusalParameters(ref)
	if ref.code == 65004 {
		parameters.Set("error_subcode", "cancel")
	}
	rep := c.sendBack(a, parameters)
	return &rep
}
