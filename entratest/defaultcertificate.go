package entratest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"sync"
)

// defaultCertificate is the certificate of the default application.
type defaultCertificate struct {
	chain []*x509.Certificate // leaf, issuing CA
	key   *rsa.PrivateKey
}

func lazyDefaultCertificate() func() *defaultCertificate {
	return sync.OnceValue(func() *defaultCertificate {
		issuerKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic("entratest: generating a key: " + err.Error())
		}
		issuer := &x509.Certificate{
			SerialNumber:          big.NewInt(1),
			Subject:               pkix.Name{CommonName: "Emulator issuing CA"},
			NotBefore:             certificateStart,
			NotAfter:              certificateEnd,
			KeyUsage:              x509.KeyUsageCertSign,
			IsCA:                  true,
			BasicConstraintsValid: true,
		}
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(2),
			Subject:      pkix.Name{CommonName: "default application"},
			NotBefore:    certificateStart,
			NotAfter:     certificateEnd,
			KeyUsage:     x509.KeyUsageDigitalSignature,
		}
		key := newRSAKey()
		return &defaultCertificate{
			chain: []*x509.Certificate{
				mustCertificate(leaf, issuer, key.Public(), issuerKey),
				mustCertificate(issuer, issuer, issuerKey.Public(), issuerKey),
			},
			key: key,
		}
	})
}

func mustCertificate(template, parent *x509.Certificate, public, signer any) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err == nil {
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(der); err == nil {
			return cert
		}
	}
	panic("entratest: making a certificate: " + err.Error())
}

// DefaultCertificate returns the certificate of the default application, followed
// by its issuing CA, and the private key. It is made on first use, once per
// emulator, and valid at any time a test clock may show.
func (e *Emulator) DefaultCertificate() ([]*x509.Certificate, *rsa.PrivateKey) {
	d := e.defaults()
	return slices.Clone(d.chain), d.key
}

// DefaultCertificatePEM returns [Emulator.DefaultCertificate] as one PEM text: the
// private key (PKCS#8), the certificate, the issuing CA. That is what a file named
// by AZURE_CLIENT_CERTIFICATE_PATH contains.
func (e *Emulator) DefaultCertificatePEM() []byte {
	d := e.defaults()
	der, err := x509.MarshalPKCS8PrivateKey(d.key)
	if err != nil {
		panic("entratest: " + err.Error())
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for _, cert := range d.chain {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return out
}
