package entra

import (
	"context"
	"slices"
	"strings"
)

// A UserRequest is what the grants that act for a user have in common.
type UserRequest struct {
	Tenant   string
	ClientID string
	Scopes   []string
	Claims   string // a challenge, as JSON
	CAE      bool
	Auth     ClientAuth // nil for a public client
}

// OnBehalfOf exchanges the token that a user has for this application for one for
// another API (RFC 7523, section 2.1, with Entra's requested_token_use).
func (c *Client) OnBehalfOf(ctx context.Context, r UserRequest, assertion string) (TokenResponse, error) {
	return c.forUser(ctx, r, func(f *Form) {
		f.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
		f.Set("requested_token_use", "on_behalf_of")
		f.SetSecret("assertion", assertion)
	})
}

// AuthorizationCode redeems the code that a user's sign-in brought (RFC 6749, section
// 4.1.3). redirectURI is the one with which the code was requested, verifier that of
// RFC 7636 or empty. The code is spent when it is redeemed: [Unredeemed] tells of
// which errors it is not.
func (c *Client) AuthorizationCode(ctx context.Context, r UserRequest, code, redirectURI, verifier string) (TokenResponse, error) {
	if err := checkOneResource(r.Scopes); err != nil {
		return TokenResponse{}, err
	}
	return c.forUser(ctx, r, func(f *Form) {
		f.ForOnce()
		f.Set("grant_type", "authorization_code")
		f.SetSecret("code", code)
		f.Set("redirect_uri", redirectURI)
		if verifier != "" {
			f.SetSecret("code_verifier", verifier)
		}
	})
}

// Refresh exchanges a refresh token (RFC 6749, section 6). Its answer may hold the
// one to use from then on.
func (c *Client) Refresh(ctx context.Context, r UserRequest, refreshToken string) (TokenResponse, error) {
	return c.forUser(ctx, r, func(f *Form) {
		f.Set("grant_type", "refresh_token")
		f.SetSecret("refresh_token", refreshToken)
	})
}

func (c *Client) forUser(ctx context.Context, r UserRequest, grant func(*Form)) (TokenResponse, error) {
	claims, err := mergeClaims(r.Claims, r.CAE)
	if err != nil {
		return TokenResponse{}, err
	}
	endpoint, err := c.tokenEndpoint(ctx, r.Tenant)
	if err != nil {
		return TokenResponse{}, err
	}
	return c.grant(ctx, endpoint, c.authority.Legacy(r.Tenant), r.Auth, func(f *Form) {
		f.Set("client_id", r.ClientID)
		grant(f)
		f.Set("scope", userScopes(r.Scopes))
		f.Set("client_info", "1")
		if claims != "" {
			f.Set("claims", claims)
		}
	})
}

// reservedScopes ask for an ID token and a refresh token. Every grant that acts for
// a user asks for them.
var reservedScopes = []string{"openid", "offline_access", "profile"}

// userScopes is the scope parameter for scopes: those first, in the caller's order,
// then the reserved ones that are not among them.
func userScopes(scopes []string) string {
	all := strings.Fields(strings.Join(scopes, " "))
	for _, s := range reservedScopes {
		if !slices.ContainsFunc(all, func(have string) bool { return strings.EqualFold(have, s) }) {
			all = append(all, s)
		}
	}
	return strings.Join(all, " ")
}

// Spent reports whether e says that a refresh token is of no more use at all. Other
// refusals may be about the scopes or the tenant of the request.
func (e *Error) Spent() bool {
	return e.Code == "invalid_grant" && (e.SubError == "bad_token" || e.SubError == "token_expired")
}
