//go:build interop

package interop_test

import (
	"context"
	"os"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	microsoft "github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// TestGo lets Microsoft's credentials for Go, and ours, get tokens from the
// emulator. The lines for theirs and for ours differ in the package's name.
func TestGo(t *testing.T) {
	e := startEmulator(t)
	options := func() azcore.ClientOptions {
		// A client of its own: credentials of ours that have one in common share tokens.
		client := *e.client
		return azcore.ClientOptions{Transport: &client, Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: e.authority}}
	}
	const tenant, client = entratest.DefaultTenantID, entratest.DefaultClientID
	assertion := func(context.Context) (string, error) { return e.readAssertion(t), nil }
	pem, err := os.ReadFile(e.certificate)
	if err != nil {
		t.Fatal(err)
	}
	theirCerts, theirKey, err := microsoft.ParseCertificates(pem, nil)
	if err != nil {
		t.Fatal(err)
	}
	ourCerts, ourKey, err := azidentity.ParseCertificates(pem, nil)
	if err != nil {
		t.Fatal(err)
	}
	common := map[string]string{"AZURE_TENANT_ID": tenant, "AZURE_CLIENT_ID": client}
	withSecret := map[string]string{"AZURE_CLIENT_SECRET": entratest.DefaultClientSecret}
	withCertificate := map[string]string{"AZURE_CLIENT_CERTIFICATE_PATH": e.certificate}
	withChain := map[string]string{"AZURE_CLIENT_CERTIFICATE_PATH": e.certificate, "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN": "true"}

	for _, c := range []struct {
		name, proof  string
		env          map[string]string
		theirs, ours func() (azcore.TokenCredential, error)
	}{
		{"ClientSecretCredential", "secret", nil, func() (azcore.TokenCredential, error) {
			return microsoft.NewClientSecretCredential(tenant, client, entratest.DefaultClientSecret,
				&microsoft.ClientSecretCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}, func() (azcore.TokenCredential, error) {
			return azidentity.NewClientSecretCredential(tenant, client, entratest.DefaultClientSecret,
				&azidentity.ClientSecretCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}},
		{"ClientCertificateCredential", "certificate", nil, func() (azcore.TokenCredential, error) {
			return microsoft.NewClientCertificateCredential(tenant, client, theirCerts, theirKey,
				&microsoft.ClientCertificateCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}, func() (azcore.TokenCredential, error) {
			return azidentity.NewClientCertificateCredential(tenant, client, ourCerts, ourKey,
				&azidentity.ClientCertificateCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}},
		{"ClientCertificateCredential with chain", "chain", nil, func() (azcore.TokenCredential, error) {
			return microsoft.NewClientCertificateCredential(tenant, client, theirCerts, theirKey,
				&microsoft.ClientCertificateCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true, SendCertificateChain: true})
		}, func() (azcore.TokenCredential, error) {
			return azidentity.NewClientCertificateCredential(tenant, client, ourCerts, ourKey,
				&azidentity.ClientCertificateCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true, SendCertificateChain: true})
		}},
		{"ClientAssertionCredential", "assertion", nil, func() (azcore.TokenCredential, error) {
			return microsoft.NewClientAssertionCredential(tenant, client, assertion,
				&microsoft.ClientAssertionCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}, func() (azcore.TokenCredential, error) {
			return azidentity.NewClientAssertionCredential(tenant, client, assertion,
				&azidentity.ClientAssertionCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}},
		{"EnvironmentCredential with secret", "secret", withSecret, func() (azcore.TokenCredential, error) {
			return microsoft.NewEnvironmentCredential(&microsoft.EnvironmentCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}, func() (azcore.TokenCredential, error) {
			return azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}},
		{"EnvironmentCredential with certificate", "certificate", withCertificate, func() (azcore.TokenCredential, error) {
			return microsoft.NewEnvironmentCredential(&microsoft.EnvironmentCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}, func() (azcore.TokenCredential, error) {
			return azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}},
		{"EnvironmentCredential with chain", "chain", withChain, func() (azcore.TokenCredential, error) {
			return microsoft.NewEnvironmentCredential(&microsoft.EnvironmentCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}, func() (azcore.TokenCredential, error) {
			return azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
		}},
	} {
		for _, peer := range []struct {
			name, sku string
			construct func() (azcore.TokenCredential, error)
		}{{"Microsoft's", "MSAL.Go", c.theirs}, {"ours", "azid.Go", c.ours}} {
			t.Run(c.name+", "+peer.name, func(t *testing.T) {
				for _, env := range []map[string]string{common, c.env} {
					for name, value := range env {
						t.Setenv(name, value)
					}
				}
				cred, err := peer.construct()
				if err != nil {
					t.Fatal(err)
				}
				token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{resource + "/.default"}})
				if err != nil {
					t.Fatal(err)
				}
				e.verify(t, token.Token, token.ExpiresOn)
				r := e.expectRequest(t, peer.sku, c.proof)
				if _, sent := r.AssertionHeader["x5c"]; sent != (c.proof == "chain") {
					t.Errorf("a chain was sent: %t", sent)
				}
			})
		}
	}
}
