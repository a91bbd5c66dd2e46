package entratest_test

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

func TestFederatedAssertions(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	const subject = entratest.DefaultFederatedSubject
	type options = []entratest.AssertionOption
	tests := []struct {
		name    string
		subject string
		options options
		// The refusal; a zero code means that the assertion is accepted.
		status int
		code   int
		reason string
	}{
		{"accepted", subject, nil, 0, 0, ""},
		{"within the tolerance", subject, options{entratest.WithLifetime(-4 * time.Minute)}, 0, 0, ""},
		{"another issuer", subject, options{entratest.WithIssuer("https://elsewhere.example.com")}, 401, 700211, `issuer "https://elsewhere.example.com"`},
		{"issuer with a slash more", subject, options{entratest.WithIssuer(e.FederatedIssuer() + "/")}, 401, 700211, "configured are default"},
		{"another subject", "someone", nil, 401, 700213, `subject "someone"`},
		{"subject in another case", strings.ToUpper(subject), nil, 401, 7002138, "letter case only"},
		{"another audience", subject, options{entratest.WithAudience("api://other")}, 401, 700212, `audience ["api://other"]`},
		{"audience in another case", subject, options{entratest.WithAudience("api://azureadtokenexchange")}, 401, 700212, "audience"},
		{"expired", subject, options{entratest.WithLifetime(-6 * time.Minute)}, 401, 700024, "outside its validity window"},
		{"not yet valid", subject, options{entratest.WithClaim("nbf", time.Now().Add(6*time.Minute).Unix())}, 401, 700024, "valid from"},
		{"no exp", subject, options{entratest.WithClaim("exp", nil)}, 400, 50027, "no exp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assertion, err := e.FederatedAssertion(tt.subject, tt.options...)
			if err != nil {
				t.Fatal(err)
			}
			got := post(t, e.Transport(), tokenURL, assertionForm(assertion))
			switch tt.status {
			case 0:
				if acr := claimsOf(t, got.text("access_token"))["azpacr"]; acr != "2" {
					t.Errorf("azpacr is %v, want 2", acr)
				}
			case 400:
				wantRefused(t, e, got, 400, "invalid_request", tt.code, tt.reason)
			default:
				wantRefused(t, e, got, 401, "invalid_client", tt.code, tt.reason)
			}
		})
	}
}

// TestOutsideIssuer trusts an issuer that the emulator does not host.
func TestOutsideIssuer(t *testing.T) {
	t.Parallel()
	const issuer, unregistered = "https://token.actions.example.com", "https://unregistered.example.com"
	der, err := x509.MarshalPKIXPublicKey(signingKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	tenant := entratest.DefaultTenant()
	tenant.Applications = append(tenant.Applications, entratest.Application{ClientID: disabledApp})
	tenant.Applications[0].FederatedCredentials = []entratest.FederatedCredential{
		{Name: "build", Issuer: issuer, Subject: "repo:o/r:ref:refs/heads/main", Audiences: []string{"api://one", "api://two"}},
		{Name: "no keys", Issuer: unregistered, Subject: "s"},
		{Name: "tenant", Issuer: "https://login.microsoftonline.com/" + entratest.DefaultTenantID + "/v2.0", Subject: "identity", Audiences: []string{"api://AzureADTokenExchange"}},
	}
	e := newEmulator(t, &entratest.Config{
		Tenants: []entratest.Tenant{tenant},
		Issuers: []entratest.Issuer{{URL: issuer, Keys: []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}}},
	})
	claims := func(issuer, subject, audience string) map[string]any {
		return map[string]any{"iss": issuer, "sub": subject, "aud": audience, "exp": time.Now().Add(time.Minute).Unix()}
	}
	rs256 := map[string]any{"alg": "RS256"}
	good := claims(issuer, "repo:o/r:ref:refs/heads/main", "api://two")

	if got := post(t, e.Transport(), tokenURL, assertionForm(signJWT(t, signingKey(), rs256, good))); got.status != 200 {
		t.Errorf("got %d %v", got.status, got.body)
	}
	// Tokens of the emulator's own tenants are signed with the signing key.
	own := claims("https://login.microsoftonline.com/"+entratest.DefaultTenantID+"/v2.0", "identity", "api://AzureADTokenExchange")
	if got := post(t, e.Transport(), tokenURL, assertionForm(signJWT(t, signingKey(), rs256, own))); got.status != 200 {
		t.Errorf("got %d %v", got.status, got.body)
	}
	_, wrongKey := e.DefaultCertificate()
	wantRefused(t, e, post(t, e.Transport(), tokenURL, assertionForm(signJWT(t, wrongKey, rs256, good))),
		401, "invalid_client", 700027, "none of 1 keys of the issuer")
	wantRefused(t, e, post(t, e.Transport(), tokenURL, assertionForm(signJWT(t, signingKey(), map[string]any{"alg": "PS256"}, good))),
		400, "invalid_request", 5002730, "need RS256")
	wantRefused(t, e, post(t, e.Transport(), tokenURL, assertionForm(signJWT(t, signingKey(), rs256, claims(unregistered, "s", "api://AzureADTokenExchange")))),
		400, "invalid_request", 50166, "list it in Issuers")
	wantRefused(t, e, post(t, e.Transport(), tokenURL, assertionForm(signJWT(t, signingKey(), rs256, good), "client_id", disabledApp)),
		401, "invalid_client", 70021, "has no federated credentials")
}
