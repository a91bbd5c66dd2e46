package azidentity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"sync/atomic"
	"time"

	"github.com/azid-go/azidentity/internal/assertion"
	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/events"
	"github.com/azid-go/azidentity/internal/secret"
)

// A clientAuth is an application's proof of its identity.
type clientAuth interface {
	entra.ClientAuth

	// proof stands for the secret or certificate in keys.
	proof() [32]byte
	// private reports whether equal proofs do not make an equal identity.
	private() bool
}

// digestKey makes digests of secrets worthless outside this process.
var digestKey = func() (k [32]byte) { _, _ = rand.Read(k[:]); return k }()

// digest stands for a secret of some kind in keys of tokens: SHA-256 of the process's
// key, the kind and the secret. Nobody can make two secrets that share one. As none
// leaves the process, a key in front does what HMAC would, at a quarter of the cost.
func digest(kind, value string) (sum [sha256.Size]byte) {
	h := sha256.New()
	var part [256]byte // on the stack, where a conversion of value would not be
	n := copy(part[:], digestKey[:])
	for _, s := range [...]string{kind, "\x00", value} {
		for s != "" {
			if n == len(part) {
				h.Write(part[:])
				n = 0
			}
			taken := copy(part[n:], s)
			n, s = n+taken, s[taken:]
		}
	}
	h.Write(part[:n])
	h.Sum(sum[:0])
	return sum
}

// publicClient is an application that has nothing to prove itself by (RFC 6749, section
// 2.1).
type publicClient struct{}

func (publicClient) Authenticate(context.Context, *entra.Form, string, bool) error { return nil }
func (publicClient) Refused(context.Context, *entra.Error, *entra.Form) bool       { return false }
func (publicClient) proof() [32]byte                                               { return [32]byte{} }
func (publicClient) private() bool                                                 { return false }

// A secretAuth proves by a shared secret (RFC 6749, section 2.3.1). It is a pointer in
// size, so that it takes no memory of its own as a clientAuth.
type secretAuth struct{ secret secret.Value }

func newSecretAuth(s string) (secretAuth, error) {
	if s == "" {
		return secretAuth{}, errors.New("the client secret is missing")
	}
	return secretAuth{secret.New(s)}, nil
}

func (s secretAuth) Authenticate(_ context.Context, f *entra.Form, _ string, _ bool) error {
	f.SetSecret("client_secret", s.secret.Expose())
	return nil
}

func (s secretAuth) Refused(context.Context, *entra.Error, *entra.Form) bool { return false }
func (s secretAuth) proof() [32]byte                                         { return digest("secret", s.secret.Expose()) }
func (s secretAuth) private() bool                                           { return false }

// jwtBearer is the client_assertion_type of RFC 7523, section 2.2.
const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func setAssertion(f *entra.Form, jwt string) {
	f.Set("client_assertion_type", jwtBearer)
	f.SetSecret("client_assertion", jwt)
}

// errNotYetValid and the like: the codes on which another assertion may help.
const (
	codeAssertionTime = 700024 // outside its validity
	codeNoMatch       = 70021
	codeIssuer        = 700211
	codeAudience      = 700212
	codeSubject       = 700213
	codeSubjectCase   = 7002138
)

// A certificateAuth proves by an assertion signed with a certificate's key.
// Assertions are reused within their lifetime.
type certificateAuth struct {
	signed *assertion.Cached
	signer [32]byte // the certificate's thumbprint
	chain  bool
	told   atomic.Bool // that the clock is off
}

func newCertificateAuth(signer *assertion.Signer, clientID string, chain bool) *certificateAuth {
	return &certificateAuth{signed: assertion.NewCached(signer, clientID), signer: signer.Thumbprint(), chain: chain}
}

// renewed is the proof by another certificate at the same authority, whose clock is
// known already.
func (c *certificateAuth) renewed(signer *assertion.Signer, clientID string) *certificateAuth {
	n := newCertificateAuth(signer, clientID, c.chain)
	n.signed.SetOffset(c.signed.Offset())
	return n
}

func (c *certificateAuth) Authenticate(ctx context.Context, f *entra.Form, endpoint string, legacy bool) error {
	jwt, err := c.signed.Assertion(ctx, endpoint, assertion.Profile{Legacy: legacy, Chain: c.chain})
	if err != nil {
		return err
	}
	f.Set("client_assertion_type", jwtBearer)
	f.SetSigned("client_assertion", jwt, c.signer[:])
	return nil
}

// Refused learns the authority's time when that is why it refused: the next
// assertion is made for the authority's clock instead of this machine's.
func (c *certificateAuth) Refused(ctx context.Context, e *entra.Error, f *entra.Form) bool {
	if !e.Has(codeAssertionTime) {
		return false
	}
	jwt := f.Secret("client_assertion")
	if d, err := assertion.Describe(jwt); err == nil {
		e.Presented = d.String()
		for _, legacy := range []bool{false, true} {
			c.signed.Forget(d.Audience, assertion.Profile{Legacy: legacy, Chain: c.chain}, jwt)
		}
	}
	c.signed.SetOffset(e.Offset)
	if e.Offset.Abs() > time.Minute && c.told.CompareAndSwap(false, true) {
		events.Log(ctx, events.ClockOff, events.Duration("offset", e.Offset))
	}
	return true
}

func (c *certificateAuth) proof() [32]byte { return c.signer }
func (c *certificateAuth) private() bool   { return false }

// An assertionAuth proves by assertions that a callback makes.
type assertionAuth struct {
	get func(context.Context) (string, error)
}

func (a *assertionAuth) Authenticate(ctx context.Context, f *entra.Form, _ string, _ bool) error {
	jwt, err := a.get(ctx)
	if err != nil {
		return err
	}
	if jwt == "" {
		return errors.New("the assertion callback returned an empty assertion")
	}
	setAssertion(f, jwt)
	return nil
}

// Refused adds to the error what the assertion says of itself, where that is
// what Entra compared.
func (a *assertionAuth) Refused(_ context.Context, e *entra.Error, f *entra.Form) bool {
	present(e, f)
	return false
}

// present adds what the assertion in f says of itself to an error that is about
// that, and returns the same.
func present(e *entra.Error, f *entra.Form) (d assertion.Description) {
	for _, code := range []int{codeAssertionTime, codeNoMatch, codeIssuer, codeAudience, codeSubject, codeSubjectCase} {
		if e.Has(code) {
			var err error
			if d, err = assertion.Describe(f.Secret("client_assertion")); err == nil {
				e.Presented = d.String()
			}
			break
		}
	}
	return d
}

func (a *assertionAuth) proof() [32]byte { return [32]byte{} }
func (a *assertionAuth) private() bool   { return true }
