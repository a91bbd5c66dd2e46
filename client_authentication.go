package azidentity

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"

	"github.com/azid-go/azidentity/internal/assertion"
)

// A ClientAuthentication is how an application proves its identity to the token
// endpoint (RFC 6749, section 2.3): by a secret, a certificate or an assertion,
// fixed or from a source that rotates. The zero value is none: a public client.
// One value may serve any number of credentials, and is safe for concurrent use.
type ClientAuthentication struct {
	make func(clientID string) (clientAuth, error)
}

// IsZero reports whether a is the zero value.
func (a ClientAuthentication) IsZero() bool { return a.make == nil }

// AuthenticationBySecret proves by a secret that does not change.
func AuthenticationBySecret(secret string) ClientAuthentication {
	auth, err := newSecretAuth(secret)
	return ClientAuthentication{func(string) (clientAuth, error) {
		if err != nil {
			return nil, err
		}
		return auth, nil
	}}
}

// CertificateAuthenticationOptions are the options of [AuthenticationByCertificate]
// and [AuthenticationByCertificateSource]. Nil and the zero value mean the same.
type CertificateAuthenticationOptions struct {
	// SendCertificateChain sends the certificates with each request (x5c), which
	// registration by subject name and issuer needs. Default false.
	SendCertificateChain bool
}

// AuthenticationByCertificate proves by assertions that a certificate's key signs
// (RFC 7523). certs and key are those of [NewClientCertificateCredential].
func AuthenticationByCertificate(certs []*x509.Certificate, key crypto.PrivateKey, options *CertificateAuthenticationOptions) ClientAuthentication {
	if options == nil {
		options = &CertificateAuthenticationOptions{}
	}
	chain := options.SendCertificateChain
	signer, err := assertion.NewSigner(certs, key)
	return ClientAuthentication{func(clientID string) (clientAuth, error) {
		if err != nil {
			return nil, err
		}
		return newCertificateAuth(signer, clientID, chain), nil
	}}
}

// AuthenticationByAssertion proves by assertions that getAssertion returns, such as
// [AssertionFromFile] and its like; see [NewClientAssertionCredential]. Credentials
// that use it keep their tokens to themselves.
func AuthenticationByAssertion(getAssertion func(context.Context) (string, error)) ClientAuthentication {
	return ClientAuthentication{func(string) (clientAuth, error) {
		if getAssertion == nil {
			return nil, errors.New("getAssertion is nil: pass a function that returns assertions")
		}
		return &assertionAuth{getAssertion}, nil
	}}
}

// forClient returns a's proof for an application, or nil for the zero value.
func (a ClientAuthentication) forClient(clientID string) (clientAuth, error) {
	if a.make == nil {
		return nil, nil
	}
	return a.make(clientID)
}

// required is forClient where an application has to prove itself.
func (a ClientAuthentication) required(clientID string) (clientAuth, error) {
	if a.IsZero() {
		return nil, errors.New("the authentication is missing: pass that of AuthenticationBySecretFile, AuthenticationByCertificateFile or the like")
	}
	return a.forClient(clientID)
}

// renewSecret and renewCertificate return the proof by a new version; before is that
// by the version before, or nil.
func renewSecret(value secretAuth, _ string, _ clientAuth) clientAuth { return value }

func renewCertificate(chain bool) func(*assertion.Signer, string, clientAuth) clientAuth {
	return func(value *assertion.Signer, clientID string, before clientAuth) clientAuth {
		if c, ok := before.(*certificateAuth); ok {
			return c.renewed(value, clientID)
		}
		return newCertificateAuth(value, clientID, chain)
	}
}
