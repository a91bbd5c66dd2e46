package main

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/managedidentity"
)

// demoRow is one way to get a token. A new credential is one more entry.
type demoRow struct {
	credential, how string
	// env is what the constructor finds in the environment, beside nothing.
	env func(*demoLab) map[string]string
	// open constructs the credential. Its tokens are isolated: a token of
	// another row would be as good, and this row would send nothing.
	open func(*demoLab, azcore.ClientOptions) (azcore.TokenCredential, error)
	// authority is the path after the emulator's URL. Default: none.
	authority string
	// request is completed with the demo's scope.
	request policy.TokenRequestOptions
	// tenant is that of the token. Default: home's.
	tenant string
	// managed says that the token is a managed identity's.
	managed bool
	// check looks for what this row is about in the verified claims.
	check func(demoClaims) error
}

var isolated = azidentity.TokenOptions{Isolated: true}

func demoRows() []demoRow {
	return []demoRow{
		{credential: "ClientSecretCredential", how: "secret", open: openSecret},
		{credential: "ClientSecretCredential", how: "other tenant", open: openSecret,
			request: policy.TokenRequestOptions{TenantID: awayTenantID}, tenant: awayTenantID},
		{credential: "ClientSecretCredential", how: "CAE", open: openSecret,
			request: policy.TokenRequestOptions{EnableCAE: true}, check: isCAE},
		{credential: "ClientSecretCredential", how: "AD FS", open: openSecret, authority: "/adfs"},
		{credential: "ClientCertificateCredential", how: "PS256", open: openCertificate(false)},
		{credential: "ClientCertificateCredential", how: "PS256, chain", open: openCertificate(true)},
		{credential: "ClientAssertionCredential", how: "OIDC token", open: openAssertion},
		{credential: "ClientAssertionCredential", how: "GitHub token", open: openGitHubActions,
			env: func(l *demoLab) map[string]string {
				return map[string]string{
					"ACTIONS_ID_TOKEN_REQUEST_URL": l.server.ActionsRequestURL(), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": entratest.DefaultActionsRequestToken,
				}
			}},
		{credential: "ApplicationCredential", how: "rotated file", open: openRotated},
		{credential: "OnBehalfOfCredential", how: "user's token", open: openOnBehalfOf},
		{credential: "AuthorizationCodeCredential", how: "PKCE, public",
			open: openAuthorizationCode("http://localhost:8400", azidentity.ClientAuthentication{})},
		{credential: "AuthorizationCodeCredential", how: "PKCE, secret",
			open: openAuthorizationCode(entratest.DefaultRedirectURI, azidentity.AuthenticationBySecret(entratest.DefaultClientSecret))},
		{credential: "InteractiveBrowserCredential", how: "PKCE, nonce", open: openBrowser},
		{credential: "DeviceCodeCredential", how: "approved", open: openDeviceCode},
		{credential: "UsernamePasswordCredential", how: "password", open: openPassword},
		{credential: "WorkloadIdentityCredential", how: "token file", open: openWorkload,
			env: func(l *demoLab) map[string]string {
				return map[string]string{"AZURE_FEDERATED_TOKEN_FILE": l.tokenFile}
			}},
		{credential: "WorkloadIdentityCredential", how: "AKS binding", open: openBinding,
			env: func(l *demoLab) map[string]string {
				return map[string]string{
					"AZURE_FEDERATED_TOKEN_FILE":   filepath.Join(l.dir, "binding"),
					"AZURE_KUBERNETES_TOKEN_PROXY": l.proxy.URL, "AZURE_KUBERNETES_SNI_NAME": l.proxy.ServerName,
					"AZURE_KUBERNETES_CA_DATA": string(l.proxy.CAPEM()),
				}
			}},
		managed("IMDS", entratest.EndpointIMDS, nil),
		managed("IMDS, by ID", entratest.EndpointIMDS, azidentity.ClientID(entratest.DefaultIdentityClientID)),
		managed("App Service", entratest.EndpointAppService, nil),
		managed("App Svc 2017", entratest.EndpointLegacyAppService, nil),
		managed("Azure ML", entratest.EndpointAzureML, nil),
		managed("Cloud Shell", entratest.EndpointCloudShell, nil),
		managed("Azure Arc", entratest.EndpointAzureArc, nil),
		managed("Fabric (pin)", entratest.EndpointServiceFabric, nil),
		{credential: "ManagedIdentityCredential", how: "pod's file", open: openManaged(nil),
			env: func(l *demoLab) map[string]string {
				return map[string]string{"AZURE_FEDERATED_TOKEN_FILE": l.tokenFile, "AZURE_IDENTITY_DISABLE_INSTANCE_DISCOVERY": "true"}
			}},
		{credential: "AzurePipelinesCredential", how: "OIDC request", open: openPipelines,
			env: func(l *demoLab) map[string]string {
				return map[string]string{"SYSTEM_OIDCREQUESTURI": l.server.PipelinesRequestURI()}
			}},
		{credential: "EnvironmentCredential", how: "secret", open: openEnvironment,
			env: func(*demoLab) map[string]string {
				return map[string]string{"AZURE_CLIENT_SECRET": entratest.DefaultClientSecret}
			}},
		{credential: "EnvironmentCredential", how: "PEM file", open: openEnvironment,
			env: func(l *demoLab) map[string]string {
				return map[string]string{"AZURE_CLIENT_CERTIFICATE_PATH": l.certificateFile}
			}},
		{credential: "EnvironmentCredential", how: "password", open: openEnvironment,
			env: func(*demoLab) map[string]string {
				return map[string]string{"AZURE_USERNAME": demoUser, "AZURE_PASSWORD": demoPassword}
			}},
		{credential: "ChainedTokenCredential", how: "2nd of two", open: openChain},
		{credential: "NewBearerTokenProvider", how: "secret", open: openProvider},
	}
}

func openSecret(_ *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewClientSecretCredential(homeTenantID, entratest.DefaultClientID, entratest.DefaultClientSecret,
		&azidentity.ClientSecretCredentialOptions{
			ClientOptions: o, DisableInstanceDiscovery: true, AdditionallyAllowedTenants: []string{awayTenantID}, Tokens: isolated,
		})
}

func openCertificate(chain bool) func(*demoLab, azcore.ClientOptions) (azcore.TokenCredential, error) {
	return func(l *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
		certs, key := l.server.DefaultCertificate()
		return azidentity.NewClientCertificateCredential(homeTenantID, entratest.DefaultClientID, certs, key,
			&azidentity.ClientCertificateCredentialOptions{
				ClientOptions: o, DisableInstanceDiscovery: true, SendCertificateChain: chain, Tokens: isolated,
			})
	}
}

func openAssertion(l *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewClientAssertionCredential(homeTenantID, entratest.DefaultClientID,
		func(context.Context) (string, error) {
			return l.server.FederatedAssertion(entratest.DefaultFederatedSubject)
		},
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, Tokens: isolated})
}

func openGitHubActions(l *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewClientAssertionCredential(homeTenantID, entratest.DefaultClientID,
		azidentity.AssertionFromGitHubActions(&azidentity.AssertionOptions{ClientOptions: o}),
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, Tokens: isolated})
}

// openRotated has the file hold an old secret when the credential is constructed, and
// the new one when it asks for a token.
func openRotated(l *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	path := filepath.Join(l.dir, "secret")
	if err := os.WriteFile(path, []byte("of last year"), 0o600); err != nil {
		return nil, err
	}
	cred, err := azidentity.NewApplicationCredential(homeTenantID, entratest.DefaultClientID, azidentity.AuthenticationBySecretFile(path),
		&azidentity.ApplicationCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, Tokens: isolated})
	if err != nil {
		return nil, err
	}
	return cred, os.WriteFile(path, []byte(entratest.DefaultClientSecret+"\n"), 0o600)
}

func openOnBehalfOf(l *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	user, err := l.server.UserToken(demoUser, entratest.DefaultClientID)
	if err != nil {
		return nil, err
	}
	return azidentity.NewOnBehalfOfCredentialWithSecret(homeTenantID, entratest.DefaultClientID, user, entratest.DefaultClientSecret,
		&azidentity.OnBehalfOfCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, Tokens: isolated})
}

func openWorkload(_ *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewWorkloadIdentityCredential(
		&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, Tokens: isolated})
}

// openBinding has the cluster's proxy between the credential and the emulator.
func openBinding(l *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	if err := l.server.WriteServiceAccountToken(filepath.Join(l.dir, "binding"), entratest.DefaultFederatedSubject, entratest.WithAudience(bindingAudience)); err != nil {
		return nil, err
	}
	o.Transport = nil
	return azidentity.NewWorkloadIdentityCredential(
		&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, EnableAzureProxy: true, Tokens: isolated})
}

// managed is a row for a host that has managed identities.
func managed(how string, host entratest.Endpoint, id azidentity.ManagedIDKind) demoRow {
	return demoRow{
		credential: "ManagedIdentityCredential", how: how, managed: true, open: openManaged(id),
		env: func(l *demoLab) map[string]string { return l.server.Environment(host) },
	}
}

func openManaged(id azidentity.ManagedIDKind) func(*demoLab, azcore.ClientOptions) (azcore.TokenCredential, error) {
	return func(l *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
		// The keys of Azure Arc's agent are the demo's, so that it needs no rights
		// to the agent's own place.
		o.Transport = &managedidentity.Machine{Client: l.server.Client(), ArcKeys: l.dir}
		return azidentity.NewManagedIdentityCredential(
			&azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ID: id, Tokens: isolated})
	}
}

func openPipelines(_ *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewAzurePipelinesCredential(homeTenantID, entratest.DefaultClientID,
		entratest.DefaultServiceConnectionID, entratest.DefaultSystemAccessToken,
		&azidentity.AzurePipelinesCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, Tokens: isolated})
}

func openEnvironment(_ *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewEnvironmentCredential(
		&azidentity.EnvironmentCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, Tokens: isolated})
}

func openChain(l *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	second, err := openSecret(l, o)
	if err != nil {
		return nil, err
	}
	return azidentity.NewChainedTokenCredential([]azcore.TokenCredential{unavailable{}, second}, nil)
}

// unavailable is a credential that cannot try.
type unavailable struct{}

func (unavailable) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, azidentity.NewCredentialUnavailableError("not configured, for the demo")
}

func openProvider(l *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	cred, err := openSecret(l, o)
	if err != nil {
		return nil, err
	}
	return provider(azidentity.NewBearerTokenProvider(cred, demoScope)), nil
}

// provider lets a row have a bearer token provider in a credential's place.
type provider func(context.Context) (string, error)

func (p provider) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := p(ctx)
	return azcore.AccessToken{Token: token}, err
}

func isCAE(c demoClaims) error {
	if !slices.Contains(c.ClientCapabilities, "CP1") {
		return errors.New("the token does not say that its client handles continuous access evaluation (xms_cc CP1)")
	}
	return nil
}

// The demo's directories: an application, demo, in two tenants.
const (
	homeTenantID = entratest.DefaultTenantID
	awayTenantID = "10000000-aaaa-4aaa-8aaa-000000000002"
	demoResource = "https://management.azure.com"
	demoScope    = demoResource + "/.default"
	demoAppName  = "demo"
)

const (
	demoUser     = "user@home.example.com"
	demoPassword = "not-a-secret~demo"
)

// bindingAudience is that of service account tokens for identity bindings.
const bindingAudience = "api://AKSIdentityBinding"

func demoConfig() *entratest.Config {
	home := entratest.DefaultTenant()
	home.Name, home.Domains = "home", []string{"home.example.com"}
	home.Applications[0].Name = demoAppName
	home.Applications[0].FederatedCredentials[0].Audiences = []string{entratest.DefaultFederatedAudience, bindingAudience}
	home.Users = []entratest.User{{Username: demoUser, Password: demoPassword}}
	away := entratest.DefaultTenant()
	away.ID, away.Name, away.Domains = awayTenantID, "away", []string{"away.example.com"}
	away.Applications[0].Name = demoAppName
	machine := entratest.DefaultManagedIdentities()
	for i, name := range []string{"vm", demoAppName} {
		machine[i].ResourceID = path.Join(path.Dir(machine[i].ResourceID), name)
	}
	return &entratest.Config{
		Tenants: []entratest.Tenant{home, away}, ManagedIdentities: machine,
		DeviceCodes: entratest.DeviceCodes{Outcome: entratest.DeviceApproved, Interval: time.Second},
	}
}

// clientOptions lead to the emulator, and to it alone.
func (l *demoLab) clientOptions(r demoRow) azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: l.server.URL + r.authority},
		Transport: l.server.Client(),
	}
}
