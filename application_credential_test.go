package azidentity_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// A web API that constructs a credential for each request makes the authentication
// once: the file is read once, and users' tokens are found in memory.
func TestOnBehalfOfWithAuthentication(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	first, second := proofNumber(t, 1), proofNumber(t, 2)
	accept(t, e, first)
	path := filepath.Join(t.TempDir(), "secret")
	writeFile(t, path, first.line())
	auth := azidentity.AuthenticationBySecretFile(path)
	user := userToken(t, e, entratest.DefaultUsername)
	exchange := func(scope string) error {
		c, err := azidentity.NewOnBehalfOfCredentialWithAuthentication(tenantID, clientID, user, auth, &azidentity.OnBehalfOfCredentialOptions{ClientOptions: o})
		if err != nil {
			return err
		}
		_, err = c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
		return err
	}
	for range 10 {
		if err := exchange(armScope); err != nil {
			t.Fatal(err)
		}
	}
	if n := e.CountRequests(entratest.EndpointToken); n != 1 {
		t.Errorf("%d requests for ten credentials of one user, want 1", n)
	}
	accept(t, e, second)
	writeFile(t, path, second.line())
	if err := exchange("https://graph.microsoft.com/.default"); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
}

func TestAuthenticationIsValidated(t *testing.T) {
	t.Parallel()
	for want, auth := range map[string]azidentity.ClientAuthentication{
		"the authentication is missing":           {},
		"getSecret is nil":                        azidentity.AuthenticationBySecretSource(nil),
		"getCertificate is nil":                   azidentity.AuthenticationByCertificateSource(nil, nil),
		"getAssertion is nil":                     azidentity.AuthenticationByAssertion(nil),
		"the client secret is missing":            azidentity.AuthenticationBySecret(""),
		"secret file : the path is missing":       azidentity.AuthenticationBySecretFile(""),
		"certificate file : the path is missing":  azidentity.AuthenticationByCertificateFile("", nil),
		"a private key of type <nil> cannot sign": azidentity.AuthenticationByCertificate(nil, nil, nil),
	} {
		_, app := azidentity.NewApplicationCredential(tenantID, clientID, auth, nil)
		_, obo := azidentity.NewOnBehalfOfCredentialWithAuthentication(tenantID, clientID, "", auth, nil)
		for _, err := range []error{app, obo} {
			if err == nil || !strings.Contains(err.Error(), "Credential: "+want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	}
	for want, arguments := range map[string][2]string{"tenant is missing": {"", clientID}, "client ID is missing": {tenantID, ""}} {
		if _, err := azidentity.NewApplicationCredential(arguments[0], arguments[1], azidentity.AuthenticationBySecret(goodKey), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Every kind of authentication gets an application a token.
func TestApplicationCredential(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	certs, key := e.DefaultCertificate()
	for name, auth := range map[string]azidentity.ClientAuthentication{
		"secret":      azidentity.AuthenticationBySecret(goodKey),
		"certificate": azidentity.AuthenticationByCertificate(certs, key, &azidentity.CertificateAuthenticationOptions{SendCertificateChain: true}),
		"assertion": azidentity.AuthenticationByAssertion(func(context.Context) (string, error) {
			return e.FederatedAssertion(entratest.DefaultFederatedSubject)
		}),
		"certificate source": azidentity.AuthenticationByCertificateSource(func(context.Context) ([]*x509.Certificate, crypto.PrivateKey, error) {
			return certs, key, nil
		}, &azidentity.CertificateAuthenticationOptions{SendCertificateChain: true}),
	} {
		c := appCred(t, auth, o)
		if err := fresh(t, c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		entry, _ := e.LastRequest(entratest.EndpointToken)
		if _, sent := entry.AssertionHeader["x5c"]; sent != strings.HasPrefix(name, "certificate") {
			t.Errorf("%s: the chain was sent: %v", name, sent)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
