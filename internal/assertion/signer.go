package assertion

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"
)

const (
	// Lifetime is how long an assertion is valid, counted from the time it was
	// made. Entra ID sets no limit; five to ten minutes is its advice.
	Lifetime = 10 * time.Minute

	// leeway puts the start of validity into the past. A clock kept by NTP is
	// off by far less, a virtual machine that was just resumed by a little more.
	// Anything larger is for [Cached.SetOffset]: a larger leeway would only
	// hide it, since the end of validity moves with the same clock.
	leeway = 30 * time.Second
)

// Profile is the form of an assertion's header.
type Profile struct {
	// Legacy signs with RS256 and names the certificate by its SHA-1 thumbprint,
	// which is all that AD FS and dSTS understand. The default is PS256 and SHA-256.
	Legacy bool
	// Chain sends the certificates along (x5c), for applications that are
	// registered by subject name and issuer.
	Chain bool
}

func (p Profile) index() int {
	i := 0
	if p.Legacy {
		i |= 1
	}
	if p.Chain {
		i |= 2
	}
	return i
}

// Claims says what an assertion is for.
type Claims struct {
	Audience string // the token endpoint's URL
	ClientID string
	Profile  Profile
	Now      time.Time // the server's time, as far as known; zero means this machine's
}

// Signer signs with one certificate's key. It does not change once made and may
// be used concurrently, as far as the key may.
type Signer struct {
	key        crypto.Signer
	public     *rsa.PublicKey
	thumbprint [sha256.Size]byte
	headers    [4]string // encoded, by Profile.index
}

// NewSigner returns a signer for a key that belongs to one of the certificates.
// The key may be opaque, kept in an HSM, a TPM or Key Vault: only its Public and
// Sign methods are used. Sign is called with *[rsa.PSSOptions], or with
// [crypto.SHA256] for the legacy profile.
//
// The certificate that belongs to the key is the one the header names; the
// others follow it in the chain, in the order given.
func NewSigner(certs []*x509.Certificate, key crypto.PrivateKey) (*Signer, error) {
	for i, cert := range certs {
		if cert == nil {
			return nil, fmt.Errorf("certificate %d of %d is nil", i+1, len(certs))
		}
	}
	signer, ok := key.(crypto.Signer)
	if local, isLocal := key.(*rsa.PrivateKey); !ok || isLocal && local == nil {
		return nil, fmt.Errorf("a private key of type %T cannot sign: pass an *rsa.PrivateKey or another crypto.Signer", key)
	}
	if len(certs) == 0 {
		return nil, errors.New("a private key was given and no certificate: pass the certificate that belongs to it")
	}
	public := signer.Public()
	certs, err := arrange(certs, public)
	if err != nil {
		return nil, err
	}
	s := &Signer{key: signer, public: public.(*rsa.PublicKey), thumbprint: sha256.Sum256(certs[0].Raw)}
	for _, legacy := range []bool{false, true} {
		for _, chain := range []bool{false, true} {
			p := Profile{Legacy: legacy, Chain: chain}
			s.headers[p.index()] = encode(newHeader(certs, p))
		}
	}
	return s, nil
}

type jwtHeader struct {
	Algorithm string   `json:"alg"`
	Type      string   `json:"typ"`
	SHA256    string   `json:"x5t#S256,omitempty"`
	SHA1      string   `json:"x5t,omitempty"`
	Chain     [][]byte `json:"x5c,omitempty"` // standard base64, as RFC 7515 wants it here
}

func newHeader(certs []*x509.Certificate, p Profile) jwtHeader {
	h := jwtHeader{Algorithm: "PS256", Type: "JWT"}
	if p.Legacy {
		h.Algorithm = "RS256"
		h.SHA1 = thumbprint(sha1.Sum(certs[0].Raw))
	} else {
		sum := sha256.Sum256(certs[0].Raw)
		h.SHA256 = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if p.Chain {
		for _, cert := range certs {
			h.Chain = append(h.Chain, cert.Raw)
		}
	}
	return h
}

func thumbprint(sum [sha1.Size]byte) string { return base64.RawURLEncoding.EncodeToString(sum[:]) }

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // strings, numbers and bytes: cannot fail
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// Thumbprint is the SHA-256 digest of the certificate that belongs to the key.
func (s *Signer) Thumbprint() [sha256.Size]byte { return s.thumbprint }

// Format prints neither the key nor what it holds, whatever the verb.
func (s Signer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "assertion.Signer(SHA-256 %X…)", s.thumbprint[:6])
}

type jwtClaims struct {
	Audience  string `json:"aud"`
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	ID        string `json:"jti"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
}

// Sign returns a new assertion. It waits for the key, which has no way to be
// told of a cancellation; [Cached.Assertion] does not.
func (s *Signer) Sign(ctx context.Context, c Claims) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	now := c.Now
	if now.IsZero() {
		now = time.Now()
	}
	input := s.headers[c.Profile.index()] + "." + encode(jwtClaims{
		Audience:  c.Audience,
		Issuer:    c.ClientID,
		Subject:   c.ClientID,
		ID:        newUUID(),
		IssuedAt:  now.Unix(),
		NotBefore: now.Add(-leeway).Unix(),
		Expires:   now.Add(Lifetime).Unix(),
	})
	signature, err := s.sign([]byte(input), c.Profile.Legacy)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("signing the client assertion: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func (s *Signer) sign(input []byte, legacy bool) (signature []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			signature, err = nil, panicked(v)
		}
	}()
	digest := sha256.Sum256(input)
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	var opts crypto.SignerOpts = pss
	if legacy {
		opts = crypto.SHA256
	}
	signature, err = s.key.Sign(rand.Reader, digest[:], opts)
	if _, local := s.key.(*rsa.PrivateKey); local || err != nil {
		return signature, err
	}
	// Adapters for remote keys are known to ignore the options. The server would
	// answer that it does not know the key.
	if legacy {
		err = rsa.VerifyPKCS1v15(s.public, crypto.SHA256, digest[:], signature)
	} else {
		err = rsa.VerifyPSS(s.public, crypto.SHA256, digest[:], signature, pss)
	}
	if err != nil {
		scheme := "RSA-PSS with a salt of 32 bytes"
		if legacy {
			scheme = "RSA PKCS#1 v1.5"
		}
		return nil, fmt.Errorf("the signature from %T is not %s over SHA-256 by the certificate's key: check the options that its Sign method honours", s.key, scheme)
	}
	return signature, nil
}

// panicked describes what the key panicked with. Only the runtime's own errors
// are repeated: others may carry what the key worked on.
func panicked(v any) error {
	if err, ok := v.(runtime.Error); ok {
		return fmt.Errorf("the private key's Sign method panicked: %w", err)
	}
	return fmt.Errorf("the private key's Sign method panicked with a %T", v)
}

// newUUID returns a random UUID, version 4 of RFC 9562.
func newUUID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0F | 0x40
	id[8] = id[8]&0x3F | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
