package entratest

import (
	"fmt"
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
	// Disabled users are refused with AADSTS50057, whatever they present.
	Disabled bool `json:"disabled,omitempty"`
}

func (t *tenant) addUser(p *problems, path string, u User) {
	if at := strings.IndexByte(u.Username, '@'); at <= 0 || at == len(u.Username)-1 {
		p.add(path+".username", "%q is not a user principal name such as user@contoso.example.com", u.Username)
	}
	if u.ID == "" {
		u.ID = stableGUID("user", t.ID, strings.ToLower(u.Username))
	} else {
		p.guid(path+".id", u.ID)
	}
	u.ID = strings.ToLower(u.ID)
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

// activeUser finds one who may have tokens.
func (t *tenant) activeUser(name string) (*User, *refusal) {
	u := t.user(name)
	switch {
	case u == nil:
		return nil, refuse(50034, "tenant "+t.ID+" has no user "+name,
			"The user account %s does not exist in the %s directory.", name, t.display())
	case u.Disabled:
		return nil, refuse(50057, "the user "+u.Username+" is configured as disabled", "The user account is disabled.")
	}
	return u, nil
}
