package azidentity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/browser"
	"github.com/azid-go/azidentity/internal/entra"
)

const credNameBrowser = "InteractiveBrowserCredential"

// InteractiveBrowserCredentialOptions are the options of [InteractiveBrowserCredential].
// Nil and the zero value mean the same.
type InteractiveBrowserCredentialOptions struct {
	azcore.ClientOptions

	// AdditionallyAllowedTenants lists tenants besides the configured one for which
	// tokens may be requested. "*" allows any, as does no list when TenantID is empty or
	// "organizations".
	AdditionallyAllowedTenants []string

	// AuthenticationRecord of an earlier sign-in names the account whose tokens are
	// looked for before anybody is asked. ClientID, TenantID and the cloud are the
	// record's where the options name none.
	AuthenticationRecord AuthenticationRecord

	// ClientID of the application to sign in to. Default: the Azure CLI's, which is meant
	// for development.
	ClientID string

	// DisableAutomaticAuthentication has GetToken never ask the user. Where it would have
	// to, it returns an [*AuthenticationRequiredError], and the program calls
	// Authenticate when it suits.
	DisableAutomaticAuthentication bool

	// DisableInstanceDiscovery: see [ClientSecretCredentialOptions].
	DisableInstanceDiscovery bool

	// DomainHint skips the question to which organisation the account belongs, for
	// example contoso.com. Default: none.
	DomainHint string

	// FailurePage takes the place of the page that ends a sign-in which failed: a
	// sentence, or HTML if it begins with "<". $error, $error_description and $error_uri
	// stand for what Entra ID said. Default: this package's.
	FailurePage string

	// LoginHint fills in the user name. The user may choose another account.
	LoginHint string

	// NoBrowser is called when no browser could be opened, with the address at which to
	// sign in, in a browser on this machine, and why. If it returns an error, the sign-in
	// ends with that. Default: both are written to standard error.
	NoBrowser func(ctx context.Context, address string, why error) error

	// OpenBrowser opens an address in a browser. It need not wait for the sign-in; its
	// context ends with that. An error leads to NoBrowser. Default: the system's browser,
	// or the command in the environment variable BROWSER.
	OpenBrowser func(ctx context.Context, address string) error

	// PasteRedirect is called in place of NoBrowser. It shows the address to a person who
	// may open it on any machine, and returns the address at which that browser ended,
	// on a page that it could not load, for the person to copy. A text that is something
	// else is asked for again; why then says what was wrong with it. A browser on this
	// machine may answer meanwhile, which ends the context. Default: NoBrowser.
	PasteRedirect func(ctx context.Context, address string, why error) (redirected string, err error)

	// RedirectURL is the one that is registered with the application, such as
	// http://localhost:8400. Only the port counts. Default: http://localhost and a free
	// port, which suits applications registered with http://localhost.
	RedirectURL string

	// SuccessPage takes the place of the page that ends a sign-in, as FailurePage does.
	SuccessPage string

	// TenantID to sign in to. Default "organizations": the home tenant of any work or
	// school account.
	TenantID string

	// Timeout is how long the user may take. Default 5 minutes.
	Timeout time.Duration

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions
}

// InteractiveBrowserCredential signs a person in by the system's browser (RFC 8252, with
// PKCE, state and nonce). The browser's answer comes to a port of loopback that is open
// for as long as the sign-in takes.
//
// GetToken looks in memory first, then tries the refresh token, and asks the person last.
// Callers at the same time, of one credential or of equal ones, share one sign-in; those
// of several credentials with callbacks do only with a record of the same account. Tokens
// belong to the account, not to the credential: those with a record of the same account
// share them within the process. A credential without a record asks once.
//
// It is safe for concurrent use.
type InteractiveBrowserCredential struct{ user *user }

// defaultSignInTimeout is as long as Python's library waits.
const defaultSignInTimeout = 5 * time.Minute

// NewInteractiveBrowserCredential makes a credential. It touches no network and opens
// nothing.
func NewInteractiveBrowserCredential(options *InteractiveBrowserCredentialOptions) (*InteractiveBrowserCredential, error) {
	if options == nil {
		options = &InteractiveBrowserCredentialOptions{}
	}
	if err := browser.CheckRedirectURI(options.RedirectURL); err != nil {
		return nil, fmt.Errorf("%s: %w", credNameBrowser, err)
	}
	u, err := newUser(credNameBrowser, userOptions{
		ClientOptions:              options.ClientOptions,
		additionallyAllowedTenants: options.AdditionallyAllowedTenants,
		clientID:                   options.ClientID, tenantID: options.TenantID,
		disableInstanceDiscovery: options.DisableInstanceDiscovery,
		record:                   options.AuthenticationRecord,
		tokens:                   options.Tokens,
	})
	if err != nil {
		return nil, err
	}
	flow := &browserFlow{
		entra: &u.app.entra, pages: browser.Pages{Success: options.SuccessPage, Failure: options.FailurePage},
		redirectURL: options.RedirectURL, domainHint: options.DomainHint, timeout: cmp.Or(options.Timeout, defaultSignInTimeout),
		open: options.OpenBrowser, noBrowser: options.NoBrowser, paste: options.PasteRedirect,
	}
	u.ask, u.kind, u.hint, u.manual = flow.ask, "browser", options.LoginHint, options.DisableAutomaticAuthentication
	u.alone = flow.open != nil || flow.noBrowser != nil || flow.paste != nil
	if flow.open == nil {
		flow.open = browser.Open
	}
	if flow.noBrowser == nil {
		flow.noBrowser = writeAddress
	}
	return &InteractiveBrowserCredential{u}, nil
}

// Authenticate has the user sign in, whatever is in memory, and returns the record of
// who did; later tokens are that account's. Without options, or scopes in them, the
// sign-in is for the management API of the cloud. Failures are
// [*AuthenticationFailedError]; on a port that is taken, and on a cloud without such an
// API, a chain would go on.
func (c *InteractiveBrowserCredential) Authenticate(ctx context.Context, opts *policy.TokenRequestOptions) (AuthenticationRecord, error) {
	return c.user.authenticate(ctx, opts)
}

// GetToken returns a token for the user, from memory if there is one. Azure SDK clients
// call it. Failures are [*AuthenticationFailedError], or [*AuthenticationRequiredError]
// with DisableAutomaticAuthentication. A chain goes on after that one, and when the port
// of RedirectURL is taken.
func (c *InteractiveBrowserCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.user.token(ctx, &opts)
}

// SignOut forgets the account that signed in: its tokens and refresh tokens leave the
// memory, for all credentials that share it, and the next call begins anew. Tokens that
// were handed out go on working until they expire, and the browser may still know the
// person: that session ends at the authority. Without a sign-in it does nothing.
func (c *InteractiveBrowserCredential) SignOut() { c.user.signOut() }

// Close does what [ClientSecretCredential.Close] does. A sign-in that was begun goes on.
func (c *InteractiveBrowserCredential) Close() error { return c.user.app.Close() }

var _ azcore.TokenCredential = (*InteractiveBrowserCredential)(nil)

// A browserFlow is how an [InteractiveBrowserCredential] has people sign in.
type browserFlow struct {
	entra       *entra.Client
	pages       browser.Pages
	redirectURL string
	domainHint  string
	timeout     time.Duration
	open        func(ctx context.Context, address string) error
	noBrowser   func(ctx context.Context, address string, why error) error
	paste       func(ctx context.Context, address string, why error) (string, error) // nil: noBrowser
}

// ask is a sign-in by the browser.
func (f *browserFlow) ask(ctx context.Context, r entra.UserRequest, username string) (t entra.TokenResponse, nonce string, err error) {
	ctx, cancel := within(ctx, f.timeout)
	defer cancel()
	receiver, err := browser.Listen(f.redirectURL, f.pages)
	if err != nil {
		// Another credential may do without a port.
		return t, "", NewCredentialUnavailableError(credNameBrowser + ": " + err.Error())
	}
	defer receiver.Close()
	o := entra.AuthorizeOptions{
		RedirectURI: receiver.RedirectURI(), State: entra.NewState(), Nonce: entra.NewNonce(), Verifier: entra.NewVerifier(),
		LoginHint: username, DomainHint: f.domainHint,
	}
	if f.paste != nil {
		o.ResponseMode = "query" // what a form brings is not in the address
	}
	address, err := f.entra.AuthorizeURL(ctx, r, o)
	if err != nil {
		return t, "", patient(ctx, err)
	}
	answer, err := f.answer(ctx, receiver, address, o.State)
	switch {
	case err != nil:
		return t, "", patient(ctx, err)
	case answer.Error != "":
		return t, "", entra.AuthorizeError(answer.Error, answer.SubError, answer.ErrorDescription, answer.Claims)
	}
	t, err = f.entra.AuthorizationCode(ctx, r, answer.Code.Expose(), o.RedirectURI, o.Verifier)
	return t, o.Nonce, patient(ctx, err)
}

// answer shows the address and waits for the browser's answer.
func (f *browserFlow) answer(ctx context.Context, receiver *browser.Receiver, address, state string) (browser.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if end := f.show(ctx, address, state); end != nil {
			cancel(end)
		}
	}()
	answer, err := receiver.Wait(ctx, state)
	var end *shown
	if err != nil && errors.As(context.Cause(ctx), &end) {
		return end.answer, end.err
	}
	return answer, err
}

// A shown is how showing the address ended the wait for the browser's answer: because
// it failed, or by an answer. It is the cause of the wait's end, hence an error.
type shown struct {
	answer browser.Response
	err    error
}

func (*shown) Error() string { return "the address has been shown" }

// show opens the address in a browser, or has somebody do it. It returns nil if there
// is an answer to wait for.
func (f *browserFlow) show(ctx context.Context, address, state string) *shown {
	if why := f.open(ctx, address); why != nil && ctx.Err() == nil {
		return f.byHand(ctx, address, state, why)
	}
	return nil
}

// byHand is show where no browser could be opened.
func (f *browserFlow) byHand(ctx context.Context, address, state string, why error) *shown {
	if f.paste == nil {
		if err := f.noBrowser(ctx, address, why); err != nil {
			return &shown{err: err}
		}
		return nil
	}
	for ctx.Err() == nil {
		redirected, err := f.paste(ctx, address, why)
		if err != nil {
			return &shown{err: err}
		}
		answer, err := browser.ParseRedirect(redirected, state)
		if err == nil {
			return &shown{answer: answer}
		}
		why = fmt.Errorf("the address that was pasted does not do: %w", err)
	}
	return nil
}

// writeAddress is the default of NoBrowser.
func writeAddress(_ context.Context, address string, why error) error {
	_, _ = fmt.Fprintf(os.Stderr, "%s: %v\nTo sign in, open this address in a browser on this machine:\n%s\n", credNameBrowser, why, address)
	return nil
}
