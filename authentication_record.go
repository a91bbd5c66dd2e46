package azidentity

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/azid-go/azidentity/internal/entra"
)

// recordVersion is the version of [AuthenticationRecord]'s form.
const recordVersion = "1.0"

// AuthenticationRecord says who signed in, where, and to which application. It is no
// secret: a program may write it as JSON wherever it likes, and give it to a credential
// later, which then finds the account's tokens without asking anybody. Credentials get
// one from Authenticate.
//
// The JSON form is the one that the libraries for Python, .NET, JavaScript and
// Microsoft's for Go write and read. The zero value is no record.
type AuthenticationRecord struct {
	// Authority is the host that issued the ID token, for example
	// login.microsoftonline.com. Microsoft's package has the URL of it here: either is
	// understood.
	Authority string `json:"authority"`

	// ClientID is the application that the user signed in to.
	ClientID string `json:"clientId"`

	// HomeAccountID is the same for all tenants that the user is a guest of.
	HomeAccountID string `json:"homeAccountId"`

	// TenantID is the tenant that issued the ID token.
	TenantID string `json:"tenantId"`

	// Username is the one that the user signs in by.
	Username string `json:"username"`

	// Version of the form, "1.0".
	Version string `json:"version"`
}

// MarshalJSON writes the authority as a host, which all libraries read.
func (a AuthenticationRecord) MarshalJSON() ([]byte, error) {
	type plain AuthenticationRecord
	a.Authority = recordHost(a.Authority)
	return json.Marshal(plain(a))
}

// UnmarshalJSON reads records of all the libraries: the authority as a host or a URL,
// and the version missing, as JavaScript has it. Other versions, and records without
// one of the other members, are refused, and leave a as it is.
func (a *AuthenticationRecord) UnmarshalJSON(b []byte) error {
	type plain AuthenticationRecord
	var r plain
	if err := json.Unmarshal(b, &r); err != nil {
		return fmt.Errorf("read an AuthenticationRecord: %w", err)
	}
	if r.Version == "" {
		r.Version = recordVersion
	}
	if r.Version != recordVersion {
		return fmt.Errorf("read an AuthenticationRecord: version %.20q is unknown, and %s is supported: have the user sign in again, for a new record", r.Version, recordVersion)
	}
	for _, m := range []struct{ name, value string }{
		{"authority", r.Authority}, {"clientId", r.ClientID}, {"homeAccountId", r.HomeAccountID}, {"tenantId", r.TenantID}, {"username", r.Username},
	} {
		if strings.TrimSpace(m.value) == "" {
			return fmt.Errorf("read an AuthenticationRecord: %q is missing or empty", m.name)
		}
	}
	if !entra.ValidTenant(r.TenantID) {
		return fmt.Errorf("read an AuthenticationRecord: \"tenantId\" is not valid: %w", entra.ErrInvalidTenant)
	}
	r.Authority = recordHost(r.Authority)
	*a = AuthenticationRecord(r)
	return nil
}

// recordHost returns the host of a record's authority, be that a host or a URL.
func recordHost(authority string) string {
	if u, err := url.Parse(authority); err == nil && u.Host != "" {
		return u.Host
	}
	return strings.Trim(authority, "/")
}

func (a AuthenticationRecord) isZero() bool { return a == AuthenticationRecord{} }

var errNoRecord = errors.New("a token was issued, but the answer has no name for its user, which a record needs")

// newRecord makes the record of an account.
func newRecord(a entra.Account) (AuthenticationRecord, error) {
	if a.Username == "" || a.HomeAccountID == "" || a.TenantID == "" {
		return AuthenticationRecord{}, errNoRecord
	}
	return AuthenticationRecord{
		Authority: a.Issuer, ClientID: a.ClientID, HomeAccountID: a.HomeAccountID,
		TenantID: a.TenantID, Username: a.Username, Version: recordVersion,
	}, nil
}
