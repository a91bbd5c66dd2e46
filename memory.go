package azidentity

import (
	"context"
	"reflect"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/tokencache"
)

// TokenOptions say how a credential keeps tokens in memory. The zero value is
// right for nearly every program.
type TokenOptions struct {
	// Isolated keeps the tokens to this credential. By default, credentials
	// in one process share tokens if they agree on authority, tenant, client,
	// secret or certificate, and transport. Credentials with policies of their
	// own in ClientOptions, or with an assertion callback, never share.
	Isolated bool

	// Memory is where the tokens are kept. Several credentials may be given one:
	// all that they keep counts against its limits, and those that share tokens do
	// so within it. Default nil, the memory of the process; credentials that do not
	// share have one of their own by default, with its limits.
	Memory *TokenMemory

	// RenewInForeground makes GetToken wait for the renewal of a token that
	// has little life left. By default, tokens are renewed behind the caller,
	// on a goroutine that lives as long as that request. It is meant for
	// hosts that stop between calls.
	RenewInForeground bool
}

// TokenLimits bound a [TokenMemory]. Zero or less means the default.
type TokenLimits struct {
	// Tokens is how many tokens are kept at most, a user's refresh token among
	// them. Default 2,000,000.
	Tokens int

	// Bytes is how much memory they take at most, keys and indexes included: the
	// live heap grows by about that. Default 4 GiB.
	Bytes int64
}

// A TokenMemory is where credentials keep tokens within the process, bounded in
// number and size. When it is full, expired tokens leave first, then those that
// were used the longest ago or not at all; what leaves is acquired again when it is
// asked for. A full memory fails no call. It starts no goroutine, and is safe for
// concurrent use.
//
// A nil TokenMemory is the one of the process, which all credentials use that are
// given no other. Its limits are the defaults. It lives as long as the process, as
// the tokens' owners may be constructed anew for every request.
type TokenMemory struct{ tokens *tokencache.Cache }

// NewTokenMemory returns an empty memory, for [TokenOptions].
func NewTokenMemory(limits TokenLimits) *TokenMemory {
	return &TokenMemory{tokencache.New(tokencache.Limits{Tokens: int64(limits.Tokens), Bytes: limits.Bytes})}
}

var processMemory = NewTokenMemory(TokenLimits{})

func (m *TokenMemory) cache() *tokencache.Cache {
	if m == nil || m.tokens == nil {
		return processMemory.tokens
	}
	return m.tokens
}

// TokenMemoryStats tell what is in a [TokenMemory] and what happened to it since it
// was made. Tokens found in memory are not counted: a counter would make each find
// write to memory that all callers share.
type TokenMemoryStats struct {
	Tokens      int64 // in memory now, refresh tokens included
	Bytes       int64 // that they take, about
	Fetches     int64 // how often a token was acquired, or was tried to be
	Failures    int64 // of those
	StaleServed int64 // tokens with little life left that were returned because the renewal failed or dawdled
	Expired     int64 // tokens dropped after their expiry
	Evicted     int64 // tokens dropped for the limits
}

// Stats returns the numbers of m. They are read one after another while others go on,
// so that they may not quite fit each other.
func (m *TokenMemory) Stats() TokenMemoryStats { return TokenMemoryStats(m.cache().Stats()) }

// A memory is where a credential finds its tokens, and for how long it renews them
// behind its callers.
type memory struct {
	tokens *tokencache.Cache
	owner  tokencache.Owner
	alone  bool // shares tokens with no other credential

	// The life is begun when someone asks for it: of the credentials that a program
	// constructs for each of its requests, hardly any renews a token.
	begin      sync.Once
	life       context.Context // ends with Close
	end        context.CancelFunc
	foreground bool // no renewals behind callers, as if closed
}

// newMemory decides with whom the tokens of p are shared: with all whose principal
// is equal, transport included, unless the caller's options or private, which says
// that equal principals may be different identities, keep them apart.
func newMemory(p tokencache.Principal, o *azcore.ClientOptions, t TokenOptions, private bool) memory {
	tokens, alone := t.Memory.cache(), false
	var isKey bool
	p.Transport, isKey = transportKey(o.Transport)
	if t.Isolated || private || !isKey || len(o.PerCallPolicies)+len(o.PerRetryPolicies) > 0 {
		if t.Memory == nil {
			tokens = tokencache.New(tokencache.Limits{})
		}
		p.Alone, alone = new(byte), true
	}
	return memory{tokens: tokens, owner: tokencache.NewOwner(p), alone: alone, foreground: t.RenewInForeground}
}

// transportKey returns what stands for a transport in keys, nil for the default one,
// and whether it tells it from others.
func transportKey(t policy.Transporter) (key any, ok bool) {
	switch {
	case t == nil:
		return nil, true
	case !reflect.ValueOf(t).Comparable():
		return nil, false
	}
	return t, true
}

// throttleAdvice is what to do about having asked too often: the likely cause depends on
// whether a credential that is constructed anew finds the tokens of the one before.
func (m *memory) throttleAdvice() string {
	if m.alone {
		return "this credential keeps its tokens to itself (TokenOptions.Isolated, policies or a transport of its own, or an assertion callback): construct it once and keep it"
	}
	return "credentials in this process share their tokens, so look for many processes that start at once, a program that starts again and again, or a loop over scopes, tenants or users"
}

// Life implements [tokencache.Source].
func (m *memory) Life() context.Context {
	m.begin.Do(func() {
		m.life, m.end = context.WithCancel(context.Background())
		if m.foreground {
			m.end()
		}
	})
	return m.life
}

// close ends the life.
func (m *memory) close() {
	m.Life()
	m.end()
}
