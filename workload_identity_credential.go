package azidentity

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const (
	credNameWorkloadIdentity = "WorkloadIdentityCredential"
	envTokenFile             = "AZURE_FEDERATED_TOKEN_FILE"
)

// WorkloadIdentityCredentialOptions are the options of
// [WorkloadIdentityCredential]. Nil and the zero value mean the same.
type WorkloadIdentityCredentialOptions struct {
	azcore.ClientOptions

	// AdditionallyAllowedTenants lists tenants besides the configured one for
	// which tokens may be requested. "*" allows any.
	AdditionallyAllowedTenants []string

	// ClientID of the application or user-assigned identity. Default:
	// AZURE_CLIENT_ID.
	ClientID string

	// DisableInstanceDiscovery: see [ClientSecretCredentialOptions].
	DisableInstanceDiscovery bool

	// EnableAzureProxy takes all requests to the token proxy of an AKS cluster
	// with identity bindings, if AZURE_KUBERNETES_TOKEN_PROXY names one.
	// Otherwise, and by default, they go to Entra ID. It excludes a Transport.
	//
	// AZURE_KUBERNETES_CA_FILE or AZURE_KUBERNETES_CA_DATA hold the proxy's CA
	// in PEM; the file is read again for each request. AZURE_KUBERNETES_SNI_NAME
	// is the server name. Without this option, these variables mean nothing.
	EnableAzureProxy bool

	// TenantID of the identity. Default: AZURE_TENANT_ID.
	TenantID string

	// TokenFilePath is the file with the Kubernetes service account token.
	// Default: AZURE_FEDERATED_TOKEN_FILE.
	TokenFilePath string

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions
}

// WorkloadIdentityCredential authenticates a Kubernetes pod by its service
// account token, which Entra ID trusts by a federated credential (Microsoft
// Entra Workload ID). The variables it reads are those that the workload
// identity webhook sets.
//
// The token file is read for each request to Entra ID, as Kubernetes replaces
// its content; if Entra ID finds the token expired, once more. It is safe for
// concurrent use.
type WorkloadIdentityCredential struct {
	app   *application
	proxy *tokenProxy
}

// NewWorkloadIdentityCredential reads the environment, once, where options say
// nothing, and touches no network. What is missing is one error that names all
// of it, and on which a chain goes on.
func NewWorkloadIdentityCredential(options *WorkloadIdentityCredentialOptions) (*WorkloadIdentityCredential, error) {
	return newWorkloadIdentityCredential(credNameWorkloadIdentity, options)
}

// newWorkloadIdentityCredential makes one that its errors call by the name.
func newWorkloadIdentityCredential(name string, options *WorkloadIdentityCredentialOptions) (*WorkloadIdentityCredential, error) {
	if options == nil {
		options = &WorkloadIdentityCredentialOptions{}
	}
	client := cmp.Or(options.ClientID, unquote(os.Getenv(envClientID)))
	tenant := cmp.Or(options.TenantID, unquote(os.Getenv(envTenantID)))
	path := cmp.Or(options.TokenFilePath, unquote(os.Getenv(envTokenFile)))
	if err := checkWorkload(name, client, tenant, path); err != nil {
		return nil, err
	}
	var proxy *tokenProxy
	if options.EnableAzureProxy {
		var err error
		if proxy, err = proxyFromEnvironment(); err == nil && proxy != nil && options.Transport != nil {
			err = fmt.Errorf("EnableAzureProxy with %s set needs a transport of its own: leave ClientOptions.Transport empty", envProxy)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	app, err := newApplication(name, tenant, client, &tokenFile{path, proxy}, appOptions{
		ClientOptions:              options.ClientOptions,
		additionallyAllowedTenants: options.AdditionallyAllowedTenants,
		disableInstanceDiscovery:   options.DisableInstanceDiscovery,
		tokens:                     options.Tokens,
		proxy:                      proxy,
	})
	if err != nil {
		return nil, err
	}
	return &WorkloadIdentityCredential{app, proxy}, nil
}

// checkWorkload names all that is missing. None of it at all is a pod that the
// webhook did not see.
func checkWorkload(name, client, tenant, path string) error {
	var missing []string
	for _, v := range []struct{ value, option, variable string }{
		{client, "ClientID", envClientID}, {tenant, "TenantID", envTenantID}, {path, "TokenFilePath", envTokenFile},
	} {
		if v.value == "" {
			missing = append(missing, v.option+" ("+v.variable+")")
		}
	}
	if len(missing) == 0 {
		return nil
	}
	next := "set the variables, or the options"
	if path == "" {
		next = `in Kubernetes, the pod needs the label azure.workload.identity/use: "true" and its service account the annotation azure.workload.identity/client-id, and the webhook has to run when the pod is created`
	}
	return NewCredentialUnavailableError(fmt.Sprintf("%s: workload identity is not configured: missing %s; %s",
		name, strings.Join(missing, ", "), next))
}

// GetToken returns a token for the workload, from memory if there is one. Azure
// SDK clients call it. Failures are [*AuthenticationFailedError]; an empty
// token file makes the credential unavailable.
func (c *WorkloadIdentityCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.app.token(ctx, &opts)
}

// Close does what [ClientSecretCredential.Close] does, and closes idle
// connections to the token proxy.
func (c *WorkloadIdentityCredential) Close() error {
	if c.proxy != nil {
		c.proxy.close()
	}
	return c.app.Close()
}

func (c *WorkloadIdentityCredential) keepsTokens() bool { return true }

var _ azcore.TokenCredential = (*WorkloadIdentityCredential)(nil)
