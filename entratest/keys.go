package entratest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // x5t is defined so
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"sync"
	"time"
)

// Certificates of the emulator are valid for any clock a test may set, that of
// testing/synctest (which starts in 2000) included.
var (
	certificateStart = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	certificateEnd   = time.Date(2049, 12, 31, 0, 0, 0, 0, time.UTC)
)

// signingKey signs tokens and is published as a JWK.
type signingKey struct {
	private *rsa.PrivateKey
	cert    []byte // DER, self-signed
	kid     string // the certificate's SHA-1 thumbprint, as Entra does it
}

// lazySigningKey makes the key on first use: generating one takes longer than
// most tests, and many need none.
func lazySigningKey(key *rsa.PrivateKey, name string) func() *signingKey {
	return sync.OnceValue(func() *signingKey {
		if key == nil {
			key = newRSAKey()
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1),
			Subject:      pkix.Name{CommonName: name},
			NotBefore:    certificateStart,
			NotAfter:     certificateEnd,
			KeyUsage:     x509.KeyUsageDigitalSignature,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			panic("entratest: the signing key is unusable: " + err.Error())
		}
		return &signingKey{private: key, cert: der, kid: base64.RawURLEncoding.EncodeToString(sha1Sum(der))}
	})
}

func newRSAKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("entratest: generating a key: " + err.Error())
	}
	return key
}

func sha1Sum(data []byte) []byte {
	sum := sha1.Sum(data)
	return sum[:]
}

// sign returns claims as an RS256 JWT.
func (k *signingKey) sign(claims map[string]any) (string, error) {
	header, err := json.Marshal(map[string]string{"typ": "JWT", "alg": "RS256", "x5t": k.kid, "kid": k.kid})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.private, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// jwk is the published half, with the members Entra publishes.
func (k *signingKey) jwk(issuer string) map[string]any {
	public := k.private.PublicKey
	out := map[string]any{
		"kty": "RSA",
		"use": "sig",
		"kid": k.kid,
		"x5t": k.kid,
		"n":   base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		"e":   base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
		"x5c": []string{base64.StdEncoding.EncodeToString(k.cert)},
	}
	if issuer != "" {
		out["issuer"] = issuer
	}
	return out
}

func jwksReply(keys ...map[string]any) reply {
	rep := jsonReply(http.StatusOK, map[string]any{"keys": keys})
	rep.header.Set("Cache-Control", "max-age=86400, private")
	return rep
}

func serveKeys(c *call) reply {
	issuer, ref := c.issuer()
	if ref != nil {
		return c.refuse(ref)
	}
	return jwksReply(c.e.signing().jwk(issuer))
}
