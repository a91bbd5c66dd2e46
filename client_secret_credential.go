package azidentity

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const credNameSecret = "ClientSecretCredential"

// ClientSecretCredentialOptions are the options of [ClientSecretCredential].
// Nil and the zero value mean the same.
type ClientSecretCredentialOptions struct {
	azcore.ClientOptions

	// AdditionallyAllowedTenants lists tenants besides the configured one for
	// which tokens may be requested. "*" allows any.
	AdditionallyAllowedTenants []string

	// DisableInstanceDiscovery accepts an authority host that Microsoft does
	// not know, as private and disconnected clouds have, without asking
	// anyone about it: no packet goes to another host. Known hosts are never
	// asked about. Default false.
	DisableInstanceDiscovery bool

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions
}

// ClientSecretCredential authenticates an application with a client secret
// (RFC 6749, section 4.4). It is safe for concurrent use.
type ClientSecretCredential struct{ app *application }

// NewClientSecretCredential validates its arguments and touches no network.
// The tenant is an ID or a domain; the secret is its value, not its ID.
func NewClientSecretCredential(tenantID string, clientID string, clientSecret string, options *ClientSecretCredentialOptions) (*ClientSecretCredential, error) {
	if options == nil {
		options = &ClientSecretCredentialOptions{}
	}
	auth, err := newSecretAuth(clientSecret)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", credNameSecret, err)
	}
	app, err := newApplication(credNameSecret, tenantID, clientID, auth, appOptions{
		ClientOptions:              options.ClientOptions,
		additionallyAllowedTenants: options.AdditionallyAllowedTenants,
		disableInstanceDiscovery:   options.DisableInstanceDiscovery,
		tokens:                     options.Tokens,
	})
	if err != nil {
		return nil, err
	}
	return &ClientSecretCredential{app}, nil
}

// GetToken returns a token for the application, from memory if there is one.
// Azure SDK clients call it. Failures are [*AuthenticationFailedError].
func (c *ClientSecretCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.app.token(ctx, &opts)
}

// Close ends renewals behind callers and closes idle connections, but never
// those of a transport that was passed in, nor another credential's work.
// Calling it is optional, and more than once is fine. A closed credential
// still answers; it renews tokens while its callers wait.
func (c *ClientSecretCredential) Close() error { return c.app.Close() }

var _ azcore.TokenCredential = (*ClientSecretCredential)(nil)
