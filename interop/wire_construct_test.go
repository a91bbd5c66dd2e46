//go:build interop

package interop_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	microsoft "github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// theirs constructs Microsoft's credential.
func (s *stage) theirs() (azcore.TokenCredential, error) {
	const client, connection = entratest.DefaultClientID, entratest.DefaultServiceConnectionID
	additional := []string{"*"}
	certs, key := s.emulator.DefaultCertificate()
	onBehalfOf := &microsoft.OnBehalfOfCredentialOptions{ClientOptions: s.options(), SendCertificateChain: s.proof == "obo chain"}
	switch proof, _, _ := strings.Cut(s.proof, ","); proof {
	case "secret", "wrong secret":
		return microsoft.NewClientSecretCredential(s.tenant, client, s.secret, &microsoft.ClientSecretCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	case "certificate", "chain":
		return microsoft.NewClientCertificateCredential(s.tenant, client, certs, key, &microsoft.ClientCertificateCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip, SendCertificateChain: s.proof == "chain",
		})
	case "assertion":
		return microsoft.NewClientAssertionCredential(s.tenant, client, s.assertion, &microsoft.ClientAssertionCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	case "file":
		return microsoft.NewClientAssertionCredential(s.tenant, client, s.readFile, &microsoft.ClientAssertionCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	case "workload":
		return microsoft.NewWorkloadIdentityCredential(&microsoft.WorkloadIdentityCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
			TenantID: s.tenant, ClientID: client, TokenFilePath: s.tokenFile,
		})
	case "pipelines":
		return microsoft.NewAzurePipelinesCredential(s.tenant, client, connection, s.systemToken(), &microsoft.AzurePipelinesCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	case "obo secret":
		return microsoft.NewOnBehalfOfCredentialWithSecret(s.tenant, client, s.user, s.secret, onBehalfOf)
	case "obo certificate", "obo chain":
		return microsoft.NewOnBehalfOfCredentialWithCertificate(s.tenant, client, s.user, certs, key, onBehalfOf)
	case "obo assertion":
		return microsoft.NewOnBehalfOfCredentialWithClientAssertions(s.tenant, client, s.user, s.assertion, onBehalfOf)
	case "device":
		return microsoft.NewDeviceCodeCredential(&microsoft.DeviceCodeCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip, TenantID: s.tenant,
			UserPrompt: func(_ context.Context, m microsoft.DeviceCodeMessage) error {
				return s.emulator.ApproveDeviceCode(m.UserCode, entratest.DefaultUsername, entratest.SignIn{})
			},
		})
	case "password", "wrong password":
		password := map[string]string{"password": entratest.DefaultPassword}[s.proof]
		//nolint:staticcheck // deprecated, and in use
		return microsoft.NewUsernamePasswordCredential(s.tenant, entratest.DeveloperClientID, entratest.DefaultUsername, cmp.Or(password, "wrong"), &microsoft.UsernamePasswordCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	case "browser":
		return microsoft.NewInteractiveBrowserCredential(&microsoft.InteractiveBrowserCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip, TenantID: s.tenant,
			LoginHint: s.hint,
		})
	case "machine":
		o := &microsoft.ManagedIdentityCredentialOptions{ClientOptions: s.options()}
		switch s.id.kind {
		case "client":
			o.ID = microsoft.ClientID(s.id.value)
		case "object":
			o.ID = microsoft.ObjectID(s.id.value)
		case "resource":
			o.ID = microsoft.ResourceID(s.id.value)
		}
		return microsoft.NewManagedIdentityCredential(o)
	case "probe": // only this one probes
		return microsoft.NewDefaultAzureCredential(&microsoft.DefaultAzureCredentialOptions{ClientOptions: s.options()})
	}
	return nil, fmt.Errorf("no proof %q", s.proof)
}

// ours constructs our credential.
func (s *stage) ours() (azcore.TokenCredential, error) {
	const client, connection = entratest.DefaultClientID, entratest.DefaultServiceConnectionID
	additional := []string{"*"}
	certs, key := s.emulator.DefaultCertificate()
	onBehalfOf := &azidentity.OnBehalfOfCredentialOptions{ClientOptions: s.options(), SendCertificateChain: s.proof == "obo chain"}
	switch proof, _, _ := strings.Cut(s.proof, ","); proof {
	case "secret", "wrong secret":
		return azidentity.NewClientSecretCredential(s.tenant, client, s.secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	case "certificate", "chain":
		return azidentity.NewClientCertificateCredential(s.tenant, client, certs, key, &azidentity.ClientCertificateCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip, SendCertificateChain: s.proof == "chain",
		})
	case "assertion":
		return azidentity.NewClientAssertionCredential(s.tenant, client, s.assertion, &azidentity.ClientAssertionCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	case "file":
		return azidentity.NewClientAssertionCredential(s.tenant, client, azidentity.AssertionFromFile(s.tokenFile, nil), &azidentity.ClientAssertionCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	case "workload":
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
			TenantID: s.tenant, ClientID: client, TokenFilePath: s.tokenFile,
		})
	case "pipelines":
		return azidentity.NewAzurePipelinesCredential(s.tenant, client, connection, s.systemToken(), &azidentity.AzurePipelinesCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	case "obo secret":
		return azidentity.NewOnBehalfOfCredentialWithSecret(s.tenant, client, s.user, s.secret, onBehalfOf)
	case "obo certificate", "obo chain":
		return azidentity.NewOnBehalfOfCredentialWithCertificate(s.tenant, client, s.user, certs, key, onBehalfOf)
	case "obo assertion":
		return azidentity.NewOnBehalfOfCredentialWithClientAssertions(s.tenant, client, s.user, s.assertion, onBehalfOf)
	case "device":
		return azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip, TenantID: s.tenant,
			UserPrompt: func(_ context.Context, m azidentity.DeviceCodeMessage) error {
				return s.emulator.ApproveDeviceCode(m.UserCode, entratest.DefaultUsername, entratest.SignIn{})
			},
		})
	case "password", "wrong password":
		password := map[string]string{"password": entratest.DefaultPassword}[s.proof]
		//nolint:staticcheck // deprecated, and in use
		return azidentity.NewUsernamePasswordCredential(s.tenant, entratest.DeveloperClientID, entratest.DefaultUsername, cmp.Or(password, "wrong"), &azidentity.UsernamePasswordCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip,
		})
	case "browser":
		return azidentity.NewInteractiveBrowserCredential(&azidentity.InteractiveBrowserCredentialOptions{
			ClientOptions: s.options(), AdditionallyAllowedTenants: additional, DisableInstanceDiscovery: s.skip, TenantID: s.tenant,
			LoginHint:   s.hint,
			OpenBrowser: func(_ context.Context, address string) error { return s.browser(address) },
		})
	case "machine":
		o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: s.options()}
		switch s.id.kind {
		case "client":
			o.ID = azidentity.ClientID(s.id.value)
		case "object":
			o.ID = azidentity.ObjectID(s.id.value)
		case "resource":
			o.ID = azidentity.ResourceID(s.id.value)
		}
		return azidentity.NewManagedIdentityCredential(o)
	case "probe":
		return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: s.options(), ProbeFirst: true})
	}
	return nil, fmt.Errorf("no proof %q", s.proof)
}
