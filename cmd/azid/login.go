package main

import (
	"context"
	"encoding/json"
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
	"github.com/azid-go/azidentity/internal/entra"
)

func newLogin(store accountStore) *cobra.Command {
	f := loginFlags{store: store}
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in as a person, and say who did",
		Long: `Sign in as a person, in the browser, and say who did. Where no browser can be
opened, as on a server, a code is shown that is entered on any other device. The
sign-in also shows that the account, the tenant and the application let one in.

` + notKept + `
Nothing but the file of --record is written, and that holds no secret: the
libraries for Go, Python, .NET and JavaScript read it as an AuthenticationRecord.
For a token, let azid token have you sign in: --credential browser.

On a terminal with UTF-8 and colours there is a QR code of the page, too. NO_COLOR,
TERM=dumb and --no-qr leave it out. BROWSER names the command that opens pages, if
it is not the system's. Without a terminal to show a code on, the exit status is 4,
unless --device-code says that somebody reads standard error.

AZURE_AUTHORITY_HOST names the authority if it is not the public cloud's.

` + exitStatusHelp,
		Example: `  azid login
  azid login --device-code --tenant contoso.example
  azid login --username ana@contoso.example --record ana.json`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("timeout") && f.timeout <= 0 {
				return usagef("azid login: --timeout is a time to wait, such as 2m")
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.deviceCode, "device-code", false, "show a code in place of opening a browser")
	flags.StringVar(&f.tenant, "tenant", "", "sign in to `TENANT` (default AZURE_TENANT_ID, or\nwhere the account is at home)")
	flags.StringArrayVar(&f.scopes, "scope", nil, "let the sign-in be for `SCOPE`; may be repeated\n(default the management API's)")
	flags.StringVar(&f.record, "record", "", "write who signed in to `FILE`")
	flags.DurationVar(&f.timeout, "timeout", 0, "give up after `TIME` (default 5m in the browser, or\nwhen the code expires)")
	f.add(cmd)
	addChoice(cmd, &f.output, "output", "form of the answer", "text", "json")
	return cmd
}

type loginFlags struct {
	signInFlags
	store          accountStore
	deviceCode     bool
	tenant, record string
	scopes         []string
	timeout        time.Duration
	output         choice
}

// signedIn is what a sign-in brought.
type signedIn struct {
	azidentity.AuthenticationRecord
	scopes    []string
	expiresOn time.Time // of the token
}

func (f *loginFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	var file *replacement
	if f.record != "" {
		// Before anybody signs in for nothing.
		var err error
		if file, err = newReplacement(f.record); err != nil {
			return fmt.Errorf("azid login: --record: %w", err)
		}
		defer file.discard()
	}
	options, err := clientOptions()
	if err != nil {
		return err
	}
	s := &signIn{
		signInFlags: f.signInFlags, command: "azid login", stderr: stderr,
		options: options, tenant: signInTenant(f.tenant), timeout: f.timeout,
		instead: "azid login --device-code",
	}
	who, err := f.signIn(ctx, s)
	if err != nil {
		return err
	}
	if err := f.store.add(who.AuthenticationRecord); err != nil {
		return err
	}
	if file != nil {
		data, err := json.MarshalIndent(who.AuthenticationRecord, "", "  ")
		if err == nil {
			err = file.commit(append(data, '\n'))
		}
		if err != nil {
			return fmt.Errorf("azid login: --record: %w", err)
		}
	}
	if err := who.write(stdout, f.output.value == "json", time.Now()); err != nil {
		return err
	}
	if f.username != "" && !strings.EqualFold(f.username, who.Username) {
		fmt.Fprintf(stderr, "This is another account than %s, which --username names.\n", printable(f.username))
	}
	if !f.store.lasting() {
		fmt.Fprintf(stderr, "%s\n  Next: %s\n", notKept, f.next(who.scopes))
	}
	return nil
}

// signIn has a person sign in as the flags and this machine allow.
func (f *loginFlags) signIn(ctx context.Context, s *signIn) (who signedIn, err error) {
	who.scopes = f.scopes
	if len(who.scopes) == 0 {
		who.scopes = []string{managementScope(os.Getenv("AZURE_AUTHORITY_HOST"))}
	}
	do := func(ctx context.Context, cred personCredential) error {
		o := policy.TokenRequestOptions{Scopes: who.scopes}
		if who.AuthenticationRecord, err = cred.Authenticate(ctx, &o); err != nil {
			return err
		}
		var token azcore.AccessToken // in memory since then
		token, err = cred.GetToken(ctx, o)
		who.expiresOn = token.ExpiresOn
		return err
	}
	if !f.deviceCode {
		err = s.byBrowser(ctx, do)
		var none *noBrowserError
		if !errors.As(err, &none) {
			return who, err
		}
		if !isTerminal(s.stderr) {
			return who, &hint{
				personNeeded("azid login: a person has to sign in, and there is neither a browser (%v) nor a terminal to show a code on", none),
				"azid login on a terminal, or with --device-code, if somebody reads standard error",
			}
		}
		fmt.Fprintf(s.stderr, "No browser can be opened: %s.\n", printable(none.Error()))
		f.deviceCode = true
	}
	return who, s.byDeviceCode(ctx, do)
}

// managementScope is for what people sign in if they do not say: the management API of
// the cloud whose authority is at host, or else that of the public cloud.
func managementScope(host string) string {
	if a, _, err := entra.ParseAuthority(host); err == nil && host != "" && a.ManagementScope() != "" {
		return a.ManagementScope()
	}
	return "https://management.azure.com/.default"
}

// next is the command that gets a token from a sign-in like this one.
func (f *loginFlags) next(scopes []string) string {
	words := []string{"azid", "token", "--credential", "browser"}
	if f.deviceCode {
		words[3] = "device-code"
	}
	for _, scope := range scopes {
		words = append(words, "--scope", quoteIfNeeded(scope))
	}
	for _, option := range []struct{ name, value string }{{"--tenant", f.tenant}, {"--client-id", f.clientID}, {"--username", f.username}} {
		if option.value != "" && (option.name != "--username" || !f.deviceCode) {
			words = append(words, option.name, quoteIfNeeded(option.value))
		}
	}
	return strings.Join(words, " ")
}

func (s signedIn) write(w io.Writer, asJSON bool, now time.Time) error {
	if asJSON {
		return writeJSON(w, struct {
			Username      string    `json:"username"`
			TenantID      string    `json:"tenantId"`
			HomeAccountID string    `json:"homeAccountId"`
			ClientID      string    `json:"clientId"`
			Authority     string    `json:"authority"`
			Scopes        []string  `json:"scopes"`
			ExpiresOn     time.Time `json:"expiresOn"`
		}{s.Username, s.TenantID, s.HomeAccountID, s.ClientID, s.Authority, s.scopes, s.expiresOn.UTC().Truncate(time.Second)})
	}
	_, err := fmt.Fprintf(w, "%s has signed in.\n  tenant       %s\n  application  %s\n  authority    %s\n  token for    %s\n  until        %s, %s\n",
		printable(s.Username), printable(s.TenantID), printable(applicationName(s.ClientID)), printable(s.Authority), printable(strings.Join(s.scopes, " ")),
		s.expiresOn.UTC().Format("2006-01-02 15:04:05Z"), relative(s.expiresOn.Sub(now)))
	return err
}

// azureCLI is the application that people sign in to by default.
const azureCLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

// applicationName is an application's ID, with the name of the one that nobody chose.
func applicationName(id string) string {
	if strings.EqualFold(id, azureCLI) {
		return id + " (Azure CLI)"
	}
	return id
}
