package entra

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

// AuthorizeOptions are what a request to the authorize endpoint has beside the user's
// request. RedirectURI and State have to be set.
type AuthorizeOptions struct {
	// RedirectURI is where the answer goes, and is sent again, byte for byte, when the
	// code is redeemed.
	RedirectURI string
	// State comes back with the answer and ties it to this request. [NewState] makes one.
	State string
	// Nonce comes back in the ID token; [Client.Account] compares it. [NewNonce] makes
	// one. Empty: none is sent.
	Nonce string
	// Verifier proves, when the code is redeemed, that this request was ours (RFC
	// 7636). Only its [Challenge] is sent here. Empty: none is sent.
	Verifier string
	// ResponseMode is form_post by default: a posted code is in no browser history.
	ResponseMode string
	// Prompt is select_account by default, so that people see whom they sign in as.
	Prompt string
	// LoginHint fills in the user name, DomainHint skips the question whose directory
	// it is of. Empty: not sent.
	LoginHint, DomainHint string
}

// AuthorizeURL returns where a user signs in for r: the authorization request of RFC
// 6749, section 4.1.1, with what user-flows facts, section 3.2, recommend. It asks the
// network only for an unknown authority's endpoint, once per process.
func (c *Client) AuthorizeURL(ctx context.Context, r UserRequest, o AuthorizeOptions) (string, error) {
	if o.RedirectURI == "" || o.State == "" {
		return "", errors.New("an authorization request needs a redirect URI and a state")
	}
	if err := checkOneResource(r.Scopes); err != nil {
		return "", err
	}
	claims, err := mergeClaims(r.Claims, r.CAE)
	if err != nil {
		return "", err
	}
	endpoint, err := c.endpointFor(ctx, r.Tenant, "authorize")
	if err != nil {
		return "", err
	}
	q := url.Values{
		"client_id":     {r.ClientID},
		"response_type": {"code"},
		"redirect_uri":  {o.RedirectURI},
		"scope":         {userScopes(r.Scopes)},
		"state":         {o.State},
		"response_mode": {"form_post"},
		"prompt":        {"select_account"},
		"client_info":   {"1"},
	}
	for name, value := range map[string]string{
		"response_mode": o.ResponseMode,
		"prompt":        o.Prompt,
		"nonce":         o.Nonce,
		"login_hint":    o.LoginHint,
		"domain_hint":   o.DomainHint,
		"claims":        claims,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if o.Verifier != "" {
		q.Set("code_challenge", Challenge(o.Verifier))
		q.Set("code_challenge_method", "S256")
	}
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&" // as policies of external identities have it
	}
	return endpoint + separator + strings.ReplaceAll(q.Encode(), "+", "%20"), nil
}

// NewState returns what ties an answer to its request: 256 random bits.
func NewState() string { return random() }

// NewNonce returns what ties an ID token to its sign-in: 256 random bits.
func NewNonce() string { return random() }

// NewVerifier returns a secret of RFC 7636, section 4.1: 256 random bits.
func NewVerifier() string { return random() }

func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Challenge returns the challenge of a verifier by the method S256 (RFC 7636, section
// 4.2).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
