//go:build interop

package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
)

// The people of testdata/people.json: the first needs the second factor, the third a
// compliant device, and the application Orders their consent.
const (
	ana, anaPassword     = "ana@contoso.example.com", "not-a-secret~ana"
	bruno, brunoPassword = "bruno@contoso.example.com", "not-a-secret~bruno"
	carlaPassword        = "not-a-secret~carla"
)

// ordersAPI is what applications ask tokens for.
const ordersAPI = "api://orders"

// An app is one on this machine that signs people in.
type app struct {
	e      *emulator
	client *entra.Client
	id     string
	// landed are the parameters that browsers brought back.
	landed      chan url.Values
	redirectURI string
}

func (e *emulator) newApp(t *testing.T, clientID string) *app {
	t.Helper()
	authority, _, err := entra.ParseAuthority(e.authority)
	if err != nil {
		t.Fatal(err)
	}
	client, err := entra.NewClient(entra.Config{Authority: authority, SkipDiscovery: true, Options: policy.ClientOptions{Transport: e.client}})
	if err != nil {
		t.Fatal(err)
	}
	a := &app{e: e, client: client, id: clientID, landed: make(chan url.Values, 10)}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		if r.ParseForm() == nil && r.Form.Has("state") {
			a.landed <- r.Form
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!DOCTYPE html><title>Back</title><link rel=icon href='data:,'><h1>Back</h1>"))
	}))
	t.Cleanup(receiver.Close)
	a.redirectURI = strings.Replace(receiver.URL, "127.0.0.1", "localhost", 1)
	return a
}

// request is what the application asks for.
func (a *app) request() entra.UserRequest {
	return entra.UserRequest{Tenant: entratest.DefaultTenantID, ClientID: a.id, Scopes: []string{ordersAPI + "/.default"}}
}

// url is where the application sends a browser.
func (a *app) url(t *testing.T, o entra.AuthorizeOptions) string {
	t.Helper()
	o.RedirectURI, o.State = a.redirectURI, entra.NewState()
	if o.ResponseMode == "" {
		o.ResponseMode = "query"
	}
	to, err := a.client.AuthorizeURL(t.Context(), a.request(), o)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// back waits for a browser to come back.
func (a *app) back(t *testing.T) url.Values {
	t.Helper()
	select {
	case got := <-a.landed:
		return got
	case <-time.After(30 * time.Second):
		t.Fatal("the browser did not come back")
		return nil
	}
}

// redeem gets a user's token with what a browser brought, by a credential of the library,
// and has it verified by a library that nobody here wrote.
func (a *app) redeem(t *testing.T, user string, got url.Values, verifier string) {
	t.Helper()
	if got.Get("code") == "" {
		t.Fatalf("the browser brought %s: %s", got.Get("error"), got.Get("error_description"))
	}
	credential, err := azidentity.NewAuthorizationCodeCredential(entratest.DefaultTenantID, a.id, got.Get("code"), a.redirectURI,
		&azidentity.AuthorizationCodeCredentialOptions{
			ClientOptions: azcore.ClientOptions{Transport: a.e.client, Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: a.e.authority}},
			CodeVerifier:  verifier, DisableInstanceDiscovery: true,
		})
	if err != nil {
		t.Fatal(err)
	}
	token, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{ordersAPI + "/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := oidc.ClientContext(t.Context(), a.e.client)
	provider, err := oidc.NewProvider(ctx, a.e.authority+"/"+entratest.DefaultTenantID+"/v2.0")
	if err != nil {
		t.Fatal(err)
	}
	verified, err := provider.Verifier(&oidc.Config{ClientID: ordersAPI}).Verify(ctx, token.Token)
	if err != nil {
		t.Fatalf("the token is not valid: %v", err)
	}
	var claims struct {
		Application string `json:"azp"`
		User        string `json:"preferred_username"`
	}
	if err := verified.Claims(&claims); err != nil || claims.Application != a.id || claims.User != user {
		t.Errorf("got the token of %q for %q, %v", claims.User, claims.Application, err)
	}
}

// TestPages lets people sign in with a real browser. Every page is looked at, in light
// and dark, at the width of a desktop and of a telephone.
func TestPages(t *testing.T) {
	t.Parallel()
	e := startEmulator(t, "application", "--seed", "testdata/people.json")
	browser := startChromium(t, e)
	orders := e.newApp(t, entratest.DefaultClientID)
	line := e.newApp(t, entratest.DeveloperClientID)

	t.Run("sign in", func(t *testing.T) {
		tb, verifier := browser.newTab(t), entra.NewVerifier()
		tb.open(orders.url(t, entra.AuthorizeOptions{Verifier: verifier}))
		tb.heading("Pick an account")
		tb.look("accounts")
		tb.press("Ana Lima")
		tb.heading("Enter the password")
		tb.look("password")
		tb.enter("Password", "wrong")
		tb.press("Sign in")
		tb.heading("Enter the password")
		if text := tb.text(); !strings.Contains(text, "AADSTS50126") || !strings.Contains(text, ana) {
			t.Errorf("a wrong password shows %q", text)
		}
		tb.look("password-wrong")
		tb.enter("Password", anaPassword)
		tb.press("Sign in")
		tb.heading("Verify that it is you")
		tb.look("verify")
		tb.enter("Verification code", "000000")
		tb.press("Verify")
		if text := tb.text(); !strings.Contains(text, "AADSTS500121") {
			t.Errorf("a wrong code shows %q", text)
		}
		tb.enter("Verification code", e.verification(t, ana))
		tb.press("Verify")
		tb.heading("Let Orders act for you?")
		tb.look("consent")
		tb.press("Accept")
		orders.redeem(t, ana, orders.back(t), verifier)

		// The browser remembers: the account, and then all of it.
		verifier = entra.NewVerifier()
		tb.open(orders.url(t, entra.AuthorizeOptions{Verifier: verifier}))
		if text := tb.text(); !strings.Contains(text, "Signed in") {
			t.Errorf("the picker shows %q", text)
		}
		tb.look("accounts-signed-in")
		tb.press("Ana Lima")
		orders.redeem(t, ana, orders.back(t), verifier)
		tb.open(orders.url(t, entra.AuthorizeOptions{Prompt: "none"}))
		if got := orders.back(t); got.Get("code") == "" {
			t.Errorf("prompt=none: got %v", got)
		}
		tb.clean()
	})

	t.Run("posted", func(t *testing.T) {
		tb, verifier := browser.newTab(t), entra.NewVerifier()
		tb.open(line.url(t, entra.AuthorizeOptions{Verifier: verifier, ResponseMode: "form_post", Prompt: "login", LoginHint: bruno}))
		tb.heading("Enter the password")
		tb.enter("Password", brunoPassword)
		tb.press("Sign in")
		line.redeem(t, bruno, line.back(t), verifier)
		tb.clean()
	})

	t.Run("without scripts", func(t *testing.T) {
		tb, verifier := browser.newTab(t), entra.NewVerifier()
		command(tb, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		tb.open(line.url(t, entra.AuthorizeOptions{Verifier: verifier, ResponseMode: "form_post"}))
		tb.press("Use another account")
		tb.heading("Sign in")
		tb.enter("Username", bruno)
		tb.press("Next")
		tb.enter("Password", brunoPassword)
		tb.press("Sign in")
		tb.heading("Back to Command line")
		command(tb, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{})
		tb.look("form-post")
		tb.press("Continue")
		line.redeem(t, bruno, line.back(t), verifier)
	})

	t.Run("names and errors", func(t *testing.T) {
		tb := browser.newTab(t)
		tb.open(orders.url(t, entra.AuthorizeOptions{LoginHint: "nobody@contoso.example.com", Prompt: "login"}))
		tb.heading("Sign in")
		tb.press("Next")
		if text := tb.text(); !strings.Contains(text, "AADSTS50034") {
			t.Errorf("an unknown user shows %q", text)
		}
		tb.look("username-unknown")
		tb.press("Show the accounts")
		tb.press("Carla Souza")
		tb.enter("Password", carlaPassword)
		tb.press("Sign in")
		tb.heading("You cannot get to this now")
		tb.look("refused")
		tb.press("Back to Orders")
		if got := orders.back(t); got.Get("error") != "interaction_required" || !strings.HasPrefix(got.Get("error_description"), "AADSTS53000") {
			t.Errorf("the application got %v", got)
		}

		tb.open(orders.url(t, entra.AuthorizeOptions{}))
		tb.press("Cancel")
		if got := orders.back(t); got.Get("error") != "access_denied" || !strings.HasPrefix(got.Get("error_description"), "AADSTS65004") {
			t.Errorf("the application got %v", got)
		}

		wrong, err := url.Parse(orders.url(t, entra.AuthorizeOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		values := wrong.Query()
		values.Set("redirect_uri", orders.redirectURI+"/elsewhere")
		wrong.RawQuery = values.Encode()
		tb.open(wrong.String())
		tb.heading("You cannot be signed in")
		tb.look("error")
		at := query(tb, chromedp.Location())
		if !strings.HasPrefix(at, e.authority) || !strings.Contains(tb.text(), "AADSTS50011") {
			t.Errorf("the browser is at %s, %q", at, tb.text())
		}
	})

	t.Run("device", func(t *testing.T) {
		tb := browser.newTab(t)
		device := line.beginDevice(t)
		tb.open(device.VerificationURI)
		tb.heading("Enter the code")
		tb.look("device-code")
		tb.enter("Code", "NOT-A-CODE")
		tb.press("Next")
		if text := tb.text(); !strings.Contains(text, "AADSTS70018") {
			t.Errorf("a wrong code shows %q", text)
		}
		tb.look("device-code-wrong")
		tb.enter("Code", strings.ToLower(device.UserCode[:4]+"-"+device.UserCode[4:]))
		tb.press("Next")
		tb.press("Bruno Reis")
		tb.enter("Password", brunoPassword)
		tb.press("Sign in")
		tb.heading("Sign in to Command line?")
		tb.look("device-confirm")
		tb.press("Continue")
		tb.heading("You have signed in")
		tb.look("device-done")
		token, err := line.client.DeviceToken(t.Context(), line.request(), device)
		if err != nil {
			t.Fatal(err)
		}
		account, err := line.client.Account(t.Context(), line.request(), token, "")
		if err != nil || account.Username != bruno {
			t.Errorf("got the token of %q, %v", account.Username, err)
		}

		device = line.beginDevice(t)
		tb.open(device.VerificationURI)
		tb.enter("Code", device.UserCode)
		tb.press("Next")
		tb.press("Bruno Reis")
		tb.press("Cancel")
		tb.heading("You have not signed in")
		tb.look("device-declined")
		if _, err := line.client.DeviceToken(t.Context(), line.request(), device); !errors.Is(err, entra.ErrDeviceCodeDeclined) {
			t.Errorf("got %v", err)
		}
		tb.clean()
	})

	t.Run("console", func(t *testing.T) {
		tb := browser.newTab(t)
		tb.open(e.authority + "/_emulator/")
		tb.heading("Console")
		// What comes later is there without a click.
		device := line.beginDevice(t)
		tb.do(chromedp.WaitVisible(`//strong[text()="` + device.UserCode + `"]`))
		tb.look("console")
		tb.do(chromedp.SetValue(`#waiting select[name=user]`, bruno))
		tb.press("Approve")
		tb.heading("Console")
		if _, err := line.client.DeviceToken(t.Context(), line.request(), device); err != nil {
			t.Error(err)
		}
		tb.press("Inject")
		tb.heading("Console")
		tb.look("console-fault")
		var faults struct {
			Faults []struct {
				Fault entratest.Fault `json:"fault"`
			} `json:"faults"`
		}
		if err := json.Unmarshal(e.do(t, http.MethodGet, "/_emulator/faults"), &faults); err != nil || len(faults.Faults) != 1 ||
			faults.Faults[0].Fault.Status != http.StatusServiceUnavailable || faults.Faults[0].Fault.Endpoint != entratest.EndpointToken {
			t.Errorf("got %+v, %v", faults, err)
		}
		tb.press("Remove")
		tb.clean()
	})
}

// beginDevice asks for a device code.
func (a *app) beginDevice(t *testing.T) entra.DeviceCode {
	t.Helper()
	device, err := a.client.DeviceAuthorization(context.WithoutCancel(t.Context()), a.request())
	if err != nil {
		t.Fatal(err)
	}
	return device
}

// verification is the code that the second factor of somebody shows.
func (e *emulator) verification(t *testing.T, username string) string {
	t.Helper()
	var all struct {
		Verifications []entratest.Verification `json:"verifications"`
	}
	if err := json.Unmarshal(e.do(t, http.MethodGet, "/_emulator/verifications"), &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all.Verifications {
		if v.Username == username {
			return v.Code
		}
	}
	t.Fatalf("nobody asks %s for a code", username)
	return ""
}
