package azidentity_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// offline returns options that lead to an emulator instead of Entra ID. A
// program against Azure passes nil options.
func offline() (*entratest.Emulator, azcore.ClientOptions) {
	e, err := entratest.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	return e, azcore.ClientOptions{Transport: e.Transport()}
}

// show prints how many parts the token has: three, as every JWT.
func show(cred azcore.TokenCredential) {
	token, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{
		Scopes: []string{"https://management.azure.com/.default"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a token with", strings.Count(token.Token, ".")+1, "parts")
}

// The program in the README.
func Example() {
	_, o := offline()
	options := &azidentity.ClientSecretCredentialOptions{ClientOptions: o}
	err := acquire(context.Background(), entratest.DefaultTenantID, entratest.DefaultClientID, "not the secret", options)
	fmt.Println(err != nil)
	err = acquire(context.Background(), entratest.DefaultTenantID, entratest.DefaultClientID, entratest.DefaultClientSecret, options)
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func acquire(ctx context.Context, tenant, client, secret string, options *azidentity.ClientSecretCredentialOptions) error {
	cred, err := azidentity.NewClientSecretCredential(tenant, client, secret, options) // options may be nil
	if err != nil {
		return err
	}
	token, err := cred.GetToken(ctx, policy.TokenRequestOptions{
		Scopes: []string{"https://management.azure.com/.default"},
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "valid until", token.ExpiresOn)
	return nil
}

// The test without Azure in the README.
func Example_offline() {
	cred, err := offlineCredential()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%T\n", cred)
	// Output: *azidentity.ClientSecretCredential
}

func offlineCredential() (azcore.TokenCredential, error) {
	emulator := entratest.NewServer(nil) // TLS on a loopback port; nil is one tenant with one application
	defer emulator.Close()
	options := azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: emulator.URL},
		Transport: emulator.Client(), // trusts the emulator's certificate
	}
	cred, err := azidentity.NewClientSecretCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, entratest.DefaultClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		return nil, err
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	return cred, err
}

func ExampleNewClientSecretCredential() {
	_, options := offline()
	cred, err := azidentity.NewClientSecretCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, entratest.DefaultClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	defer cred.Close()
	show(cred)
	// Output: a token with 3 parts
}

func ExampleNewClientCertificateCredential() {
	emulator, options := offline()
	// In a program: data, err := os.ReadFile("client.pfx")
	data := emulator.DefaultCertificatePEM()
	certs, key, err := azidentity.ParseCertificates(data, nil)
	if err != nil {
		log.Fatal(err)
	}
	cred, err := azidentity.NewClientCertificateCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, certs, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	defer cred.Close()
	show(cred)
	// Output: a token with 3 parts
}

func ExampleParseCertificates() {
	emulator, _ := offline()
	certs, _, err := azidentity.ParseCertificates(emulator.DefaultCertificatePEM(), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(certs) > 0)
	// Output: true
}

func ExampleNewClientAssertionCredential() {
	emulator, options := offline()
	// The function returns a token of an issuer that the application trusts,
	// for example the one in a Kubernetes pod's file.
	assertion := func(context.Context) (string, error) {
		return emulator.FederatedAssertion(entratest.DefaultFederatedSubject)
	}
	cred, err := azidentity.NewClientAssertionCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, assertion,
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	defer cred.Close()
	show(cred)
	// Output: a token with 3 parts
}

func ExampleNewApplicationCredential() {
	_, options := offline()
	// In a program: the path of a file that is replaced when the secret rotates.
	path := writeTemporary([]byte(entratest.DefaultClientSecret + "\n"))
	defer os.Remove(path)
	cred, err := azidentity.NewApplicationCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, azidentity.AuthenticationBySecretFile(path),
		&azidentity.ApplicationCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	defer cred.Close()
	show(cred)
	// Output: a token with 3 parts
}

// showApplication gets a token for an application that proves itself by auth.
func showApplication(auth azidentity.ClientAuthentication, options azcore.ClientOptions) {
	cred, err := azidentity.NewApplicationCredential(entratest.DefaultTenantID, entratest.DefaultClientID, auth,
		&azidentity.ApplicationCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
}

func ExampleAuthenticationBySecret() {
	_, options := offline()
	showApplication(azidentity.AuthenticationBySecret(entratest.DefaultClientSecret), options)
	// Output: a token with 3 parts
}

func ExampleAuthenticationByCertificate() {
	emulator, options := offline()
	certs, key := emulator.DefaultCertificate()
	showApplication(azidentity.AuthenticationByCertificate(certs, key, nil), options)
	// Output: a token with 3 parts
}

func ExampleAuthenticationByAssertion() {
	emulator, options := offline()
	path := filepath.Join(os.TempDir(), fmt.Sprintf("azidentity-example-%d", os.Getpid()))
	if err := emulator.WriteServiceAccountToken(path, entratest.DefaultFederatedSubject); err != nil {
		log.Fatal(err)
	}
	defer os.Remove(path)
	showApplication(azidentity.AuthenticationByAssertion(azidentity.AssertionFromFile(path, nil)), options)
	// Output: a token with 3 parts
}

func ExampleAuthenticationBySecretFile() {
	emulator, options := offline()
	path := writeTemporary([]byte("the secret of last year"))
	defer os.Remove(path)
	cred, err := azidentity.NewApplicationCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, azidentity.AuthenticationBySecretFile(path),
		&azidentity.ApplicationCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	// The program runs on while the file is replaced.
	if err := os.WriteFile(path, []byte(entratest.DefaultClientSecret+"\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	show(cred)
	fmt.Println(emulator.CountRequests(entratest.EndpointToken), "request")
	// Output:
	// a token with 3 parts
	// 1 request
}

func ExampleAuthenticationByCertificateFile() {
	emulator, options := offline()
	// PEM or PKCS#12, or a directory with tls.crt and tls.key.
	path := writeTemporary(emulator.DefaultCertificatePEM())
	defer os.Remove(path)
	showApplication(azidentity.AuthenticationByCertificateFile(path, nil), options)
	// Output: a token with 3 parts
}

func ExampleAuthenticationBySecretSource() {
	_, options := offline()
	// In a program, the function asks a key vault.
	secret := func(context.Context) (string, error) { return entratest.DefaultClientSecret, nil }
	showApplication(azidentity.AuthenticationBySecretSource(secret), options)
	// Output: a token with 3 parts
}

func ExampleAuthenticationByCertificateSource() {
	emulator, options := offline()
	certificate := func(context.Context) ([]*x509.Certificate, crypto.PrivateKey, error) {
		certs, key := emulator.DefaultCertificate()
		return certs, key, nil
	}
	showApplication(azidentity.AuthenticationByCertificateSource(certificate, nil), options)
	// Output: a token with 3 parts
}

func ExampleNewOnBehalfOfCredentialWithAuthentication() {
	emulator, options := offline()
	path := writeTemporary([]byte(entratest.DefaultClientSecret))
	defer os.Remove(path)
	// Once for the web API, so that the file is read once.
	auth := azidentity.AuthenticationBySecretFile(path)
	// For each request: the token from its Authorization header.
	user, err := emulator.UserToken(entratest.DefaultUsername, entratest.DefaultClientID)
	if err != nil {
		log.Fatal(err)
	}
	cred, err := azidentity.NewOnBehalfOfCredentialWithAuthentication(
		entratest.DefaultTenantID, entratest.DefaultClientID, user, auth,
		&azidentity.OnBehalfOfCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
	// Output: a token with 3 parts
}

func ExampleNewOnBehalfOfCredentialWithSecret() {
	emulator, options := offline()
	// One credential for all users of a web API.
	cred, err := azidentity.NewOnBehalfOfCredentialWithSecret(
		entratest.DefaultTenantID, entratest.DefaultClientID, "", entratest.DefaultClientSecret,
		&azidentity.OnBehalfOfCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	// For each request: the token from its Authorization header.
	user, err := emulator.UserToken(entratest.DefaultUsername, entratest.DefaultClientID)
	if err != nil {
		log.Fatal(err)
	}
	ctx := azidentity.WithUserAssertion(context.Background(), user)
	token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
	fmt.Println(strings.Count(token.Token, "."), err)
	// Output: 2 <nil>
}

func ExampleNewOnBehalfOfCredentialWithCertificate() {
	emulator, options := offline()
	user, err := emulator.UserToken(entratest.DefaultUsername, entratest.DefaultClientID)
	if err != nil {
		log.Fatal(err)
	}
	certs, key := emulator.DefaultCertificate()
	// One credential for one request: the user's token is shared with the next.
	cred, err := azidentity.NewOnBehalfOfCredentialWithCertificate(
		entratest.DefaultTenantID, entratest.DefaultClientID, user, certs, key,
		&azidentity.OnBehalfOfCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
	// Output: a token with 3 parts
}

func ExampleNewOnBehalfOfCredentialWithClientAssertions() {
	emulator, options := offline()
	user, err := emulator.UserToken(entratest.DefaultUsername, entratest.DefaultClientID)
	if err != nil {
		log.Fatal(err)
	}
	assertion := func(context.Context) (string, error) {
		return emulator.FederatedAssertion(entratest.DefaultFederatedSubject)
	}
	cred, err := azidentity.NewOnBehalfOfCredentialWithClientAssertions(
		entratest.DefaultTenantID, entratest.DefaultClientID, user, assertion,
		&azidentity.OnBehalfOfCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
	// Output: a token with 3 parts
}

func ExampleNewAuthorizationCodeCredential() {
	emulator, options := offline()
	// A web application has the user sign in at the authorize endpoint and gets a code
	// at its redirect URI. Here the emulator plays the user.
	code, err := emulator.AuthorizationCode(entratest.DefaultUsername, entratest.DefaultClientID, entratest.DefaultRedirectURI)
	if err != nil {
		log.Fatal(err)
	}
	cred, err := azidentity.NewAuthorizationCodeCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, code, entratest.DefaultRedirectURI,
		&azidentity.AuthorizationCodeCredentialOptions{
			ClientOptions:  options,
			Authentication: azidentity.AuthenticationBySecret(entratest.DefaultClientSecret),
		})
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
	// Output: a token with 3 parts
}

func ExampleNewTokenMemory() {
	emulator, clientOptions := offline()
	memory := azidentity.NewTokenMemory(azidentity.TokenLimits{Tokens: 10_000, Bytes: 64 << 20})
	cred, err := azidentity.NewOnBehalfOfCredentialWithSecret(tenantID, clientID, "", goodKey, &azidentity.OnBehalfOfCredentialOptions{
		ClientOptions: clientOptions,
		Tokens:        azidentity.TokenOptions{Memory: memory}, // several credentials may have the same
	})
	if err != nil {
		log.Fatal(err)
	}
	presented, err := emulator.UserToken(entratest.DefaultUsername, clientID)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := cred.GetToken(azidentity.WithUserAssertion(context.Background(), presented), armToken); err != nil {
		log.Fatal(err)
	}
	fmt.Println("kept:", memory.Stats().Tokens, "(the user's token and refresh token)")
	// Output: kept: 2 (the user's token and refresh token)
}

func ExampleNewEnvironmentCredential() {
	_, options := offline()
	for name, value := range map[string]string{
		"AZURE_TENANT_ID":     entratest.DefaultTenantID,
		"AZURE_CLIENT_ID":     entratest.DefaultClientID,
		"AZURE_CLIENT_SECRET": entratest.DefaultClientSecret,
	} {
		_ = os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	cred, err := azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
	// Output: a token with 3 parts
}

func ExampleNewManagedIdentityCredential() {
	emulator, options := offline()
	for name, value := range emulator.Environment(entratest.EndpointAppService) { // as App Service sets them
		_ = os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	cred, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
		ClientOptions: options,
		ID:            azidentity.ClientID(entratest.DefaultIdentityClientID), // nil: the system-assigned identity
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cred.Close()
	show(cred)
	// Output: a token with 3 parts
}

func ExampleNewChainedTokenCredential() {
	_, options := offline()
	// A credential that says it is unavailable is passed over.
	first := credentialFunc(func() error { return azidentity.NewCredentialUnavailableError("no identity on this machine") })
	second, err := azidentity.NewClientSecretCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, entratest.DefaultClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	chain, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{first, second}, nil)
	if err != nil {
		log.Fatal(err)
	}
	show(chain)
	// Output: a token with 3 parts
}

type credentialFunc func() error

func (f credentialFunc) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, f()
}

func ExampleNewCredentialUnavailableError() {
	fmt.Println(azidentity.NewCredentialUnavailableError("MyCredential: MY_TOKEN is not set"))
	// Output: MyCredential: MY_TOKEN is not set
}

func ExampleNewBearerTokenProvider() {
	_, options := offline()
	cred, err := azidentity.NewClientSecretCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, entratest.DefaultClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	password := azidentity.NewBearerTokenProvider(cred, "https://ossrdbms-aad.database.windows.net/.default")
	token, err := password(context.Background())
	fmt.Println(strings.Count(token, "."), err)
	// Output: 2 <nil>
}

func ExampleAuthenticationFailedError() {
	_, options := offline()
	cred, err := azidentity.NewClientSecretCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, "not the secret",
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
	var failed *azidentity.AuthenticationFailedError
	if errors.As(err, &failed) {
		fmt.Println(failed.Code, failed.AADSTSCodes())
	}
	// Output: invalid_client [7000215]
}

func ExampleNewWorkloadIdentityCredential() {
	emulator, options := offline()
	// In a pod, options are nil: the environment has them all.
	path := writeTemporary(nil)
	defer os.Remove(path)
	if err := emulator.WriteServiceAccountToken(path, entratest.DefaultFederatedSubject); err != nil {
		log.Fatal(err)
	}
	cred, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: options,
		TenantID:      entratest.DefaultTenantID, ClientID: entratest.DefaultClientID, TokenFilePath: path,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cred.Close()
	show(cred)
	// Output: a token with 3 parts
}

func ExampleNewAzurePipelinesCredential() {
	emulator, options := offline()
	_ = os.Setenv("SYSTEM_OIDCREQUESTURI", emulator.PipelinesRequestURI()) // a job has it
	defer os.Unsetenv("SYSTEM_OIDCREQUESTURI")
	cred, err := azidentity.NewAzurePipelinesCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, entratest.DefaultServiceConnectionID,
		entratest.DefaultSystemAccessToken, // os.Getenv("SYSTEM_ACCESSTOKEN")
		&azidentity.AzurePipelinesCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	defer cred.Close()
	show(cred)
	// Output: a token with 3 parts
}

func ExampleAssertionFromFile() {
	emulator, options := offline()
	path := writeTemporary(nil)
	defer os.Remove(path)
	if err := emulator.WriteServiceAccountToken(path, entratest.DefaultFederatedSubject); err != nil {
		log.Fatal(err)
	}
	source := azidentity.AssertionFromFile(path, &azidentity.AssertionOptions{Audience: azidentity.ExchangeAudience})
	showAssertion(source, options)
	// Output: a token with 3 parts
}

// showAssertion gets a token with what a source hands out.
func showAssertion(source func(context.Context) (string, error), options azcore.ClientOptions) {
	cred, err := azidentity.NewClientAssertionCredential(entratest.DefaultTenantID, entratest.DefaultClientID, source,
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
}

func ExampleAssertionFromURL() {
	emulator, options := offline()
	source := azidentity.AssertionFromURL(azidentity.AssertionRequest{
		URL:    emulator.ActionsRequestURL() + "&audience=" + azidentity.ExchangeAudience,
		Header: http.Header{"Authorization": {"Bearer " + entratest.DefaultActionsRequestToken}},
		Member: "value",
	}, &azidentity.AssertionOptions{ClientOptions: options})
	showAssertion(source, options)
	// Output: a token with 3 parts
}

func ExampleAssertionFromGitHubActions() {
	emulator, options := offline()
	// A job with "permissions: { id-token: write }" has these.
	for name, value := range map[string]string{
		"ACTIONS_ID_TOKEN_REQUEST_URL":   emulator.ActionsRequestURL(),
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN": entratest.DefaultActionsRequestToken,
	} {
		_ = os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	source := azidentity.AssertionFromGitHubActions(&azidentity.AssertionOptions{ClientOptions: options})
	showAssertion(source, options)
	// Output: a token with 3 parts
}

func ExampleAssertionFromCommand() {
	source := azidentity.AssertionFromCommand([]string{"no-such-program", "--audience", azidentity.ExchangeAudience}, nil)
	_, err := source(context.Background())
	fmt.Println(errors.Is(err, exec.ErrNotFound))
	// Output: true
}

func ExampleAssertionFromCredential() {
	emulator, options := offline()
	// In a program, a managed identity that the application trusts.
	identity := tokenFunc(func() (string, error) { return emulator.FederatedAssertion(entratest.DefaultFederatedSubject) })
	showAssertion(azidentity.AssertionFromCredential(identity, ""), options)
	// Output: a token with 3 parts
}

type tokenFunc func() (string, error)

func (f tokenFunc) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := f()
	return azcore.AccessToken{Token: token}, err
}
