package azidentity

import (
	"context"
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const credNameAssertion = "ClientAssertionCredential"

// ClientAssertionCredentialOptions are the options of
// [ClientAssertionCredential]. Nil and the zero value mean the same.
type ClientAssertionCredentialOptions struct {
	azcore.ClientOptions

	// AdditionallyAllowedTenants lists tenants besides the configured one for
	// which tokens may be requested. "*" allows any.
	AdditionallyAllowedTenants []string

	// DisableInstanceDiscovery: see [ClientSecretCredentialOptions].
	DisableInstanceDiscovery bool

	// Tokens says how tokens are kept in memory. Tokens of this credential are
	// never shared: two callbacks cannot be compared.
	Tokens TokenOptions
}

// ClientAssertionCredential authenticates an application with assertions that
// a function returns, such as the token of another issuer whom Entra trusts
// (RFC 7523, section 2.2; workload identity federation). It is safe for
// concurrent use.
type ClientAssertionCredential struct{ app *application }

// NewClientAssertionCredential validates its arguments and touches no network.
//
// getAssertion is called for each request to Entra ID, never for a token in
// memory, with the request's context. It must be safe for concurrent use. Its
// errors are returned as [*AuthenticationFailedError], unless they are of this
// package's kinds already; a panic becomes an error.
func NewClientAssertionCredential(tenantID, clientID string, getAssertion func(context.Context) (string, error), options *ClientAssertionCredentialOptions) (*ClientAssertionCredential, error) {
	if options == nil {
		options = &ClientAssertionCredentialOptions{}
	}
	if getAssertion == nil {
		return nil, fmt.Errorf("%s: %w", credNameAssertion, errors.New("getAssertion is nil: pass a function that returns assertions"))
	}
	app, err := newApplication(credNameAssertion, tenantID, clientID, &assertionAuth{getAssertion}, appOptions{
		ClientOptions:              options.ClientOptions,
		additionallyAllowedTenants: options.AdditionallyAllowedTenants,
		disableInstanceDiscovery:   options.DisableInstanceDiscovery,
		tokens:                     options.Tokens,
	})
	if err != nil {
		return nil, err
	}
	return &ClientAssertionCredential{app}, nil
}

// GetToken returns a token for the application, from memory if there is one.
// Azure SDK clients call it. Failures are [*AuthenticationFailedError].
func (c *ClientAssertionCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.app.token(ctx, &opts)
}

// Close does what [ClientSecretCredential.Close] does.
func (c *ClientAssertionCredential) Close() error { return c.app.Close() }

var _ azcore.TokenCredential = (*ClientAssertionCredential)(nil)
