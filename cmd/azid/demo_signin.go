package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"

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

func randomText() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
