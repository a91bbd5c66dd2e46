package azidentity_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	// Replaced as a whole, as rotation does it.
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func isUnavailable(t *testing.T, err error) bool {
	t.Helper()
	chain, cerr := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{failing{err}, succeeding{}}, nil)
	if cerr != nil {
		t.Fatal(cerr)
	}
	_, err = chain.GetToken(t.Context(), armToken)
	return err == nil
}

type failing struct{ err error }

func (f failing) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, f.err
}

type succeeding struct{}

func (succeeding) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "a.b.c"}, nil
}

// Pain 63: every subset of the variables has a verdict at construction, which
// names what is missing, and never a value.
func TestPain63AllSubsetsOfTheEnvironment(t *testing.T) {
	e, o := emulate(t, nil)
	path := filepath.Join(t.TempDir(), "cert.pem")
	writeFile(t, path, e.DefaultCertificatePEM())
	vars := []struct{ name, value string }{
		{"AZURE_TENANT_ID", tenantID}, {"AZURE_CLIENT_ID", clientID},
		{"AZURE_CLIENT_SECRET", goodKey}, {"AZURE_CLIENT_CERTIFICATE_PATH", path},
		{"AZURE_USERNAME", entratest.DefaultUsername}, {"AZURE_PASSWORD", entratest.DefaultPassword},
	}
	for subset := range 1 << len(vars) {
		clearEnvironment(t)
		has := func(i int) bool { return subset&(1<<i) != 0 }
		for i, v := range vars {
			if has(i) {
				t.Setenv(v.name, v.value)
			}
		}
		cred, err := azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o, Tokens: azidentity.TokenOptions{Isolated: true}})
		user := !has(2) && !has(3) && (has(4) || has(5))
		complete := has(0) && has(1) && (has(2) || has(3) || has(4) && has(5))
		if complete {
			if err != nil {
				t.Errorf("subset %06b: %v", subset, err)
				continue
			}
			token(t, cred)
			entry, _ := e.LastRequest(entratest.EndpointToken)
			if usedSecret := entry.Form.Get("client_secret") != ""; usedSecret != has(2) {
				t.Errorf("subset %06b: a secret was sent: %v, want it to win over the certificate", subset, usedSecret)
			}
			if usedPassword := entry.GrantType == "password"; usedPassword != user {
				t.Errorf("subset %06b: a password was sent: %v, want it to come last", subset, usedPassword)
			}
			continue
		}
		if err == nil || !isUnavailable(t, err) {
			t.Errorf("subset %06b: got %v, want an error on which a chain goes on", subset, err)
			continue
		}
		missing, _, _ := strings.Cut(err.Error(), " (")
		for i, v := range vars {
			if counts := i < 2 || i > 3 && user; counts && strings.Contains(missing, v.name) == has(i) {
				t.Errorf("subset %06b: %v: wrong about %s", subset, err, v.name)
			}
		}
		if neither := !has(2) && !has(3) && !user; neither != strings.Contains(missing, "AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH") {
			t.Errorf("subset %06b: %v: wrong about the secret", subset, err)
		}
		for _, v := range vars {
			if strings.Contains(err.Error(), v.value) {
				t.Errorf("subset %06b: %v quotes the value of %s", subset, err, v.name)
			}
		}
	}
}

// White space and quotes that shells and env files leave do no harm.
func TestPain63StrayQuotesAndSpaces(t *testing.T) {
	e, o := emulate(t, nil)
	for _, form := range []string{"%s", " %s\n", `"%s"`, `'%s' `} {
		clearEnvironment(t)
		t.Setenv("AZURE_TENANT_ID", fmt.Sprintf(form, tenantID))
		t.Setenv("AZURE_CLIENT_ID", fmt.Sprintf(form, clientID))
		t.Setenv("AZURE_AUTHORITY_HOST", fmt.Sprintf(form, "login.microsoftonline.us"))
		t.Setenv("AZURE_CLIENT_SECRET", goodKey+"\n")
		cred, err := azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o, Tokens: azidentity.TokenOptions{Isolated: true}})
		if err != nil {
			t.Fatal(err)
		}
		tokenFor(t, cred, policy.TokenRequestOptions{Scopes: []string{"https://management.usgovcloudapi.net/.default"}})
		if entry, _ := e.LastRequest(entratest.EndpointToken); entry.Host != "login.microsoftonline.us" {
			t.Errorf("%q: asked %s", form, entry.Host)
		}
	}
}

func TestEnvironmentCertificate(t *testing.T) {
	e, o := emulate(t, nil)
	dir := t.TempDir()
	plain, broken := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "broken.pem")
	writeFile(t, plain, e.DefaultCertificatePEM())
	writeFile(t, broken, []byte("-----BEGIN NOTHING-----"))
	set := func(path, chain string) (*azidentity.EnvironmentCredential, error) {
		clearEnvironment(t)
		t.Setenv("AZURE_TENANT_ID", tenantID)
		t.Setenv("AZURE_CLIENT_ID", clientID)
		t.Setenv("AZURE_CLIENT_CERTIFICATE_PATH", path)
		t.Setenv("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", chain)
		return azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o, Tokens: azidentity.TokenOptions{Isolated: true}})
	}
	for value, want := range map[string]bool{"": false, "1": true, "TRUE": true, "yes": false} {
		c, err := set(plain, value)
		if err != nil {
			t.Fatal(err)
		}
		token(t, c)
		entry, _ := e.LastRequest(entratest.EndpointToken)
		if _, sent := entry.AssertionHeader["x5c"]; sent != want {
			t.Errorf("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=%q: chain sent: %v, want %v", value, sent, want)
		}
	}
	for _, path := range []string{broken, filepath.Join(dir, "missing.pem"), dir} {
		if _, err := set(path, ""); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "AZURE_CLIENT_CERTIFICATE_PATH") {
			t.Errorf("%s: got %v, want an error that names the file and the variable", path, err)
		}
	}
}

func TestEnvironmentTenants(t *testing.T) {
	_, o := emulate(t, nil)
	clearEnvironment(t)
	t.Setenv("AZURE_TENANT_ID", tenantID)
	t.Setenv("AZURE_CLIENT_ID", clientID)
	t.Setenv("AZURE_CLIENT_SECRET", goodKey)
	t.Setenv("AZURE_ADDITIONALLY_ALLOWED_TENANTS", "a.example; "+entratest.DefaultTenantDomain)
	cred, err := azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	tokenFor(t, cred, policy.TokenRequestOptions{Scopes: armToken.Scopes, TenantID: entratest.DefaultTenantDomain})
	if _, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: armToken.Scopes, TenantID: "b.example"}); err == nil {
		t.Error("a tenant that is not allowed got a token")
	}
	t.Setenv("AZURE_IDENTITY_DISABLE_MULTITENANTAUTH", "1")
	cred, err = azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	tokenFor(t, cred, policy.TokenRequestOptions{Scopes: armToken.Scopes, TenantID: "b.example"})
}

// Pain 44: certificates rotate by replacing the file. No call fails, a broken
// file leaves the last good certificate in place, and a refusal makes the
// credential look once more.
func TestPain44CertificateFileRotates(t *testing.T) {
	old, o := emulate(t, nil)
	next, err := entratest.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	const rotating = "20000000-bbbb-4bbb-8bbb-000000000044"
	registerOnly(t, old, rotating, old)
	path := filepath.Join(t.TempDir(), "cert.pem")
	writeFile(t, path, old.DefaultCertificatePEM())
	clearEnvironment(t)
	t.Setenv("AZURE_TENANT_ID", tenantID)
	t.Setenv("AZURE_CLIENT_ID", rotating)
	t.Setenv("AZURE_CLIENT_CERTIFICATE_PATH", path)
	cred, err := azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	fresh := func() error {
		n++
		_, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{fmt.Sprintf("https://r%d.example/.default", n)}})
		return err
	}
	if err := fresh(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, []byte("half a file"))
	if err := fresh(); err != nil {
		t.Errorf("a broken file took the certificate away: %v", err)
	}

	// Only the new certificate is registered from here on.
	registerOnly(t, old, rotating, next)
	var info os.FileInfo
	if err := fresh(); err == nil {
		t.Error("the old certificate still works: the test proves nothing")
	}
	writeFile(t, path, padded(next.DefaultCertificatePEM()))
	if err := fresh(); err != nil {
		t.Errorf("after the rotation: %v", err)
	}

	// The same size and time as before, as some file systems leave it: the
	// refusal makes the credential read the file.
	if info, err = os.Stat(path); err != nil {
		t.Fatal(err)
	}
	registerOnly(t, old, rotating, old)
	writeFile(t, path, padded(old.DefaultCertificatePEM()))
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := fresh(); err != nil {
		t.Errorf("after the rotation back: %v", err)
	}
}

// padded gives all certificate files one size.
func padded(pem []byte) []byte {
	return append(pem, bytes.Repeat([]byte("\n"), 16<<10-len(pem))...)
}

// registerOnly makes the default certificate of from the only one that e
// accepts of application id.
func registerOnly(t *testing.T, e *entratest.Emulator, id string, from *entratest.Emulator) {
	t.Helper()
	certs, _ := from.DefaultCertificate()
	tenant := entratest.DefaultTenant()
	tenant.Applications = []entratest.Application{{ClientID: id, Certificates: []string{pemOf(certs[0])}}}
	if err := e.Reconfigure(&entratest.Config{Tenants: []entratest.Tenant{tenant}}); err != nil {
		t.Fatal(err)
	}
}

// Pain 49: one switch, by option or by environment, keeps every packet of a
// private cloud away from Microsoft's hosts.
func TestPain49DiscoverySwitchInTheEnvironment(t *testing.T) {
	e, o := emulate(t, nil)
	clearEnvironment(t)
	t.Setenv("AZURE_AUTHORITY_HOST", "https://login.private.example:8443/")
	t.Setenv("AZURE_IDENTITY_DISABLE_INSTANCE_DISCOVERY", "true")
	t.Setenv("AZURE_TENANT_ID", tenantID)
	t.Setenv("AZURE_CLIENT_ID", clientID)
	t.Setenv("AZURE_CLIENT_SECRET", goodKey)
	cred, err := azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	token(t, cred)
	for _, entry := range e.Journal() {
		if entry.Host != "login.private.example:8443" || entry.Endpoint != entratest.EndpointToken {
			t.Errorf("a request to %s%s", entry.Host, entry.Path)
		}
	}

	// Without it, an unknown host is verified: by one question, once.
	t.Setenv("AZURE_IDENTITY_DISABLE_INSTANCE_DISCOVERY", "")
	e.ResetJournal()
	for range 3 {
		c := secretCred(t, goodKey, o)
		token(t, c)
		tokenFor(t, c, policy.TokenRequestOptions{Scopes: []string{"https://x.example/.default"}, TenantID: entratest.DefaultTenantDomain})
	}
	if d, m := e.CountRequests(entratest.EndpointInstanceDiscovery), e.CountRequests(entratest.EndpointOpenIDConfiguration); d != 1 || m != 1 {
		t.Errorf("%d instance discoveries and %d metadata requests, want 1 of each", d, m)
	}
	if err := e.Reconfigure(&entratest.Config{UnknownHosts: []string{"login.rogue.example"}}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AZURE_AUTHORITY_HOST", "login.rogue.example")
	_, err = secretCred(t, goodKey, o).GetToken(t.Context(), armToken)
	if err == nil || !strings.Contains(err.Error(), "DisableInstanceDiscovery") || e.CountRequests(entratest.EndpointToken) > 5 {
		t.Errorf("got %v, want a refusal before the secret is sent", err)
	}
	for _, entry := range e.Journal() {
		if entry.Host == "login.rogue.example" {
			t.Errorf("a request to the rogue host: %s", entry.Path)
		}
	}
}

// Pain 79: the region of the environment leads to its endpoint, and a region
// that is down to the global one.
func TestPain79Region(t *testing.T) {
	e, o := emulate(t, nil)
	clearEnvironment(t)
	t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", "West Europe")
	token(t, secretCred(t, goodKey, o))
	if entry, _ := e.LastRequest(entratest.EndpointToken); entry.Host != "westeurope.login.microsoft.com" {
		t.Errorf("asked %s, want the regional endpoint", entry.Host)
	}
	e.Inject(entratest.Fault{Host: "westeurope.login.microsoft.com", Reset: true})
	tokenFor(t, secretCred(t, goodKey, o), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	if entry, _ := e.LastRequest(entratest.EndpointToken); entry.Host != "login.microsoftonline.com" {
		t.Errorf("asked %s, want the global endpoint", entry.Host)
	}
	t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", "not/a/region")
	if _, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, nil); err == nil || !strings.Contains(err.Error(), "region") {
		t.Errorf("got %v, want an error that names the region", err)
	}
}
