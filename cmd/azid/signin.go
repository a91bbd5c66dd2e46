package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/spf13/cobra"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/internal/browser"
)

// signInFlags are those of commands that have a person sign in.
type signInFlags struct {
	clientID, username string
	noQR               bool
}

func (f *signInFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.clientID, "client-id", "", "sign in to application `ID` (default Azure CLI's)")
	cmd.Flags().StringVar(&f.username, "username", "", "fill in `NAME` in the browser")
	cmd.Flags().BoolVar(&f.noQR, "no-qr", false, "show no QR code beside a device code")
}

// A signIn is one sign-in of a person, by a browser or with a device code.
type signIn struct {
	signInFlags
	command string // such as azid login
	stderr  io.Writer
	options azcore.ClientOptions
	tenant  string        // may be empty
	timeout time.Duration // 0: as long as is usual for the kind
	instead string        // the command that shows a code instead of opening a browser
}

// usualPatience is for how long a browser is waited for if the user did not say.
const usualPatience = 5 * time.Minute

// A personCredential is a credential that has a person sign in.
type personCredential interface {
	azcore.TokenCredential
	io.Closer
	Authenticate(context.Context, *policy.TokenRequestOptions) (azidentity.AuthenticationRecord, error)
}

// A noBrowserError is why a browser was not opened.
type noBrowserError struct{ why error }

func (e *noBrowserError) Error() string {
	var open *browser.OpenError
	switch {
	case !errors.As(e.why, &open):
		return e.why.Error()
	case open.Reason != browser.Failed:
		return string(open.Reason)
	}
	var causes []string
	for _, err := range open.Unwrap() {
		causes = append(causes, err.Error())
	}
	return string(open.Reason) + ": " + strings.Join(causes, ", ")
}

// byBrowser has do make use of a credential that opens a browser.
func (s *signIn) byBrowser(ctx context.Context, do func(context.Context, personCredential) error) error {
	if why := browser.Available(); why != nil {
		return &noBrowserError{why}
	}
	limit := cmp.Or(s.timeout, usualPatience)
	cred, err := azidentity.NewInteractiveBrowserCredential(&azidentity.InteractiveBrowserCredentialOptions{
		ClientOptions: s.options, TenantID: s.tenant, ClientID: s.clientID, LoginHint: s.username,
		NoBrowser: func(_ context.Context, _ string, why error) error { return &noBrowserError{why} },
		Timeout:   limit + time.Minute, // ctx ends it
	})
	if err != nil {
		return err
	}
	defer cred.Close()
	fmt.Fprintf(s.stderr, "Sign in in the browser, where a page opens now.\n  If none does: Ctrl-C, then %s\n", s.instead)
	stop := showWaiting(s.stderr, "the sign-in in the browser", limit)
	defer stop()
	return s.within(ctx, limit, s.nobody(limit, "sign in in the browser that opens, or wait longer with --timeout"),
		func(ctx context.Context) error { return do(ctx, cred) })
}

// nobody is the error if the person took too long.
func (s *signIn) nobody(limit time.Duration, next string) error {
	return &hint{personNeeded("%s: nobody signed in within %s", s.command, limit), next}
}

// byDeviceCode has do make use of a credential that shows a code.
func (s *signIn) byDeviceCode(ctx context.Context, do func(context.Context, personCredential) error) error {
	prompt := &devicePrompt{w: s.stderr, noQR: s.noQR}
	cred, err := azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
		ClientOptions: s.options, TenantID: s.tenant, ClientID: s.clientID,
		UserPrompt: prompt.show,
	})
	if err != nil {
		return err
	}
	defer cred.Close()
	prompt.begin()
	err = s.within(ctx, s.timeout, s.nobody(s.timeout, "enter the code sooner, or wait longer with --timeout"),
		func(ctx context.Context) error { return do(ctx, cred) })
	until := prompt.end()
	var failed *azidentity.AuthenticationFailedError
	var person *personError
	switch {
	case errors.As(err, &person) && until.IsZero():
		return &hint{fmt.Errorf("%s: no device code came within %s", s.command, s.timeout), "check the network and the proxy, or wait longer with --timeout"}
	case errors.As(err, &failed) && (failed.Code == "expired_token" || failed.Code == "code_expired" || failed.Code == "" && !until.IsZero() && !time.Now().Before(until)):
		return &hint{personNeeded("%s: nobody signed in before the device code expired", s.command), "ask for a new code, and enter it sooner"}
	}
	return err
}

// within bounds do, unless limit is 0, and says in plain words why it ended early: late
// is the error if it took too long.
func (s *signIn) within(ctx context.Context, limit time.Duration, late error, do func(context.Context) error) error {
	limited := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	err := do(limited)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: interrupted; nobody has signed in, and nothing is left behind", s.command)
	case limited.Err() != nil:
		return late
	}
	return err
}

// signInTenant is where people sign in: by a flag, the environment, or wherever they are
// at home. The environment's client ID does not count: it is that of a service mostly,
// to which nobody can sign in this way.
func signInTenant(flag string) string {
	return cmp.Or(flag, strings.TrimSpace(os.Getenv("AZURE_TENANT_ID")))
}
