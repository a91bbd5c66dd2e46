//go:build interop

package interop_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/azid-go/azidentity"
)

// ourCredential constructs one of our credentials.
func ourCredential(do ask, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	var certs []*x509.Certificate
	var key crypto.PrivateKey
	if do.Certificate != "" {
		pem, err := os.ReadFile(do.Certificate)
		if err != nil {
			return nil, err
		}
		if certs, key, err = azidentity.ParseCertificates(pem, nil); err != nil {
			return nil, err
		}
	}
	var record azidentity.AuthenticationRecord
	if do.Record != "" {
		if err := json.Unmarshal([]byte(do.Record), &record); err != nil {
			return nil, err
		}
	}
	assertion := func(context.Context) (string, error) { return do.Assertion, nil }
	switch do.Credential + " " + do.Proof {
	case "client secret":
		return azidentity.NewClientSecretCredential(do.Tenant, do.Client, do.Secret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "client certificate", "client chain":
		return azidentity.NewClientCertificateCredential(do.Tenant, do.Client, certs, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, SendCertificateChain: do.Proof == "chain"})
	case "client assertion":
		return azidentity.NewClientAssertionCredential(do.Tenant, do.Client, assertion,
			&azidentity.ClientAssertionCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "environment secret":
		return azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "workloadIdentity assertion":
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true,
			TenantID: do.Tenant, ClientID: do.Client, TokenFilePath: do.TokenFile})
	case "pipelines assertion":
		return azidentity.NewAzurePipelinesCredential(do.Tenant, do.Client, do.ServiceConnection, do.SystemToken,
			&azidentity.AzurePipelinesCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "onBehalfOf secret":
		return azidentity.NewOnBehalfOfCredentialWithSecret(do.Tenant, do.Client, do.User, do.Secret,
			&azidentity.OnBehalfOfCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "onBehalfOf certificate":
		return azidentity.NewOnBehalfOfCredentialWithCertificate(do.Tenant, do.Client, do.User, certs, key,
			&azidentity.OnBehalfOfCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "onBehalfOf assertion":
		return azidentity.NewOnBehalfOfCredentialWithClientAssertions(do.Tenant, do.Client, do.User, assertion,
			&azidentity.OnBehalfOfCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "deviceCode ":
		return azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true,
			TenantID: do.Tenant, ClientID: do.Client, AuthenticationRecord: record, DisableAutomaticAuthentication: do.Record != "",
			UserPrompt: func(_ context.Context, m azidentity.DeviceCodeMessage) error { return do.decide(m.UserCode) }})
	case "browser ":
		return azidentity.NewInteractiveBrowserCredential(&azidentity.InteractiveBrowserCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true,
			TenantID: do.Tenant, ClientID: do.Client, AuthenticationRecord: record, DisableAutomaticAuthentication: do.Record != "", LoginHint: do.Username})
	case "password ":
		//nolint:staticcheck // deprecated, and in use
		return azidentity.NewUsernamePasswordCredential(do.Tenant, do.Client, do.Username, do.Password,
			&azidentity.UsernamePasswordCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "managedIdentity ", "managedIdentity assertion":
		options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: o}
		switch do.IDKind {
		case "client":
			options.ID = azidentity.ClientID(do.ID)
		case "object":
			options.ID = azidentity.ObjectID(do.ID)
		case "resource":
			options.ID = azidentity.ResourceID(do.ID)
		}
		return azidentity.NewManagedIdentityCredential(options)
	case "authorizationCode none":
		return azidentity.NewAuthorizationCodeCredential(do.Tenant, do.Client, do.Code, do.Redirect,
			&azidentity.AuthorizationCodeCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	case "authorizationCode secret":
		return azidentity.NewAuthorizationCodeCredential(do.Tenant, do.Client, do.Code, do.Redirect,
			&azidentity.AuthorizationCodeCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true,
				Authentication: azidentity.AuthenticationBySecret(do.Secret)})
	}
	return nil, fmt.Errorf("no such credential: %s by %s", do.Credential, do.Proof)
}
