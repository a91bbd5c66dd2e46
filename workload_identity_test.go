package azidentity_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

const subject = entratest.DefaultFederatedSubject

// pod writes a service account token and returns its path.
func pod(t testing.TB, e *entratest.Emulator, options ...entratest.AssertionOption) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "azure-identity-token")
	rotate(t, e, path, options...)
	return path
}

func rotate(t testing.TB, e *entratest.Emulator, path string, options ...entratest.AssertionOption) {
	t.Helper()
	if err := e.WriteServiceAccountToken(path, subject, options...); err != nil {
		t.Fatal(err)
	}
}

func workloadCred(t testing.TB, path string, o azcore.ClientOptions) *azidentity.WorkloadIdentityCredential {
	t.Helper()
	c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: o, TenantID: tenantID, ClientID: clientID, TokenFilePath: path,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Pain 5: kubelet replaces the token at 80 % of its hour. A pod that runs for a
// week and asks every five minutes never fails.
func TestPain5TokenFileRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := emulate(t, &entratest.Config{TokenLifetime: 10 * time.Minute, JournalSize: 1 << 20})
		path := pod(t, e)
		c := workloadCred(t, path, o)
		defer c.Close()
		for minute := range 7 * 24 * 60 {
			if minute%48 == 0 {
				rotate(t, e, path)
			}
			if minute%5 == 0 {
				token(t, c)
			}
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		requests := e.Requests(func(en entratest.Entry) bool { return en.Endpoint == entratest.EndpointToken })
		for _, r := range requests {
			if r.Status != 200 {
				t.Fatalf("a request failed: %+v", r)
			}
		}
		if len(requests) < 7*24*6-10 {
			t.Errorf("%d requests in a week, want about one in ten minutes", len(requests))
		}
	})
}

// replacing rotates the token file just after a refusal, before the caller
// hears of it.
type replacing struct {
	*entratest.Transport
	refused func()
}

func (r replacing) Do(req *http.Request) (*http.Response, error) {
	resp, err := r.Transport.Do(req)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		r.refused()
	}
	return resp, err
}

// Pain 5, the other half: an expired token that is replaced as it is read costs
// one more request; one that stays is refused twice and no more.
func TestPain5StaleReadHeals(t *testing.T) {
	t.Parallel()
	e, _ := emulate(t, nil)
	path := pod(t, e, entratest.WithLifetime(-time.Hour))
	heal := replacing{e.Transport(), func() { rotate(t, e, path) }}
	token(t, workloadCred(t, path, azcore.ClientOptions{Transport: &heal}))
	if n := e.CountRequests(entratest.EndpointToken); n != 2 {
		t.Errorf("%d requests, want 2: one refused, one with the new token", n)
	}

	e.ResetJournal()
	rotate(t, e, path, entratest.WithLifetime(-time.Hour))
	_, err := workloadCred(t, path, azcore.ClientOptions{Transport: e.Transport()}).GetToken(t.Context(), armToken)
	if n := e.CountRequests(entratest.EndpointToken); n != 1 {
		t.Errorf("%d requests, want 1: the file holds no other token", n)
	}
	wantFinding(t, err, "AADSTS700024", "expired 1h", subject, e.FederatedIssuer(), entratest.DefaultFederatedAudience, path, "kubelet")
}

// wantFinding looks for texts in the error of a failed authentication.
func wantFinding(t *testing.T, err error, want ...string) {
	t.Helper()
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) {
		t.Fatalf("got %T %v, want an AuthenticationFailedError", err, err)
	}
	wantText(t, err, want...)
}

func wantText(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in the error:\n%v", w, err)
		}
	}
	if strings.Contains(err.Error(), "eyJ") {
		t.Errorf("an assertion is in the error:\n%v", err)
	}
}

// Pain 74: what is missing is one error, which names all of it and nothing else.
func TestPain74AllSubsetsOfThePod(t *testing.T) {
	e, o := emulate(t, nil)
	path := pod(t, e)
	vars := []struct{ name, value string }{
		{"AZURE_CLIENT_ID", clientID}, {"AZURE_TENANT_ID", tenantID}, {"AZURE_FEDERATED_TOKEN_FILE", "\"" + path + "\" "},
	}
	for subset := range 1 << len(vars) {
		clearEnvironment(t)
		for i, v := range vars {
			if subset&(1<<i) != 0 {
				t.Setenv(v.name, v.value)
			}
		}
		c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: o, Tokens: azidentity.TokenOptions{Isolated: true}})
		if subset == 1<<len(vars)-1 {
			if err != nil {
				t.Fatal(err)
			}
			token(t, c)
			continue
		}
		if !isUnavailable(t, err) || !azidentity.IsCredentialUnavailable(err) {
			t.Errorf("subset %03b: a chain stops on %v", subset, err)
		}
		first, _, _ := strings.Cut(err.Error(), "\n")
		for i, v := range vars {
			if has := subset&(1<<i) != 0; strings.Contains(first, "("+v.name+")") == has {
				t.Errorf("subset %03b: %s in %q: want %v", subset, v.name, first, !has)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("subset %03b: more than one line: %v", subset, err)
		}
		if noFile := subset&4 == 0; strings.Contains(err.Error(), "azure.workload.identity/use") != noFile {
			t.Errorf("subset %03b: the pod's label is named: %v", subset, err)
		}
	}
}

// Pain 74: each broken pod has one finding.
func TestPain74BrokenPods(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	dir := t.TempDir()
	text := func(s string) string {
		path := filepath.Join(dir, "token"+strings.Map(func(r rune) rune { return 'x' }, s[:min(len(s), 20)]))
		writeFile(t, path, []byte(s))
		return path
	}
	for name, test := range map[string]struct {
		path string
		want []string
	}{
		"old token":         {pod(t, e, entratest.WithLifetime(-48*time.Hour)), []string{"expired 48h", "kubelet"}},
		"wrong audience":    {pod(t, e, entratest.WithAudience("https://kubernetes.default.svc")), []string{"AADSTS700212", `audience "https://kubernetes.default.svc"`, "api://AzureADTokenExchange"}},
		"identity binding":  {pod(t, e, entratest.WithAudience("api://AKSIdentityBinding")), []string{"EnableAzureProxy"}},
		"other issuer":      {pod(t, e, entratest.WithIssuer("https://oidc.example//")), []string{"AADSTS700211", `issuer "https://oidc.example//"`}},
		"other account":     {pod(t, e, entratest.WithClaim("sub", "system:serviceaccount:default:other")), []string{"AADSTS700213", "default:other"}},
		"no file":           {filepath.Join(dir, "nothing"), []string{"nothing (AZURE_FEDERATED_TOKEN_FILE)"}},
		"directory":         {dir, []string{"no regular file"}},
		"not a token":       {text("not a token"), []string{"not a valid JWT"}},
		"far too much text": {text(strings.Repeat("a", 1<<20)), []string{"holds no token"}},
	} {
		_, err := workloadCred(t, test.path, o).GetToken(t.Context(), armToken)
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		if errors.Is(err, fs.ErrNotExist) != (name == "no file") {
			t.Errorf("%s: %v", name, err)
		}
		wantFinding(t, err, test.want...)
		if n := strings.Count(err.Error(), "Next:"); n > 1 {
			t.Errorf("%s: %d findings: %v", name, n, err)
		}
	}

	empty := text(" \n")
	_, err := workloadCred(t, empty, o).GetToken(t.Context(), armToken)
	if !azidentity.IsCredentialUnavailable(err) || !strings.Contains(err.Error(), empty+" (AZURE_FEDERATED_TOKEN_FILE) is empty") {
		t.Errorf("got %v, want the empty file named and the credential unavailable", err)
	}
	if runtime.GOOS != "windows" && os.Getuid() != 0 {
		unreadable := pod(t, e)
		if err := os.Chmod(unreadable, 0); err != nil {
			t.Fatal(err)
		}
		_, err := workloadCred(t, unreadable, o).GetToken(t.Context(), armToken)
		wantFinding(t, err, unreadable, "permission denied")
	}
	e.Inject(entratest.Fault{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := workloadCred(t, pod(t, e), o).GetToken(ctx, armToken); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// White space around the token, as editors and echo leave it, does no harm.
func TestTokenFileIsTrimmed(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	path := pod(t, e)
	jwt, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, []byte("\n "+string(jwt)+"\r\n"))
	token(t, workloadCred(t, path, o))
}

// Credentials of the same identity and file share tokens, others do not.
func TestWorkloadCredentialsShareTokens(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	path, other := pod(t, e), pod(t, e)
	first := token(t, workloadCred(t, path, o))
	for range 100 {
		spelt := filepath.Dir(path) + "/./" + filepath.Base(path)
		if token(t, workloadCred(t, spelt, o)) != first {
			t.Fatal("equal credentials do not share")
		}
	}
	rotate(t, e, path)
	if token(t, workloadCred(t, path, o)) != first {
		t.Error("the token in memory went with the rotated file")
	}
	isolated, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: o, TenantID: tenantID, ClientID: clientID, TokenFilePath: path, Tokens: azidentity.TokenOptions{Isolated: true}})
	if err != nil {
		t.Fatal(err)
	}
	source, err := azidentity.NewClientAssertionCredential(tenantID, clientID, azidentity.AssertionFromFile(path, nil), &azidentity.ClientAssertionCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]azcore.TokenCredential{
		"another file": workloadCred(t, other, o), "isolated": isolated, "secret": secretCred(t, goodKey, o), "source": source,
	} {
		if token(t, c) == first {
			t.Errorf("%s: shares a token", name)
		}
	}
	if azidentity.NewBearerTokenProvider(isolated, armScope) == nil || isolated.Close() != nil {
		t.Error("cannot be closed")
	}
	if _, err := isolated.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{armScope}}); err != nil {
		t.Errorf("a closed credential does not answer: %v", err)
	}
}
