package entratest_test

import (
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	const id = entratest.DefaultTenantID
	app := func(a entratest.Application) entratest.Config {
		return entratest.Config{Tenants: []entratest.Tenant{{ID: id, Applications: []entratest.Application{a}}}}
	}
	certificate := func(text string) entratest.Config {
		return app(entratest.Application{ClientID: disabledApp, Certificates: []string{text}})
	}
	for _, tt := range []struct {
		name string
		cfg  entratest.Config
		want []string
	}{
		{"tenant", entratest.Config{Tenants: []entratest.Tenant{{ID: "x", Domains: []string{"no domain"}}}},
			[]string{`tenants[0].id: "x" is not a GUID`, `tenants[0].domains[0]: "no domain" is not a domain name`}},
		{"same tenant", entratest.Config{Tenants: []entratest.Tenant{{ID: id, Domains: []string{"a.b"}}, {ID: id, Domains: []string{"A.B"}}}},
			[]string{"tenants[1].id: " + id + " names another tenant", "tenants[1].domains[0]: A.B names another"}},
		{"resource", entratest.Config{Tenants: []entratest.Tenant{{ID: id, Resources: []entratest.Resource{{}}}}},
			[]string{"tenants[0].resources[0].identifiers: "}},
		{"subscriptions", entratest.Config{Tenants: []entratest.Tenant{
			{ID: id, Subscriptions: []entratest.Subscription{{ID: "x"}, {ID: disabledApp}, {ID: strings.ToUpper(disabledApp)}}},
		}}, []string{`tenants[0].subscriptions[0].id: "x" is not a GUID`, "tenants[0].subscriptions[2].id: "}},
		{"client id", app(entratest.Application{ClientID: "app", ObjectID: "object"}),
			[]string{`tenants[0].applications[0].clientId: "app"`, `applications[0].objectId: "object"`}},
		{"same application", entratest.Config{Tenants: []entratest.Tenant{{ID: id, Applications: []entratest.Application{{ClientID: disabledApp}, {ClientID: strings.ToUpper(disabledApp)}}}}},
			[]string{"tenants[0].applications[1].clientId: "}},
		{"empty secret", app(entratest.Application{ClientID: disabledApp, Secrets: []entratest.Secret{{Value: "a"}, {}}}),
			[]string{"tenants[0].applications[0].secrets[1].value: "}},
		{"no certificate", certificate("x"), []string{"applications[0].certificates[0]: there is no certificate"}},
		{"broken certificate", certificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []string{"applications[0].certificates[0]: certificate 1 does not parse"}},
		{"subject name without issuer", app(entratest.Application{ClientID: disabledApp, AllowSubjectNameIssuer: true}), []string{"allowSubjectNameIssuer: needs"}},
		{"federated credentials", app(entratest.Application{ClientID: disabledApp, FederatedCredentials: make([]entratest.FederatedCredential, 21)}),
			[]string{"federatedCredentials: 21 are configured", "federatedCredentials[20].subject: "}},
		{"issuers", entratest.Config{Issuers: []entratest.Issuer{{URL: "x"}, {URL: "https://a", Keys: []string{"y"}}, {URL: "https://a"}}},
			[]string{"issuers[0].url: ", "issuers[0].keys: ", "issuers[1].keys[0]: ", "issuers[2].url: https://a is configured twice"}},
		{"numbers", entratest.Config{TokenLifetime: -1, CAETokenLifetime: time.Millisecond, JournalSize: -1},
			[]string{"tokenLifetime: ", "caeTokenLifetime: 1ms", "journalSize: "}},
		{"signing key", entratest.Config{SigningKey: &rsa.PrivateKey{PublicKey: signingKey().PublicKey}}, []string{"signingKey: "}},
		{"hosts", entratest.Config{UnknownHosts: []string{"https://a"}}, []string{"unknownHosts[0]: "}},
	} {
		_, err := entratest.New(&tt.cfg)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), "entratest: "+want) && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", tt.name, err, want)
			}
		}
	}
}

// TestConfigIsCopied changes a configuration after it was used.
func TestConfigIsCopied(t *testing.T) {
	t.Parallel()
	tenant := entratest.DefaultTenant()
	cfg := &entratest.Config{Tenants: []entratest.Tenant{tenant}}
	e := newEmulator(t, cfg)
	tenant.Applications[0].Secrets[0].Value = "changed"
	tenant.Applications[0].FederatedCredentials[0].Subject = "changed"
	cfg.Tenants[0].ID = otherTenant
	if got := post(t, e.Transport(), tokenURL, secretForm()); got.status != 200 {
		t.Errorf("got %d %v", got.status, got.body)
	}
	if tenant.Applications[0].FederatedCredentials[0].Audiences != nil {
		t.Error("the caller's configuration was changed")
	}
}
