package assertion

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

var pemStart = []byte("-----BEGIN ")

// readPEM collects what matters from a PEM file and passes over the rest: text
// between blocks, EC parameters, certificate requests.
func readPEM(text, password []byte) (contents, error) {
	var (
		found  contents
		keys   []*pem.Block
		hint   error
		blocks int
	)
	for rest := text; ; blocks++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch {
		case block.Type == "CERTIFICATE", block.Type == "X509 CERTIFICATE":
			found.certs = append(found.certs, block.Bytes)
		case block.Type == "TRUSTED CERTIFICATE":
			// OpenSSL's own form: the certificate, then what it is trusted for.
			found.certs = append(found.certs, firstElement(block.Bytes))
		case block.Type == "OPENSSH PRIVATE KEY":
			hint = errors.New("found an OpenSSH private key: convert it with: ssh-keygen -p -m PEM -f key.pem")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			keys = append(keys, block)
		case strings.HasSuffix(block.Type, "PUBLIC KEY"):
			hint = errors.New("found a public key and no private key: pass the file that holds the private key")
		case block.Type == "PKCS7", block.Type == "CMS":
			hint = errors.New(foundPKCS7 + "openssl pkcs7 -print_certs -in file.p7b -out certificates.pem")
		case block.Type == "PKCS12":
			if pfx, ok := openPFX(block.Bytes); ok {
				return pfx.read(password)
			}
		}
	}
	if began := bytes.Count(text, pemStart); began > blocks {
		return contents{}, fmt.Errorf("%d of %s cannot be read: each needs its BEGIN and END lines, at the start of a line, and base64 between them", began-blocks, count(began, "PEM block"))
	}
	switch {
	case len(keys) > 1:
		return contents{}, severalKeys(len(keys))
	case len(keys) == 0 && hint != nil:
		return contents{}, hint
	case len(keys) == 0:
		return found, nil
	}
	var err error
	found.key, err = readPEMKey(keys[0], password)
	return found, err
}

func severalKeys(n int) error {
	return fmt.Errorf("found %d private keys: keep only the one that belongs to the certificate", n)
}

func readPEMKey(block *pem.Block, password []byte) (any, error) {
	var plain []byte
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY":
		var key encryptedKey
		if _, err := asn1.Unmarshal(block.Bytes, &key); err != nil {
			return nil, errDamagedKey
		}
		return tryForms(password, key.open)
	//lint:ignore SA1019 PEM encryption is weak and yet what many tools wrote
	case x509.IsEncryptedPEMBlock(block):
		if len(password) == 0 {
			return nil, ErrPasswordNeeded
		}
		var err error
		//lint:ignore SA1019 as above
		if plain, err = x509.DecryptPEMBlock(block, password); errors.Is(err, x509.IncorrectPasswordError) {
			return nil, ErrWrongPassword
		} else if err != nil {
			return nil, errors.New("the private key has a DEK-Info line that cannot be used: convert it with: openssl pkey -aes256 -in key.pem -out new.pem")
		}
	default:
		return parseKey(block.Bytes)
	}
	return parseDecrypted(plain)
}

// encryptedKey is EncryptedPrivateKeyInfo of RFC 5958.
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

func (k encryptedKey) open(pw passphrase, work *budget) (any, error) {
	plain, err := decrypt(k.Algorithm, k.Data, pw, work)
	if err != nil {
		return nil, err
	}
	return parseDecrypted(plain)
}

func firstElement(der []byte) []byte {
	var element asn1.RawValue
	if _, err := asn1.Unmarshal(der, &element); err != nil {
		return der
	}
	return element.FullBytes
}
