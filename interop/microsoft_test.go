//go:build interop

package interop_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	microsoft "github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// goPeer is how credentials for Go are asked: in this process.
func goPeer(construct func(ask, azcore.ClientOptions) (azcore.TokenCredential, error)) func(*testing.T, *emulator) func(*testing.T, ask) answer {
	return func(t *testing.T, e *emulator) func(*testing.T, ask) answer {
		for name, value := range e.environment {
			t.Setenv(name, value)
		}
		return func(t *testing.T, do ask) answer {
			cred, err := construct(do, azcore.ClientOptions{
				Transport: e.goClient(t),
				Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: do.Authority},
				Retry:     policy.RetryOptions{MaxRetries: -1},
			})
			if err != nil {
				return answer{Error: err.Error()}
			}
			token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{do.Scope}})
			if err != nil {
				return answer{Error: err.Error()}
			}
			return answer{Token: token.Token, ExpiresOn: token.ExpiresOn.Unix()}
		}
	}
}

// goClient returns a client of its own: credentials of ours that have one in common
// share tokens. The metadata service's address leads to the emulator, as it would by
// HTTP_PROXY: Microsoft's library does not let anyone change it.
func (e *emulator) goClient(t *testing.T) *http.Client {
	transport := e.client.Transport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	transport.Proxy = func(r *http.Request) (*url.URL, error) {
		if machine := e.environment["AZURE_POD_IDENTITY_AUTHORITY_HOST"]; machine != "" && r.URL.Host == "169.254.169.254" {
			return url.Parse(machine)
		}
		return nil, nil
	}
	return &http.Client{Transport: transport}
}

// microsoftCredential constructs one of Microsoft's credentials. The lines for ours, in
// ours_test.go, differ in the package's name.
func microsoftCredential(do ask, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	var certs []*x509.Certificate
	var key crypto.PrivateKey
	if do.Certificate != "" {
		pem, err := os.ReadFile(do.Certificate)
		if err != nil {
			return nil, err
		}
		if certs, key, err = microsoft.ParseCertificates(pem, nil); err != nil {
			return nil, err
		}
	}
	assertion := func(context.Context) (string, error) { return do.Assertion, nil }
	switch do.Credential + " " + do.Proof {
	case "client secret":
		return microsoft.NewClientSecretCredential(do.Tenant, do.Client, do.Secret,
			&microsoft.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "client certificate", "client chain":
		return microsoft.NewClientCertificateCredential(do.Tenant, do.Client, certs, key,
			&microsoft.ClientCertificateCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, SendCertificateChain: do.Proof == "chain"})
	case "client assertion":
		return microsoft.NewClientAssertionCredential(do.Tenant, do.Client, assertion,
			&microsoft.ClientAssertionCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "environment secret":
		return microsoft.NewEnvironmentCredential(&microsoft.EnvironmentCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "workloadIdentity assertion":
		return microsoft.NewWorkloadIdentityCredential(&microsoft.WorkloadIdentityCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true,
			TenantID: do.Tenant, ClientID: do.Client, TokenFilePath: do.TokenFile})
	case "pipelines assertion":
		return microsoft.NewAzurePipelinesCredential(do.Tenant, do.Client, do.ServiceConnection, do.SystemToken,
			&microsoft.AzurePipelinesCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "onBehalfOf secret":
		return microsoft.NewOnBehalfOfCredentialWithSecret(do.Tenant, do.Client, do.User, do.Secret,
			&microsoft.OnBehalfOfCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "onBehalfOf certificate":
		return microsoft.NewOnBehalfOfCredentialWithCertificate(do.Tenant, do.Client, do.User, certs, key,
			&microsoft.OnBehalfOfCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "onBehalfOf assertion":
		return microsoft.NewOnBehalfOfCredentialWithClientAssertions(do.Tenant, do.Client, do.User, assertion,
			&microsoft.OnBehalfOfCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "managedIdentity ", "managedIdentity assertion":
		options := &microsoft.ManagedIdentityCredentialOptions{ClientOptions: o}
		switch do.IDKind {
		case "client":
			options.ID = microsoft.ClientID(do.ID)
		case "object":
			options.ID = microsoft.ObjectID(do.ID)
		case "resource":
			options.ID = microsoft.ResourceID(do.ID)
		}
		return microsoft.NewManagedIdentityCredential(options)
	}
	return nil, fmt.Errorf("no such credential: %s by %s", do.Credential, do.Proof)
}
