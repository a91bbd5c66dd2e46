//go:build interop

package interop_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
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

// goPeer is how credentials for Go are asked: in this process. R is what their records
// are.
func goPeer[R any](construct func(ask, azcore.ClientOptions) (azcore.TokenCredential, error)) func(*testing.T, *emulator) func(*testing.T, ask) answer {
	return func(t *testing.T, e *emulator) func(*testing.T, ask) answer {
		for name, value := range e.environment {
			t.Setenv(name, value)
		}
		return func(t *testing.T, do ask) answer {
			do.decide = func(userCode string) error { return e.decide(do, userCode) }
			got, err := goLife[R](t.Context(), do, construct, azcore.ClientOptions{
				Transport: e.goClient(t),
				Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: do.Authority},
				Retry:     policy.RetryOptions{MaxRetries: -1},
			})
			if err != nil {
				return answer{Error: fmt.Sprintf("%T: %v", err, err)}
			}
			return got
		}
	}
}

// goLife is what a credential for Go is told to do, from beginning to end.
func goLife[R any](ctx context.Context, do ask, construct func(ask, azcore.ClientOptions) (azcore.TokenCredential, error), o azcore.ClientOptions) (got answer, err error) {
	var record R
	if do.Credential == "record" {
		if err := json.Unmarshal([]byte(do.Record), &record); err != nil {
			return got, err
		}
		text, err := json.Marshal(record)
		return answer{Record: string(text)}, err
	}
	cred, err := construct(do, o)
	if err != nil {
		return got, err
	}
	before := policy.TokenRequestOptions{Scopes: []string{do.ScopeBefore}}
	switch do.Then {
	case thenAgain, thenOther:
		if _, err := cred.GetToken(ctx, before); err != nil {
			return got, err
		}
	case thenRecord:
		record, err := cred.(interface {
			Authenticate(context.Context, *policy.TokenRequestOptions) (R, error)
		}).Authenticate(ctx, &before)
		if err != nil {
			return got, err
		}
		text, err := json.Marshal(record)
		if err != nil {
			return got, err
		}
		do.Record = string(text)
		if do.Scope == "" {
			return answer{Record: do.Record}, nil
		}
		if cred, err = construct(do, o); err != nil {
			return got, err
		}
	}
	token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{do.Scope}})
	return answer{Token: token.Token, ExpiresOn: token.ExpiresOn.Unix(), Record: do.Record}, err
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
	var record microsoft.AuthenticationRecord
	if do.Record != "" {
		if err := json.Unmarshal([]byte(do.Record), &record); err != nil {
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
	case "deviceCode ":
		return microsoft.NewDeviceCodeCredential(&microsoft.DeviceCodeCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true,
			TenantID: do.Tenant, ClientID: do.Client, AuthenticationRecord: record, DisableAutomaticAuthentication: do.Record != "",
			UserPrompt: func(_ context.Context, m microsoft.DeviceCodeMessage) error { return do.decide(m.UserCode) }})
	case "browser ":
		return microsoft.NewInteractiveBrowserCredential(&microsoft.InteractiveBrowserCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true,
			TenantID: do.Tenant, ClientID: do.Client, AuthenticationRecord: record, DisableAutomaticAuthentication: do.Record != "", LoginHint: do.Username})
	case "password ":
		//nolint:staticcheck // deprecated, and in use
		return microsoft.NewUsernamePasswordCredential(do.Tenant, do.Client, do.Username, do.Password,
			&microsoft.UsernamePasswordCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
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
