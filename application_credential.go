package azidentity

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const credNameApplication = "ApplicationCredential"

// ApplicationCredentialOptions are the options of [ApplicationCredential]. Nil
// and the zero value mean the same.
type ApplicationCredentialOptions struct {
	azcore.ClientOptions

	// AdditionallyAllowedTenants lists tenants besides the configured one for
	// which tokens may be requested. "*" allows any.
	AdditionallyAllowedTenants []string

	// DisableInstanceDiscovery: see [ClientSecretCredentialOptions].
	DisableInstanceDiscovery bool

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions
}

// ApplicationCredential authenticates an application by any [ClientAuthentication]
// (RFC 6749, section 4.4), above all by a secret or certificate that rotates while
// the program runs. It is safe for concurrent use.
type ApplicationCredential struct{ app *application }

// NewApplicationCredential validates its arguments and touches no network. The tenant
// is an ID or a domain. With authentication by a file, an error says what is wrong with
// that.
func NewApplicationCredential(tenantID, clientID string, authentication ClientAuthentication, options *ApplicationCredentialOptions) (*ApplicationCredential, error) {
	if options == nil {
		options = &ApplicationCredentialOptions{}
	}
	auth, err := authentication.required(clientID)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", credNameApplication, err)
	}
	app, err := newApplication(credNameApplication, tenantID, clientID, auth, appOptions{
		ClientOptions:              options.ClientOptions,
		additionallyAllowedTenants: options.AdditionallyAllowedTenants,
		disableInstanceDiscovery:   options.DisableInstanceDiscovery,
		tokens:                     options.Tokens,
	})
	if err != nil {
		return nil, err
	}
	return &ApplicationCredential{app}, nil
}

// GetToken returns a token for the application, from memory if there is one.
// Azure SDK clients call it. Failures are [*AuthenticationFailedError].
func (c *ApplicationCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.app.token(ctx, &opts)
}

// Close does what [ClientSecretCredential.Close] does.
func (c *ApplicationCredential) Close() error { return c.app.Close() }

var _ azcore.TokenCredential = (*ApplicationCredential)(nil)
