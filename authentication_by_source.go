package azidentity

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"time"

	"github.com/azid-go/azidentity/internal/assertion"
)

// sourceRest is how long what a function returned is used without asking again.
const sourceRest = time.Minute

// AuthenticationBySecretSource proves by the secret that a function returns at the
// time, such as one that reads a key vault. White space around it is dropped.
//
// getSecret is called when a request for a token goes out, with the request's
// context, but no more often than once a minute; and once more when Entra ID refuses
// the secret, upon which the request is sent once more if there is another. It is
// called by one goroutine at a time, and never for a token in memory. When it fails,
// the last secret stays in place and an event is written to the log; until it has
// succeeded once, its error is that of the request.
//
// Two functions cannot be compared: credentials that use one keep their tokens to
// themselves.
func AuthenticationBySecretSource(getSecret func(context.Context) (string, error)) ClientAuthentication {
	if getSecret == nil {
		return noAuthentication("getSecret is nil: pass a function that returns the secret")
	}
	return authenticationBySource("secret source", renewSecret, func(ctx context.Context) (value secretAuth, digest [32]byte, err error) {
		text, err := getSecret(ctx)
		if err == nil {
			digest = digestOf([]byte(text))
			value, err = parseSecret([]byte(text))
		}
		return value, digest, err
	})
}

// AuthenticationByCertificateSource proves by the certificate that a function returns
// at the time, with its key; see [NewClientCertificateCredential] for what they may be.
// getCertificate is called as the function of [AuthenticationBySecretSource] is. As long
// as it returns the same certificates, the key that came with them first is used.
func AuthenticationByCertificateSource(getCertificate func(context.Context) ([]*x509.Certificate, crypto.PrivateKey, error), options *CertificateAuthenticationOptions) ClientAuthentication {
	if options == nil {
		options = &CertificateAuthenticationOptions{}
	}
	if getCertificate == nil {
		return noAuthentication("getCertificate is nil: pass a function that returns certificates and their key")
	}
	return authenticationBySource("certificate source", renewCertificate(options.SendCertificateChain), func(ctx context.Context) (value *assertion.Signer, digest [32]byte, err error) {
		certs, key, err := getCertificate(ctx)
		if err == nil {
			var all []byte
			for _, c := range certs {
				if c != nil {
					all = append(all, c.Raw...)
				}
			}
			digest = digestOf(all)
			value, err = assertion.NewSigner(certs, key)
		}
		return value, digest, err
	})
}

// authenticationBySource proves by what a function returns, with a digest of it. Its
// credentials share that, and no tokens.
func authenticationBySource[T any](name string, renew func(value T, clientID string, before clientAuth) clientAuth, get func(context.Context) (T, [32]byte, error)) ClientAuthentication {
	from := newRotating(place[T]{
		name:      name,
		unchanged: func(s seen) bool { return time.Since(s.at) < sourceRest },
		read: func(ctx context.Context, _ bool) (r reading[T]) {
			r.value, r.digest, r.err = get(ctx)
			return r
		},
	})
	return ClientAuthentication{func(clientID string) (clientAuth, error) {
		return &rotatingAuth[T]{from: from, clientID: clientID, renew: renew, alone: true}, nil
	}}
}

func noAuthentication(reason string) ClientAuthentication {
	return ClientAuthentication{func(string) (clientAuth, error) { return nil, errors.New(reason) }}
}
