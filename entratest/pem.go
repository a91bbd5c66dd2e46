package entratest

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// parsePEM reads certificates and RSA public keys, those of the certificates
// included. Private keys beside them are ignored: people register the file they
// have.
func parsePEM(data []byte) (certs []*x509.Certificate, keys []*rsa.PublicKey, err error) {
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			return certs, keys, nil
		}
		var public any
		switch block.Type {
		case "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, nil, fmt.Errorf("certificate %d does not parse: %w", len(certs)+1, err)
			}
			certs = append(certs, cert)
			public = cert.PublicKey
		case "PUBLIC KEY":
			if public, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
				return nil, nil, fmt.Errorf("public key does not parse: %w", err)
			}
		case "RSA PUBLIC KEY":
			if public, err = x509.ParsePKCS1PublicKey(block.Bytes); err != nil {
				return nil, nil, fmt.Errorf("public key does not parse: %w", err)
			}
		}
		if key, ok := public.(*rsa.PublicKey); ok {
			keys = append(keys, key)
		}
	}
}
