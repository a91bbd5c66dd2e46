package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// openAuthorizationCode has the demo's user sign in, as a browser would be sent to,
// and constructs the credential of what comes back.
func openAuthorizationCode(redirectURI string, authentication azidentity.ClientAuthentication) func(*demoLab, azcore.ClientOptions) (azcore.TokenCredential, error) {
	return func(l *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
		verifier := randomText()
		code, err := l.signIn(redirectURI, verifier)
		if err != nil {
			return nil, err
		}
		return azidentity.NewAuthorizationCodeCredential(homeTenantID, entratest.DefaultClientID, code, redirectURI,
			&azidentity.AuthorizationCodeCredentialOptions{
				ClientOptions: o, DisableInstanceDiscovery: true, Tokens: isolated,
				Authentication: authentication, CodeVerifier: verifier,
			})
	}
}

// signIn asks the authorize endpoint for a code and returns it from the redirect, which
// nobody follows. The user is named by a hint and signed in without a page.
func (l *demoLab) signIn(redirectURI, verifier string) (string, error) {
	challenge, state := sha256.Sum256([]byte(verifier)), randomText()
	query := url.Values{
		"response_type": {"code"}, "client_id": {entratest.DefaultClientID}, "redirect_uri": {redirectURI},
		"scope": {demoScope + " openid profile offline_access"}, "state": {state}, "prompt": {"none"}, "login_hint": {demoUser},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	ctx, cancel := context.WithTimeout(context.Background(), rowPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.server.URL+"/"+homeTenantID+"/oauth2/v2.0/authorize?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	client := *l.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		return "", fmt.Errorf("the sign-in was answered with status %d and no redirect", resp.StatusCode)
	}
	got := to.Query()
	if got.Get("state") != state || got.Get("code") == "" {
		return "", fmt.Errorf("the sign-in brought no code: %s", cmp.Or(got.Get("error_description"), "its state is another request's"))
	}
	return got.Get("code"), nil
}

// openBrowser has a browser without a window sign the demo's user in.
func openBrowser(l *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewInteractiveBrowserCredential(&azidentity.InteractiveBrowserCredentialOptions{
		ClientOptions: o, DisableInstanceDiscovery: true, Tokens: isolated,
		TenantID: homeTenantID, ClientID: entratest.DefaultClientID, LoginHint: demoUser, OpenBrowser: l.browse,
	})
}

// hiddenInput is a parameter in the page that posts an answer to the redirect URI.
var hiddenInput = regexp.MustCompile(`name="(\w+)" value="([^"]*)"`)

// browse does what a browser does at the sign-in: it opens the address, at which the hint
// signs the user in without a page, and submits the form that comes back.
func (l *demoLab) browse(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := l.server.Client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	form := url.Values{}
	for _, m := range hiddenInput.FindAllStringSubmatch(string(page), -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, u.Query().Get("redirect_uri"), strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// The client of the emulator leads to the emulator, whatever the address.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	done, err := client.Do(post)
	if err != nil {
		return err
	}
	return done.Body.Close()
}

// openDeviceCode leaves the approval to the emulator, and shows the code to nobody.
func openDeviceCode(_ *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
		ClientOptions: o, DisableInstanceDiscovery: true, Tokens: isolated,
		TenantID: homeTenantID, ClientID: entratest.DefaultClientID,
		UserPrompt: func(context.Context, azidentity.DeviceCodeMessage) error { return nil },
	})
}

func openPassword(_ *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	//nolint:staticcheck // deprecated, and in use
	return azidentity.NewUsernamePasswordCredential(homeTenantID, entratest.DefaultClientID, demoUser, demoPassword,
		&azidentity.UsernamePasswordCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true, Tokens: isolated})
}

func randomText() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
