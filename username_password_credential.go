package azidentity

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/secret"
)

const credNameUserPassword = "UsernamePasswordCredential"

// UsernamePasswordCredentialOptions are the options of [UsernamePasswordCredential]. Nil
// and the zero value mean the same.
//
// Deprecated: see [UsernamePasswordCredential].
type UsernamePasswordCredentialOptions struct {
	azcore.ClientOptions

	// AdditionallyAllowedTenants: see [InteractiveBrowserCredentialOptions].
	AdditionallyAllowedTenants []string

	// AuthenticationRecord has no effect: the password is verified at least once.
	AuthenticationRecord AuthenticationRecord

	// DisableInstanceDiscovery: see [ClientSecretCredentialOptions].
	DisableInstanceDiscovery bool

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions
}

// UsernamePasswordCredential signs a person in by name and password, without asking
// (RFC 6749, section 4.3). Accounts of a federated domain are verified by the
// organisation's server, where that speaks WS-Trust. It cannot do multifactor
// authentication, consent or personal accounts: the error then says so.
//
// Credentials with the same name, password and application share tokens within the
// process. It is safe for concurrent use.
//
// Deprecated: Entra ID asks for multifactor authentication ever more often, which a
// password alone cannot pass. Use [InteractiveBrowserCredential] or
// [DeviceCodeCredential] for people, and a credential of an application for services.
// For tests, package entratest needs nobody's password.
type UsernamePasswordCredential struct {
	user     *user
	username string
	password secret.Value
}

// NewUsernamePasswordCredential makes a credential of the user's name and password. It
// touches no network.
//
// Deprecated: see [UsernamePasswordCredential].
func NewUsernamePasswordCredential(tenantID string, clientID string, username string, password string, options *UsernamePasswordCredentialOptions) (*UsernamePasswordCredential, error) {
	if options == nil {
		options = &UsernamePasswordCredentialOptions{}
	}
	fail := func(err error) (*UsernamePasswordCredential, error) {
		return nil, fmt.Errorf("%s: %w", credNameUserPassword, err)
	}
	switch {
	case tenantID == "":
		return fail(errors.New("the tenant is missing: pass the directory's ID or domain"))
	case clientID == "":
		return fail(errors.New("the client ID is missing: pass the ID of the application"))
	case username == "":
		return fail(errors.New("the user name is missing"))
	case password == "":
		return fail(errors.New("the password is missing"))
	}
	u, err := newUser(credNameUserPassword, userOptions{
		ClientOptions:              options.ClientOptions,
		additionallyAllowedTenants: options.AdditionallyAllowedTenants,
		clientID:                   clientID, tenantID: tenantID,
		disableInstanceDiscovery: options.DisableInstanceDiscovery,
		tokens:                   options.Tokens,
	})
	if err != nil {
		return nil, err
	}
	c := &UsernamePasswordCredential{user: u, username: username, password: secret.New(password)}
	subject := digest("password", strings.ToLower(username)+"\x00"+password)
	u.ask, u.kind, u.password = c.ask, "password", true
	u.who.Store(&identity{subject: string(subject[:])})
	return c, nil
}

// Authenticate has the password verified, and returns the record of the account. Without
// options, or scopes in them, it is for the management API of the cloud.
func (c *UsernamePasswordCredential) Authenticate(ctx context.Context, opts *policy.TokenRequestOptions) (AuthenticationRecord, error) {
	return c.user.authenticate(ctx, opts)
}

// GetToken returns a token for the user, from memory if there is one. Azure SDK clients
// call it. Failures are [*AuthenticationFailedError].
func (c *UsernamePasswordCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.user.token(ctx, &opts)
}

// ask sends the password.
func (c *UsernamePasswordCredential) ask(ctx context.Context, r entra.UserRequest, _ string) (entra.TokenResponse, string, error) {
	t, err := c.user.app.entra.Password(ctx, r, c.username, c.password)
	return t, "", err
}

// SignOut does what [InteractiveBrowserCredential.SignOut] does.
func (c *UsernamePasswordCredential) SignOut() { c.user.signOut() }

// Close does what [ClientSecretCredential.Close] does.
func (c *UsernamePasswordCredential) Close() error { return c.user.app.Close() }

var _ azcore.TokenCredential = (*UsernamePasswordCredential)(nil)
