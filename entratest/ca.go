package entratest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// authority is a server's own CA. It mints a TLS certificate for each name that a
// client asks for, so that a client that is led here by a proxy or a hosts file
// believes it speaks to login.microsoftonline.com.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	leaf crypto.Signer // one key for all minted certificates

	mu     sync.Mutex // guards minted
	minted map[string]*tls.Certificate
}

// maxMinted bounds the certificates kept; more names are minted anew each time.
const maxMinted = 256

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("entratest: generating a key: %w", err)
	}
	leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("entratest: generating a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "Entra ID emulator CA", SerialNumber: newGUID()},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	return &authority{
		cert:   mustCertificate(template, template, key.Public(), key),
		key:    key,
		leaf:   leaf,
		minted: map[string]*tls.Certificate{},
	}, nil
}

func serial() *big.Int {
	var b [15]byte
	rand.Read(b[:])
	return new(big.Int).SetBytes(b[:])
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// certificate is the GetCertificate callback of the TLS configuration.
func (a *authority) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := "localhost" // a client that connects by IP address names nothing
	if hello != nil && hello.ServerName != "" {
		name = hello.ServerName
	}
	a.mu.Lock()
	found := a.minted[name]
	a.mu.Unlock()
	if found != nil {
		return found, nil
	}
	cert, err := a.mint(name)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.minted) < maxMinted {
		a.minted[name] = cert
	}
	return cert, nil
}

func (a *authority) mint(name string) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "Entra ID emulator"},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:    a.cert.NotBefore,
		NotAfter:     a.cert.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if name != "localhost" {
		template.DNSNames = append(template.DNSNames, name)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, a.leaf.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("entratest: a certificate for %q: %w", name, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: a.leaf}, nil
}
