package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
)

// tokenCredential is a value of --credential.
type tokenCredential struct {
	name, typeName string
	reads          string // what it is configured by, for the help
	// open constructs it. The tenant, unless it is empty, is one that the user
	// typed, and so may be asked.
	open func(o azcore.ClientOptions, tenant string) (azcore.TokenCredential, error)
	// person takes open's place where somebody has to sign in.
	person func(*signIn, context.Context, func(context.Context, personCredential) error) error
}

// tokenCredentials are the values of --credential, the default first.
var tokenCredentials = []tokenCredential{
	{name: "environment", typeName: "EnvironmentCredential", reads: "whichever of the next three is configured", open: openTokenEnvironment},
	{name: "secret", typeName: "ClientSecretCredential", reads: "AZURE_CLIENT_SECRET", open: openTokenSecret},
	{name: "certificate", typeName: "ClientCertificateCredential", reads: "AZURE_CLIENT_CERTIFICATE_PATH, …_PASSWORD", open: openTokenCertificate},
	{name: "password", typeName: "UsernamePasswordCredential", reads: "AZURE_USERNAME, AZURE_PASSWORD", open: openTokenPassword},
	{name: "workload", typeName: "WorkloadIdentityCredential", reads: "AZURE_FEDERATED_TOKEN_FILE", open: openTokenWorkload},
	{name: "managed", typeName: "ManagedIdentityCredential", reads: "the host; AZURE_CLIENT_ID if user-assigned", open: openTokenManaged},
	{name: "browser", typeName: "InteractiveBrowserCredential", reads: "a person signs in; AZURE_TENANT_ID if set", person: (*signIn).byBrowser},
	{name: "device-code", typeName: "DeviceCodeCredential", reads: "a person enters a code; AZURE_TENANT_ID if set", person: (*signIn).byDeviceCode},
}

func tokenCredentialsHelp() string {
	var b strings.Builder
	for _, c := range tokenCredentials {
		fmt.Fprintf(&b, "  %-11s  %s\n", c.name, c.reads)
	}
	return b.String() + "The first five read AZURE_TENANT_ID and AZURE_CLIENT_ID too.\n"
}

func openTokenEnvironment(o azcore.ClientOptions, tenant string) (azcore.TokenCredential, error) {
	// This credential has no option for it: it takes the list from the environment.
	const list = "AZURE_ADDITIONALLY_ALLOWED_TENANTS"
	if tenant != "" {
		if err := os.Setenv(list, os.Getenv(list)+";"+tenant); err != nil {
			return nil, err
		}
	}
	return azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o})
}

func openTokenSecret(o azcore.ClientOptions, tenant string) (azcore.TokenCredential, error) {
	v, err := variables("ClientSecretCredential", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
	if err != nil {
		return nil, err
	}
	return azidentity.NewClientSecretCredential(v[0], v[1], v[2],
		&azidentity.ClientSecretCredentialOptions{ClientOptions: o, AdditionallyAllowedTenants: allow(tenant)})
}

func openTokenCertificate(o azcore.ClientOptions, tenant string) (azcore.TokenCredential, error) {
	const name = "ClientCertificateCredential"
	v, err := variables(name, "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_CERTIFICATE_PATH")
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(v[2])
	if err != nil {
		return nil, fmt.Errorf("%s: AZURE_CLIENT_CERTIFICATE_PATH: %w", name, err)
	}
	var password []byte
	if p := os.Getenv("AZURE_CLIENT_CERTIFICATE_PASSWORD"); p != "" {
		password = []byte(p)
	}
	certs, key, err := azidentity.ParseCertificates(data, password)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, v[2], err)
	}
	chain := strings.ToLower(os.Getenv("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"))
	return azidentity.NewClientCertificateCredential(v[0], v[1], certs, key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: o, AdditionallyAllowedTenants: allow(tenant), SendCertificateChain: chain == "1" || chain == "true",
	})
}

func openTokenPassword(o azcore.ClientOptions, tenant string) (azcore.TokenCredential, error) {
	const name = "UsernamePasswordCredential"
	v, err := variables(name, "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_USERNAME")
	if err != nil {
		return nil, err
	}
	password := os.Getenv("AZURE_PASSWORD") // with whatever white space it has
	if password == "" {
		return nil, azidentity.NewCredentialUnavailableError(name + ": the environment is not configured: missing AZURE_PASSWORD")
	}
	//nolint:staticcheck // deprecated, and still what some environments are configured for
	return azidentity.NewUsernamePasswordCredential(v[0], v[1], v[2], password,
		&azidentity.UsernamePasswordCredentialOptions{ClientOptions: o, AdditionallyAllowedTenants: allow(tenant)})
}

func openTokenWorkload(o azcore.ClientOptions, tenant string) (azcore.TokenCredential, error) {
	return azidentity.NewWorkloadIdentityCredential(
		&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: o, AdditionallyAllowedTenants: allow(tenant)})
}

func openTokenManaged(o azcore.ClientOptions, tenant string) (azcore.TokenCredential, error) {
	if tenant != "" {
		return nil, usagef("azid token: --tenant: a managed identity is of one tenant, which cannot be chosen")
	}
	options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: o}
	if id := strings.TrimSpace(os.Getenv("AZURE_CLIENT_ID")); id != "" {
		options.ID = azidentity.ClientID(id)
	}
	return azidentity.NewManagedIdentityCredential(options)
}

// variables returns the values of environment variables, or an error that names
// those that are missing.
func variables(credential string, names ...string) (values []string, err error) {
	var missing []string
	for _, name := range names {
		value := strings.TrimSpace(os.Getenv(name))
		values = append(values, value)
		if value == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, azidentity.NewCredentialUnavailableError(credential + ": the environment is not configured: missing " + strings.Join(missing, ", "))
	}
	return values, nil
}

func allow(tenant string) []string {
	if tenant == "" {
		return nil
	}
	return []string{tenant}
}

// clientOptions are those of a person at a terminal, who would rather hear soon
// that nobody answers.
func clientOptions() (azcore.ClientOptions, error) {
	o := azcore.ClientOptions{Retry: policy.RetryOptions{MaxRetries: 2, RetryDelay: 200 * time.Millisecond}}
	// Go reads this variable by itself on the other systems.
	path := os.Getenv("SSL_CERT_FILE")
	if path == "" || runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		return o, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return o, fmt.Errorf("azid token: SSL_CERT_FILE: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return o, fmt.Errorf("azid token: the system's certificates: %w", err)
	}
	roots.AppendCertsFromPEM(pem)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	o.Transport = &http.Client{
		Transport: transport,
		// A request for a token carries secrets and goes nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return o, nil
}
