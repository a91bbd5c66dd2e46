package azidentity_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// The examples of the pages in docs. A test holds that every block of Go code
// there is in a file like this one.

// exampleOptions leads to an emulator. A program passes nil.
func exampleOptions() (*entratest.Emulator, *azidentity.ClientSecretCredentialOptions) {
	emulator, clientOptions := offline()
	return emulator, &azidentity.ClientSecretCredentialOptions{ClientOptions: clientOptions}
}

func Example_docsIsolated() {
	_, clientOptions := offline()
	options := &azidentity.ClientSecretCredentialOptions{
		ClientOptions: clientOptions,
		Tokens: azidentity.TokenOptions{
			Isolated:          true, // keep this credential's tokens to itself
			RenewInForeground: true, // renew while the caller waits
		},
	}
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, options)
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
	// Output: a token with 3 parts
}

func Example_docsErrorFields() {
	_, options := exampleOptions()
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, "not the secret", options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(context.Background(), armToken)
	var failed *azidentity.AuthenticationFailedError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		fmt.Println("the caller's context ended")
	case errors.As(err, &failed) && failed.RetryAfter > 0:
		fmt.Println("ask again in", failed.RetryAfter)
	case errors.As(err, &failed):
		fmt.Println("refused:", failed.Code, failed.AADSTSCodes())
	}
	// Output: refused: invalid_client [7000215]
}

// goingOn makes a chain go on after every error of cred, unless it is an E.
type goingOn[E error] struct{ cred azcore.TokenCredential }

func (g goingOn[E]) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := g.cred.GetToken(ctx, o)
	var failed E
	if err != nil && !errors.As(err, &failed) {
		err = azidentity.NewCredentialUnavailableError(err.Error())
	}
	return token, err
}

func Example_docsForeignCredential() {
	_, options := exampleOptions()
	cli := credentialFunc(func() error { return errors.New("AzureCLICredential: executable not found on path") })
	secret, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, options)
	if err != nil {
		log.Fatal(err)
	}
	chain, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{
		goingOn[*azidentity.AuthenticationFailedError]{cli}, secret,
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	show(chain)
	// Output: a token with 3 parts
}

// A notConstructed is a member of a chain that could not be constructed. The
// chain reports why, and goes on if the reason is want of configuration.
type notConstructed struct{ err error }

func (n notConstructed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, n.err
}

func Example_docsEnvironmentInChain() {
	_, options := exampleOptions()
	for _, name := range []string{"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH"} {
		if old, ok := os.LookupEnv(name); ok {
			_ = os.Unsetenv(name)
			defer os.Setenv(name, old)
		}
	}
	secret, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, options)
	if err != nil {
		log.Fatal(err)
	}
	var first azcore.TokenCredential
	first, err = azidentity.NewEnvironmentCredential(nil)
	if err != nil {
		first = notConstructed{err}
	}
	chain, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{first, secret}, nil)
	if err != nil {
		log.Fatal(err)
	}
	show(chain)
	// Output: a token with 3 parts
}

func Example_docsEmulator() {
	emulator, err := entratest.New(nil) // one tenant with one application
	if err != nil {
		log.Fatal(err)
	}
	options := &azidentity.ClientSecretCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: emulator.Transport()},
	}
	cred, err := azidentity.NewClientSecretCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, entratest.DefaultClientSecret, options)
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
	fmt.Println(emulator.CountRequests(entratest.EndpointToken), "request")
	// Output:
	// a token with 3 parts
	// 1 request
}

// Example_docsLogging is compiled only: it would change the log of the tests.
func Example_docsLogging() {
	handler := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})
	slog.SetDefault(slog.New(handler))
}

func Example_docsPythonSecret() {
	_, options := exampleOptions()
	ctx, secret := context.Background(), goodKey
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, secret, options) // options may be nil
	if err != nil {
		log.Fatal(err)
	}
	token, err := cred.GetToken(ctx, policy.TokenRequestOptions{
		Scopes: []string{"https://management.azure.com/.default"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("valid:", token.ExpiresOn.After(time.Now()))
	// Output: valid: true
}

func Example_docsPythonCertificate() {
	emulator, clientOptions := offline()
	options := &azidentity.ClientCertificateCredentialOptions{ClientOptions: clientOptions}
	path, password := writeTemporary(emulator.DefaultCertificatePEM()), ""
	defer os.Remove(path)
	data, err := os.ReadFile(path) // PEM or PKCS#12
	if err != nil {
		log.Fatal(err)
	}
	certs, key, err := azidentity.ParseCertificates(data, []byte(password))
	if err != nil {
		log.Fatal(err)
	}
	options.SendCertificateChain = true
	cred, err := azidentity.NewClientCertificateCredential(tenantID, clientID, certs, key, options)
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
	// Output: a token with 3 parts
}

func Example_docsRotatingSecretFile() {
	_, clientOptions := offline()
	options := &azidentity.ApplicationCredentialOptions{ClientOptions: clientOptions}
	auth := azidentity.AuthenticationBySecretFile("/run/secrets/app/secret")
	cred, err := azidentity.NewApplicationCredential(tenantID, clientID, auth, options) // options may be nil
	fmt.Println(cred != nil, errors.Is(err, os.ErrNotExist))
	// Output: false true
}

func Example_docsRotatingCertificateFile() {
	password := []byte("in a program: from elsewhere")
	auth := azidentity.AuthenticationByCertificateFile("/run/secrets/app/client.pfx",
		&azidentity.CertificateFileOptions{Password: password})
	_, err := azidentity.NewApplicationCredential(tenantID, clientID, auth, nil)
	fmt.Println(errors.Is(err, os.ErrNotExist))
	// Output: true
}

func Example_docsRotatingSource() {
	_, clientOptions := offline()
	readVault := func(context.Context, string) (string, error) { return goodKey, nil }
	auth := azidentity.AuthenticationBySecretSource(func(ctx context.Context) (string, error) {
		return readVault(ctx, "app-secret")
	})
	cred, err := azidentity.NewApplicationCredential(tenantID, clientID, auth, &azidentity.ApplicationCredentialOptions{ClientOptions: clientOptions})
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
	// Output: a token with 3 parts
}

func writeTemporary(data []byte) string {
	f, err := os.CreateTemp("", "azidentity-example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		log.Fatal(err)
	}
	return f.Name()
}

func Example_docsPythonAssertion() {
	emulator, clientOptions := offline()
	options := &azidentity.ClientAssertionCredentialOptions{ClientOptions: clientOptions}
	jwt, err := emulator.FederatedAssertion(entratest.DefaultFederatedSubject)
	if err != nil {
		log.Fatal(err)
	}
	path := writeTemporary([]byte(jwt))
	defer os.Remove(path)
	assertion := azidentity.AssertionFromFile(path, nil) // or a function of your own
	cred, err := azidentity.NewClientAssertionCredential(tenantID, clientID, assertion, options)
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
	// Output: a token with 3 parts
}

func Example_docsPythonAuthorizationCode() {
	tenant := entratest.DefaultTenant()
	tenant.Applications[0].RedirectURIs = []string{"https://app.example.com/signin"}
	emulator, err := entratest.New(&entratest.Config{Tenants: []entratest.Tenant{tenant}})
	if err != nil {
		log.Fatal(err)
	}
	secret, verifier := goodKey, strings.Repeat("verifier", 6)
	code, err := emulator.AuthorizationCode(entratest.DefaultUsername, clientID, "https://app.example.com/signin",
		entratest.WithCodeChallenge(verifier, "plain"))
	if err != nil {
		log.Fatal(err)
	}
	options := &azidentity.AuthorizationCodeCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: emulator.Transport()}}
	options.Authentication = azidentity.AuthenticationBySecret(secret) // not for public clients
	options.CodeVerifier = verifier                                    // if there was a code_challenge
	cred, err := azidentity.NewAuthorizationCodeCredential(tenantID, clientID, code, "https://app.example.com/signin", options)
	if err != nil {
		log.Fatal(err)
	}
	show(cred)
	// Output: a token with 3 parts
}

func Example_docsPythonEnvironment() {
	_, clientOptions := offline()
	options := &azidentity.EnvironmentCredentialOptions{ClientOptions: clientOptions}
	for name, value := range map[string]string{
		"AZURE_TENANT_ID": tenantID, "AZURE_CLIENT_ID": clientID, "AZURE_CLIENT_SECRET": goodKey,
	} {
		_ = os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	cred, err := azidentity.NewEnvironmentCredential(options)
	if err != nil {
		log.Fatal(err) // names the variables that are missing
	}
	show(cred)
	// Output: a token with 3 parts
}

func Example_docsPythonChain() {
	_, options := exampleOptions()
	first := credentialFunc(func() error { return azidentity.NewCredentialUnavailableError("MyCredential: MY_TOKEN is not set") })
	second, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, options)
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

func Example_docsPythonBearerTokenProvider() {
	_, options := exampleOptions()
	ctx := context.Background()
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, options)
	if err != nil {
		log.Fatal(err)
	}
	provider := azidentity.NewBearerTokenProvider(cred, "https://cognitiveservices.azure.com/.default")
	token, err := provider(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.HasPrefix("Bearer "+token, "Bearer ey"))
	// Output: true
}

func Example_docsPythonErrors() {
	_, options := exampleOptions()
	ctx := context.Background()
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, "not the secret", options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(ctx, policy.TokenRequestOptions{
		Scopes: []string{"https://management.azure.com/.default"},
	})
	var failed *azidentity.AuthenticationFailedError
	var required *azidentity.AuthenticationRequiredError
	switch {
	case err == nil:
		fmt.Println("a token")
	case errors.As(err, &required):
		fmt.Println("a user has to sign in for", required.TokenRequestOptions.Scopes)
	case errors.As(err, &failed):
		fmt.Println("failed:", failed.Code, failed.AADSTSCodes())
	default:
		fmt.Println("unavailable:", err)
	}
	// Output: failed: invalid_client [7000215]
}

func Example_docsPythonClaims() {
	emulator, options := exampleOptions()
	ctx := context.Background()
	challenge := `{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}`
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, options)
	if err != nil {
		log.Fatal(err)
	}
	token, err := cred.GetToken(ctx, policy.TokenRequestOptions{
		Scopes:    []string{"https://graph.microsoft.com/.default"},
		Claims:    challenge, // JSON, after base64
		EnableCAE: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	last, _ := emulator.LastRequest(entratest.EndpointToken)
	fmt.Println(token.Token != "", strings.Contains(last.Form.Get("claims"), "nbf"), strings.Contains(last.Form.Get("claims"), "CP1"))
	// Output: true true true
}

func Example_docsPythonTenants() {
	_, options := exampleOptions()
	ctx, secret := context.Background(), goodKey
	otherTenant := entratest.DefaultTenantDomain
	options.AdditionallyAllowedTenants = []string{otherTenant} // or "*"
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, secret, options)
	if err != nil {
		log.Fatal(err)
	}
	token, err := cred.GetToken(ctx, policy.TokenRequestOptions{
		Scopes:   []string{"https://management.azure.com/.default"},
		TenantID: otherTenant,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("valid:", token.ExpiresOn.After(time.Now()))
	// Output: valid: true
}

func Example_docsPythonAuthority() {
	emulator, options := exampleOptions()
	ctx, secret := context.Background(), goodKey
	options.Cloud = cloud.AzureGovernment // or cloud.Configuration{ActiveDirectoryAuthorityHost: "login.microsoftonline.us"}
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, secret, options)
	if err != nil {
		log.Fatal(err)
	}
	_, err = cred.GetToken(ctx, policy.TokenRequestOptions{
		Scopes: []string{"https://management.usgovcloudapi.net/.default"},
	})
	if err != nil {
		log.Fatal(err)
	}
	last, _ := emulator.LastRequest(entratest.EndpointToken)
	fmt.Println(last.Host)
	// Output: login.microsoftonline.us
}

func Example_docsPythonClose() {
	_, options := exampleOptions()
	secret := goodKey
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, secret, options)
	if err != nil {
		log.Fatal(err)
	}
	defer cred.Close() // optional
	show(cred)
	// Output: a token with 3 parts
}
