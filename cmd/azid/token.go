package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/spf13/cobra"
)

func newToken() *cobra.Command {
	var f tokenFlags
	cmd := &cobra.Command{
		Use:   "token (--scope SCOPE | --resource RESOURCE)",
		Short: "Get a token and print it",
		Long: `Get a token and print it, and nothing else, on standard output.

The environment says who asks, or a person signs in. There are no flags for
secrets, because every user of a machine can read its processes' arguments.

Credentials:
` + tokenCredentialsHelp() + `
AZURE_AUTHORITY_HOST names the authority if it is not the public cloud's.

Output:
  raw     the token
  json    token, expiresOn, refreshOn, tokenType
  header  Authorization: Bearer …
  env     export AZURE_ACCESS_TOKEN='…'

` + exitStatusHelp,
		Example: `  azid token --scope https://management.azure.com/.default --decode
  azid token --resource https://vault.azure.net --output json
  azid token --scope https://graph.microsoft.com/.default --output header |
    curl --header @- https://graph.microsoft.com/v1.0/organization`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd)
		},
	}
	var names []string
	for _, c := range tokenCredentials {
		names = append(names, c.name)
	}
	cmd.Flags().StringArrayVar(&f.scopes, "scope", nil, "`SCOPE` of the token; may be repeated")
	cmd.Flags().StringArrayVar(&f.resources, "resource", nil, "short for the scope `RESOURCE`/.default")
	cmd.Flags().StringVar(&f.tenant, "tenant", "", "ask in `TENANT` instead of the configured one")
	cmd.Flags().BoolVar(&f.decode, "decode", false, "show what the token says instead of the token")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "give up after `TIME` (default 1m; for people 5m in\nthe browser, or when the code expires)")
	f.signIn.add(cmd)
	addChoice(cmd, &f.credential, "credential", "who asks", names...)
	addChoice(cmd, &f.output, "output", "form of the answer", "raw", "json", "header", "env")
	return cmd
}

type tokenFlags struct {
	scopes, resources  []string
	tenant             string
	credential, output choice
	decode             bool
	timeout            time.Duration
	signIn             signInFlags
}

func (f *tokenFlags) run(cmd *cobra.Command) error {
	ctx, stdout, stderr, flags := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), cmd.Flags()
	scopes := f.scopes
	for _, r := range f.resources {
		scopes = append(scopes, r+"/.default")
	}
	switch {
	case len(scopes) == 0:
		return usagef("azid token: say what the token is for, such as --scope https://management.azure.com/.default")
	case flags.Changed("timeout") && f.timeout <= 0:
		return usagef("azid token: --timeout is a time to wait, such as 30s")
	case f.decode && flags.Changed("output") && f.output.value != "raw" && f.output.value != "json":
		return usagef("azid token: --decode shows claims, which have no form %q; use --output json or none", f.output.value)
	}
	if f.chosen().person == nil {
		for _, name := range []string{"client-id", "username", "no-qr"} {
			if flags.Changed(name) {
				return usagef("azid token: --%s is for people who sign in: use it with --credential browser or device-code", name)
			}
		}
	}
	token, name, err := f.get(ctx, stderr, scopes)
	if err != nil {
		return err
	}
	if strings.ContainsFunc(token.Token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fmt.Errorf("%s: the answer holds a token with characters that no token has", name)
	}
	if f.decode {
		return decodeToken(stdout, token.Token, f.output.value == "json", time.Now())
	}
	return writeToken(stdout, token, f.output.value)
}

func (f *tokenFlags) get(ctx context.Context, stderr io.Writer, scopes []string) (azcore.AccessToken, string, error) {
	c := f.chosen()
	options, err := clientOptions()
	if err != nil {
		return azcore.AccessToken{}, c.typeName, err
	}
	request := policy.TokenRequestOptions{Scopes: scopes, TenantID: f.tenant}
	var token azcore.AccessToken
	if c.person != nil {
		token, err = f.askPerson(ctx, stderr, c, options, request)
	} else {
		token, err = f.ask(ctx, stderr, c, options, request)
	}
	return token, c.typeName, err
}

// ask gets a token without anybody.
func (f *tokenFlags) ask(ctx context.Context, stderr io.Writer, c tokenCredential, options azcore.ClientOptions, request policy.TokenRequestOptions) (azcore.AccessToken, error) {
	limit := cmp.Or(f.timeout, time.Minute)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cred, err := c.open(options, f.tenant)
	if err != nil {
		return azcore.AccessToken{}, advise(err)
	}
	if closer, ok := cred.(io.Closer); ok {
		defer closer.Close()
	}
	stop := showWaiting(stderr, c.typeName, limit)
	token, err := cred.GetToken(limited, request)
	stop()
	switch {
	case err == nil:
		return token, nil
	case ctx.Err() != nil:
		err = errors.New("azid token: interrupted; nothing was printed")
	case limited.Err() != nil:
		err = &hint{fmt.Errorf("%s: no token within %s (%w)", c.typeName, limit, limited.Err()), "check the network and the proxy, or wait longer with --timeout"}
	default:
		err = advise(err)
	}
	return azcore.AccessToken{}, err
}

// askPerson has somebody sign in for the token.
func (f *tokenFlags) askPerson(ctx context.Context, stderr io.Writer, c tokenCredential, options azcore.ClientOptions, request policy.TokenRequestOptions) (token azcore.AccessToken, err error) {
	s := &signIn{
		signInFlags: f.signIn, command: "azid token", stderr: stderr,
		options: options, tenant: signInTenant(f.tenant), timeout: f.timeout,
		instead: "azid token --credential device-code",
	}
	request.TenantID = "" // that of the credential
	err = c.person(s, ctx, func(ctx context.Context, cred personCredential) error {
		token, err = cred.GetToken(ctx, request)
		return err
	})
	var none *noBrowserError
	if errors.As(err, &none) {
		err = &hint{personNeeded("azid token: a person has to sign in, and no browser can be opened: %v", none),
			s.instead + ", or set BROWSER to a command that opens pages"}
	}
	return token, err
}

func (f *tokenFlags) chosen() tokenCredential {
	for _, c := range tokenCredentials {
		if c.name == f.credential.value {
			return c
		}
	}
	return tokenCredentials[0]
}

func writeToken(w io.Writer, t azcore.AccessToken, form string) (err error) {
	switch form {
	case "json":
		return writeJSON(w, struct {
			Token     string    `json:"token"`
			ExpiresOn time.Time `json:"expiresOn"`
			RefreshOn time.Time `json:"refreshOn,omitzero"`
			TokenType string    `json:"tokenType"`
		}{t.Token, t.ExpiresOn.UTC().Truncate(time.Second), t.RefreshOn.UTC().Truncate(time.Second), "Bearer"})
	case "header":
		_, err = fmt.Fprintf(w, "Authorization: Bearer %s\n", t.Token)
	case "env":
		_, err = fmt.Fprintln(w, export("AZURE_ACCESS_TOKEN", t.Token))
	default:
		_, err = fmt.Fprintln(w, t.Token)
	}
	return err
}

// export is a line for a POSIX shell.
func export(name, value string) string {
	return "export " + name + "=" + quote(value)
}

// quote makes one word of s for a POSIX shell.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
