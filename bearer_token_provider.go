package azidentity

import (
	"context"
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/tokencache"
)

// NewBearerTokenProvider returns a function that returns a token for scopes as
// a string, for libraries that want just that: a database driver's password, an
// OpenAI client. It is the get_bearer_token_provider of Python.
//
// The function keeps the token and renews it in time, whether or not cred does,
// and may be called concurrently. Its errors are those of cred. It panics if
// cred is nil or there are no scopes.
func NewBearerTokenProvider(cred azcore.TokenCredential, scopes ...string) func(context.Context) (string, error) {
	if cred == nil {
		panic("azidentity: NewBearerTokenProvider with a nil credential")
	}
	if len(scopes) == 0 {
		panic("azidentity: NewBearerTokenProvider without scopes")
	}
	if keeper, ok := cred.(tokenKeeper); ok && keeper.keepsTokens() {
		return func(ctx context.Context) (string, error) {
			t, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: scopes})
			return t.Token, err
		}
	}
	p := &tokenProvider{cred: cred, tokens: tokencache.New(tokencache.Limits{})}
	q := tokencache.Query{Owner: tokencache.NewOwner(tokencache.Principal{Flow: "provider"}), Scopes: scopes}
	return func(ctx context.Context) (string, error) {
		t, err := p.tokens.Get(ctx, q, p)
		return t.Value, err
	}
}

// A tokenKeeper is a credential that keeps tokens in memory itself.
type tokenKeeper interface{ keepsTokens() bool }

func (c *ClientSecretCredential) keepsTokens() bool      { return true }
func (c *ClientCertificateCredential) keepsTokens() bool { return true }
func (c *ClientAssertionCredential) keepsTokens() bool   { return true }
func (c *EnvironmentCredential) keepsTokens() bool       { return true }
func (c *OnBehalfOfCredential) keepsTokens() bool        { return true }
func (c *ManagedIdentityCredential) keepsTokens() bool   { return true }
func (c *AuthorizationCodeCredential) keepsTokens() bool { return true }

// A tokenProvider keeps the tokens of a credential that may not.
type tokenProvider struct {
	cred   azcore.TokenCredential
	tokens *tokencache.Cache
}

// Fetch implements [tokencache.Source].
func (p *tokenProvider) Fetch(ctx context.Context, q tokencache.Query) (tokencache.Token, error) {
	t, err := p.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: q.Scopes})
	if err == nil && t.Token == "" {
		err = errors.New("the credential returned an empty token without an error")
	}
	if err != nil {
		return tokencache.Token{}, fmt.Errorf("bearer token provider: %w", err)
	}
	return tokencache.Token{Value: t.Token, ExpiresOn: t.ExpiresOn, RefreshOn: t.RefreshOn}, nil
}

// Life implements [tokencache.Source].
func (p *tokenProvider) Life() context.Context { return context.Background() }
