package azidentity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/secret"
)

const (
	credNameAzurePipelines = "AzurePipelinesCredential"
	envOIDCRequestURI      = "SYSTEM_OIDCREQUESTURI"
	oidcAPIVersion         = "7.1"
)

// AzurePipelinesCredentialOptions are the options of
// [AzurePipelinesCredential]. Nil and the zero value mean the same.
type AzurePipelinesCredentialOptions struct {
	azcore.ClientOptions

	// AdditionallyAllowedTenants lists tenants besides the configured one for
	// which tokens may be requested. "*" allows any.
	AdditionallyAllowedTenants []string

	// DisableInstanceDiscovery: see [ClientSecretCredentialOptions].
	DisableInstanceDiscovery bool

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions
}

// AzurePipelinesCredential authenticates a job of Azure Pipelines by workload
// identity federation, through a service connection. For each request to Entra
// ID it has Azure Pipelines issue a new assertion, so that jobs may run for
// longer than an assertion lives. It is safe for concurrent use.
type AzurePipelinesCredential struct{ app *application }

// NewAzurePipelinesCredential takes the tenant and client ID of the identity
// behind a service connection, the connection's ID, and the system access token
// of the job, which a pipeline passes on with
//
//	env: { SYSTEM_ACCESSTOKEN: $(System.AccessToken) }
//
// It reads SYSTEM_OIDCREQUESTURI, which jobs have, and touches no network.
// Outside of a job, the credential is unavailable and a chain goes on.
func NewAzurePipelinesCredential(tenantID, clientID, serviceConnectionID, systemAccessToken string, options *AzurePipelinesCredentialOptions) (*AzurePipelinesCredential, error) {
	if options == nil {
		options = &AzurePipelinesCredentialOptions{}
	}
	fail := func(err error) (*AzurePipelinesCredential, error) {
		return nil, fmt.Errorf("%s: %w", credNameAzurePipelines, err)
	}
	var missing []string
	for _, v := range []struct{ name, value string }{
		{"tenantID", tenantID}, {"clientID", clientID}, {"serviceConnectionID", serviceConnectionID}, {"systemAccessToken", systemAccessToken},
	} {
		if v.value == "" {
			missing = append(missing, v.name)
		}
	}
	if len(missing) > 0 {
		return fail(errors.New("these arguments are empty: " + strings.Join(missing, ", ")))
	}
	auth := &pipelineAuth{
		token:      secret.New(strings.TrimSpace(systemAccessToken)),
		uri:        unquote(os.Getenv(envOIDCRequestURI)),
		connection: serviceConnectionID,
		issuer:     entra.NewOutsideIssuer(entra.Config{Module: module, Version: version, Options: options.ClientOptions}),
	}
	if auth.uri != "" {
		if err := entra.CheckURL(auth.uri); err != nil {
			return fail(fmt.Errorf("%s: %w", envOIDCRequestURI, err))
		}
	}
	app, err := newApplication(credNameAzurePipelines, tenantID, clientID, auth, appOptions{
		ClientOptions:              options.ClientOptions,
		additionallyAllowedTenants: options.AdditionallyAllowedTenants,
		disableInstanceDiscovery:   options.DisableInstanceDiscovery,
		tokens:                     options.Tokens,
	})
	if err != nil {
		return nil, err
	}
	return &AzurePipelinesCredential{app}, nil
}

// GetToken returns a token for the service connection's identity, from memory if
// there is one. Azure SDK clients call it. Failures are
// [*AuthenticationFailedError]; without SYSTEM_OIDCREQUESTURI the credential is
// unavailable.
func (c *AzurePipelinesCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.app.token(ctx, &opts)
}

// Close does what [ClientSecretCredential.Close] does.
func (c *AzurePipelinesCredential) Close() error { return c.app.Close() }

func (c *AzurePipelinesCredential) keepsTokens() bool { return true }

// A pipelineAuth proves by assertions that Azure Pipelines issues to a job.
type pipelineAuth struct {
	token           secret.Value
	uri, connection string
	issuer          *entra.OutsideIssuer
}

// Authenticate has an assertion issued. They live for minutes, and are not kept.
func (p *pipelineAuth) Authenticate(ctx context.Context, f *entra.Form, _ string, _ bool) error {
	if p.uri == "" {
		return NewCredentialUnavailableError(credNameAzurePipelines + ": " + envOIDCRequestURI + " is not set: this is no job of Azure Pipelines, or one whose tasks do not pass it on")
	}
	jwt, err := p.issuer.Assertion(ctx, entra.OutsideRequest{
		Method: http.MethodPost,
		URL:    withQuery(p.uri, url.Values{"api-version": {oidcAPIVersion}, "serviceConnectionId": {p.connection}}),
		Header: http.Header{
			"Authorization": {"Bearer " + p.token.Expose()},
			"Content-Type":  {"application/json"},
			// Else a bad token is answered by a redirect to a sign-in page.
			"X-Tfs-Fedauthredirect": {"Suppress"},
		},
		Secrets: []secret.Value{p.token},
		Member:  "oidcToken",
	})
	if err != nil {
		return fromSource("Azure Pipelines issued no assertion", err, p.next)
	}
	setAssertion(f, jwt)
	return nil
}

// withQuery adds to the query that an address may have.
func withQuery(address string, query url.Values) string {
	if strings.Contains(address, "?") {
		return address + "&" + query.Encode()
	}
	return address + "?" + query.Encode()
}

// next says what to do about an answer of Azure Pipelines.
func (p *pipelineAuth) next(e *entra.Error) string {
	switch s := e.Status; {
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusNonAuthoritativeInfo, 300 <= s && s < 400:
		return "the system access token was not accepted: pass that of the running job, env: { SYSTEM_ACCESSTOKEN: $(System.AccessToken) }; it ends with the job"
	case s == http.StatusNotFound, s == http.StatusBadRequest:
		return "check that " + p.connection + " is the ID of a service connection with workload identity federation, that this pipeline may use it, and that a task of this stage names it"
	case s == http.StatusMethodNotAllowed:
		return "check " + envOIDCRequestURI + ": it has to be the value that the job was given, https://dev.azure.com/…/oidctoken, unchanged"
	case s == http.StatusOK:
		return "check " + envOIDCRequestURI + ", and whether a proxy answers in the place of Azure Pipelines"
	case s == http.StatusTooManyRequests, s >= 500:
		return "try again; if it stays so, see https://status.dev.azure.com"
	}
	return ""
}

// Refused adds to the error what the assertion says of itself.
func (p *pipelineAuth) Refused(_ context.Context, e *entra.Error, f *entra.Form) bool {
	present(e, f)
	return false
}

// proof is that of all that an assertion depends on.
func (p *pipelineAuth) proof() [32]byte {
	return digest("pipelines", strings.Join([]string{p.uri, p.connection, p.token.Expose()}, "\x00"))
}

func (p *pipelineAuth) private() bool { return false }

var _ azcore.TokenCredential = (*AzurePipelinesCredential)(nil)
