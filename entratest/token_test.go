package entratest_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

// TestVerifyFromJWKS follows discovery to the keys and verifies a token with the
// standard library only, as a resource would.
func TestVerifyFromJWKS(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	tr := e.Transport()
	for _, version := range []struct{ document, extra string }{
		{"/v2.0/.well-known/openid-configuration", ""},
		{"/.well-known/openid-configuration", "https://vault.azure.net"},
	} {
		metadata := get(t, tr, "https://login.microsoftonline.com/"+entratest.DefaultTenantDomain+version.document)
		form := secretForm()
		if version.extra != "" {
			form = secretForm("scope", "-", "resource", version.extra)
		}
		token := post(t, tr, metadata.text("token_endpoint"), form).text("access_token")
		parts := strings.Split(token, ".")
		var header struct{ Kid, Alg, Typ, X5t string }
		decodePart(t, parts[0], &header)
		if header.Alg != "RS256" || header.Typ != "JWT" || header.X5t != header.Kid {
			t.Errorf("header is %+v", header)
		}
		data, err := json.Marshal(get(t, tr, metadata.text("jwks_uri")).body["keys"])
		if err != nil {
			t.Fatal(err)
		}
		var keys []struct{ Kid, Use, N, E, Issuer string }
		if err := json.Unmarshal(data, &keys); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(keys, func(k struct{ Kid, Use, N, E, Issuer string }) bool { return k.Kid == header.Kid && k.Use == "sig" })
		if i < 0 {
			t.Fatalf("the key %q is not among %v", header.Kid, keys)
		}
		n, err1 := base64.RawURLEncoding.DecodeString(keys[i].N)
		ex, err2 := base64.RawURLEncoding.DecodeString(keys[i].E)
		signature, err3 := base64.RawURLEncoding.DecodeString(parts[2])
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err1, err2, err3)
		}
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(ex).Int64())}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature); err != nil {
			t.Error(err)
		}
		if iss := claimsOf(t, token)["iss"]; iss != metadata.text("issuer") || iss != keys[i].Issuer {
			t.Errorf("iss is %v, the metadata says %q, the key %q", iss, metadata.text("issuer"), keys[i].Issuer)
		}
	}
}

func decodePart(t *testing.T, part string, into any) {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestApplicationToken(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 2, 3, 4, 5, 6, 700, time.UTC)
	tenant := entratest.DefaultTenant()
	tenant.Applications[0].ObjectID = unknownGUID
	tenant.Applications[0].Roles = map[string][]string{"https://vault.azure.net/": {"Write", "Read"}}
	e := newEmulator(t, &entratest.Config{Tenants: []entratest.Tenant{tenant}, Clock: func() time.Time { return now }})
	got := post(t, e.Transport(), tokenURL, secretForm())
	if got.status != 200 || got.text("token_type") != "Bearer" || got.number("expires_in") != 3600 || got.number("ext_expires_in") != 3600 {
		t.Errorf("got %d %v", got.status, got.body)
	}
	for _, absent := range []string{"refresh_in", "refresh_token", "id_token", "client_info"} {
		if _, there := got.body[absent]; there {
			t.Errorf("the answer has %s", absent)
		}
	}
	claims := claimsOf(t, got.text("access_token"))
	want := map[string]any{
		"aud": "https://vault.azure.net", "iss": "https://login.microsoftonline.com/" + entratest.DefaultTenantID + "/v2.0",
		"iat": float64(now.Unix()), "nbf": float64(now.Unix()), "exp": float64(now.Unix() + 3600),
		"azp": entratest.DefaultClientID, "azpacr": "1", "oid": unknownGUID, "sub": unknownGUID,
		"tid": entratest.DefaultTenantID, "ver": "2.0", "idtyp": "app",
	}
	for name, value := range want {
		if claims[name] != value {
			t.Errorf("%s is %v, want %v", name, claims[name], value)
		}
	}
	if roles := fmt.Sprint(claims["roles"]); roles != "[Read Write]" {
		t.Errorf("roles are %s", roles)
	}
	for _, name := range []string{"aio", "uti", "rh"} {
		if claims[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestAudience(t *testing.T) {
	t.Parallel()
	tests := []struct{ scope, want string }{
		{"https://management.core.windows.net//.default", "https://management.core.windows.net/"},
		{"https://management.azure.com/.default openid offline_access profile", "https://management.azure.com"},
		{unknownGUID + "/.default", unknownGUID},
		{"api://" + unknownGUID + "/.default", "api://" + unknownGUID},
		{".default", "https://graph.microsoft.com"},
		{"https://vault.azure.net/.default https://vault.azure.net/.default", "https://vault.azure.net"},
	}
	e := newEmulator(t, nil)
	for _, tt := range tests {
		got := post(t, e.Transport(), tokenURL, secretForm("scope", tt.scope, "client_info", "1", "x-client-SKU", "test"))
		if aud := claimsOf(t, got.text("access_token"))["aud"]; aud != tt.want {
			t.Errorf("scope %q: aud is %v, want %s", tt.scope, aud, tt.want)
		}
	}
}

func TestConfiguredAudience(t *testing.T) {
	t.Parallel()
	tenant := entratest.DefaultTenant()
	tenant.Resources = []entratest.Resource{{Identifiers: []string{"https://Vault.azure.net"}, Audience: unknownGUID}}
	e := newEmulator(t, &entratest.Config{Tenants: []entratest.Tenant{tenant}})
	for _, s := range []string{scope, "https://vault.azure.net//.default"} {
		got := post(t, e.Transport(), tokenURL, secretForm("scope", s))
		if aud := claimsOf(t, got.text("access_token"))["aud"]; aud != unknownGUID {
			t.Errorf("aud is %v, want %s", aud, unknownGUID)
		}
	}
}

func TestTenantNames(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	for _, name := range []string{entratest.DefaultTenantID, strings.ToUpper(entratest.DefaultTenantID), "EMULATOR.example.com", "common", "organizations"} {
		got := post(t, e.Transport(), "https://login.microsoftonline.com/"+name+"/oauth2/v2.0/token", secretForm())
		claims := claimsOf(t, got.text("access_token"))
		if claims["tid"] != entratest.DefaultTenantID {
			t.Errorf("%s: tid is %v", name, claims["tid"])
		}
		if entry, _ := e.LastRequest(entratest.EndpointToken); entry.Tenant != entratest.DefaultTenantID {
			t.Errorf("%s: the journal's tenant is %s", name, entry.Tenant)
		}
	}
}

func TestLifetimes(t *testing.T) {
	t.Parallel()
	const cp1 = `{"access_token":{"xms_cc":{"values":["cp1"]}}}`
	tests := []struct {
		name                 string
		cfg                  entratest.Config
		app                  func(*entratest.Application)
		claims               string
		expiresIn, refreshIn int
		cae                  bool
	}{
		{name: "default", expiresIn: 3600},
		{name: "configured", cfg: entratest.Config{TokenLifetime: 90 * time.Minute}, expiresIn: 5400},
		{name: "long enough for refresh_in", cfg: entratest.Config{TokenLifetime: 2 * time.Hour}, expiresIn: 7200, refreshIn: 3600},
		{name: "application", app: func(a *entratest.Application) { a.TokenLifetime = 4 * time.Hour }, expiresIn: 14400, refreshIn: 7200},
		{name: "application refresh_in", app: func(a *entratest.Application) { a.RefreshIn = time.Minute }, expiresIn: 3600, refreshIn: 60},
		{name: "CAE", claims: cp1, expiresIn: 86400, refreshIn: 43200, cae: true},
		{name: "CAE configured", cfg: entratest.Config{CAETokenLifetime: 28 * time.Hour}, claims: cp1, expiresIn: 28 * 3600, refreshIn: 14 * 3600, cae: true},
		{name: "another capability", claims: `{"access_token":{"xms_cc":{"values":["other"]}}}`, expiresIn: 3600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tenant := entratest.DefaultTenant()
			if tt.app != nil {
				tt.app(&tenant.Applications[0])
			}
			cfg := tt.cfg
			cfg.Tenants = []entratest.Tenant{tenant}
			got := post(t, newEmulator(t, &cfg).Transport(), tokenURL, secretForm("claims", tt.claims))
			if got.number("expires_in") != tt.expiresIn || got.number("refresh_in") != tt.refreshIn {
				t.Errorf("expires_in %v, refresh_in %v; want %d, %d", got.body["expires_in"], got.body["refresh_in"], tt.expiresIn, tt.refreshIn)
			}
			claims := claimsOf(t, got.text("access_token"))
			if life := claims["exp"].(float64) - claims["iat"].(float64); int(life) != tt.expiresIn {
				t.Errorf("exp-iat is %v", life)
			}
			if cc := fmt.Sprint(claims["xms_cc"]); (cc == "[CP1]") != tt.cae {
				t.Errorf("xms_cc is %s", cc)
			}
		})
	}
}

func TestClaimsChallenge(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	e := newEmulator(t, &entratest.Config{Clock: func() time.Time { return now }})
	soon := now.Add(time.Minute).Unix()
	got := post(t, e.Transport(), tokenURL, secretForm("claims",
		fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"},"acrs":{"essential":true,"value":"c1"},"other":null},"id_token":{}}`, soon)))
	claims := claimsOf(t, got.text("access_token"))
	if claims["iat"] != float64(soon) || claims["nbf"] != float64(soon) {
		t.Errorf("iat %v, nbf %v, want %d", claims["iat"], claims["nbf"], soon)
	}
	if fmt.Sprint(claims["acrs"]) != "[c1]" {
		t.Errorf("acrs is %v", claims["acrs"])
	}
}

// TestV1 checks the older endpoint: numbers are strings, and the token is another.
func TestV1(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	e := newEmulator(t, &entratest.Config{Clock: func() time.Time { return now }, TokenLifetime: 2 * time.Hour})
	got := post(t, e.Transport(), "https://login.microsoftonline.com/"+entratest.DefaultTenantID+"/oauth2/token",
		secretForm("scope", "-", "resource", "https://vault.azure.net/"))
	want := map[string]string{
		"token_type": "Bearer", "expires_in": "7200", "ext_expires_in": "7200", "refresh_in": "3600", "resource": "https://vault.azure.net/",
		"expires_on": fmt.Sprint(now.Unix() + 7200), "not_before": fmt.Sprint(now.Unix()),
	}
	for name, value := range want {
		if got.text(name) != value {
			t.Errorf("%s is %v, want %q", name, got.body[name], value)
		}
	}
	claims := claimsOf(t, got.text("access_token"))
	if claims["ver"] != "1.0" || claims["appid"] != entratest.DefaultClientID || claims["appidacr"] != "1" || claims["aud"] != "https://vault.azure.net/" {
		t.Errorf("claims are %v", claims)
	}
}

func TestBasicAuthentication(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	r := newPost(t, tokenURL, secretForm("client_id", "-", "client_secret", "-"))
	r.SetBasicAuth(entratest.DefaultClientID, entratest.DefaultClientSecret)
	if got := send(t, e.Transport(), r); got.status != 200 {
		t.Errorf("got %d %v", got.status, got.body)
	}
}

func TestReconfigure(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	tenant := entratest.DefaultTenant()
	tenant.Applications[0].Secrets[0].Value = "rotated"
	if err := e.Reconfigure(&entratest.Config{Tenants: []entratest.Tenant{tenant}}); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, e, post(t, e.Transport(), tokenURL, secretForm()), 401, "invalid_client", 7000215, "none of 1 secrets")
	if err := e.Reconfigure(&entratest.Config{TokenLifetime: -1}); err == nil {
		t.Error("an invalid configuration was taken")
	}
	if got := post(t, e.Transport(), tokenURL, secretForm("client_secret", "rotated")); got.status != 200 {
		t.Errorf("got %d %v", got.status, got.body)
	}
}
