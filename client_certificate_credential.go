package azidentity

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/assertion"
)

const credNameCert = "ClientCertificateCredential"

// ClientCertificateCredentialOptions are the options of
// [ClientCertificateCredential]. Nil and the zero value mean the same.
type ClientCertificateCredentialOptions struct {
	azcore.ClientOptions

	// AdditionallyAllowedTenants lists tenants besides the configured one for
	// which tokens may be requested. "*" allows any.
	AdditionallyAllowedTenants []string

	// DisableInstanceDiscovery: see [ClientSecretCredentialOptions].
	DisableInstanceDiscovery bool

	// SendCertificateChain sends the certificates with each request (x5c), as
	// applications need that are registered by subject name and issuer.
	// Default false.
	SendCertificateChain bool

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions
}

// ClientCertificateCredential authenticates an application with a certificate,
// by assertions that its key signs (RFC 7523, section 2.2). It is safe for
// concurrent use.
type ClientCertificateCredential struct{ app *application }

// NewClientCertificateCredential checks that key belongs to one of certs and
// touches no network. key is a [crypto.Signer] for RSA: a key in memory, or
// one that stays in an HSM or a key vault and only signs. A signature is made
// at most every few minutes and never for a token in memory.
//
// [ParseCertificates] reads certificates and key from a file's contents.
func NewClientCertificateCredential(tenantID string, clientID string, certs []*x509.Certificate, key crypto.PrivateKey, options *ClientCertificateCredentialOptions) (*ClientCertificateCredential, error) {
	if options == nil {
		options = &ClientCertificateCredentialOptions{}
	}
	signer, err := assertion.NewSigner(certs, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", credNameCert, err)
	}
	return newClientCertificateCredential(tenantID, clientID, newCertificateAuth(signer, clientID, options.SendCertificateChain), options)
}

func newClientCertificateCredential(tenantID, clientID string, auth clientAuth, options *ClientCertificateCredentialOptions) (*ClientCertificateCredential, error) {
	app, err := newApplication(credNameCert, tenantID, clientID, auth, appOptions{
		ClientOptions:              options.ClientOptions,
		additionallyAllowedTenants: options.AdditionallyAllowedTenants,
		disableInstanceDiscovery:   options.DisableInstanceDiscovery,
		tokens:                     options.Tokens,
	})
	if err != nil {
		return nil, err
	}
	return &ClientCertificateCredential{app}, nil
}

// GetToken returns a token for the application, from memory if there is one.
// Azure SDK clients call it. Failures are [*AuthenticationFailedError].
func (c *ClientCertificateCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.app.token(ctx, &opts)
}

// Close does what [ClientSecretCredential.Close] does.
func (c *ClientCertificateCredential) Close() error { return c.app.Close() }

// ParseCertificates reads certificates and their private key from the contents
// of a PEM or PKCS#12 (PFX) file, for [NewClientCertificateCredential]. Pass a
// nil password if the file is not encrypted.
//
// It reads PEM blocks in any order, with keys in PKCS#1 and PKCS#8 form,
// encrypted ones included, and PKCS#12 as OpenSSL 1 and 3, keytool, Windows and
// Key Vault write it. The first certificate returned is the key's.
func ParseCertificates(certData []byte, password []byte) ([]*x509.Certificate, crypto.PrivateKey, error) {
	return assertion.ParseCertificates(certData, password)
}

var _ azcore.TokenCredential = (*ClientCertificateCredential)(nil)
