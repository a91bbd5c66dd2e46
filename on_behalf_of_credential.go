package azidentity

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/assertion"
	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/secret"
	"github.com/azid-go/azidentity/internal/tokencache"
)

const credNameOBO = "OnBehalfOfCredential"

// OnBehalfOfCredentialOptions are the options of [OnBehalfOfCredential]. Nil and
// the zero value mean the same.
type OnBehalfOfCredentialOptions struct {
	azcore.ClientOptions

	// AdditionallyAllowedTenants lists tenants besides the configured one for
	// which tokens may be requested. "*" allows any.
	AdditionallyAllowedTenants []string

	// DisableInstanceDiscovery: see [ClientSecretCredentialOptions].
	DisableInstanceDiscovery bool

	// SendCertificateChain sends the certificates with each request (x5c). It
	// counts for [NewOnBehalfOfCredentialWithCertificate] only. Default false.
	SendCertificateChain bool

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions
}

// OnBehalfOfCredential lets a web API call another API for its own caller: it
// exchanges the access token that the caller presented, the user assertion, for
// one for the other API.
//
// Tokens belong to application and user, not to the credential: an API that
// constructs a credential for each request finds the user's token in memory. One
// credential can serve all users as well: construct it with an empty user assertion
// and put that of each request into the context with [WithUserAssertion]. It is safe
// for concurrent use.
//
// When Entra ID wants the user to do something first, such as multifactor
// authentication, the error is an [*AuthenticationFailedError] whose ClaimsChallenge
// is what the API answers its caller.
type OnBehalfOfCredential struct {
	app     *application
	user    secret.Value // empty: the context has it
	subject string
}

// NewOnBehalfOfCredentialWithSecret authenticates the application with a secret.
// It touches no network.
func NewOnBehalfOfCredentialWithSecret(tenantID, clientID, userAssertion, clientSecret string, options *OnBehalfOfCredentialOptions) (*OnBehalfOfCredential, error) {
	auth, err := newSecretAuth(clientSecret)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", credNameOBO, err)
	}
	return newOnBehalfOfCredential(tenantID, clientID, userAssertion, auth, options)
}

// NewOnBehalfOfCredentialWithCertificate authenticates the application with a
// certificate; see [NewClientCertificateCredential]. It touches no network.
func NewOnBehalfOfCredentialWithCertificate(tenantID, clientID, userAssertion string, certs []*x509.Certificate, key crypto.PrivateKey, options *OnBehalfOfCredentialOptions) (*OnBehalfOfCredential, error) {
	signer, err := assertion.NewSigner(certs, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", credNameOBO, err)
	}
	return newOnBehalfOfCredential(tenantID, clientID, userAssertion, newCertificateAuth(signer, clientID, options != nil && options.SendCertificateChain), options)
}

// NewOnBehalfOfCredentialWithClientAssertions authenticates the application with
// assertions that a function returns; see [NewClientAssertionCredential]. Tokens of
// such a credential are its own. It touches no network.
func NewOnBehalfOfCredentialWithClientAssertions(tenantID, clientID, userAssertion string, getAssertion func(context.Context) (string, error), options *OnBehalfOfCredentialOptions) (*OnBehalfOfCredential, error) {
	if getAssertion == nil {
		return nil, fmt.Errorf("%s: %w", credNameOBO, errors.New("getAssertion is nil: pass a function that returns assertions"))
	}
	return newOnBehalfOfCredential(tenantID, clientID, userAssertion, &assertionAuth{getAssertion}, options)
}

// NewOnBehalfOfCredentialWithAuthentication authenticates the application by any
// [ClientAuthentication], above all by a secret or certificate that rotates while the
// program runs. It touches no network. An API that constructs a credential for each
// request makes the authentication once.
func NewOnBehalfOfCredentialWithAuthentication(tenantID, clientID, userAssertion string, authentication ClientAuthentication, options *OnBehalfOfCredentialOptions) (*OnBehalfOfCredential, error) {
	auth, err := authentication.required(clientID)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", credNameOBO, err)
	}
	return newOnBehalfOfCredential(tenantID, clientID, userAssertion, auth, options)
}

func newOnBehalfOfCredential(tenantID, clientID, userAssertion string, auth clientAuth, options *OnBehalfOfCredentialOptions) (*OnBehalfOfCredential, error) {
	if options == nil {
		options = &OnBehalfOfCredentialOptions{}
	}
	app, err := newApplication(credNameOBO, tenantID, clientID, auth, appOptions{
		ClientOptions:              options.ClientOptions,
		additionallyAllowedTenants: options.AdditionallyAllowedTenants,
		disableInstanceDiscovery:   options.DisableInstanceDiscovery,
		tokens:                     options.Tokens,
		flow:                       "on_behalf_of",
	})
	if err != nil {
		return nil, err
	}
	c := &OnBehalfOfCredential{app: app, user: secret.New(userAssertion)}
	if userAssertion != "" {
		c.subject = subjectOf(userAssertion)
	}
	return c, nil
}

// subjectOf stands for the user in keys. Two assertions of one user are two
// subjects: they may differ in what they allow.
func subjectOf(userAssertion string) string {
	sum := digest("user", userAssertion)
	return string(sum[:])
}

type userAssertionKey struct{}

// WithUserAssertion returns a context for calls of an [OnBehalfOfCredential] that
// was constructed without a user assertion: the access token that the user presented
// to this API, without "Bearer". Credentials constructed with one ignore it.
func WithUserAssertion(ctx context.Context, userAssertion string) context.Context {
	return context.WithValue(ctx, userAssertionKey{}, secret.New(userAssertion))
}

// userAssertion returns the assertion that counts for a call with ctx.
func (c *OnBehalfOfCredential) userAssertion(ctx context.Context) string {
	if !c.user.IsZero() {
		return c.user.Expose()
	}
	v, _ := ctx.Value(userAssertionKey{}).(secret.Value)
	return v.Expose()
}

// GetToken returns a token for the user, from memory if there is one. Azure SDK
// clients call it. Failures are [*AuthenticationFailedError].
func (c *OnBehalfOfCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	subject := c.subject
	if subject == "" {
		a := c.userAssertion(ctx)
		if a == "" {
			return azcore.AccessToken{}, &AuthenticationFailedError{message: credNameOBO + ": there is no user assertion: pass the token of the API's caller to the constructor, or to WithUserAssertion for the context of this call"}
		}
		subject = subjectOf(a)
	}
	return c.app.tokenFor(ctx, &opts, subject, (*onBehalfOfSource)(c))
}

// refreshTokenLife is how long a refresh token is kept when nobody uses it: Entra's
// last for 90 days, but a user's assertion is of no use after about an hour, and a
// new one comes with the next request.
const refreshTokenLife = 24 * time.Hour

// An onBehalfOfSource is the credential as a [tokencache.Source].
type onBehalfOfSource OnBehalfOfCredential

func (s *onBehalfOfSource) Fetch(ctx context.Context, q tokencache.Query) (tokencache.Token, error) {
	return s.app.fetched(ctx, q, (*OnBehalfOfCredential)(s).fetch)
}

func (s *onBehalfOfSource) Life() context.Context { return s.app.Life() }

// errNoAssertion is what a renewal behind finds that has neither the context of a
// call nor a refresh token. The next caller brings an assertion.
var errNoAssertion = errors.New("there is neither a user assertion nor a refresh token")

// fetch redeems the user's refresh token if there is one, and exchanges the
// assertion otherwise.
func (c *OnBehalfOfCredential) fetch(ctx context.Context, q tokencache.Query) (entra.TokenResponse, error) {
	if err := c.app.authority.CheckScopes(q.Scopes); err != nil {
		return entra.TokenResponse{}, err
	}
	r := entra.UserRequest{Tenant: q.Tenant, ClientID: c.app.clientID, Scopes: q.Scopes, Claims: q.Claims, CAE: q.CAE, Auth: c.app.auth}
	if kept := c.app.tokens.Kept(q); kept != "" {
		t, err := c.app.entra.Refresh(ctx, r, kept)
		var refused *entra.Error
		switch {
		case err == nil:
			c.keep(q, t)
			return t, nil
		case !errors.As(err, &refused) || !refused.Final():
			return t, err // it says nothing about the refresh token
		case refused.Spent():
			c.app.tokens.Drop(q, kept)
		}
	}
	assertion := c.userAssertion(ctx)
	if assertion == "" {
		return entra.TokenResponse{}, errNoAssertion
	}
	t, err := c.app.entra.OnBehalfOf(ctx, r, assertion)
	if err == nil {
		c.keep(q, t)
	}
	return t, err
}

func (c *OnBehalfOfCredential) keep(q tokencache.Query, t entra.TokenResponse) {
	if t.RefreshToken != "" {
		c.app.tokens.Keep(q, t.RefreshToken, time.Now().Add(refreshTokenLife))
	}
}

// Close does what [ClientSecretCredential.Close] does.
func (c *OnBehalfOfCredential) Close() error { return c.app.Close() }

// ClaimsChallenge returns the value of the WWW-Authenticate header with which a web
// API passes e on to its own caller, who can then sign the user in again with those
// claims, or "" if e carries no claims.
func (e *AuthenticationFailedError) ClaimsChallenge() string {
	if e.Claims == "" {
		return ""
	}
	return `Bearer error="insufficient_claims", claims="` + base64.StdEncoding.EncodeToString([]byte(e.Claims)) + `"`
}

var _ azcore.TokenCredential = (*OnBehalfOfCredential)(nil)
