package azidentity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/events"
	"github.com/azid-go/azidentity/internal/flight"
	"github.com/azid-go/azidentity/internal/tokencache"
)

const (
	// developerClientID is the application that people sign in to when no other is
	// named: the Azure CLI, of Microsoft's family of applications.
	developerClientID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
	// organizationsTenant stands for the home tenant of whatever work or school account
	// signs in.
	organizationsTenant = "organizations"
)

// userOptions are what the credentials of people have in common.
type userOptions struct {
	azcore.ClientOptions
	additionallyAllowedTenants []string
	clientID, tenantID         string // may be empty
	disableInstanceDiscovery   bool
	record                     AuthenticationRecord
	tokens                     TokenOptions
}

// A user is a person who has signed in, or is to, at a public client. It is what the
// credentials of people share: they differ in ask.
type user struct {
	app *application
	who atomic.Pointer[identity] // nil until somebody has signed in or a record says who will

	// ask has the person sign in, as username if that is not empty. It returns the nonce
	// of the sign-in, if it had one.
	ask func(ctx context.Context, r entra.UserRequest, username string) (t entra.TokenResponse, nonce string, err error)
	// kind, hint and alone tell apart sign-ins that concurrent callers cannot share: see
	// [signInKey]. alone says that callbacks show the sign-in.
	kind, hint string
	alone      bool
	manual     bool // ask only when the program says so
	password   bool // ask needs nobody, and the subject of the tokens is known before

	family tokencache.Owner // whose refresh tokens are those of the family
	// outsider says that the application turned out not to be of the family.
	outsider atomic.Bool
}

// An identity is one sign-in of a person: each has an identity of its own.
type identity struct {
	account entra.Account
	// subject is the account's in keys of tokens.
	subject string
	// asked is a name such as organizations, if the credential is configured for one,
	// and tenant the tenant that it stands for in this person's case.
	asked, tenant string
}

// pseudoTenants stand for the tenant of whoever signs in.
var pseudoTenants = []string{organizationsTenant, "common", "consumers"}

// isPseudo reports whether tenant is one of those.
func isPseudo(tenant string) bool {
	return slices.ContainsFunc(pseudoTenants, func(p string) bool { return strings.EqualFold(p, tenant) })
}

// newUser makes a user of the options. The application and its directory are those of
// the record if the options name none.
func newUser(name string, o userOptions) (*user, error) {
	fail := func(err error) (*user, error) { return nil, fmt.Errorf("%s: %w", name, err) }
	if !o.record.isZero() && o.record.HomeAccountID == "" {
		return fail(errors.New("the AuthenticationRecord has no HomeAccountID: pass one that Authenticate returned, or none"))
	}
	if len(o.additionallyAllowedTenants) == 0 && (o.tenantID == "" || strings.EqualFold(o.tenantID, organizationsTenant)) {
		o.additionallyAllowedTenants = []string{anyTenant}
	}
	if o.Cloud.ActiveDirectoryAuthorityHost == "" && len(o.Cloud.Services) == 0 && os.Getenv("AZURE_AUTHORITY_HOST") == "" {
		// A record is data: it chooses among the known clouds, and leads nowhere else.
		if host := entra.CloudHost(recordHost(o.record.Authority)); host != "" {
			o.Cloud.ActiveDirectoryAuthorityHost = "https://" + host
		}
	}
	tenant := cmp.Or(o.tenantID, o.record.TenantID, organizationsTenant)
	app, err := newApplication(name, tenant, cmp.Or(o.clientID, o.record.ClientID, developerClientID), nil, appOptions{
		ClientOptions:              o.ClientOptions,
		additionallyAllowedTenants: o.additionallyAllowedTenants,
		disableInstanceDiscovery:   o.disableInstanceDiscovery,
		tokens:                     o.tokens,
		flow:                       "user",
	})
	if err != nil {
		return nil, err
	}
	u := &user{app: app, family: app.owner.WithClient("\x00family 1")}
	if !o.record.isZero() {
		u.who.Store(u.identify(entra.Account{
			HomeAccountID: o.record.HomeAccountID, TenantID: o.record.TenantID, Username: o.record.Username,
			ClientID: o.record.ClientID, Issuer: recordHost(o.record.Authority),
		}))
	}
	return u, nil
}

// identify returns the identity of an account that has signed in, or did once.
func (u *user) identify(a entra.Account) *identity {
	who := &identity{account: a, subject: strings.ToLower(a.HomeAccountID)}
	if configured := u.app.tenants.configured; isPseudo(configured) {
		who.asked, who.tenant = configured, a.TenantID
		if _, home, ok := strings.Cut(a.HomeAccountID, "."); ok && entra.ValidTenant(home) {
			who.tenant = home
		}
	}
	return who
}

// query asks for who's token.
func (u *user) query(who *identity, tenant string, o *policy.TokenRequestOptions) tokencache.Query {
	if tenant == who.asked && who.tenant != "" {
		tenant = who.tenant
	}
	return tokencache.Query{Owner: u.app.owner, Tenant: tenant, Subject: who.subject, Scopes: o.Scopes, CAE: o.EnableCAE, Claims: o.Claims}
}

// token returns a token for the user: from memory, by a refresh token, or by a sign-in,
// in this order. A token in memory costs what an application's does.
func (u *user) token(ctx context.Context, o *policy.TokenRequestOptions) (_ azcore.AccessToken, err error) {
	if u.app.tracer.Enabled() {
		var end func(error)
		ctx, end = runtime.StartSpan(ctx, u.app.name+".GetToken", u.app.tracer, nil)
		defer func() { end(err) }()
	}
	tenant, err := u.app.tenants.resolve(o.TenantID)
	if err != nil {
		return azcore.AccessToken{}, &AuthenticationFailedError{message: u.app.name + ": " + err.Error(), cause: err}
	}
	var t tokencache.Token
	who := u.who.Load()
	if who != nil {
		t, err = u.app.tokens.Get(ctx, u.query(who, tenant, o), u)
	}
	if who == nil || err != nil {
		if t, err = u.afterSilence(ctx, *o, tenant, who, err); err != nil {
			return azcore.AccessToken{}, err
		}
	}
	return azcore.AccessToken{Token: t.Value, ExpiresOn: t.ExpiresOn, RefreshOn: t.RefreshOn}, nil
}

// A silentError says that there is no token to be had without a sign-in.
type silentError struct {
	refused *entra.Error // how the authority refused the refresh token; nil if there is none
}

func (e *silentError) Error() string {
	if e.refused != nil {
		return "the refresh token does not do: " + e.refused.Error()
	}
	return "there is no refresh token in memory"
}

// afterSilence goes on when who's token was not to be had silently, because of err, or
// because there is nobody yet.
func (u *user) afterSilence(ctx context.Context, o policy.TokenRequestOptions, tenant string, who *identity, err error) (tokencache.Token, error) {
	for {
		silent := &silentError{}
		if err != nil && (!errors.As(err, &silent) || u.password) {
			return tokencache.Token{}, u.app.newFailure(err, tenant, o.Scopes)
		}
		if silent.refused != nil && silent.refused.Claims != "" {
			o.Claims = silent.refused.Claims
		}
		if err = u.app.authority.CheckScopes(o.Scopes); err != nil {
			return tokencache.Token{}, u.app.newFailure(err, tenant, o.Scopes)
		}
		if u.manual {
			return tokencache.Token{}, u.required(who, o, silent)
		}
		s, mine, err := u.signIn(ctx, who, tenant, &o)
		if err != nil {
			return tokencache.Token{}, u.app.newFailure(err, tenant, o.Scopes)
		}
		if mine {
			return s.token, nil
		}
		// Somebody else's sign-in: what it brought serves this request, too.
		who = u.who.Load()
		var t tokencache.Token
		if t, err = u.app.tokens.Get(ctx, u.query(who, tenant, &o), u); err == nil {
			return t, nil
		}
		if !errors.As(err, &silent) {
			return tokencache.Token{}, u.app.newFailure(err, tenant, o.Scopes)
		}
	}
}

// Life implements [tokencache.Source].
func (u *user) Life() context.Context { return u.app.Life() }

// Fetch implements [tokencache.Source]: it redeems the refresh token.
func (u *user) Fetch(ctx context.Context, q tokencache.Query) (tokencache.Token, error) {
	if err := u.app.authority.CheckScopes(q.Scopes); err != nil {
		return tokencache.Token{}, err
	}
	for {
		who := u.who.Load()
		var t tokencache.Token
		err := error(&silentError{})
		if u.hasRefreshToken(q.Subject) { // else there is nothing to try, and nothing to tell of
			t, err = u.app.fetched(ctx, q, u.refresh)
		}
		var silent *silentError
		if !u.password || !errors.As(err, &silent) {
			return t, err
		}
		o := policy.TokenRequestOptions{Scopes: q.Scopes, Claims: q.Claims, EnableCAE: q.CAE}
		if s, mine, err := u.signIn(ctx, who, q.Tenant, &o); mine || err != nil {
			return s.token, err
		}
	}
}

// signOut forgets the account: what is in memory for it, and who it is. A password's
// tokens have the same subject before and after.
func (u *user) signOut() {
	who := u.who.Load()
	if who == nil {
		return
	}
	if !u.password {
		u.who.CompareAndSwap(who, nil)
	} else {
		u.who.CompareAndSwap(who, &identity{subject: who.subject})
	}
	u.app.tokens.Forget(u.app.owner, who.subject)
	u.app.tokens.Forget(u.family, who.subject)
}

// refresh tries the refresh tokens of the application and of its family.
func (u *user) refresh(ctx context.Context, q tokencache.Query) (entra.TokenResponse, error) {
	silent := &silentError{}
	for _, family := range []bool{false, true} {
		home, kept := u.kept(q.Subject, family)
		if kept == "" {
			continue
		}
		t, err := u.app.entra.Refresh(ctx, u.request(q), kept)
		var refused *entra.Error
		switch {
		case err == nil:
			if who := u.who.Load(); who == nil || who.subject != q.Subject {
				return entra.TokenResponse{}, &silentError{} // signed out meanwhile: nothing of it is to stay
			}
			u.keep(q.Subject, t)
			return t, nil
		case !errors.As(err, &refused) || !refused.Final():
			return t, err // it says nothing about the refresh token
		case family && refused.SubError == "client_mismatch":
			u.outsider.Store(true)
			continue
		case refused.Spent():
			u.app.tokens.Drop(home, kept)
		case !refused.NeedsPerson() && refused.Code != "invalid_grant":
			return t, err // a sign-in would not help
		}
		silent.refused = refused
	}
	return entra.TokenResponse{}, silent
}

func (u *user) request(q tokencache.Query) entra.UserRequest {
	return entra.UserRequest{Tenant: q.Tenant, ClientID: u.app.clientID, Scopes: q.Scopes, Claims: q.Claims, CAE: q.CAE, Auth: u.app.auth}
}

// home is under what a refresh token is kept: there is one for all tenants, with CAE and
// without, either the application's own or that of its family.
func (u *user) home(subject string, family bool) tokencache.Query {
	q := tokencache.Query{Owner: u.app.owner, Subject: subject}
	if family {
		q.Owner = u.family
	}
	return q
}

// kept returns a refresh token of subject's that may serve, or "", and what it is under.
func (u *user) kept(subject string, family bool) (home tokencache.Query, token string) {
	home = u.home(subject, family)
	if !family || !u.outsider.Load() {
		token = u.app.tokens.Kept(home)
	}
	return home, token
}

func (u *user) hasRefreshToken(subject string) bool {
	for _, family := range []bool{false, true} {
		if _, token := u.kept(subject, family); token != "" {
			return true
		}
	}
	return false
}

// keep keeps the refresh token that came with t, if one did.
func (u *user) keep(subject string, t entra.TokenResponse) {
	if t.RefreshToken == "" {
		return
	}
	family := t.FamilyID == "1"
	if family {
		u.app.tokens.Drop(u.kept(subject, false)) // the older one
	}
	u.app.tokens.Keep(u.home(subject, family), t.RefreshToken, time.Now().Add(userRefreshTokenLife))
}

// signIns are the sign-ins under way: one at a time for people whom nothing tells apart.
var signIns flight.Group[signInKey, signedIn]

// A signInKey tells apart sign-ins that have different outcomes: by application,
// directory, kind and account. While the account is not known, callbacks may each show
// the sign-in to somebody else, and the credential tells as well.
type signInKey struct {
	owner                       tokencache.Owner
	kind, tenant, subject, hint string
	alone                       *user
}

// signedIn is what a sign-in brought.
type signedIn struct {
	by    *policy.TokenRequestOptions // whose request it was for; nil if there was no need
	who   *identity
	token tokencache.Token
}

// signIn has the person sign in for o's request, or waits while one who cannot be told
// from this one does for another: then mine is false, and the request is to be tried
// again. seen is whose token was not to be had.
//
// What goes wrong with the person goes wrong for all who wait. What the authority says
// about another request than o's does not count.
func (u *user) signIn(ctx context.Context, seen *identity, tenant string, o *policy.TokenRequestOptions) (s signedIn, mine bool, err error) {
	key := signInKey{owner: u.app.owner, kind: u.kind, tenant: strings.ToLower(tenant), hint: strings.ToLower(u.hint)}
	switch {
	case seen != nil:
		key.subject = seen.subject
	case u.alone:
		key.alone = u
	}
	for {
		s, err = signIns.Do(ctx, key, func(ctx context.Context) (signedIn, error) {
			if who := u.who.Load(); who != seen {
				return signedIn{who: who}, nil // meanwhile somebody has signed in
			}
			s, err := u.lead(ctx, seen, tenant, o)
			s.by = o
			return s, err
		})
		mine = s.by == o
		switch {
		case err == nil:
			if !mine && u.who.Load() == seen {
				if seen != nil && seen.subject != s.who.subject {
					continue // another credential's person turned out to be somebody else
				}
				u.who.CompareAndSwap(seen, s.who)
			}
			return s, mine, nil
		case mine || s.by == nil || !aboutRequest(err) || sameRequest(s.by, o):
			return s, mine, err
		}
	}
}

// aboutRequest reports whether err is the authority's, about the scopes or claims of the
// request rather than about the person.
func aboutRequest(err error) bool {
	var refused *entra.Error
	return errors.As(err, &refused) && refused.Final() && (refused.NeedsPerson() ||
		slices.Contains([]string{"invalid_scope", "invalid_resource", "invalid_target", "invalid_request"}, refused.Code))
}

func sameRequest(a, b *policy.TokenRequestOptions) bool {
	return slices.Equal(a.Scopes, b.Scopes) && a.Claims == b.Claims && a.EnableCAE == b.EnableCAE
}

// lead is a sign-in for o's request. What it brings is in memory when it returns.
func (u *user) lead(ctx context.Context, seen *identity, tenant string, o *policy.TokenRequestOptions) (s signedIn, err error) {
	start := time.Now()
	q := tokencache.Query{Owner: u.app.owner, Tenant: tenant, Scopes: o.Scopes, CAE: o.EnableCAE, Claims: o.Claims}
	username := u.hint
	if seen != nil && username == "" {
		username = seen.account.Username
	}
	t, nonce, err := u.ask(ctx, u.request(q), username)
	if err == nil {
		s.who, err = u.newIdentity(ctx, q, t, nonce)
	}
	if err == nil && !t.ExpiresOn.After(time.Now()) {
		err = errors.New("the token that came back has already expired: check this machine's clock")
	}
	if events.Enabled(ctx) {
		u.app.log(ctx, q, t, err, start)
	}
	if err != nil {
		return signedIn{}, err
	}
	s.token = tokencache.Token{Value: t.AccessToken, ExpiresOn: t.ExpiresOn, RefreshOn: t.RefreshOn, Granted: t.Scope}
	u.keep(s.who.subject, t)
	u.app.tokens.Put(u.query(s.who, tenant, o), s.token)
	u.who.Store(s.who)
	return s, nil
}

// newIdentity says who has signed in. An answer without an ID token leaves that open,
// and its tokens to this sign-in; a wrong one is an error.
func (u *user) newIdentity(ctx context.Context, q tokencache.Query, t entra.TokenResponse, nonce string) (*identity, error) {
	var who *identity
	if t.IDToken == "" {
		who = &identity{subject: "\x00" + entra.NewNonce()}
	} else {
		a, err := u.app.entra.Account(ctx, u.request(q), t, nonce)
		if err != nil {
			return nil, err
		}
		who = u.identify(a)
	}
	if u.password {
		who.subject = u.who.Load().subject
	}
	return who, nil
}

// authenticate has the person sign in, whatever is in memory, and returns the record of
// who did.
func (u *user) authenticate(ctx context.Context, o *policy.TokenRequestOptions) (_ AuthenticationRecord, err error) {
	if u.app.tracer.Enabled() {
		var end func(error)
		ctx, end = runtime.StartSpan(ctx, u.app.name+".Authenticate", u.app.tracer, nil)
		defer func() { end(err) }()
	}
	var request policy.TokenRequestOptions
	if o != nil {
		request = *o
	}
	if len(request.Scopes) == 0 {
		scope := u.app.authority.ManagementScope()
		if scope == "" {
			return AuthenticationRecord{}, NewCredentialUnavailableError(u.app.name + ": there is no scope to sign in for by default at " + u.app.authority.Host() + ": pass TokenRequestOptions with one to Authenticate")
		}
		request.Scopes = []string{scope}
	}
	tenant, err := u.app.tenants.resolve(request.TenantID)
	if err == nil {
		err = u.app.authority.CheckScopes(request.Scopes)
	}
	if err != nil {
		return AuthenticationRecord{}, &AuthenticationFailedError{message: u.app.name + ": " + err.Error(), cause: err}
	}
	s, _, err := u.signIn(ctx, u.who.Load(), tenant, &request)
	if err != nil {
		return AuthenticationRecord{}, u.app.newFailure(err, tenant, request.Scopes)
	}
	record, err := newRecord(s.who.account)
	if err != nil {
		return AuthenticationRecord{}, &AuthenticationFailedError{message: u.app.name + ": " + err.Error(), cause: err}
	}
	return record, nil
}

// required is the error of a credential that may not ask on its own.
func (u *user) required(who *identity, o policy.TokenRequestOptions, silent *silentError) error {
	why := "nobody has signed in yet"
	switch {
	case silent.refused != nil:
		why = "the sign-in of " + cmp.Or(who.account.Username, "the user") + " does not do any more: " + silent.refused.Error()
	case who != nil:
		why = "there are no tokens of " + cmp.Or(who.account.Username, "the user") + " in memory"
	}
	return &AuthenticationRequiredError{
		credentialUnavailableError: credentialUnavailableError{u.app.name + ": a user has to sign in, and this credential does not ask on its own: " + why +
			"\n  Next: call Authenticate with this error's TokenRequestOptions"},
		TokenRequestOptions: o,
	}
}

// within bounds a sign-in.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, &patienceError{d})
}

// A patienceError says that the person took too long. It is no deadline of the caller's.
type patienceError struct{ after time.Duration }

func (e *patienceError) Error() string { return fmt.Sprintf("nobody signed in within %v", e.after) }

// patient returns err, or why ctx ended if it was for lack of patience.
func patient(ctx context.Context, err error) error {
	var late *patienceError
	if err != nil && errors.As(context.Cause(ctx), &late) {
		return late
	}
	return err
}
