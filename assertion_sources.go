package azidentity

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/assertion"
	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/secret"
)

// ExchangeAudience is the audience of assertions that Entra ID's public cloud
// takes from other issuers.
const ExchangeAudience = "api://AzureADTokenExchange"

// AssertionOptions are the options of the functions that return sources of
// assertions. Nil and the zero value mean the same.
//
// A source fetches a new assertion at each call, keeps none, and is safe for
// concurrent use. It hands out only what is a JSON web token that has not
// expired. Mistakes in its arguments are errors of the call.
type AssertionOptions struct {
	// ClientOptions are for requests to the issuer, if the source makes any.
	azcore.ClientOptions

	// Audience is what the assertion's audience has to be; with another, nothing
	// is sent to Entra ID. Default: any. GitHub Actions is asked for it; there,
	// the default is [ExchangeAudience].
	Audience string
}

// AssertionFromFile returns a source for [NewClientAssertionCredential] that
// reads a file: a Kubernetes service account token, a SPIFFE JWT-SVID, an AWS
// web identity token, or what a build service leaves in one. White space around
// the assertion is dropped.
func AssertionFromFile(path string, options *AssertionOptions) func(context.Context) (string, error) {
	o := newAssertionOptions(options)
	return func(context.Context) (string, error) {
		jwt, err := readTokenFile(path)
		return o.checked(fmt.Sprintf("assertion file %s", path), jwt, err)
	}
}

// An AssertionRequest is a request to an issuer that answers with an assertion.
type AssertionRequest struct {
	// URL of the issuer. It begins with https://, or with http:// for this
	// machine's loopback. Neither its query nor its header is ever repeated in
	// an error.
	URL string
	// Method defaults to GET. The request has no body.
	Method string
	// Header of the request.
	Header http.Header
	// Member is where the assertion is in a JSON answer, for example "value",
	// with dots between the names of nested members. Default: the answer is the
	// assertion.
	Member string
}

// AssertionFromURL returns a source for [NewClientAssertionCredential] that sends
// a request. Redirects are not followed.
func AssertionFromURL(request AssertionRequest, options *AssertionOptions) func(context.Context) (string, error) {
	o := newAssertionOptions(options)
	header := request.Header.Clone()
	return func(ctx context.Context) (string, error) {
		return o.fetch(ctx, "the assertion's URL", entra.OutsideRequest{
			Method: cmp.Or(request.Method, http.MethodGet), URL: request.URL, Header: header.Clone(),
			Secrets: secretsOf(request.URL, header), Member: request.Member,
		}, func(*entra.Error) string { return "" })
	}
}

// plainHeaders and plainParameters hold nothing secret, and servers repeat them
// in their reasons.
var (
	plainHeaders    = []string{"Accept", "Content-Type", "Metadata", "Metadata-Flavor", "User-Agent"}
	plainParameters = []string{"api-version", "aud", "audience", "format", "resource"}
)

// secretsOf returns what of a request may be secret, which nobody said.
func secretsOf(address string, header http.Header) (all []secret.Value) {
	add := func(v string) {
		if len(v) >= 12 { // shorter ones are words such as "true"
			all = append(all, secret.New(v))
		}
	}
	for name, values := range header {
		if slices.Contains(plainHeaders, http.CanonicalHeaderKey(name)) {
			continue
		}
		for _, v := range values {
			_, bare, _ := strings.Cut(v, " ")
			add(v)
			add(bare)
		}
	}
	if u, err := url.Parse(address); err == nil {
		for name, values := range u.Query() {
			if slices.Contains(plainParameters, name) {
				continue
			}
			for _, v := range values {
				add(v)
			}
		}
	}
	return all
}

// The variables of a GitHub Actions job with the permission id-token: write.
const (
	envActionsURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	envActionsToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// AssertionFromGitHubActions returns a source for [NewClientAssertionCredential]
// that has GitHub Actions, or a service like it, issue an assertion about the
// running job. It reads ACTIONS_ID_TOKEN_REQUEST_URL and
// ACTIONS_ID_TOKEN_REQUEST_TOKEN when it is made; jobs with the permission
// id-token: write have them. Without them, the credential is unavailable and a
// chain goes on.
func AssertionFromGitHubActions(options *AssertionOptions) func(context.Context) (string, error) {
	o := newAssertionOptions(options)
	o.audience = cmp.Or(o.audience, ExchangeAudience)
	address, token := strings.TrimSpace(os.Getenv(envActionsURL)), secret.New(strings.TrimSpace(os.Getenv(envActionsToken)))
	var missing []string
	if address == "" {
		missing = append(missing, envActionsURL)
	}
	if token.IsZero() {
		missing = append(missing, envActionsToken)
	}
	return func(ctx context.Context) (string, error) {
		if len(missing) > 0 {
			return "", NewCredentialUnavailableError(fmt.Sprintf("GitHub Actions: %s not set: in a workflow, the job needs\n  permissions: { id-token: write }", strings.Join(missing, " and ")))
		}
		return o.fetch(ctx, envActionsURL, entra.OutsideRequest{
			Method: http.MethodGet, URL: withQuery(address, url.Values{"audience": {o.audience}}),
			Header:  http.Header{"Authorization": {"Bearer " + token.Expose()}},
			Secrets: []secret.Value{token}, Member: "value",
		}, func(e *entra.Error) string {
			if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
				return "see that the job has permissions: { id-token: write } and is still running"
			}
			return ""
		})
	}
}

// commandPatience bounds a command whose caller sets no earlier end.
const commandPatience = time.Minute

// AssertionFromCommand returns a source for [NewClientAssertionCredential] that
// runs a program, without a shell, and takes its standard output. The first
// element of command is the program. It has a minute. Its output is never
// repeated in an error, nor are its arguments.
func AssertionFromCommand(command []string, options *AssertionOptions) func(context.Context) (string, error) {
	o := newAssertionOptions(options)
	command = slices.Clone(command)
	return func(ctx context.Context) (string, error) {
		if len(command) == 0 || command[0] == "" {
			return "", errors.New("assertion command: there is none: pass the program and its arguments")
		}
		jwt, err := runCommand(ctx, command)
		return o.checked(fmt.Sprintf("assertion command %q", filepath.Base(command[0])), jwt, err)
	}
}

func runCommand(ctx context.Context, command []string) (string, error) {
	running, cancel := context.WithTimeoutCause(ctx, commandPatience, fmt.Errorf("it did not end within %v", commandPatience))
	defer cancel()
	out := &boundedBuffer{full: cancel}
	cmd := exec.CommandContext(running, command[0], command[1:]...)
	cmd.Stdout = out
	cmd.WaitDelay = 5 * time.Second // for what the program may have left running
	err := cmd.Run()
	var exit *exec.ExitError
	var find *exec.Error
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case out.over:
		return "", fmt.Errorf("it wrote more than %d bytes, and so no token", maxAssertion)
	case running.Err() != nil:
		return "", context.Cause(running)
	case errors.As(err, &exit):
		return "", fmt.Errorf("it ended with %s (its output may hold secrets and is not shown)", exit.ProcessState)
	case errors.As(err, &find):
		return "", find.Err
	case err != nil:
		return "", unwrapPath(err)
	}
	return strings.TrimSpace(out.text.String()), nil
}

// A boundedBuffer ends the program that writes too much.
type boundedBuffer struct {
	text bytes.Buffer // not embedded: io.Copy would go past Write
	over bool
	full func()
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > maxAssertion {
		b.over = true
		b.full()
		return 0, io.ErrShortWrite
	}
	return b.text.Write(p)
}

// AssertionFromCredential returns a source for [NewClientAssertionCredential]
// that presents a token of another credential, such as a managed identity that a
// federated credential of the application trusts. An empty scope means
// [ExchangeAudience] followed by /.default, which is that of the public cloud.
// Errors are those of cred.
func AssertionFromCredential(cred azcore.TokenCredential, scope string) func(context.Context) (string, error) {
	scope = cmp.Or(scope, ExchangeAudience+"/.default")
	return func(ctx context.Context) (string, error) {
		if cred == nil {
			return "", errors.New("assertion from a credential: it is nil")
		}
		t, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		if err != nil {
			return "", err
		}
		return new(assertionOptions).checked("assertion from a credential", t.Token, nil)
	}
}

// assertionOptions are what sources have in common.
type assertionOptions struct {
	audience string
	issuer   *entra.OutsideIssuer
}

func newAssertionOptions(o *AssertionOptions) *assertionOptions {
	if o == nil {
		o = &AssertionOptions{}
	}
	return &assertionOptions{o.Audience, entra.NewOutsideIssuer(entra.Config{Module: module, Version: version, Options: o.ClientOptions})}
}

func (o *assertionOptions) fetch(ctx context.Context, from string, r entra.OutsideRequest, next func(*entra.Error) string) (string, error) {
	if err := entra.CheckURL(r.URL); err != nil {
		return "", fmt.Errorf("%s: %w", from, err)
	}
	jwt, err := o.issuer.Assertion(ctx, r)
	if err != nil {
		return "", fromSource("no assertion came from "+from, err, next)
	}
	return o.checked(from, jwt, nil)
}

// skew is how far Entra ID tolerates clocks to be apart.
const skew = 5 * time.Minute

// checked returns an assertion that is worth sending, or says why it is not.
// This machine's clock may be wrong by as much as Entra ID tolerates.
func (o *assertionOptions) checked(from, jwt string, err error) (string, error) {
	if err != nil {
		return "", fmt.Errorf("%s: %w", from, err)
	}
	d, err := assertion.Describe(jwt)
	if err != nil {
		return "", fmt.Errorf("%s: %w", from, err)
	}
	if !d.Expires.IsZero() && time.Since(d.Expires) > skew {
		return "", fmt.Errorf("%s: the assertion is no longer valid, since %s; it has %s",
			from, d.Expires.UTC().Format("2006-01-02 15:04:05Z"), d)
	}
	if o.audience != "" && !slices.Contains(strings.Split(d.Audience, ","), o.audience) {
		return "", fmt.Errorf("%s: the assertion is for another audience than %q; it has %s", from, o.audience, d)
	}
	return jwt, nil
}
