package entratest

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The pages of a sign-in are one machine. Each form says what the person did (do), that
// changes how far the sign-in is, and nextPage shows what is left to be asked.

// serveSignIn takes the forms of all pages.
func serveSignIn(c *call) reply {
	if c.formErr != nil {
		return c.errorPage(c.formErr)
	}
	c.e.browsers.mu.Lock()
	defer c.e.browsers.mu.Unlock()
	posted := c.form
	b := c.e.browsers.find(c)
	if b == nil {
		return c.lost("the browser has no cookie of the emulator, or an old one")
	}
	s := b.find(posted.Get("signin_token"))
	if s == nil {
		return c.lost("the form belongs to no sign-in of this browser: it is over, or the form was made elsewhere")
	}
	c.resume(s)
	do, ok := actions[posted.Get("do")]
	if !ok {
		return c.lost("the form says nothing to do that is known")
	}
	rep, wrong := do(c, b, s, posted)
	if rep == nil {
		next := c.nextPage(b, s, wrong)
		rep = &next
	}
	return c.remember(*rep, b)
}

// serveSignInLost is for whoever comes without a form.
func serveSignInLost(c *call) reply { return c.lost("there is no form in the request") }

func (c *call) lost(reason string) reply {
	return c.errorPage(refuse(90023, reason, "This page belongs to no sign-in that is under way. Go back to the application and sign in from there."))
}

// resume makes the call one for what the sign-in is for.
func (c *call) resume(s *signIn) {
	c.segment, c.route.dialect, c.form = s.segment, s.dialect, s.form
	if c.form == nil {
		c.form = url.Values{} // no user code yet
	}
	c.tenant = nil
	c.settle(c.named())
	if s.tenant != "" {
		c.settle(c.directory.tenant(s.tenant))
	}
	c.entry.ClientID, c.entry.Scope = s.form.Get("client_id"), s.form.Get("scope")
}

// chosen finds the user of the sign-in, in the tenant to which the call is settled then.
func (c *call) chosen(s *signIn) *User {
	if s.user == "" || c.tenant == nil {
		return nil
	}
	return c.tenant.user(s.user)
}

// homes are the tenants whose users may sign in.
func (c *call) homes(s *signIn) []*tenant {
	one := c.named()
	return filter(c.directory.tenants, func(t *tenant) bool {
		return t == one || isPseudoTenant(s.segment) && t.application(s.form.Get("client_id")) != nil
	})
}

// choose notes whose sign-in it is.
func (c *call) choose(s *signIn, t *tenant, u *User) {
	s.tenant, s.user, s.account, s.code = t.ID, u.ID, nil, ""
	c.settle(t)
}

func (s *signIn) prompts(p string) bool {
	return slices.Contains(strings.Fields(s.form.Get("prompt")), p)
}

// ofHintedDomain reports whether the request lets a user be picked: a domain_hint leaves
// those of one domain, or of one tenant.
func (c *call) ofHintedDomain(t *tenant, u *User) bool {
	hint := strings.ToLower(c.form.Get("domain_hint"))
	named := c.directory.tenant(hint)
	return named == nil || named == t && (hint == t.ID || domain(u.Username) == hint)
}

// usable are the accounts of the browser that may go on without a password.
func (c *call) usable(b *browser, s *signIn) []*account {
	homes := c.homes(s)
	return filter(c.signedIn(b), func(a *account) bool {
		t := c.directory.tenant(a.tenant)
		return slices.Contains(homes, t) && c.ofHintedDomain(t, t.user(a.user))
	})
}

// recognise is single sign-on: it goes as far as can be without a question.
func (c *call) recognise(b *browser, s *signIn) {
	hint := c.form.Get("login_hint")
	s.username = hint
	if s.prompts("select_account") {
		return
	}
	accounts := c.usable(b, s)
	if hint != "" {
		accounts = filter(accounts, func(a *account) bool {
			return c.directory.tenant(a.tenant).user(hint) == c.directory.tenant(a.tenant).user(a.user)
		})
	}
	if len(accounts) == 1 && !s.prompts("login") {
		t := c.directory.tenant(accounts[0].tenant)
		c.choose(s, t, t.user(accounts[0].user))
		s.account = accounts[0]
		return
	}
	for _, t := range c.homes(s) {
		if u := t.user(hint); hint != "" && u != nil {
			c.choose(s, t, u)
			return
		}
	}
	s.byName = hint != ""
}

// silently answers prompt=none: it asks nobody.
func (c *call) silently(a *authorization) reply {
	s := &signIn{segment: c.segment, dialect: c.route.dialect, form: c.form}
	ref := nobodySignedIn("the browser has no session of a user who may sign in")
	if b := c.e.browsers.find(c); b != nil {
		if c.recognise(b, s); s.account == nil && c.form.Get("login_hint") == "" && len(c.usable(b, s)) > 1 {
			ref = refuse(16000, "several users are signed in, and there is no login_hint",
				"Either multiple user identities are available for the current request or selected account is not supported for the scenario.")
		}
	}
	if s.account != nil {
		if ref = c.unmet(s, a.app); ref == nil {
			return c.sendBack(a, c.grantCode(a, c.chosen(s), s.account.did))
		}
		if ref.oauth = "interaction_required"; ref.code == 65001 {
			ref.oauth = "consent_required"
		}
	}
	return c.sendBack(a, c.refusalParameters(ref))
}

// unmet says what is still asked of a user who has signed in.
func (c *call) unmet(s *signIn, app *application) *refusal {
	u, ref := c.activeUser(s.user)
	if ref != nil {
		return ref
	}
	identifier, _, _, ref := c.userResource()
	if ref != nil {
		return ref
	}
	requested, ref := parseClaims(c.form.Get("claims"), c.now)
	if ref != nil {
		return ref
	}
	return c.checkConditions(app, userSession{u, s.account.did, s.account.number}, identifier, requested)
}

// nextPage asks what is still to be asked, or else answers the application. wrong is the
// mistake on the page before.
func (c *call) nextPage(b *browser, s *signIn, wrong *refusal) reply {
	v := view{SignIn: s.id, Device: s.device, Name: s.username, Return: !s.device}
	if wrong != nil {
		c.note(wrong)
		v.Mistake = &mistake{wrong.name(), wrong.plainly()}
	}
	if s.device && s.userCode == "" {
		v.Title = "Enter the code"
		return c.signInPage("devicecode", v, nil)
	}
	var a *authorization
	app, ref := c.client()
	if ref == nil && !s.device {
		if a, ref = c.authorization(); ref == nil {
			ref = c.checkAuthorization(a)
		}
	}
	if ref != nil { // the emulator was reconfigured
		b.end(s)
		return c.errorPage(ref)
	}
	v.App, v.Client, v.Tenant = app.shown(), app.ClientID, c.tenant.display()
	v.User = c.chosen(s)
	if s.account != nil && c.e.people.view(s.user).sessions != s.account.number {
		s.account = nil // the session was ended meanwhile
	}
	switch {
	case v.User == nil && s.byName:
		v.Title = "Sign in"
		return c.signInPage("username", v, a)
	case v.User == nil:
		v.Title, v.Accounts = "Pick an account", c.pickables(b, s)
		return c.signInPage("accounts", v, a)
	case s.account == nil:
		v.Title = "Enter the password"
		return c.signInPage("password", v, a)
	}
	ref = c.unmet(s, app)
	switch {
	case ref != nil && ref.code == 50076:
		if s.code == "" {
			s.code = c.newVerification()
		}
		v.Title = "Verify that it is you"
		return c.signInPage("verify", v, a)
	case ref != nil && ref.code == 65001, ref == nil && s.prompts("consent") && !s.consented:
		v.Title, v.Scopes = "Let "+v.App+" act for you?", c.permissions()
		return c.signInPage("consent", v, a)
	case ref != nil:
		c.note(ref)
		v.Title, v.Code, v.Facts = "You cannot get to this now", ref.name(), c.facts(ref)
		v.Text, v.CanFix = ref.plainly(), ref.code == 53000
		return c.signInPage("refused", v, a)
	case s.device && !s.confirmed:
		v.Title, v.Code = "Sign in to "+v.App+"?", s.userCode
		return c.signInPage("confirm", v, a)
	}
	b.end(s)
	if !s.device {
		return c.sendBack(a, c.grantCode(a, v.User, s.account.did))
	}
	if err := c.e.ApproveDeviceCode(s.userCode, v.User.ID, s.account.did); err != nil {
		return c.errorPage(refuse(70019, err.Error(), "Verification code expired. Have the user retry the sign-in."))
	}
	v.Title = "You have signed in"
	return c.signInPage("done", v, nil)
}

// signInPage shows a page from which cancelling may lead to the application.
func (c *call) signInPage(name string, v view, a *authorization) reply {
	target := ""
	if a != nil {
		target = a.redirectURI
	}
	return page(http.StatusOK, name, v, target)
}

// pickables are the accounts to choose from: those that are signed in, and, as this is
// an emulator, everybody else too.
func (c *call) pickables(b *browser, s *signIn) []pickable {
	var all []pickable
	seen := map[*User]bool{}
	add := func(t *tenant, u *User, signedIn bool) {
		if seen[u] {
			return
		}
		seen[u] = true
		all = append(all, pickable{ID: t.ID + "/" + u.ID, Name: u.Name, Username: u.Username, Tenant: t.display(), SignedIn: signedIn})
	}
	for _, a := range c.usable(b, s) {
		t := c.directory.tenant(a.tenant)
		add(t, t.user(a.user), true)
	}
	for _, t := range c.homes(s) {
		for _, u := range t.Users {
			if u := t.user(u.Username); c.ofHintedDomain(t, u) {
				add(t, u, false)
			}
		}
	}
	return all
}

// permissions are the scopes in words.
func (c *call) permissions() []string {
	identifier, scopes, _, _ := c.userResource()
	var all []string
	for _, s := range strings.Fields(c.form.Get("scope")) {
		if text := openIDScopes[strings.ToLower(s)]; text != "" {
			all = append(all, text)
		}
	}
	for _, s := range scopes {
		if name := strings.TrimPrefix(s, identifier+"/"); name != ".default" {
			all = append(all, "Use "+identifier+" as you: "+name)
			continue
		}
		all = append(all, "Use "+identifier+" as you")
	}
	return all
}

// openIDScopes are those that belong to no resource.
var openIDScopes = map[string]string{
	"openid":         "Sign you in",
	"profile":        "See your name and username",
	"email":          "See your e-mail address",
	"offline_access": "Keep this access while you are away",
}

func (c *call) newVerification() string {
	if c.cfg.VerificationCode != "" {
		return c.cfg.VerificationCode
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%06d", n)
}

// plainly is a refusal in words for the person, who sees the code beside it.
func (r *refusal) plainly() string {
	switch r.code {
	case 50034:
		return "There is no such account here. Check the username."
	case 50053:
		return "The account is locked after too many wrong passwords. Wait a minute, then try again."
	case 50055:
		return "The password has expired. Whoever runs this emulator can set another."
	case 50057:
		return "The account is disabled. Whoever runs this emulator can enable it."
	case 50126:
		return "The password is not right. Check it, and enter it again."
	case 500121:
		return "The code is not right. Check it, and enter it again."
	case 50079:
		return "More information is needed to keep the account safe: multifactor authentication has to be set up first."
	case 53000:
		return "Your organisation lets only compliant devices in, and this one is not known to be one."
	case 53003:
		return "Your sign-in was right, but your organisation does not let you in from here."
	case 70018:
		return "No sign-in waits for this code. Check it; it may have expired, too."
	}
	return r.text
}
