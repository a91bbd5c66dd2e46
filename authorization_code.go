package azidentity

import (
	"crypto/sha256"
	"sync"

	"github.com/azid-go/azidentity/internal/tokencache"
)

// A codeFate is what is known of an authorization code.
type codeFate int

const (
	codeUsable   codeFate = iota // never sent, or certainly not redeemed
	codeRedeemed                 // for tokens
	codeRefused                  // by the authority, for good
	codeLost                     // it may have been redeemed: the answer did not arrive
)

// An authorizationCode is the one record that all credentials of this process with the
// same code have of it, so that it is not sent after it was, or may have been, spent.
type authorizationCode struct {
	mu         sync.Mutex // guards all below; never held while waiting
	fate       codeFate
	redemption *redemption // under way, or nil
}

// A redemption is one attempt to redeem a code.
type redemption struct {
	of   codeUser
	done chan struct{} // closed when err is set and the code's fate is known
	err  error
}

// A codeUser is an identity that has tokens of a code.
type codeUser struct {
	owner   tokencache.Owner
	subject string
}

// claim returns the redemption that is under way, or one that the caller has to begin
// and to settle, or nil if the code is spent.
func (a *authorizationCode) claim(by codeUser) (r *redemption, mine bool, fate codeFate) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.redemption == nil && a.fate == codeUsable {
		a.redemption, mine = &redemption{of: by, done: make(chan struct{})}, true
	}
	return a.redemption, mine, a.fate
}

// settle ends the redemption under way.
func (a *authorizationCode) settle(fate codeFate, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.redemption.err = err
	close(a.redemption.done)
	a.fate, a.redemption = fate, nil
}

// authorizationCodes are those of this process's credentials. There is no other way to know that a
// code was spent: credentials are constructed anew for each request, isolated, or closed.
var authorizationCodes codeBook

// A codeBook finds the record of a code. It keeps the newest codes, at least as many as
// half its limit. A code that it forgot is refused by the authority, which is what
// becomes of every code after ten minutes.
type codeBook struct {
	mu         sync.Mutex // guards the maps
	young, old map[codeKey]*authorizationCode
}

// A codeKey tells codes apart. The proof, the redirect URI and the verifier are none of
// it: there is but one code, whatever it is presented with. The transport is, as another
// one may lead to another authority of the same name, such as a test's.
type codeKey struct {
	application tokencache.Owner
	digest      [sha256.Size]byte
}

// maxCodes is the limit of a codeBook. A record takes some 200 bytes.
const maxCodes = 100_000

func (b *codeBook) open(k codeKey) *authorizationCode {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.young[k]
	if a != nil {
		return a
	}
	if a = b.old[k]; a == nil {
		a = new(authorizationCode)
	}
	if b.young == nil || len(b.young) >= maxCodes/2 {
		b.old, b.young = b.young, make(map[codeKey]*authorizationCode)
	}
	b.young[k] = a
	return a
}
