package azidentity_test

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/loopback"
)

func TestMain(m *testing.M) { loopback.Main(m, entra.SharedTransport, entra.DirectTransport) }

const (
	tenantID = entratest.DefaultTenantID
	clientID = entratest.DefaultClientID
	goodKey  = entratest.DefaultClientSecret
	armScope = "https://management.azure.com/.default"
)

var armToken = policy.TokenRequestOptions{Scopes: []string{armScope}}

// emulate returns an emulator inside the process and client options that lead
// to it, whatever the authority.
func emulate(t testing.TB, cfg *entratest.Config) (*entratest.Emulator, azcore.ClientOptions) {
	t.Helper()
	e, err := entratest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e, azcore.ClientOptions{Transport: e.Transport()}
}

func secretCred(t testing.TB, secret string, o azcore.ClientOptions) *azidentity.ClientSecretCredential {
	t.Helper()
	c, err := azidentity.NewClientSecretCredential(tenantID, clientID, secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: o, AdditionallyAllowedTenants: []string{"*"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func token(t testing.TB, c azcore.TokenCredential) string {
	t.Helper()
	return tokenFor(t, c, armToken)
}

func tokenFor(t testing.TB, c azcore.TokenCredential, o policy.TokenRequestOptions) string {
	t.Helper()
	tok, err := c.GetToken(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(tok.Token, ".") != 2 {
		t.Fatalf("got a token of %d bytes, want a JWT", len(tok.Token))
	}
	return tok.Token
}

// clearEnvironment hides the machine's own configuration from a test.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH",
		"AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "AZURE_ADDITIONALLY_ALLOWED_TENANTS",
		"AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME", "MSAL_FORCE_REGION", "REGION_NAME",
		"AZURE_IDENTITY_DISABLE_INSTANCE_DISCOVERY", "AZURE_IDENTITY_DISABLE_MULTITENANTAUTH", "AZURE_USERNAME", "AZURE_PASSWORD",
		"AZURE_POD_IDENTITY_AUTHORITY_HOST", "AZURE_FEDERATED_TOKEN_FILE", "SYSTEM_OIDCREQUESTURI",
		"AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_SNI_NAME", "AZURE_KUBERNETES_CA_FILE", "AZURE_KUBERNETES_CA_DATA",
		"AZURE_POD_IDENTITY_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT",
		"MSI_ENDPOINT", "MSI_SECRET", "DEFAULT_IDENTITY_CLIENT_ID",
	} {
		t.Setenv(name, "")
	}
}
