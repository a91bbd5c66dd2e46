package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/secret"
)

// A DeviceCode is the answer to a device authorization request (RFC 8628, section
// 3.2): what to show to the user, and what to poll with.
type DeviceCode struct {
	UserCode        string // what the user enters
	VerificationURI string // where
	// VerificationURIComplete has the user code in it, for a QR code. Entra sends none.
	VerificationURIComplete string
	// Message is the server's own sentence for the user, in the tenant's language. It
	// is ready to be printed, and empty if the server sent none.
	Message   string
	ExpiresOn time.Time     // by this machine's clock, UTC
	Interval  time.Duration // between polls
	// Code is the secret half.
	Code secret.Value
}

const (
	defaultDeviceInterval = 5 * time.Second  // RFC 8628, section 3.2
	defaultDeviceLifetime = 15 * time.Minute // what Entra grants
	maxDeviceLifetime     = 24 * time.Hour
	slowDown              = 5 * time.Second // RFC 8628, section 3.5
	maxPollPause          = time.Minute     // between polls that find no answer
)

// What ends a device code flow without a token is in the tree of its error: one of
// these, and the server's *Error if it was the server that ended it.
var (
	ErrDeviceCodeExpired  = errors.New("nobody signed in with the device code before it expired")
	ErrDeviceCodeDeclined = errors.New("the user declined to sign in with the device code")
	ErrDeviceCodeUnknown  = errors.New("the authority does not know the device code, or no longer")
)

// DeviceAuthorization asks for a device code (RFC 8628, section 3.1).
func (c *Client) DeviceAuthorization(ctx context.Context, r UserRequest) (DeviceCode, error) {
	if err := checkOneResource(r.Scopes); err != nil {
		return DeviceCode{}, err
	}
	claims, err := mergeClaims(r.Claims, r.CAE)
	if err != nil {
		return DeviceCode{}, err
	}
	endpoint, err := c.endpointFor(ctx, r.Tenant, "devicecode")
	if err != nil {
		return DeviceCode{}, err
	}
	form := new(Form)
	form.Set("client_id", r.ClientID)
	form.Set("scope", userScopes(r.Scopes))
	if claims != "" {
		form.Set("claims", claims)
	}
	sent := time.Now()
	resp, body, err := c.exchange(ctx, http.MethodPost, endpoint, form, nil)
	if err != nil {
		return DeviceCode{}, err
	}
	d, e := decodeDeviceCode(resp.StatusCode, resp.Header, body, sent)
	if e != nil {
		e.describe(resp.Header, http.MethodPost, endpoint, form)
		return DeviceCode{}, e
	}
	return d, nil
}

// decodeDeviceCode turns an answer to a request that was sent at sent into a device
// code or an error.
func decodeDeviceCode(status int, header http.Header, body []byte, sent time.Time) (DeviceCode, *Error) {
	if status != http.StatusOK {
		return DeviceCode{}, decodeError(status, header, body)
	}
	var r struct {
		Code     string  `json:"device_code"`
		UserCode string  `json:"user_code"`
		URI      string  `json:"verification_uri"`
		URL      string  `json:"verification_url"` // ADFS, and the v1 endpoint
		Complete string  `json:"verification_uri_complete"`
		Message  string  `json:"message"`
		Expires  seconds `json:"expires_in"`
		Interval seconds `json:"interval"`
		Error    string  `json:"error"`
	}
	// A member of the wrong type is passed over, and is missed below if it matters.
	if err := json.Unmarshal(trimBOM(body), &r); err != nil && r.Code == "" && r.Error == "" {
		return DeviceCode{}, malformed(status, header, body)
	}
	fail := func(why string) (DeviceCode, *Error) {
		return DeviceCode{}, &Error{Status: status, Header: header, Problem: why}
	}
	if r.URI == "" {
		r.URI = r.URL
	}
	switch {
	case r.Error != "":
		return DeviceCode{}, decodeError(status, header, body)
	case r.Code == "":
		return fail("the answer has no device_code")
	case r.UserCode == "" || oneLine(r.UserCode, 64) != r.UserCode:
		return fail("the answer has no user_code that could be shown")
	case !pageAddress(r.URI):
		return fail("the answer has no verification_uri that is an https URL")
	}
	if !pageAddress(r.Complete) {
		r.Complete = ""
	}
	d := DeviceCode{
		UserCode: r.UserCode, VerificationURI: r.URI, VerificationURIComplete: r.Complete,
		Message: oneLine(r.Message, 1000), Code: secret.New(r.Code), Interval: defaultDeviceInterval,
	}
	if r.Interval.set {
		d.Interval = min(max(lifetime(r.Interval), time.Second), maxPollPause)
	}
	left := defaultDeviceLifetime
	if r.Expires.set {
		left = min(max(lifetime(r.Expires), 0), maxDeviceLifetime)
	}
	d.ExpiresOn = sent.Round(0).Add(left).UTC() // wall clock, which a suspended machine's monotonic clock is behind
	return d, nil
}

// pageAddress reports whether people can be sent to s: it ends up on terminals and in
// browsers.
func pageAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && oneLine(s, 2000) == s
}

// DeviceToken polls until the user has signed in with d, or will not (RFC 8628, section
// 3.4). It waits for the interval before each poll, the first included, and returns at
// once when ctx ends. Between polls that find no answer it waits twice as long as
// before each, up to a minute.
func (c *Client) DeviceToken(ctx context.Context, r UserRequest, d DeviceCode) (TokenResponse, error) {
	// What is wrong from the beginning is no reason to wait.
	if _, err := mergeClaims(r.Claims, r.CAE); err != nil {
		return TokenResponse{}, err
	}
	if _, err := c.tokenEndpoint(ctx, r.Tenant); err != nil {
		return TokenResponse{}, err
	}
	interval := max(d.Interval, time.Second)
	pause := interval
	// One try each: a retry would be a poll out of turn.
	once := policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1, TryTimeout: c.tryTimeout()})
	var unanswered error
	for {
		left := time.Until(d.ExpiresOn)
		if left > 0 {
			if err := sleep(ctx, min(pause, left)); err != nil {
				return TokenResponse{}, fmt.Errorf("nobody had signed in with the device code yet: %w", err)
			}
		}
		if left <= pause {
			if unanswered != nil {
				return TokenResponse{}, fmt.Errorf("%w; the last poll found no answer: %w", ErrDeviceCodeExpired, unanswered)
			}
			return TokenResponse{}, ErrDeviceCodeExpired
		}
		t, err := c.forUser(once, r, func(f *Form) {
			f.Set("grant_type", "urn:ietf:params:oauth:grant-type:device_code")
			f.SetSecret("device_code", d.Code.Expose())
		})
		var e *Error
		refused := errors.As(err, &e) && e.Code != ""
		switch {
		case err == nil:
			return t, nil
		case ctx.Err() != nil:
			return TokenResponse{}, err
		case refused && e.Code == "authorization_pending":
			pause, unanswered = interval, nil
		case refused && e.Code == "slow_down":
			interval += slowDown
			pause, unanswered = interval, nil
		case refused && !throttles(e.Status):
			return TokenResponse{}, deviceRefusal(e)
		case !passing(err):
			return TokenResponse{}, err
		default:
			pause, unanswered = min(2*pause, max(maxPollPause, interval)), err
			if e != nil {
				pause = max(pause, e.RetryAfter)
			}
		}
	}
}

// passing reports whether err, of a single try, may go away by itself: there was no
// answer, or that of an overloaded server.
func passing(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return throttles(e.Status) || e.Status == http.StatusRequestTimeout
	}
	var f *final
	return !errors.As(err, &f) && !errors.Is(err, errProof)
}

// deviceRefusal says what a refusal of the device code means.
func deviceRefusal(e *Error) error {
	switch e.Code {
	case "authorization_declined", "access_denied":
		return fmt.Errorf("%w: %w", ErrDeviceCodeDeclined, e)
	case "expired_token", "code_expired":
		return fmt.Errorf("%w: %w", ErrDeviceCodeExpired, e)
	case "bad_verification_code":
		return fmt.Errorf("%w: %w", ErrDeviceCodeUnknown, e)
	}
	return e
}

// tryTimeout bounds a single try, as the pipeline's options do.
func (c *Client) tryTimeout() time.Duration {
	if c.cfg.Options.Retry.TryTimeout != 0 {
		return c.cfg.Options.Retry.TryTimeout
	}
	return defaultTryTimeout
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
