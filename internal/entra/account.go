package entra

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/azid-go/azidentity/internal/events"
)

// An Account is a user as the answer of a token endpoint describes one. It is no
// secret.
type Account struct {
	// HomeAccountID is the same in every tenant that the user is a guest of: uid.utid,
	// or the ID token's subject if the server sent no client_info.
	HomeAccountID string
	// LocalAccountID is the user's object ID in TenantID, or the subject.
	LocalAccountID string
	// TenantID is the tenant that issued the token, which need not be the user's home.
	TenantID string
	// Username is the preferred_username, else the upn. It may have mixed case and,
	// for odd accounts, be empty.
	Username string
	Name     string // to be shown; may be empty
	ClientID string // the application that the user signed in to
	// Environment is the host that was asked, with its port if it is not 443; Issuer
	// is the host that the ID token names, mostly the same.
	Environment, Issuer string
}

// ErrNoAccount is in the tree of the error for an answer that does not say, or not
// believably, who the user is. Its access token may be good nevertheless.
var ErrNoAccount = errors.New("the answer does not tell whose the token is")

// An IDToken is what matters here of an ID token (OpenID Connect Core, section 2).
type IDToken struct {
	Issuer    string
	Subject   string
	Audiences []string
	Expires   time.Time // zero if it does not say
	NotBefore time.Time // zero if it does not say
	Nonce     string
	ObjectID  string // "oid"
	TenantID  string // "tid"
	Username  string // "preferred_username", else "upn"
	Name      string
}

// DecodeIDToken reads an ID token. It does not verify the signature: the token came
// straight from the token endpoint, and TLS vouches for it (OpenID Connect Core,
// section 3.1.3.7, point 6). Errors repeat nothing of the token.
func DecodeIDToken(token string) (IDToken, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return IDToken{}, fmt.Errorf("the ID token has %d parts; a JWT has 3", len(parts))
	}
	var claims struct {
		Issuer    string          `json:"iss"`
		Subject   string          `json:"sub"`
		Audience  json.RawMessage `json:"aud"` // a string, or a list
		Expires   seconds         `json:"exp"`
		NotBefore seconds         `json:"nbf"`
		Nonce     string          `json:"nonce"`
		ObjectID  string          `json:"oid"`
		TenantID  string          `json:"tid"`
		Preferred string          `json:"preferred_username"`
		UPN       string          `json:"upn"`
		Name      string          `json:"name"`
	}
	if err := decodePart(parts[1], &claims); err != nil {
		return IDToken{}, fmt.Errorf("the claims of the ID token are %w", err)
	}
	t := IDToken{
		Issuer: claims.Issuer, Subject: claims.Subject, Nonce: claims.Nonce,
		ObjectID: claims.ObjectID, TenantID: claims.TenantID,
		Username: cmp.Or(claims.Preferred, claims.UPN), Name: claims.Name,
	}
	var one string
	if json.Unmarshal(claims.Audience, &one) == nil {
		t.Audiences = []string{one}
	} else if json.Unmarshal(claims.Audience, &t.Audiences) != nil {
		t.Audiences = nil
	}
	if claims.Expires.set {
		t.Expires = time.Unix(claims.Expires.n, 0)
	}
	if claims.NotBefore.set {
		t.NotBefore = time.Unix(claims.NotBefore.n, 0)
	}
	return t, nil
}

// DecodeClientInfo reads the client_info member of an answer: the user's object ID and
// tenant at home.
func DecodeClientInfo(text string) (uid, utid string, err error) {
	var info struct {
		UID  string `json:"uid"`
		UTID string `json:"utid"`
	}
	if err := decodePart(text, &info); err != nil {
		return "", "", fmt.Errorf("client_info is %w", err)
	}
	if info.UID == "" {
		return "", "", errors.New("client_info has no uid")
	}
	// Accounts of a tenant of their own have no utid in some clouds.
	return info.UID, cmp.Or(info.UTID, info.UID), nil
}

// decodePart reads a JSON object in base64url, padded or not. Members of the wrong
// type are as good as missing.
func decodePart(text string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return errors.New("not base64url")
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil || object == nil {
		return errors.New("not a JSON object")
	}
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal(data, into); err != nil && !errors.As(err, &wrong) {
		return errors.New("not a JSON object")
	}
	return nil
}

// clockSkew is by how much this machine's clock may differ from the server's before
// the times of an ID token are worth a word.
const clockSkew = 2 * time.Minute

// Account says who t is for. nonce is the one of the sign-in, empty if there was none.
//
// The ID token has to be for r's application, of this authority, and answer the nonce.
// A wrong time is an event in the log and no more: the token has just come from the
// server, so that it is this machine's clock that is off.
func (c *Client) Account(ctx context.Context, r UserRequest, t TokenResponse, nonce string) (Account, error) {
	fail := func(why string) (Account, error) { return Account{}, fmt.Errorf("%w: %s", ErrNoAccount, why) }
	if t.IDToken == "" {
		return fail("it has no ID token")
	}
	id, err := DecodeIDToken(t.IDToken)
	if err != nil {
		return fail(err.Error())
	}
	issuer, err := url.Parse(id.Issuer)
	if err != nil || issuer.Scheme != "https" || issuer.Host == "" {
		return fail("the issuer of the ID token is not an https URL")
	}
	host := strings.ToLower(issuer.Host)
	switch {
	case !slices.ContainsFunc(id.Audiences, func(aud string) bool { return strings.EqualFold(aud, r.ClientID) }):
		return fail("the ID token is for another application than " + r.ClientID)
	case c.authority.cloud != nil && cloudByHost[host] != c.authority.cloud:
		return fail(fmt.Sprintf("the ID token is issued by %.100q, which is not of the cloud of %s", host, c.authority.host))
	case id.Nonce != nonce && nonce != "":
		return fail("the ID token does not answer the nonce of this sign-in: it may be of another one")
	case id.Subject == "" && id.ObjectID == "":
		return fail("the ID token has no subject")
	}
	if now := time.Now(); !id.Expires.IsZero() && now.After(id.Expires.Add(clockSkew)) || now.Before(id.NotBefore.Add(-clockSkew)) {
		events.Log(ctx, events.ClockOff, slog.Time("notBefore", id.NotBefore), slog.Time("expires", id.Expires))
	}
	a := Account{
		HomeAccountID:  cmp.Or(id.Subject, id.ObjectID),
		LocalAccountID: cmp.Or(id.ObjectID, id.Subject),
		TenantID:       cmp.Or(id.TenantID, tenantOf(issuer)),
		Username:       id.Username,
		Name:           id.Name,
		ClientID:       r.ClientID,
		Environment:    c.authority.host,
		Issuer:         strings.TrimSuffix(host, ":443"),
	}
	if t.ClientInfo != "" {
		uid, utid, err := DecodeClientInfo(t.ClientInfo)
		if err != nil {
			return fail(err.Error())
		}
		a.HomeAccountID = uid + "." + utid
	}
	return a, nil
}

// tenantOf is the tenant that an issuer names: https://host/tenant/v2.0, or
// https://host/adfs.
func tenantOf(issuer *url.URL) string {
	tenant, _, _ := strings.Cut(strings.Trim(issuer.Path, "/"), "/")
	return tenant
}
