package entra

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/secret"
)

// A userRealm says who checks an account's password: Entra ID, or a federation server
// of the organisation.
type userRealm struct {
	federated   bool
	domain      string
	audience    string // of the assertion
	protocol    string
	metadataURL string
}

// A FederationError says that the federation server of an account gave no assertion
// for its password. The password is nowhere in it.
type FederationError struct {
	Domain string // of the account
	Server string // host of the federation server, empty if none is known
	// Refused is set when the server refused the user name or the password.
	Refused bool
	Problem string // what went wrong
	err     error  // of the network, or nil
}

// Error is one line, with what to do.
func (e *FederationError) Error() string {
	at := "the federation server of " + e.Domain
	if e.Server != "" {
		at += " (" + e.Server + ")"
	}
	switch {
	case e.Refused:
		return fmt.Sprintf("%s refused the user name or the password: %s; check both", at, e.Problem)
	case e.err != nil:
		return fmt.Sprintf("%s cannot be reached: %s", at, e.Problem)
	}
	return fmt.Sprintf("%s gives nothing for a password: %s; use a credential that shows a sign-in page", at, e.Problem)
}

// Unwrap returns the network's error, such as a context's end, or nil.
func (e *FederationError) Unwrap() error { return e.err }

// Password exchanges a user's name and password (RFC 6749, section 4.3). Where the
// organisation checks passwords itself, they go to its federation server, and what that
// says of the user to the token endpoint (RFC 7522). It cannot do multifactor
// authentication: see [Error.NeedsPerson].
func (c *Client) Password(ctx context.Context, r UserRequest, username string, password secret.Value) (TokenResponse, error) {
	if err := checkOneResource(r.Scopes); err != nil {
		return TokenResponse{}, err
	}
	// First of all, as it may find that the host cannot be trusted.
	if _, err := c.tokenEndpoint(ctx, r.Tenant); err != nil {
		return TokenResponse{}, err
	}
	var realm userRealm
	if !c.authority.Legacy(r.Tenant) && !c.authority.external() {
		var err error
		if realm, err = c.userRealm(ctx, username); err != nil {
			return TokenResponse{}, err
		}
	}
	if realm.federated {
		saml, err := c.federated(ctx, realm, username, password)
		if err != nil {
			return TokenResponse{}, err
		}
		return c.forUser(ctx, r, func(f *Form) {
			f.Set("grant_type", saml.grantType)
			f.SetSecret("assertion", base64.RawURLEncoding.EncodeToString([]byte(saml.text)))
		})
	}
	return c.forUser(ctx, r, func(f *Form) {
		f.Set("grant_type", "password")
		f.Set("username", username)
		f.SetSecret("password", password.Expose())
	})
}

// userRealm asks who checks the passwords of username. Authorities that do not know
// the question check them themselves.
func (c *Client) userRealm(ctx context.Context, username string) (userRealm, error) {
	base := "https://" + c.authority.host + "/common/userrealm/"
	resp, body, err := c.exchange(ctx, http.MethodGet, base+url.PathEscape(username)+"?api-version=1.0", nil, nil)
	if err != nil {
		return userRealm{}, err
	}
	if resp.StatusCode == http.StatusNotFound {
		return userRealm{}, nil
	}
	realm, e := decodeUserRealm(resp.StatusCode, resp.Header, body)
	if e != nil {
		e.describe(resp.Header, http.MethodGet, base, nil) // without the user's name
		return userRealm{}, e
	}
	return realm, nil
}

func decodeUserRealm(status int, header http.Header, body []byte) (userRealm, *Error) {
	if status != http.StatusOK {
		return userRealm{}, decodeError(status, header, body)
	}
	var r struct {
		Type     string `json:"account_type"`
		Domain   string `json:"domain_name"`
		Audience string `json:"cloud_audience_urn"`
		Protocol string `json:"federation_protocol"`
		Metadata string `json:"federation_metadata_url"`
	}
	if err := json.Unmarshal(trimBOM(body), &r); err != nil && r.Type == "" {
		return userRealm{}, malformed(status, header, body)
	}
	realm := userRealm{
		federated: strings.EqualFold(r.Type, "Federated"),
		domain:    oneLine(r.Domain, 253), audience: r.Audience, protocol: oneLine(r.Protocol, 100), metadataURL: r.Metadata,
	}
	if realm.audience == "" {
		realm.audience = "urn:federation:MicrosoftOnline"
	}
	return realm, nil
}

// federated gets an assertion about the user from the organisation's server.
func (c *Client) federated(ctx context.Context, realm userRealm, username string, password secret.Value) (samlAssertion, error) {
	failed := &FederationError{Domain: realm.domain}
	if _, domain, ok := strings.Cut(username, "@"); ok && failed.Domain == "" {
		failed.Domain = oneLine(domain, 253)
	}
	fail := func(err error, format string, args ...any) (samlAssertion, error) {
		failed.Problem, failed.err = fmt.Sprintf(format, args...), err
		return samlAssertion{}, failed
	}
	if !strings.EqualFold(realm.protocol, "WSTrust") {
		return fail(nil, "it speaks %q, and only WS-Trust takes passwords", realm.protocol)
	}
	if err := checkTrustURL(realm.metadataURL); err != nil {
		return fail(nil, "its metadata has no usable address: %v", err)
	}
	failed.Server = hostOf(realm.metadataURL)
	resp, body, err := c.exchange(ctx, http.MethodGet, realm.metadataURL, nil, http.Header{"Accept": {"application/soap+xml, text/xml, application/xml"}})
	if err != nil {
		return fail(err, "%v", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fail(nil, "its metadata cannot be read: HTTP status %d", resp.StatusCode)
	}
	endpoint, err := decodeMEX(body)
	if err != nil {
		return fail(nil, "its metadata is of no use: %v", err)
	}
	failed.Server = hostOf(endpoint.address)
	// The message has times in it: what is the same in another is who asks, and by what.
	same := new(Form)
	same.Set("username", username)
	same.SetSecret("password", password.Expose())
	digest := same.digest(endpoint.address)
	if err := c.host().refused.Find(digest, time.Now()); err != nil {
		return samlAssertion{}, err
	}
	form := document("application/soap+xml; charset=utf-8",
		trustRequest(endpoint, username, password.Expose(), realm.audience, time.Now()), password)
	// One try: the servers answer a wrong password with status 500, and count them.
	once := policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1, TryTimeout: c.tryTimeout()})
	resp, body, err = c.exchange(once, http.MethodPost, endpoint.address, form,
		http.Header{"Accept": {"application/soap+xml"}, "Soapaction": {endpoint.version.action}})
	if err != nil {
		return fail(err, "%v", err)
	}
	saml, err := decodeTrust(body)
	var fault *soapFault
	switch {
	case errors.As(err, &fault):
		failed.Refused = slices.Contains([]string{"FailedAuthentication", "InvalidSecurityToken", "FailedCheck"}, fault.subcode)
		reason := form.scrub(fault.reason)
		if fault.subcode != "" {
			reason += " (" + form.scrub(fault.subcode) + ")"
		}
		failed.Problem = reason
		if failed.Refused {
			c.host().refused.Refused(digest, failed, time.Now())
		}
		return samlAssertion{}, failed
	case resp.StatusCode != http.StatusOK:
		return fail(nil, "it answered with HTTP status %d", resp.StatusCode)
	case err != nil:
		return fail(nil, "its answer is of no use: %s", form.scrub(err.Error()))
	}
	return saml, nil
}

// interactions are the errors and suberrors after which only a person can go on
// (token-endpoint facts, section 11.1).
var interactions = []string{
	"interaction_required", "consent_required", "login_required",
	"basic_action", "additional_action", "message_only", "user_password_expired",
}

// NeedsPerson reports whether a person has to act at a sign-in page before the same
// request can be granted.
func (e *Error) NeedsPerson() bool {
	return e.MFARequired() || slices.Contains(interactions, e.Code) || slices.Contains(interactions, e.SubError)
}

// MFARequired reports whether e asks for more than a password. It is for the words of
// an error: a password grant is refused so with invalid_grant and a number.
func (e *Error) MFARequired() bool {
	return slices.ContainsFunc([]int{50072, 50074, 50076, 50079, 50158}, e.Has)
}
