//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	microsoft "github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// A signInCredential is a credential of a person, theirs or ours.
type signInCredential[Record any] interface {
	azcore.TokenCredential
	Authenticate(context.Context, *policy.TokenRequestOptions) (Record, error)
}

// signInResource is the API that people sign in for. It is of no cloud.
const signInResource = "api://10000000-0000-4000-8000-00000000000a"

// signInFlows are the ways in which people sign in.
var signInFlows = []string{"device code", "password", "browser"}

// TestPeople has Microsoft's libraries for Go and Python, and ours, sign a person in at
// the emulator: by device code, by password, and by a browser that needs nobody. Each
// reads the records that the others write.
func TestPeople(t *testing.T) {
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v: install the package python3-azure (make interop does)", err)
	}
	e := startEmulator(t, "application")
	script, err := filepath.Abs("python/browser.py")
	if err != nil {
		t.Fatal(err)
	}
	command := python + " " + script
	t.Setenv("BROWSER", command+" %s &") // Python waits for a browser without the sign
	t.Setenv("SSL_CERT_FILE", e.environment["SSL_CERT_FILE"])
	t.Setenv("NO_PROXY", "localhost")
	if runtime.GOOS == "linux" {
		// Microsoft's knows no BROWSER.
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "xdg-open"), fmt.Appendf(nil, "#!/bin/sh\nexec %s \"$1\"\n", command), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	records := map[string]json.RawMessage{}
	for _, flow := range signInFlows {
		t.Run("ours, "+flow, func(t *testing.T) {
			cred, err := e.ours(flow)
			if err != nil {
				t.Fatal(err)
			}
			records["ours, "+flow] = signIn(t, e, cred)
		})
		t.Run("Microsoft's for Go, "+flow, func(t *testing.T) {
			cred, err := e.theirs(flow)
			if err != nil {
				t.Fatal(err)
			}
			records["Go, "+flow] = signIn(t, e, cred)
		})
		if flow == "password" {
			continue // Python asks about the user's realm without the authority's port
		}
		t.Run("Microsoft's for Python, "+flow, func(t *testing.T) {
			records["Python, "+flow] = e.pythonSignIn(t, flow, records["ours, "+flow])
		})
	}
	var first azidentity.AuthenticationRecord
	for name, text := range records {
		var ours azidentity.AuthenticationRecord
		var theirs microsoft.AuthenticationRecord
		if err := errors.Join(json.Unmarshal(text, &ours), json.Unmarshal(text, &theirs)); err != nil {
			t.Errorf("%s: %v: %s", name, err, text)
			continue
		}
		if first == (azidentity.AuthenticationRecord{}) {
			first = ours
		}
		if ours != first || theirs.HomeAccountID != ours.HomeAccountID || theirs.Username != entratest.DefaultUsername {
			t.Errorf("%s: read as %+v, want %+v; by Microsoft's as %+v", name, ours, first, theirs)
		}
	}
	if want := 3*len(signInFlows) - 1; len(records) != want {
		t.Errorf("%d records, want %d", len(records), want)
	}
}

// signIn has the person of a credential sign in, and returns the record.
func signIn[Record any](t *testing.T, e *emulator, cred signInCredential[Record]) json.RawMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o := policy.TokenRequestOptions{Scopes: []string{signInResource + "/.default"}}
	record, err := cred.Authenticate(ctx, &o)
	if err != nil {
		t.Fatal(err)
	}
	token, err := cred.GetToken(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	checkUserToken(t, e, token.Token)
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// checkUserToken verifies a token as its API would, with a library that nobody here wrote.
func checkUserToken(t *testing.T, e *emulator, raw string) {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), e.client)
	provider, err := oidc.NewProvider(ctx, e.authority+"/"+entratest.DefaultTenantID+"/v2.0")
	if err != nil {
		t.Fatal(err)
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: signInResource}).Verify(ctx, raw)
	if err != nil {
		t.Fatalf("the token is not valid: %v", err)
	}
	var claims struct {
		Username string `json:"preferred_username"`
	}
	if err := token.Claims(&claims); err != nil || claims.Username != entratest.DefaultUsername {
		t.Errorf("the token is %q's, %v", claims.Username, err)
	}
}

func (e *emulator) clientOptions() azcore.ClientOptions {
	// A client of its own: credentials of ours that have one in common share tokens.
	client := *e.client
	return azcore.ClientOptions{Transport: &client, Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: e.authority}}
}

// approve plays the person with a device code.
func (e *emulator) approve(ctx context.Context, userCode string) error {
	body, err := json.Marshal(map[string]string{"userCode": userCode, "user": entratest.DefaultUsername})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.authority+"/_emulator/devicecodes", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := e.client.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		err = errors.New(resp.Status)
	}
	return errors.Join(err, resp.Body.Close())
}

func (e *emulator) ours(flow string) (signInCredential[azidentity.AuthenticationRecord], error) {
	o, tenant, client := e.clientOptions(), entratest.DefaultTenantID, entratest.DefaultClientID
	switch flow {
	case "device code":
		return azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
			ClientOptions: o, TenantID: tenant, ClientID: client, DisableInstanceDiscovery: true,
			UserPrompt: func(ctx context.Context, m azidentity.DeviceCodeMessage) error { return e.approve(ctx, m.UserCode) },
		})
	case "password":
		//nolint:staticcheck // deprecated, and in use
		return azidentity.NewUsernamePasswordCredential(tenant, client, entratest.DefaultUsername, entratest.DefaultPassword,
			&azidentity.UsernamePasswordCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	}
	return azidentity.NewInteractiveBrowserCredential(&azidentity.InteractiveBrowserCredentialOptions{
		ClientOptions: o, TenantID: tenant, ClientID: client, DisableInstanceDiscovery: true, LoginHint: entratest.DefaultUsername,
	})
}

func (e *emulator) theirs(flow string) (signInCredential[microsoft.AuthenticationRecord], error) {
	o, tenant, client := e.clientOptions(), entratest.DefaultTenantID, entratest.DefaultClientID
	switch flow {
	case "device code":
		return microsoft.NewDeviceCodeCredential(&microsoft.DeviceCodeCredentialOptions{
			ClientOptions: o, TenantID: tenant, ClientID: client, DisableInstanceDiscovery: true,
			UserPrompt: func(ctx context.Context, m microsoft.DeviceCodeMessage) error { return e.approve(ctx, m.UserCode) },
		})
	case "password":
		//nolint:staticcheck // deprecated, and in use
		return microsoft.NewUsernamePasswordCredential(tenant, client, entratest.DefaultUsername, entratest.DefaultPassword,
			&microsoft.UsernamePasswordCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	}
	return microsoft.NewInteractiveBrowserCredential(&microsoft.InteractiveBrowserCredentialOptions{
		ClientOptions: o, TenantID: tenant, ClientID: client, DisableInstanceDiscovery: true, LoginHint: entratest.DefaultUsername,
	})
}

// pythonSignIn has Python read a record, sign the person in, and write another.
func (e *emulator) pythonSignIn(t *testing.T, flow string, record json.RawMessage) json.RawMessage {
	t.Helper()
	in, err := json.Marshal(map[string]any{
		"authority": e.authority, "tenant": entratest.DefaultTenantID, "client": entratest.DefaultClientID, "scope": signInResource + "/.default",
		"flow": flow, "username": entratest.DefaultUsername, "record": record,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "python/sign_in.py")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8", "REQUESTS_CA_BUNDLE=" + e.environment["SSL_CERT_FILE"],
		"SSL_CERT_FILE=" + e.environment["SSL_CERT_FILE"], "BROWSER=" + os.Getenv("BROWSER"), "AZURE_AUTHORITY_HOST=" + e.authority}
	cmd.Stdin = bytes.NewReader(in)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var got struct {
		Token  string          `json:"token"`
		Record json.RawMessage `json:"record"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	checkUserToken(t, e, got.Token)
	return got.Record
}
