package entratest

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	guidPattern   = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	codePattern   = regexp.MustCompile(`^[0-9]{6}$`)
	tenantPattern = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)
)

// maxFederatedCredentials is Entra's limit for one application.
const maxFederatedCredentials = 20

// directory is a Config made searchable. It does not change after newDirectory.
type directory struct {
	tenants []*tenant
	byName  map[string]*tenant // lower-case ID or domain
	issuers map[string][]*rsa.PublicKey

	identities []ManagedIdentity
}

type tenant struct {
	Tenant
	apps  map[string]*application // lower-case client ID
	users map[string]*User        // lower-case username, and object ID
}

type application struct {
	Application
	certificates []*x509.Certificate
	// anchors are the certificates that followed another in a PEM entry.
	anchors []*x509.Certificate
}

// tenant finds one by GUID or domain.
func (d *directory) tenant(name string) *tenant { return d.byName[strings.ToLower(name)] }

// first returns the first tenant, nil when there is none.
func (d *directory) first() *tenant {
	if len(d.tenants) == 0 {
		return nil
	}
	return d.tenants[0]
}

// home finds the first tenant that has the application, for requests that name a
// pseudo-tenant such as organizations.
func (d *directory) home(clientID string) *tenant {
	for _, t := range d.tenants {
		if t.application(clientID) != nil {
			return t
		}
	}
	return nil
}

func (t *tenant) application(clientID string) *application { return t.apps[strings.ToLower(clientID)] }

// resource finds the resource of an identifier. The second result says whether
// tokens for the identifier may be issued at all.
func (t *tenant) resource(identifier string) (Resource, bool) {
	for _, r := range t.Resources {
		if slices.ContainsFunc(r.Identifiers, func(id string) bool { return sameResource(id, identifier) }) {
			return r, true
		}
	}
	return Resource{}, t.Resources == nil
}

func sameResource(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/"))
}

// newDirectory copies cfg into a directory, or reports every mistake with its
// place in the configuration.
func newDirectory(cfg *Config) (*directory, error) {
	d := &directory{byName: map[string]*tenant{}, issuers: map[string][]*rsa.PublicKey{}}
	p := &problems{}
	p.duration("tokenLifetime", cfg.TokenLifetime)
	p.duration("caeTokenLifetime", cfg.CAETokenLifetime)
	p.deviceCodes("deviceCodes", cfg.DeviceCodes)
	if cfg.LockoutThreshold < 0 {
		p.add("lockoutThreshold", "%d is negative", cfg.LockoutThreshold)
	}
	if code := cfg.VerificationCode; code != "" && !codePattern.MatchString(code) {
		p.add("verificationCode", "%q is not six digits", code)
	}
	if cfg.JournalSize < 0 {
		p.add("journalSize", "%d is negative", cfg.JournalSize)
	}
	if key := cfg.SigningKey; key != nil {
		if err := key.Validate(); err != nil {
			p.add("signingKey", "%v", err)
		} else if key.N.BitLen() < 2048 {
			p.add("signingKey", "the key has %d bits, 2048 is the least", key.N.BitLen())
		}
	}
	for i, host := range cfg.UnknownHosts {
		if host == "" || strings.ContainsAny(host, "/ ") {
			p.add(fmt.Sprintf("unknownHosts[%d]", i), "%q is not a host name", host)
		}
	}
	for i, is := range cfg.Issuers {
		path := fmt.Sprintf("issuers[%d]", i)
		if !strings.Contains(is.URL, "://") {
			p.add(path+".url", "%q is not a URL", is.URL)
		}
		if _, twice := d.issuers[is.URL]; twice {
			p.add(path+".url", "%s is configured twice", is.URL)
		}
		d.issuers[is.URL] = p.publicKeys(path+".keys", is.Keys)
	}
	d.addIdentities(p, cfg.ManagedIdentities)
	for i, f := range cfg.Faults {
		if member, what := f.mistake(); what != "" {
			p.add(fmt.Sprintf("faults[%d].%s", i, member), "%s", what)
		}
	}
	for i, t := range cfg.Tenants {
		d.addTenant(p, fmt.Sprintf("tenants[%d]", i), t)
	}
	return d, errors.Join(p.list...)
}

func (d *directory) addTenant(p *problems, path string, in Tenant) {
	t := &tenant{Tenant: in, apps: map[string]*application{}, users: map[string]*User{}}
	t.ID = strings.ToLower(in.ID)
	t.Domains = slices.Clone(in.Domains)
	t.Resources = slices.Clone(in.Resources)
	p.guid(path+".id", in.ID)
	names := []string{path + ".id"}
	for i := range t.Domains {
		names = append(names, fmt.Sprintf("%s.domains[%d]", path, i))
	}
	for i, name := range append([]string{t.ID}, t.Domains...) {
		key := strings.ToLower(name)
		switch {
		case i > 0 && (!tenantPattern.MatchString(name) || !strings.Contains(name, ".")):
			p.add(names[i], "%q is not a domain name", name)
		case d.byName[key] != nil:
			p.add(names[i], "%s names another tenant already", name)
		default:
			d.byName[key] = t
		}
	}
	for i, r := range in.Resources {
		rpath := fmt.Sprintf("%s.resources[%d]", path, i)
		t.Resources[i].Identifiers = slices.Clone(r.Identifiers)
		if len(r.Identifiers) == 0 || slices.Contains(r.Identifiers, "") {
			p.add(rpath+".identifiers", "a resource needs identifiers, none of them empty")
		}
	}
	t.Subscriptions = slices.Clone(in.Subscriptions)
	p.subscriptions(path+".subscriptions", in.Subscriptions)
	t.addFederated(p, path)
	for i, u := range in.Users {
		t.addUser(p, fmt.Sprintf("%s.users[%d]", path, i), u)
	}
	for i, a := range in.Applications {
		t.addApplication(p, fmt.Sprintf("%s.applications[%d]", path, i), a)
	}
	d.tenants = append(d.tenants, t)
}

func (t *tenant) addApplication(p *problems, path string, in Application) {
	a := &application{Application: in}
	a.ClientID = strings.ToLower(in.ClientID)
	a.Secrets = slices.Clone(in.Secrets)
	a.FederatedCredentials = slices.Clone(in.FederatedCredentials)
	a.RedirectURIs, a.PublicRedirectURIs = slices.Clone(in.RedirectURIs), slices.Clone(in.PublicRedirectURIs)
	a.Roles = make(map[string][]string, len(in.Roles))
	for resource, roles := range in.Roles {
		a.Roles[resource] = slices.Clone(roles)
	}
	p.guid(path+".clientId", in.ClientID)
	p.duration(path+".tokenLifetime", in.TokenLifetime)
	p.duration(path+".refreshIn", in.RefreshIn)
	if t.apps[a.ClientID] != nil {
		p.add(path+".clientId", "%s is in this tenant already", in.ClientID)
	}
	if in.ObjectID == "" {
		a.ObjectID = stableGUID("service principal", t.ID, a.ClientID)
	} else {
		p.guid(path+".objectId", in.ObjectID)
	}
	for i, s := range in.Secrets {
		if s.Value == "" {
			p.add(fmt.Sprintf("%s.secrets[%d].value", path, i), "a secret must not be empty")
		}
	}
	for i, pem := range in.Certificates {
		if chain := p.certificates(fmt.Sprintf("%s.certificates[%d]", path, i), pem); len(chain) > 0 {
			a.certificates = append(a.certificates, chain[0])
			a.anchors = append(a.anchors, chain[1:]...)
		}
	}
	if in.AllowSubjectNameIssuer && len(a.anchors) == 0 && a.ClientID != DefaultClientID {
		p.add(path+".allowSubjectNameIssuer", "needs an entry in certificates that is followed by its issuer's certificate")
	}
	if n := len(in.FederatedCredentials); n > maxFederatedCredentials {
		p.add(path+".federatedCredentials", "%d are configured, Entra allows %d", n, maxFederatedCredentials)
	}
	for i, f := range a.FederatedCredentials {
		if f.Subject == "" {
			p.add(fmt.Sprintf("%s.federatedCredentials[%d].subject", path, i), "must not be empty")
		}
		a.FederatedCredentials[i].Audiences = slices.Clone(f.Audiences)
		if len(f.Audiences) == 0 {
			a.FederatedCredentials[i].Audiences = []string{DefaultFederatedAudience}
		}
	}
	p.redirectURIs(path+".redirectUris", in.RedirectURIs)
	p.redirectURIs(path+".publicRedirectUris", in.PublicRedirectURIs)
	t.apps[a.ClientID] = a
}

// stableGUID derives a GUID that is the same in every run, so that configured
// objects keep their identity across restarts.
func stableGUID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return formatGUID([16]byte(sum[:16]))
}

// problems collects what is wrong with a configuration.
type problems struct{ list []error }

func (p *problems) add(path, format string, args ...any) {
	p.list = append(p.list, fmt.Errorf("entratest: %s: %s", path, fmt.Sprintf(format, args...)))
}

func (p *problems) guid(path, value string) {
	if !guidPattern.MatchString(value) {
		p.add(path, "%q is not a GUID", value)
	}
}

func (p *problems) duration(path string, d time.Duration) {
	if d < 0 || d%time.Second != 0 {
		p.add(path, "%v is not a whole, positive number of seconds", d)
	}
}

func (p *problems) certificates(path, text string) []*x509.Certificate {
	certs, _, err := parsePEM([]byte(text))
	if err != nil {
		p.add(path, "%v", err)
	} else if len(certs) == 0 {
		p.add(path, "there is no certificate in the PEM text")
	}
	for _, c := range certs {
		if _, ok := c.PublicKey.(*rsa.PublicKey); !ok && c == certs[0] {
			p.add(path, "the certificate's key is %T, Entra takes RSA keys only", c.PublicKey)
		}
	}
	return certs
}

func (p *problems) publicKeys(path string, texts []string) []*rsa.PublicKey {
	var all []*rsa.PublicKey
	for i, text := range texts {
		_, keys, err := parsePEM([]byte(text))
		if err != nil {
			p.add(fmt.Sprintf("%s[%d]", path, i), "%v", err)
		} else if len(keys) == 0 {
			p.add(fmt.Sprintf("%s[%d]", path, i), "there is no RSA public key or certificate in the PEM text")
		}
		all = append(all, keys...)
	}
	if len(texts) == 0 {
		p.add(path, "an issuer needs at least one key")
	}
	return all
}
