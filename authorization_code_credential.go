package azidentity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/secret"
	"github.com/azid-go/azidentity/internal/tokencache"
)

const credNameAuthorizationCode = "AuthorizationCodeCredential"

// AuthorizationCodeCredentialOptions are the options of [AuthorizationCodeCredential].
// Nil and the zero value mean the same.
type AuthorizationCodeCredentialOptions struct {
	azcore.ClientOptions

	// AdditionallyAllowedTenants lists tenants besides the configured one for
	// which tokens may be requested. "*" allows any.
	AdditionallyAllowedTenants []string

	// Authentication is how the application proves its identity. Web applications
	// have to, for example with [AuthenticationBySecret]. The zero value is for public
	// clients, such as a desktop program, which must not.
	Authentication ClientAuthentication

	// CodeVerifier is the secret from which the code_challenge was made with which the
	// code was requested (PKCE, RFC 7636). Empty if there was none.
	CodeVerifier string

	// DisableInstanceDiscovery: see [ClientSecretCredentialOptions].
	DisableInstanceDiscovery bool

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions
}

// AuthorizationCodeCredential authenticates a user by the authorization code that the
// user's sign-in sent to the application's redirect URI (RFC 6749, section 4.1). It
// redeems the code for the first token, and later ones, for whatever scopes, come from
// memory or by the refresh token.
//
// A code can be redeemed once. It is not sent again after it was spent, nor after an
// error that leaves that open, and the redemption goes on when the caller of GetToken
// leaves: its tokens are for the next one. When neither code nor refresh token is left,
// the error is an [*AuthenticationFailedError], and the user has to sign in again. There
// is a refresh token if the code was requested with the scope offline_access.
//
// Tokens belong to application and code, not to the credential: a web application that
// constructs a credential for each request finds them in memory, given the same code,
// redirect URI, verifier, proof and transport. Credentials that keep their tokens to
// themselves, see [TokenOptions], find none that another one got, and do not send its
// code again: keep such a credential, one for each user's session.
//
// It is safe for concurrent use.
type AuthorizationCodeCredential struct {
	app         *application
	code        secret.Value
	redirectURI string
	verifier    secret.Value
	subject     string

	record func() *authorizationCode
}

// codeVerifier is the form of verifiers (RFC 7636, section 4.1).
var codeVerifier = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// NewAuthorizationCodeCredential makes a credential of the code and of the redirect URI
// with which it was requested. The tenant is the one in which it was, as in the URL that
// the user was sent to. It touches no network.
func NewAuthorizationCodeCredential(tenantID, clientID, code, redirectURI string, options *AuthorizationCodeCredentialOptions) (*AuthorizationCodeCredential, error) {
	if options == nil {
		options = &AuthorizationCodeCredentialOptions{}
	}
	fail := func(err error) (*AuthorizationCodeCredential, error) {
		return nil, fmt.Errorf("%s: %w", credNameAuthorizationCode, err)
	}
	switch {
	case code == "":
		return fail(errors.New("the authorization code is missing: pass the parameter code of the request that the sign-in sent to the redirect URI"))
	case redirectURI == "":
		return fail(errors.New("the redirect URI is missing: pass the one with which the code was requested"))
	case options.CodeVerifier != "" && !codeVerifier.MatchString(options.CodeVerifier):
		return fail(errors.New("invalid CodeVerifier: it has 43 to 128 characters, letters, digits or any of -._~; it is what the code_challenge was made from, not the challenge"))
	}
	auth, err := options.Authentication.forClient(clientID)
	if err != nil {
		return fail(err)
	}
	app, err := newApplication(credNameAuthorizationCode, tenantID, clientID, auth, appOptions{
		ClientOptions:              options.ClientOptions,
		additionallyAllowedTenants: options.AdditionallyAllowedTenants,
		disableInstanceDiscovery:   options.DisableInstanceDiscovery,
		tokens:                     options.Tokens,
		flow:                       "authorization_code",
	})
	if err != nil {
		return nil, err
	}
	// Whoever presents a code with another verifier or redirect URI is not who asked for
	// it, and gets no tokens of it from memory, as from the authority.
	subject := sha256.Sum256([]byte(strings.Join([]string{code, redirectURI, options.CodeVerifier}, "\x00")))
	c := &AuthorizationCodeCredential{
		app: app, code: secret.New(code), redirectURI: redirectURI, verifier: secret.New(options.CodeVerifier), subject: string(subject[:]),
	}
	transport, _ := transportKey(options.Transport)
	c.record = sync.OnceValue(func() *authorizationCode {
		return authorizationCodes.open(codeKey{
			application: tokencache.NewOwner(tokencache.Principal{
				Authority: app.authority.Canonical(), Client: strings.ToLower(clientID), Flow: "authorization_code", Transport: transport,
			}),
			digest: sha256.Sum256([]byte(code)),
		})
	})
	return c, nil
}

// GetToken returns a token for the user, from memory if there is one. Azure SDK
// clients call it. Failures are [*AuthenticationFailedError].
func (c *AuthorizationCodeCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.app.tokenFor(ctx, &opts, c.subject, (*authorizationCodeSource)(c))
}

// An authorizationCodeSource is the credential as a [tokencache.Source].
type authorizationCodeSource AuthorizationCodeCredential

func (s *authorizationCodeSource) Life() context.Context { return s.app.Life() }

func (s *authorizationCodeSource) Fetch(ctx context.Context, q tokencache.Query) (tokencache.Token, error) {
	return (*AuthorizationCodeCredential)(s).fetch(ctx, q)
}

// fetch redeems the code, or waits for whoever does, and goes on with the refresh token
// when the code is spent.
func (c *AuthorizationCodeCredential) fetch(ctx context.Context, q tokencache.Query) (tokencache.Token, error) {
	if err := c.checkScopes(q.Scopes); err != nil {
		return tokencache.Token{}, err
	}
	me := codeUser{q.Owner, q.Subject}
	for {
		r, mine, fate := c.record().claim(me)
		if mine {
			t, err := c.redeem(ctx, q)
			if err != nil || t.Value != "" && q.Tenant == c.app.tenants.configured {
				return t, err
			}
			continue
		}
		if r == nil {
			return c.afterwards(ctx, q, fate)
		}
		select {
		case <-r.done:
			// The failure of somebody else, with another proof, is not ours.
			if r.err != nil && r.of == me {
				return tokencache.Token{}, r.err
			}
		case <-ctx.Done():
			return tokencache.Token{}, ctx.Err()
		}
	}
}

// checkScopes finds what need not cost the code.
func (c *AuthorizationCodeCredential) checkScopes(scopes []string) error {
	if strings.TrimSpace(strings.Join(scopes, "")) == "" {
		return errors.New("the request has no scope: ask for one, for example https://management.azure.com/.default")
	}
	return c.app.authority.CheckScopes(scopes)
}

// redemptionBound ends a redemption that has neither failed nor succeeded, whoever
// still waits for it.
const redemptionBound = 2 * time.Minute

// redeem redeems the code and files what it brings before anyone else goes on. It does
// not end with ctx: a redemption that was begun is finished for the next caller. The
// code is redeemed in the tenant that issued it, whatever q's is.
func (c *AuthorizationCodeCredential) redeem(ctx context.Context, q tokencache.Query) (t tokencache.Token, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), redemptionBound)
	defer cancel()
	fate := codeLost // stays if the transport or a callback panics
	settled := errLostCode
	defer func() { c.record().settle(fate, settled) }()

	q.Tenant = c.app.tenants.configured
	if c.app.tokens.Kept(c.home(q)) != "" {
		fate, settled = codeRedeemed, nil // so long ago that its record is gone
		return t, nil
	}
	t, err = c.app.fetched(ctx, q, func(ctx context.Context, q tokencache.Query) (entra.TokenResponse, error) {
		t, err := c.app.entra.AuthorizationCode(ctx, c.request(q), c.code.Expose(), c.redirectURI, c.verifier.Expose())
		if err == nil {
			c.keep(q, t)
		}
		return t, err
	})
	var refused *entra.Error
	switch {
	case err == nil:
		c.app.tokens.Put(q, t)
		fate = codeRedeemed
	case entra.Unredeemed(err):
		fate = codeUsable
	case errors.As(err, &refused) && refused.Code != "" && refused.Status < 500:
		fate = codeRefused
		if _, known := refused.AdviceFor(); !known {
			err = withSignIn(refused)
		}
	case refused != nil:
		err = withSignIn(refused)
	default:
		err = c.needsSignIn("there is no answer to the redemption of the authorization code, so that it may be spent: "+err.Error(), err)
	}
	settled = err
	return t, err
}

var errLostCode = errors.New("the redemption of the authorization code ended without a result")

// afterwards acquires a token when the code is spent.
func (c *AuthorizationCodeCredential) afterwards(ctx context.Context, q tokencache.Query, fate codeFate) (tokencache.Token, error) {
	if t, ok := c.app.tokens.Find(q); ok && q.Claims == "" {
		return t, nil // that the redemption brought
	}
	if kept := c.app.tokens.Kept(c.home(q)); kept != "" {
		return c.app.fetched(ctx, q, func(ctx context.Context, q tokencache.Query) (entra.TokenResponse, error) {
			return c.refresh(ctx, q, kept)
		})
	}
	switch fate {
	case codeRefused:
		return tokencache.Token{}, c.needsSignIn("the authorization code was refused before, and is not sent again", nil)
	case codeLost:
		return tokencache.Token{}, c.needsSignIn("the authorization code may have been redeemed before, and is not sent again", nil)
	}
	return tokencache.Token{}, c.needsSignIn("the authorization code has been redeemed, and this credential has no refresh token to go on with", nil)
}

func (c *AuthorizationCodeCredential) refresh(ctx context.Context, q tokencache.Query, token string) (entra.TokenResponse, error) {
	t, err := c.app.entra.Refresh(ctx, c.request(q), token)
	var refused *entra.Error
	switch {
	case err == nil:
		c.keep(q, t)
	case errors.As(err, &refused) && refused.Spent():
		c.app.tokens.Drop(c.home(q), token)
		err = withSignIn(refused)
	}
	return t, err
}

func (c *AuthorizationCodeCredential) request(q tokencache.Query) entra.UserRequest {
	return entra.UserRequest{Tenant: q.Tenant, ClientID: c.app.clientID, Scopes: q.Scopes, Claims: q.Claims, CAE: q.CAE, Auth: c.app.auth}
}

// userRefreshTokenLife is how long Entra's refresh tokens last if nobody uses them.
const userRefreshTokenLife = 90 * 24 * time.Hour

func (c *AuthorizationCodeCredential) keep(q tokencache.Query, t entra.TokenResponse) {
	if t.RefreshToken != "" {
		c.app.tokens.Keep(c.home(q), t.RefreshToken, time.Now().Add(userRefreshTokenLife))
	}
}

// home is under what the refresh token is kept: there is one, for all tenants, with CAE
// and without.
func (c *AuthorizationCodeCredential) home(q tokencache.Query) tokencache.Query {
	q.Tenant, q.CAE = c.app.tenants.configured, false
	return q
}

const signInAgain = "have the user sign in again, and construct a credential with the new code; request it with the scope offline_access, for a refresh token"

// withSignIn returns e with that advice.
func withSignIn(e *entra.Error) error {
	changed := *e
	changed.Next = signInAgain
	return &changed
}

func (c *AuthorizationCodeCredential) needsSignIn(what string, cause error) error {
	return &AuthenticationFailedError{message: c.app.name + ": " + what + "\n  Next: " + signInAgain, cause: cause}
}

// Close does what [ClientSecretCredential.Close] does. A redemption that was begun is
// finished.
func (c *AuthorizationCodeCredential) Close() error { return c.app.Close() }

var _ azcore.TokenCredential = (*AuthorizationCodeCredential)(nil)
