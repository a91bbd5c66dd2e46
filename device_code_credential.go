package azidentity

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/entra"
)

const credNameDeviceCode = "DeviceCodeCredential"

// DeviceCodeMessage is what a user needs to sign in with a device code. It is no secret.
type DeviceCodeMessage struct {
	// UserCode is what the user enters.
	UserCode string `json:"user_code"`

	// VerificationURL is the page where the user enters it, on any device.
	VerificationURL string `json:"verification_uri"`

	// VerificationURLComplete is the same page with the code filled in, for a QR code.
	// Empty from authorities that have none, such as Entra ID.
	VerificationURLComplete string `json:"verification_uri_complete,omitempty"`

	// Message says so in a sentence, mostly Entra ID's own.
	Message string `json:"message"`

	// ExpiresOn is until when the user has to have signed in, in UTC.
	ExpiresOn time.Time `json:"expires_on"`
}

// DeviceCodeCredentialOptions are the options of [DeviceCodeCredential]. Nil and the zero
// value mean the same.
type DeviceCodeCredentialOptions struct {
	azcore.ClientOptions

	// AdditionallyAllowedTenants: see [InteractiveBrowserCredentialOptions].
	AdditionallyAllowedTenants []string

	// AuthenticationRecord: see [InteractiveBrowserCredentialOptions].
	AuthenticationRecord AuthenticationRecord

	// ClientID: see [InteractiveBrowserCredentialOptions].
	ClientID string

	// DisableAutomaticAuthentication: see [InteractiveBrowserCredentialOptions].
	DisableAutomaticAuthentication bool

	// DisableInstanceDiscovery: see [ClientSecretCredentialOptions].
	DisableInstanceDiscovery bool

	// TenantID: see [InteractiveBrowserCredentialOptions].
	TenantID string

	// Timeout is how long the user may take, if that is less than until the code expires.
	// Default: until then, some 15 minutes.
	Timeout time.Duration

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions

	// UserPrompt shows the code to the user. It is called once for each sign-in, before
	// the first poll, and its context ends with the sign-in. If it returns an error, the
	// sign-in ends with that. Default: the message is written to standard output.
	UserPrompt func(context.Context, DeviceCodeMessage) error
}

// DeviceCodeCredential signs a person in who enters a code on a page, on any device (RFC
// 8628). It suits machines without a browser.
//
// In all else it does as [InteractiveBrowserCredential]: memory first, then the refresh
// token, and the person last; one sign-in at a time. It is safe for concurrent use.
type DeviceCodeCredential struct{ user *user }

// NewDeviceCodeCredential makes a credential. It touches no network.
func NewDeviceCodeCredential(options *DeviceCodeCredentialOptions) (*DeviceCodeCredential, error) {
	if options == nil {
		options = &DeviceCodeCredentialOptions{}
	}
	u, err := newUser(credNameDeviceCode, userOptions{
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
	flow := &deviceFlow{entra: &u.app.entra, prompt: options.UserPrompt, timeout: options.Timeout}
	u.ask, u.kind, u.manual, u.alone = flow.ask, "device code", options.DisableAutomaticAuthentication, flow.prompt != nil
	if flow.prompt == nil {
		flow.prompt = writeMessage
	}
	return &DeviceCodeCredential{u}, nil
}

// Authenticate does what [InteractiveBrowserCredential.Authenticate] does.
func (c *DeviceCodeCredential) Authenticate(ctx context.Context, opts *policy.TokenRequestOptions) (AuthenticationRecord, error) {
	return c.user.authenticate(ctx, opts)
}

// GetToken does what [InteractiveBrowserCredential.GetToken] does.
func (c *DeviceCodeCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.user.token(ctx, &opts)
}

// SignOut does what [InteractiveBrowserCredential.SignOut] does.
func (c *DeviceCodeCredential) SignOut() { c.user.signOut() }

// Close does what [ClientSecretCredential.Close] does. A sign-in that was begun goes on.
func (c *DeviceCodeCredential) Close() error { return c.user.app.Close() }

var _ azcore.TokenCredential = (*DeviceCodeCredential)(nil)

// A deviceFlow is how a [DeviceCodeCredential] has people sign in.
type deviceFlow struct {
	entra   *entra.Client
	prompt  func(context.Context, DeviceCodeMessage) error
	timeout time.Duration // 0: until the code expires
}

// ask is a sign-in with a device code.
func (f *deviceFlow) ask(ctx context.Context, r entra.UserRequest, _ string) (t entra.TokenResponse, nonce string, err error) {
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = within(ctx, f.timeout)
		defer cancel()
	}
	d, err := f.entra.DeviceAuthorization(ctx, r)
	if err != nil {
		return t, "", patient(ctx, err)
	}
	m := DeviceCodeMessage{
		UserCode: d.UserCode, VerificationURL: d.VerificationURI, VerificationURLComplete: d.VerificationURIComplete, ExpiresOn: d.ExpiresOn,
	}
	m.Message = cmp.Or(d.Message, fmt.Sprintf("To sign in, open the page %s in a browser and enter the code %s.", d.VerificationURI, d.UserCode))
	shown, end := context.WithCancel(ctx)
	defer end()
	if err := f.prompt(shown, m); err != nil {
		return t, "", patient(ctx, fmt.Errorf("show the device code: %w", err))
	}
	t, err = f.entra.DeviceToken(ctx, r, d)
	return t, "", patient(ctx, err)
}

// writeMessage is the default of UserPrompt.
func writeMessage(_ context.Context, m DeviceCodeMessage) error {
	_, err := fmt.Println(m.Message)
	return err
}
