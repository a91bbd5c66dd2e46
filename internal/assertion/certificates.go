package assertion

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
)

var (
	// ErrPasswordNeeded says that the file is encrypted and no password was given.
	ErrPasswordNeeded = errors.New("the certificate file is encrypted: pass its password")

	// ErrWrongPassword says that the password given does not open the file. A
	// damaged file without a checksum looks the same.
	ErrWrongPassword = errors.New("the password does not open the certificate file: check the password, or export the certificate again")
)

const (
	// maxFile is far above any certificate file: a chain of four certificates
	// with an 8192 bit key has about 20 kB.
	maxFile = 1 << 20

	// maxKey bounds what parsing a private key costs. An RSA key of 16384 bits
	// has 9.3 kB and takes 10 ms; the cost grows with the square.
	maxKey = 10 << 10

	// minRSABits is what Microsoft's own .NET client demands.
	minRSABits = 2048
)

// ParseCertificates reads certificates and their private key from a PEM file or
// a PKCS#12 file, also one in base64 as Key Vault returns it.
//
// The first certificate returned is the one that belongs to the key, the others
// follow in the file's order; none is left out. A nil and an empty password mean
// the same: they open files without encryption and files encrypted with the empty
// password. Such files open with any password: it is ignored.
//
// The file may have 1 MiB, and deriving keys from the password may take
// 5,000,000 iterations in all, a second or two: OpenSSL asks for some 10,000, NSS
// for 3,600,000. More is refused before it is computed.
func ParseCertificates(data, password []byte) ([]*x509.Certificate, crypto.PrivateKey, error) {
	if len(data) > maxFile {
		return nil, nil, fmt.Errorf("the certificate file has %d bytes, more than the %d that are read: pass only the certificates and their private key", len(data), maxFile)
	}
	found, err := read(data, password)
	if err != nil {
		return nil, nil, err
	}
	certs := make([]*x509.Certificate, len(found.certs))
	for i, der := range found.certs {
		if certs[i], err = x509.ParseCertificate(der); err != nil {
			return nil, nil, fmt.Errorf("certificate %d of %d cannot be read: %w", i+1, len(certs), err)
		}
	}
	switch {
	case len(certs) == 0 && found.key == nil:
		return nil, nil, errors.New("found neither a certificate nor a private key: the file must hold both")
	case len(certs) == 0:
		return nil, nil, errors.New("found a private key and no certificate: add the certificate to the file")
	case found.key == nil:
		return nil, nil, fmt.Errorf("found %s and no private key: add the key to the file, or export it with the certificate", count(len(certs), "certificate"))
	}
	certs, err = arrange(certs, publicOf(found.key))
	if err != nil {
		return nil, nil, err
	}
	return certs, found.key, nil
}

// contents is what a container holds: certificates as DER in the file's order,
// and the one private key, or nil.
type contents struct {
	certs [][]byte
	key   crypto.PrivateKey
}

func read(data, password []byte) (contents, error) {
	if pfx, ok := openPFX(data); ok {
		return pfx.read(password)
	}
	text := utf8Text(data)
	if bytes.Contains(text, pemStart) {
		return readPEM(text, password)
	}
	// Key Vault hands out PKCS#12 as base64, and pipelines keep it so in a variable.
	if raw, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text))); err == nil {
		if pfx, ok := openPFX(raw); ok {
			return pfx.read(password)
		}
		data = raw
	}
	return contents{}, errors.New(recognise(data))
}

// utf8Text removes a byte order mark and converts UTF-16, which PowerShell 5
// writes when output is redirected to a file.
func utf8Text(data []byte) []byte {
	var high, low int
	switch {
	case bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		high, low = 0, 1
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}):
		high, low = 1, 0
	default:
		return bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	}
	units := make([]uint16, 0, len(data)/2)
	for i := 2; i+1 < len(data); i += 2 {
		units = append(units, uint16(data[i+high])<<8|uint16(data[i+low]))
	}
	return []byte(string(utf16.Decode(units)))
}

// parseKey reads a private key from PKCS#8, PKCS#1 or SEC 1. Which of the three
// failed, and how, would tell a user nothing.
func parseKey(der []byte) (crypto.PrivateKey, error) {
	if len(der) > maxKey {
		return nil, fmt.Errorf("the private key has %d bytes, more than the %d that are read: use an RSA key of 2048 to 8192 bits", len(der), maxKey)
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errDamagedKey
}

// parseDecrypted is parseKey for the result of a decryption without a checksum:
// one wrong password in 256 leaves padding that looks right, and then noise.
func parseDecrypted(plain []byte) (crypto.PrivateKey, error) {
	if !wholeSequence(plain) {
		return nil, ErrWrongPassword
	}
	return parseKey(plain)
}

var errDamagedKey = errors.New("the private key cannot be read: it is damaged, or of a kind other than RSA")

func publicOf(key crypto.PrivateKey) crypto.PublicKey {
	if k, ok := key.(interface{ Public() crypto.PublicKey }); ok {
		return k.Public()
	}
	return nil
}

// arrange puts the certificate that belongs to the key first and refuses keys
// with which Entra ID does not accept assertions.
func arrange(certs []*x509.Certificate, public crypto.PublicKey) ([]*x509.Certificate, error) {
	key, ok := public.(*rsa.PublicKey)
	if !ok || key == nil || key.N == nil {
		return nil, fmt.Errorf("found a key of kind %s: Entra ID accepts RSA keys only, of %d bits or more", kind(public), minRSABits)
	}
	if bits := key.N.BitLen(); bits < minRSABits {
		return nil, fmt.Errorf("found an RSA key of %d bits: Entra ID needs %d or more", bits, minRSABits)
	}
	for i, cert := range certs {
		if key.Equal(cert.PublicKey) {
			arranged := append(make([]*x509.Certificate, 0, len(certs)), cert)
			arranged = append(arranged, certs[:i]...)
			return append(arranged, certs[i+1:]...), nil
		}
	}
	return nil, fmt.Errorf("the private key belongs to none of the certificates, which are %s: pass the key that was made with the certificate", list(certs))
}

func kind(public crypto.PublicKey) string {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	case nil:
		return "unknown"
	}
	return fmt.Sprintf("%T", public)
}

// list names certificates as tools and the portal show them. Names in a
// certificate are its maker's choice, hence the quotes and the limits.
func list(certs []*x509.Certificate) string {
	const most = 4
	var names []string
	for i, cert := range certs {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(certs)-most))
			break
		}
		sum := sha256.Sum256(cert.Raw)
		names = append(names, fmt.Sprintf("%.100q (SHA-256 %X…)", cert.Subject.String(), sum[:6]))
	}
	return strings.Join(names, ", ")
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
