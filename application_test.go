package azidentity_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

const armScope = "https://management.azure.com/.default"

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

func TestOverTLS(t *testing.T) {
	t.Parallel()
	s := entratest.NewServer(nil)
	defer s.Close()
	o := azcore.ClientOptions{Transport: s.Client(), Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: s.URL}}
	certs, key := s.DefaultCertificate()
	secret, err := azidentity.NewClientSecretCredential(entratest.DefaultTenantID, entratest.DefaultClientID, entratest.DefaultClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := azidentity.NewClientCertificateCredential(entratest.DefaultTenantID, entratest.DefaultClientID, certs, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, cred := range []azcore.TokenCredential{secret, cert} {
		s.ResetJournal()
		for range 2 {
			tok, err := cred.GetToken(t.Context(), armToken)
			if err != nil {
				t.Fatalf("%T: %v", cred, err)
			}
			if tok.Token == "" || tok.ExpiresOn.IsZero() {
				t.Errorf("%T: got %d bytes until %v", cred, len(tok.Token), tok.ExpiresOn)
			}
		}
		if n := len(s.Journal()); n != 1 || s.CountRequests(entratest.EndpointToken) != 1 {
			t.Errorf("%T: %d requests, want 1: %+v", cred, n, s.Journal())
		}
	}
	s.Client().CloseIdleConnections()
}
