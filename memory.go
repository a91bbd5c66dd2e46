package azidentity

import (
	"context"
	"reflect"

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

	// RenewInForeground makes GetToken wait for the renewal of a token that
	// has little life left. By default, tokens are renewed behind the caller,
	// on a goroutine that lives as long as that request. It is meant for
	// hosts that stop between calls.
	RenewInForeground bool
}

// sharedTokens holds the tokens of all credentials that share. It is bounded,
// and lives as long as the process, as the tokens' owners may be constructed
// anew for every request.
var sharedTokens = tokencache.New(tokencache.Limits{})

// A memory is where a credential finds its tokens, and for how long it renews them
// behind its callers.
type memory struct {
	tokens *tokencache.Cache
	owner  tokencache.Owner
	shared bool

	life  context.Context // ends with Close
	close context.CancelFunc
}

// newMemory decides with whom the tokens of p are shared: with all whose principal
// is equal, transport included, unless the caller's options or private, which says
// that equal principals may be different identities, keep them apart.
func newMemory(p tokencache.Principal, o azcore.ClientOptions, t TokenOptions, private bool) memory {
	m := memory{tokens: sharedTokens, shared: true}
	var isKey bool
	p.Transport, isKey = transportKey(o.Transport)
	if t.Isolated || private || !isKey || len(o.PerCallPolicies)+len(o.PerRetryPolicies) > 0 {
		m.tokens, m.shared = tokencache.New(tokencache.Limits{}), false
	}
	m.owner = tokencache.NewOwner(p)
	m.life, m.close = context.WithCancel(context.Background())
	if t.RenewInForeground {
		m.close()
	}
	return m
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
	if m.shared {
		return "credentials in this process share their tokens, so look for many processes that start at once, a program that starts again and again, or a loop over scopes, tenants or users"
	}
	return "this credential keeps its tokens to itself (TokenOptions.Isolated, policies or a transport of its own, or an assertion callback): construct it once and keep it"
}

// Life implements [tokencache.Source].
func (m *memory) Life() context.Context { return m.life }
