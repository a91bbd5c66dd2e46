package entratest

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// User is an account of a tenant.
type User struct {
	// ID is the object ID, the oid of the user's tokens. Default: a GUID derived
	// from tenant and username.
	ID string `json:"id,omitempty"`
	// Username is the user principal name, as in user@contoso.example.com.
	Username string `json:"username"`
	Name     string `json:"name,omitempty"`
	// Password with which the user signs in. Empty: with none.
	Password Password `json:"password,omitempty"`
	// PasswordExpired makes the right password worthless, with AADSTS50055.
	PasswordExpired bool `json:"passwordExpired,omitempty"`
	// Disabled users are refused with AADSTS50057, whatever they present.
	Disabled bool `json:"disabled,omitempty"`
	// Consents are the client IDs of the applications that the user lets act from the
	// beginning: see [Application.ConsentRequired].
	Consents []string `json:"consents,omitempty"`
	// Conditions are what is asked of the user beside the password.
	Conditions Conditions `json:"conditions"`
}

// Password is a user's. It prints as a placeholder; only its JSON form, the seed file,
// has the value.
type Password string

// Format implements [fmt.Formatter] for every verb.
func (p Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer].
func (p Password) LogValue() slog.Value { return slog.StringValue(redacted) }

// Conditions are what Conditional Access asks of a user. Who has not met them is
// refused with the code in brackets, and with claims for the sign-in that would.
type Conditions struct {
	// MFA is multifactor authentication [AADSTS50076].
	MFA bool `json:"mfa,omitempty"`
	// RegisterMFA is the registration for it [AADSTS50079].
	RegisterMFA bool `json:"registerMfa,omitempty"`
	// CompliantDevice is a managed device [AADSTS53000].
	CompliantDevice bool `json:"compliantDevice,omitempty"`
	// Blocked lets nobody in [AADSTS53003].
	Blocked bool `json:"blocked,omitempty"`
	// AuthContexts are authentication contexts, such as c1, that only multifactor
	// authentication gives: requests with claims that ask for one of them (acrs) are
	// refused without it [AADSTS50076].
	AuthContexts []string `json:"authContexts,omitempty"`
	// Resources are the identifiers of those that the conditions are for. Empty: all.
	Resources []string `json:"resources,omitempty"`
}

// SignIn is what a user did to sign in, beside giving the password.
type SignIn struct {
	MFA             bool `json:"mfa,omitempty"`             // passed multifactor authentication
	CompliantDevice bool `json:"compliantDevice,omitempty"` // used a managed device
}

// fullSignIn meets all conditions that can be met.
var fullSignIn = SignIn{MFA: true, CompliantDevice: true}

func (t *tenant) addUser(p *problems, path string, u User) {
	at := strings.IndexByte(u.Username, '@')
	if at <= 0 || at == len(u.Username)-1 {
		p.add(path+".username", "%q is not a user principal name such as user@contoso.example.com", u.Username)
	}
	if u.ID == "" {
		u.ID = stableGUID("user", t.ID, strings.ToLower(u.Username))
	} else {
		p.guid(path+".id", u.ID)
	}
	u.ID = strings.ToLower(u.ID)
	u.Consents = slices.Clone(u.Consents)
	for i, id := range u.Consents {
		p.guid(fmt.Sprintf("%s.consents[%d]", path, i), id)
	}
	u.Conditions.AuthContexts = slices.Clone(u.Conditions.AuthContexts)
	u.Conditions.Resources = slices.Clone(u.Conditions.Resources)
	for _, key := range []string{strings.ToLower(u.Username), u.ID} {
		if t.users[key] != nil {
			p.add(path, "%s is another user of this tenant already", key)
		}
		t.users[key] = &u
	}
}

// user finds one by username or object ID.
func (t *tenant) user(name string) *User { return t.users[strings.ToLower(name)] }

// account finds a user of a tenant, of the first one if that is empty.
func (d *directory) account(name, user string) (*tenant, *User, error) {
	t := d.first()
	if name != "" {
		t = d.tenant(name)
	}
	if t == nil {
		return nil, nil, fmt.Errorf("entratest: there is no tenant %q", name)
	}
	u := t.user(user)
	if u == nil {
		return nil, nil, fmt.Errorf("entratest: tenant %s has no user %q", t.ID, user)
	}
	return t, u, nil
}

// activeUser finds one of the call's tenant who may have tokens.
func (c *call) activeUser(name string) (*User, *refusal) {
	u := c.tenant.user(name)
	if u == nil {
		return nil, refuse(50034, "tenant "+c.tenant.ID+" has no user "+name,
			"The user account %s does not exist in the %s directory.", name, c.tenant.display())
	}
	disabled := u.Disabled
	if set := c.e.people.view(u.ID).disabled; set != nil {
		disabled = *set
	}
	if disabled {
		return nil, refuse(50057, "the user "+u.Username+" is disabled", "The user account is disabled.")
	}
	return u, nil
}

// domain is the part of a username behind the @.
func domain(username string) string {
	_, domain, _ := strings.Cut(strings.ToLower(username), "@")
	return domain
}
