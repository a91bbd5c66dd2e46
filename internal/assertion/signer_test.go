package assertion_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/azid-go/azidentity/internal/assertion"
)

const audience = "https://login.microsoftonline.com/contoso/oauth2/v2.0/token"

// opaque is a key of which only the two methods can be seen, as of an HSM.
type opaque struct {
	key   *rsa.PrivateKey
	delay time.Duration
	sign  func(digest []byte, opts crypto.SignerOpts) ([]byte, error) // nil: as it should
	calls *atomic.Int32
}

func (o opaque) Public() crypto.PublicKey { return o.key.Public() }

func (o opaque) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	o.calls.Add(1)
	time.Sleep(o.delay)
	if o.sign != nil {
		return o.sign(digest, opts)
	}
	return o.key.Sign(r, digest, opts)
}

// verify takes an assertion apart with nothing but the standard library.
func verify(t testing.TB, jwt string, public *rsa.PublicKey) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("got %d parts, want 3", len(parts))
	}
	raw := make([][]byte, 3)
	for i, part := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(raw[0], &header); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw[1], &claims); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	var err error
	switch header["alg"] {
	case "PS256":
		err = rsa.VerifyPSS(public, crypto.SHA256, digest[:], raw[2], &rsa.PSSOptions{SaltLength: 32})
	case "RS256":
		err = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], raw[2])
	default:
		t.Fatalf("alg: got %v", header["alg"])
	}
	if err != nil {
		t.Errorf("the signature does not verify: %v", err)
	}
	return header, claims
}

func TestPain48HeaderPerAuthority(t *testing.T) {
	t.Parallel()
	certs, key := parse(t, "pem-order-mixed.pem", "")
	local, err := assertion.NewSigner(certs, key)
	if err != nil {
		t.Fatal(err)
	}
	remote, err := assertion.NewSigner(certs, opaque{key: key, calls: new(atomic.Int32)})
	if err != nil {
		t.Fatal(err)
	}
	var chain []any
	for _, cert := range certs {
		chain = append(chain, base64.StdEncoding.EncodeToString(cert.Raw))
	}
	modern, legacy := sha256.Sum256(certs[0].Raw), sha1.Sum(certs[0].Raw)
	x5t256, x5t := base64.RawURLEncoding.EncodeToString(modern[:]), base64.RawURLEncoding.EncodeToString(legacy[:])
	tests := []struct {
		name    string
		profile assertion.Profile
		want    map[string]any
	}{
		{"Entra ID", assertion.Profile{}, map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": x5t256}},
		{"Entra ID by subject name", assertion.Profile{Chain: true}, map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": x5t256, "x5c": chain}},
		{"AD FS", assertion.Profile{Legacy: true}, map[string]any{"alg": "RS256", "typ": "JWT", "x5t": x5t}},
		{"dSTS", assertion.Profile{Legacy: true, Chain: true}, map[string]any{"alg": "RS256", "typ": "JWT", "x5t": x5t, "x5c": chain}},
	}
	now := time.Unix(1_700_000_000, 999)
	ids := map[any]bool{}
	for _, tt := range tests {
		for where, signer := range map[string]*assertion.Signer{"local": local, "remote": remote} {
			jwt, err := signer.Sign(t.Context(), assertion.Claims{Audience: audience, ClientID: "client", Profile: tt.profile, Now: now})
			if err != nil {
				t.Fatalf("%s, %s: %v", tt.name, where, err)
			}
			header, claims := verify(t, jwt, &key.PublicKey)
			if fmt.Sprint(header) != fmt.Sprint(tt.want) {
				t.Errorf("%s, %s:\n got %v\nwant %v", tt.name, where, header, tt.want)
			}
			id, _ := claims["jti"].(string)
			if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) || ids[id] {
				t.Errorf("jti: got %q, want a new UUID of version 4", id)
			}
			ids[id] = true
			delete(claims, "jti")
			want := map[string]any{"aud": audience, "iss": "client", "sub": "client", "iat": 1.7e9, "nbf": 1.7e9 - 30, "exp": 1.7e9 + 600}
			if fmt.Sprint(claims) != fmt.Sprint(want) {
				t.Errorf("%s, %s:\n got %v\nwant %v", tt.name, where, claims, want)
			}
		}
	}
}

// The digest and its encoding are those of Microsoft's documentation.
func TestThumbprintVector(t *testing.T) {
	t.Parallel()
	sum, err := hex.DecodeString("84E05C1D98BCE3A5421D225B140B36E86A3D5534")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := assertion.EncodeThumbprint([20]byte(sum)), "hOBcHZi846VCHSJbFAs26Go9VTQ"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNewSigner(t *testing.T) {
	t.Parallel()
	certs, key := parse(t, "pfx-openssl3.pfx", "password")
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	var none *rsa.PrivateKey
	tests := []struct {
		name  string
		certs []*x509.Certificate
		key   crypto.PrivateKey
		want  string
	}{
		{"no key", certs, nil, "a private key of type <nil> cannot sign: pass an *rsa.PrivateKey or another crypto.Signer"},
		{"nil key", certs, none, "a private key of type *rsa.PrivateKey cannot sign"},
		{"not a key", certs, "password", "a private key of type string cannot sign"},
		{"no certificate", nil, key, "a private key was given and no certificate: pass the certificate that belongs to it"},
		{"nil certificate", []*x509.Certificate{certs[0], nil}, key, "certificate 2 of 2 is nil"},
		{"elliptic curve", certs, ec, "found a key of kind ECDSA P-256: Entra ID accepts RSA keys only, of 2048 bits or more"},
		{"short", certs, small, "found an RSA key of 1024 bits: Entra ID needs 2048 or more"},
		{"another's", certs[1:], key, `the private key belongs to none of the certificates, which are "CN=Test Issuer" (SHA-256 `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := assertion.NewSigner(tt.certs, tt.key)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || s != nil {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	reversed := []*x509.Certificate{certs[2], certs[1], certs[0]}
	s, err := assertion.NewSigner(reversed, key)
	if err != nil {
		t.Fatal(err)
	}
	if s.Thumbprint() != sha256.Sum256(certs[0].Raw) {
		t.Error("the thumbprint is not that of the certificate that belongs to the key")
	}
	if reversed[0] != certs[2] {
		t.Error("the caller's slice was changed")
	}
}

func TestPain47SignerFaults(t *testing.T) {
	t.Parallel()
	certs, key := parse(t, "pem-rsa-pkcs8.pem", "")
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	offline := errors.New("the HSM is offline")
	tests := []struct {
		name   string
		legacy bool
		sign   func(digest []byte, opts crypto.SignerOpts) ([]byte, error)
		want   string
	}{
		{"error", false, func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, offline }, "signing the client assertion: the HSM is offline"},
		{"panic with a secret", false, func([]byte, crypto.SignerOpts) ([]byte, error) { panic("hunter2") }, "signing the client assertion: the private key's Sign method panicked with a string"},
		{"runtime panic", false, func(digest []byte, _ crypto.SignerOpts) ([]byte, error) { return digest[:40:len(digest)], nil }, "signing the client assertion: the private key's Sign method panicked: runtime error: "},
		{"nothing", false, func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, nil }, "signing the client assertion: the signature from assertion_test.opaque is not RSA-PSS"},
		{"options ignored", false, func(digest []byte, _ crypto.SignerOpts) ([]byte, error) {
			return rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest)
		}, "signing the client assertion: the signature from assertion_test.opaque is not RSA-PSS with a salt of 32 bytes"},
		{"salt too long", false, func(digest []byte, _ crypto.SignerOpts) ([]byte, error) {
			return rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto})
		}, "signing the client assertion: the signature from assertion_test.opaque is not RSA-PSS with a salt of 32 bytes"},
		{"another key", true, func(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
			return other.Sign(nil, digest, opts)
		}, "signing the client assertion: the signature from assertion_test.opaque is not RSA PKCS#1 v1.5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := assertion.NewSigner(certs, opaque{key: key, sign: tt.sign, calls: new(atomic.Int32)})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Sign(t.Context(), assertion.Claims{Profile: assertion.Profile{Legacy: tt.legacy}})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if tt.name == "error" && !errors.Is(err, offline) {
				t.Error("the signer's error is not wrapped")
			}
		})
	}
}

func TestSignCancelled(t *testing.T) {
	t.Parallel()
	certs, key := parse(t, "pem-rsa-pkcs8.pem", "")
	calls := new(atomic.Int32)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := assertion.NewSigner(certs, opaque{key: key, calls: calls, sign: func([]byte, crypto.SignerOpts) ([]byte, error) {
		cancel()
		return nil, errors.New("cancelled in between")
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Sign(ctx, assertion.Claims{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	}
	if calls.Load() != 1 {
		t.Errorf("got %d signatures, want 1: the second call came with a cancelled context", calls.Load())
	}
}

func TestSignConcurrently(t *testing.T) {
	t.Parallel()
	certs, key := parse(t, "pfx-openssl3.pfx", "password")
	s, err := assertion.NewSigner(certs, key)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			jwt, err := s.Sign(t.Context(), assertion.Claims{Audience: audience, Profile: assertion.Profile{Legacy: i%2 == 0, Chain: i%3 == 0}})
			if err != nil {
				t.Error(err)
				return
			}
			verify(t, jwt, &key.PublicKey)
		})
	}
	wg.Wait()
}

func TestNothingPrintsTheKey(t *testing.T) {
	t.Parallel()
	certs, key := parse(t, "pem-rsa-pkcs8.pem", "")
	s, err := assertion.NewSigner(certs, key)
	if err != nil {
		t.Fatal(err)
	}
	c := assertion.NewCached(s, "client")
	jwt, err := c.Assertion(t.Context(), audience, assertion.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{jwt, key.D.String(), fmt.Sprintf("%x", key.D), fmt.Sprint(key.Primes[0]), fmt.Sprint(key.Primes[1])}
	for _, v := range []any{s, *s, c} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
			text := fmt.Sprintf(verb, v)
			for _, secret := range secrets {
				if strings.Contains(text, secret) || len(text) > 200 {
					t.Errorf("%s of %T prints what it holds", verb, v)
				}
			}
		}
		if text, _ := json.Marshal(v); !bytes.Equal(text, []byte("{}")) {
			t.Errorf("JSON of %T: got %s", v, text)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	certs, key := parse(b, "pem-rsa-pkcs8.pem", "")
	s, err := assertion.NewSigner(certs, key)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Sign(b.Context(), assertion.Claims{Audience: audience, ClientID: "client"}); err != nil {
			b.Fatal(err)
		}
	}
}
