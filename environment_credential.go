package azidentity

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/events"
)

const credNameEnvironment = "EnvironmentCredential"

// The variables that [EnvironmentCredential] reads.
const (
	envTenantID            = "AZURE_TENANT_ID"
	envClientID            = "AZURE_CLIENT_ID"
	envClientSecret        = "AZURE_CLIENT_SECRET"
	envCertificatePath     = "AZURE_CLIENT_CERTIFICATE_PATH"
	envCertificatePassword = "AZURE_CLIENT_CERTIFICATE_PASSWORD"
	envSendChain           = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"
	envUsername            = "AZURE_USERNAME"
	envPassword            = "AZURE_PASSWORD"
	envAllowedTenants      = "AZURE_ADDITIONALLY_ALLOWED_TENANTS"
)

// EnvironmentCredentialOptions are the options of [EnvironmentCredential]. Nil
// and the zero value mean the same.
type EnvironmentCredentialOptions struct {
	azcore.ClientOptions

	// DisableInstanceDiscovery: see [ClientSecretCredentialOptions].
	DisableInstanceDiscovery bool

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions
}

// EnvironmentCredential authenticates the application, or the user, that the
// environment configures, by the first of these that is there:
//
//   - with a secret: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET
//   - with a certificate: AZURE_TENANT_ID, AZURE_CLIENT_ID and
//     AZURE_CLIENT_CERTIFICATE_PATH, a PEM or PKCS#12 file with the private
//     key, or a directory as [AuthenticationByCertificateFile] reads it;
//     AZURE_CLIENT_CERTIFICATE_PASSWORD if it is encrypted;
//     AZURE_CLIENT_SEND_CERTIFICATE_CHAIN "1" or "true" to send the chain
//   - as a user, with a password: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_USERNAME and
//     AZURE_PASSWORD; see [UsernamePasswordCredential] for why not to
//
// AZURE_ADDITIONALLY_ALLOWED_TENANTS lists further tenants, separated by
// semicolons, or "*". An empty variable counts as none; white space around a
// value but a password, and quotes around all but the secret and the passwords, are
// dropped.
//
// The certificate file is read again when it has changed and a token is
// needed, and when Entra ID refuses the one in memory, so that certificates
// are rotated by replacing the file. It is safe for concurrent use.
type EnvironmentCredential struct {
	cred azcore.TokenCredential
}

// NewEnvironmentCredential reads the environment, once. What is missing is an
// error that names the variables, and on which a chain goes on.
func NewEnvironmentCredential(options *EnvironmentCredentialOptions) (*EnvironmentCredential, error) {
	if options == nil {
		options = &EnvironmentCredentialOptions{}
	}
	tenant, client := unquote(os.Getenv(envTenantID)), unquote(os.Getenv(envClientID))
	secret, path := strings.TrimSpace(os.Getenv(envClientSecret)), unquote(os.Getenv(envCertificatePath))
	username, password := unquote(os.Getenv(envUsername)), os.Getenv(envPassword)
	if err := checkEnvironment(tenant, client, secret, path, username, password); err != nil {
		return nil, err
	}
	allowed := allowedTenants(os.Getenv(envAllowedTenants))
	var cred azcore.TokenCredential
	var err error
	switch {
	case secret != "":
		events.Log(context.Background(), events.EnvironmentFound, slog.String("credential", credNameSecret), slog.String("from", envClientSecret))
		cred, err = NewClientSecretCredential(tenant, client, secret, &ClientSecretCredentialOptions{
			ClientOptions: options.ClientOptions, AdditionallyAllowedTenants: allowed,
			DisableInstanceDiscovery: options.DisableInstanceDiscovery, Tokens: options.Tokens,
		})
	case path != "":
		events.Log(context.Background(), events.EnvironmentFound, slog.String("credential", credNameCert), slog.String("from", envCertificatePath))
		var auth clientAuth
		auth, err = authenticationByCertificateFile(fmt.Sprintf("certificate file %s (%s)", path, envCertificatePath), path, CertificateFileOptions{
			Password: []byte(os.Getenv(envCertificatePassword)), SendCertificateChain: isTrue(unquote(os.Getenv(envSendChain))),
		}).forClient(client)
		if err == nil {
			cred, err = newClientCertificateCredential(tenant, client, auth, &ClientCertificateCredentialOptions{
				ClientOptions: options.ClientOptions, AdditionallyAllowedTenants: allowed,
				DisableInstanceDiscovery: options.DisableInstanceDiscovery, Tokens: options.Tokens,
			})
		}
	default:
		events.Log(context.Background(), events.EnvironmentFound, slog.String("credential", credNameUserPassword), slog.String("from", envUsername))
		cred, err = NewUsernamePasswordCredential(tenant, client, username, password, &UsernamePasswordCredentialOptions{
			ClientOptions: options.ClientOptions, AdditionallyAllowedTenants: allowed,
			DisableInstanceDiscovery: options.DisableInstanceDiscovery, Tokens: options.Tokens,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", credNameEnvironment, err)
	}
	return &EnvironmentCredential{cred}, nil
}

// checkEnvironment names what is missing for the form that is closest to
// complete: the secret's, unless a certificate or a user is configured.
func checkEnvironment(tenant, client, secret, path, username, password string) error {
	var missing, set []string
	type variable struct{ name, value string }
	form := []variable{{envTenantID, tenant}, {envClientID, client}}
	switch {
	case secret != "":
		form = append(form, variable{envClientSecret, secret})
	case path != "":
		form = append(form, variable{envCertificatePath, path})
	case username != "" || password != "":
		form = append(form, variable{envUsername, username}, variable{envPassword, password})
	default:
		form = append(form, variable{envClientSecret + " or " + envCertificatePath, ""})
	}
	for _, v := range form {
		if v.value == "" {
			missing = append(missing, v.name)
		} else {
			set = append(set, v.name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	found := "none of its variables is set"
	if len(set) > 0 {
		found = "set: " + strings.Join(set, ", ")
	}
	return NewCredentialUnavailableError(fmt.Sprintf("%s: the environment is not configured: missing %s (%s)",
		credNameEnvironment, strings.Join(missing, ", "), found))
}

// unquote drops white space and one pair of quotes around a value, as shells
// and env files leave them.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	return s
}

func allowedTenants(list string) (tenants []string) {
	for t := range strings.SplitSeq(unquote(list), ";") {
		if t = strings.TrimSpace(t); t != "" {
			tenants = append(tenants, t)
		}
	}
	return tenants
}

// GetToken returns a token for the application or user, from memory if there is one.
// Azure SDK clients call it. Failures are [*AuthenticationFailedError].
func (c *EnvironmentCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.cred.GetToken(ctx, opts)
}

// Close does what [ClientSecretCredential.Close] does.
func (c *EnvironmentCredential) Close() error { return closeCredential(c.cred) }

// closeCredential closes cred if it can be.
func closeCredential(cred azcore.TokenCredential) error {
	if c, ok := cred.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

var _ azcore.TokenCredential = (*EnvironmentCredential)(nil)
