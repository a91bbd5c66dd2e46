package entratest

import (
	"crypto/rsa"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// What a nil [Config] contains. The values are well formed and name nothing real.
const (
	DefaultTenantID     = "10000000-aaaa-4aaa-8aaa-000000000001"
	DefaultTenantDomain = "emulator.example.com"
	DefaultClientID     = "20000000-bbbb-4bbb-8bbb-000000000001"
	DefaultClientSecret = "not-a-secret~emulator-only"

	// DefaultUsername is the one user of the default tenant.
	DefaultUsername = "user@emulator.example.com"
	DefaultPassword = "not-a-secret~emulated-password"

	// DeveloperClientID is the client ID of the Azure CLI, which developers' tools sign
	// in with when they are given none. The default tenant has it, as a member of the
	// family of applications that share refresh tokens.
	DeveloperClientID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

	// DefaultRedirectURI is that of the default application as a web application,
	// DefaultPublicRedirectURI that as a public client, with any port.
	DefaultRedirectURI       = "https://app.emulator.example.com/signin"
	DefaultPublicRedirectURI = "http://localhost"

	// DefaultFederatedSubject is the subject that the default application's
	// federated credential trusts when the emulator's own issuer says it.
	DefaultFederatedSubject = "system:serviceaccount:default:workload"
	// DefaultFederatedAudience is the audience of federated credentials that
	// name none.
	DefaultFederatedAudience = "api://AzureADTokenExchange"
)

const (
	defaultTokenLifetime    = time.Hour
	defaultCAETokenLifetime = 24 * time.Hour
	defaultJournalSize      = 10_000
)

// Config says what an emulator contains. The zero value and nil mean the same:
// one default tenant with one default application. [New] copies it.
//
// The JSON form is the seed file of [ParseSeed]: field names in lower camel case,
// durations as Go strings such as "90m". Clock and SigningKey have none.
type Config struct {
	// Tenants defaults to one, [DefaultTenant].
	Tenants []Tenant `json:"tenants,omitempty"`
	// Issuers are outside token issuers that federated credentials may trust,
	// beside the one the emulator hosts and its own tenants.
	Issuers []Issuer `json:"issuers,omitempty"`
	// TokenLifetime of access tokens, in whole seconds. Default 1h.
	TokenLifetime time.Duration `json:"tokenLifetime,omitzero"`
	// CAETokenLifetime is the lifetime when the client declares that it handles
	// continuous access evaluation (claims with xms_cc CP1). Default 24h.
	CAETokenLifetime time.Duration `json:"caeTokenLifetime,omitzero"`
	// Region is what the instance metadata endpoint answers. Empty means that
	// the emulated machine has no such endpoint (404).
	Region string `json:"region,omitempty"`
	// ManagedIdentities are those of the machine that the emulator plays. Nil:
	// [DefaultManagedIdentities]. Empty: it has none.
	ManagedIdentities []ManagedIdentity `json:"managedIdentities,omitempty"`
	// HostsKeepTokens has the managed identity endpoints answer with the same token
	// for an identity and a resource until it expires, as many hosts do, whatever
	// their clients want. Service Fabric, and App Service from api-version 2025-03-30
	// on, make a new one when they are told which token was refused
	// (token_sha256_to_refresh).
	HostsKeepTokens bool `json:"hostsKeepTokens,omitempty"`
	// ArcKeyDirectory is where the endpoint of Azure Arc puts the files that its
	// clients have to read. It has to exist. Empty: that endpoint answers 500.
	ArcKeyDirectory string `json:"arcKeyDirectory,omitempty"`
	// Faults are injected when the emulator is made, in this order, as by
	// [Emulator.Inject]. Reconfigure leaves faults alone.
	Faults []Fault `json:"faults,omitempty"`
	// DeviceCodes says what becomes of device codes.
	DeviceCodes DeviceCodes `json:"deviceCodes,omitzero"`
	// LockoutThreshold is how many wrong passwords in a row lock an account for a
	// minute, with AADSTS50053. Default 10.
	LockoutThreshold int `json:"lockoutThreshold,omitempty"`
	// VerificationCode is the code that the second factor gives on the pages: six
	// digits. Empty: one at random each time, see [Emulator.Verifications].
	VerificationCode string `json:"verificationCode,omitempty"`
	// UnknownHosts are authority hosts that instance discovery refuses with
	// invalid_instance. All others are known.
	UnknownHosts []string `json:"unknownHosts,omitempty"`
	// JournalSize is how many of the newest requests the journal keeps. Default 10,000.
	JournalSize int `json:"journalSize,omitempty"`
	// Clock is the emulator's idea of now, for tokens, validity windows and the
	// Date header. Default [time.Now]. It must be safe for concurrent use.
	Clock func() time.Time `json:"-"`
	// SigningKey signs the issued tokens. Default: a fresh 2048-bit key, generated
	// on first use and once per emulator.
	SigningKey *rsa.PrivateKey `json:"-"`
}

// Tenant is a directory. Requests name it by ID or by domain, in any case.
type Tenant struct {
	// ID is a GUID.
	ID      string   `json:"id"`
	Domains []string `json:"domains,omitempty"`
	Name    string   `json:"name,omitempty"`
	// Applications that have a service principal here. An application of several
	// tenants is listed in each.
	Applications []Application `json:"applications,omitempty"`
	// FederatedDomains are those of Domains whose users' passwords a server of the
	// organisation checks.
	FederatedDomains []FederatedDomain `json:"federatedDomains,omitempty"`
	// Users who have an account here.
	Users []User `json:"users,omitempty"`
	// Resources that tokens may be asked for. Nil: whatever is asked for exists.
	// Otherwise others are refused with AADSTS500011.
	Resources []Resource `json:"resources,omitempty"`
	// Subscriptions that Azure Resource Manager lists: GET /subscriptions, beside GET
	// /tenants.
	Subscriptions []Subscription `json:"subscriptions,omitempty"`
}

// Resource is an API that tokens are for.
type Resource struct {
	Name string `json:"name,omitempty"`
	// Identifiers are the application ID URIs and GUIDs the resource is asked for
	// by. A trailing slash and letter case are ignored in comparison.
	Identifiers []string `json:"identifiers"`
	// Audience is the aud claim of its tokens. Default: the identifier exactly as
	// it was asked for.
	Audience string `json:"audience,omitempty"`
}

// Application is an app registration together with its service principal.
//
// The certificate of [Emulator.DefaultCertificate] counts as registered on every
// application whose client ID is [DefaultClientID].
type Application struct {
	// ClientID is a GUID.
	ClientID string `json:"clientId"`
	// ObjectID of the service principal, the oid and sub of its tokens. Default: a
	// GUID derived from tenant and client ID.
	ObjectID string   `json:"objectId,omitempty"`
	Name     string   `json:"name,omitempty"`
	Secrets  []Secret `json:"secrets,omitempty"`
	// Certificates in PEM. Each entry is a certificate, optionally followed by
	// those of its issuers.
	Certificates []string `json:"certificates,omitempty"`
	// AllowSubjectNameIssuer also accepts a certificate that is not registered,
	// when the assertion carries its chain (x5c), the chain leads to an issuer in
	// Certificates and its subject is that of a certificate in Certificates.
	AllowSubjectNameIssuer bool                  `json:"allowSubjectNameIssuer,omitempty"`
	FederatedCredentials   []FederatedCredential `json:"federatedCredentials,omitempty"`
	// RedirectURIs are where the application, as a web application, has users sent
	// when they have signed in. It proves itself when it redeems their codes.
	RedirectURIs []string `json:"redirectUris,omitempty"`
	// PublicRedirectURIs are those of the application as a mobile or desktop one: a
	// public client, which has nothing to prove itself by and must not try. The port of
	// http://localhost does not count in either list.
	PublicRedirectURIs []string `json:"publicRedirectUris,omitempty"`
	// Roles maps a resource identifier to the app roles granted on it.
	Roles map[string][]string `json:"roles,omitempty"`
	// TokenLifetime overrides that of Config, for CAE tokens too.
	TokenLifetime time.Duration `json:"tokenLifetime,omitzero"`
	// RefreshIn is sent as refresh_in. Default: half of the lifetime for tokens
	// that live 2h or longer, else none is sent.
	RefreshIn time.Duration `json:"refreshIn,omitzero"`
	// FamilyID is the family of applications whose refresh tokens this one may redeem,
	// and its own can be redeemed by: "1" at Microsoft's. Empty: none.
	FamilyID string `json:"familyId,omitempty"`
	// ConsentRequired refuses tokens for users with AADSTS65001 until they have
	// consented, at the page or before: see [User.Consents] and [Emulator.Consent].
	ConsentRequired bool `json:"consentRequired,omitempty"`
	// Disabled applications are refused with AADSTS7000112.
	Disabled bool `json:"disabled,omitempty"`
}

// Secret is a client secret. It prints as a placeholder; only its JSON form, the
// seed file, has the value.
type Secret struct {
	Value string `json:"value"`
	// Expires is when it stops working. Zero: never.
	Expires time.Time `json:"expires,omitzero"`
}

// Format implements [fmt.Formatter] for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// FederatedCredential trusts tokens of an outside issuer in place of a secret.
// Issuer, subject and audience are compared exactly, case included.
type FederatedCredential struct {
	Name string `json:"name,omitempty"`
	// Issuer is the iss of the token. Empty: the issuer that the emulator hosts,
	// [Emulator.FederatedIssuer].
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject"`
	// Audiences defaults to [DefaultFederatedAudience].
	Audiences []string `json:"audiences,omitempty"`
}

// Issuer is an outside token issuer and the keys it signs with.
type Issuer struct {
	// URL is the iss of its tokens, compared exactly.
	URL string `json:"url"`
	// Keys are RSA public keys or certificates in PEM.
	Keys []string `json:"keys"`
}

// DefaultTenant returns what a nil [Config] contains: the tenant [DefaultTenantID]
// with the application [DefaultClientID], which has [DefaultClientSecret], the
// certificate of [Emulator.DefaultCertificate] and a federated credential that
// trusts [DefaultFederatedSubject], [DefaultRedirectURI] and
// [DefaultPublicRedirectURI], with the application [DeveloperClientID], with the user
// [DefaultUsername], whose password is [DefaultPassword], and with the subscription
// [DefaultSubscriptionID]. Use it to add to the default instead of replacing it.
func DefaultTenant() Tenant {
	return Tenant{
		ID:      DefaultTenantID,
		Domains: []string{DefaultTenantDomain},
		Name:    "Emulator",
		Users:   []User{{Username: DefaultUsername, Name: "Default User", Password: DefaultPassword}},
		Applications: []Application{{
			ClientID: DefaultClientID,
			Name:     "default application",
			Secrets:  []Secret{{Value: DefaultClientSecret}},
			FederatedCredentials: []FederatedCredential{{
				Name:    "default",
				Subject: DefaultFederatedSubject,
			}},
			AllowSubjectNameIssuer: true,
			RedirectURIs:           []string{DefaultRedirectURI},
			PublicRedirectURIs:     []string{DefaultPublicRedirectURI},
		}, {
			ClientID:           DeveloperClientID,
			Name:               "developer sign-on",
			PublicRedirectURIs: []string{DefaultPublicRedirectURI},
			FamilyID:           "1",
		}},
		Subscriptions: []Subscription{{ID: DefaultSubscriptionID, Name: "Emulator"}},
	}
}
