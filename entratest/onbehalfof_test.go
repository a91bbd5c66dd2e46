package entratest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

func postForm(t *testing.T, client doer, form url.Values) (int, map[string]any) {
	t.Helper()
	a := post(t, client, tokenURL, form)
	return a.status, a.body
}

// oboForm is a request that the default configuration grants, with more or other
// parameters.
func oboForm(assertion string, more ...string) url.Values {
	form := url.Values{
		"grant_type":          {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
		"requested_token_use": {"on_behalf_of"},
		"client_id":           {entratest.DefaultClientID},
		"client_secret":       {entratest.DefaultClientSecret},
		"assertion":           {assertion},
		"scope":               {"https://vault.azure.net/.default openid offline_access profile"},
		"client_info":         {"1"},
	}
	for i := 0; i < len(more); i += 2 {
		form[more[i]] = []string{more[i+1]}
	}
	return form
}

func TestOnBehalfOfAndRefresh(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	client := e.Transport().Client()
	assertion, err := e.UserToken(entratest.DefaultUsername, entratest.DefaultClientID)
	if err != nil {
		t.Fatal(err)
	}
	status, body := postForm(t, client, oboForm(assertion))
	if status != http.StatusOK || body["refresh_token"] == nil || body["id_token"] == nil || body["client_info"] == nil {
		t.Fatalf("got %d %v", status, body)
	}
	if scope, _ := body["scope"].(string); !strings.Contains(scope, "https://vault.azure.net/user_impersonation") || !strings.Contains(scope, "/.default") {
		t.Errorf("scope %q", scope)
	}
	claims := claimsOf(t, body["access_token"].(string))
	if claims["aud"] != "https://vault.azure.net" || claims["scp"] != "user_impersonation" ||
		claims["preferred_username"] != entratest.DefaultUsername || claims["azp"] != entratest.DefaultClientID {
		t.Errorf("claims %v", claims)
	}
	id := claimsOf(t, body["id_token"].(string))
	if id["aud"] != entratest.DefaultClientID || id["oid"] != claims["oid"] {
		t.Errorf("ID token %v", id)
	}

	refresh := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {body["refresh_token"].(string)}, "scope": {"https://storage.azure.com/.default offline_access"},
		"client_id": {entratest.DefaultClientID}, "client_secret": {entratest.DefaultClientSecret},
	}
	status, next := postForm(t, client, refresh)
	if status != http.StatusOK || next["refresh_token"] == refresh.Get("refresh_token") || next["id_token"] != nil {
		t.Errorf("got %d %v", status, next)
	}
	if aud := claimsOf(t, next["access_token"].(string))["aud"]; aud != "https://storage.azure.com" {
		t.Errorf("audience %v", aud)
	}
	e.RevokeRefreshTokens(entratest.DefaultUsername)
	status, refused := postForm(t, client, refresh)
	if status != http.StatusBadRequest || refused["error"] != "invalid_grant" || refused["suberror"] != "bad_token" {
		t.Errorf("after revocation: got %d %v", status, refused)
	}
	for _, entry := range e.Journal() {
		if entry.Form.Get("assertion") == assertion || entry.Form.Get("refresh_token") == refresh.Get("refresh_token") {
			t.Errorf("the journal holds a token: %v", entry.Form)
		}
	}
}

// A chain of services: the token that one API gets is what the next exchanges.
func TestOnBehalfOfChain(t *testing.T) {
	t.Parallel()
	tenant := entratest.DefaultTenant()
	const next = "20000000-bbbb-4bbb-8bbb-000000000002"
	tenant.Applications = append(tenant.Applications, entratest.Application{ClientID: next, Secrets: []entratest.Secret{{Value: "next-secret"}}})
	e := newEmulator(t, &entratest.Config{Tenants: []entratest.Tenant{tenant}})
	client := e.Transport().Client()
	assertion, err := e.UserToken(entratest.DefaultUsername, "api://"+entratest.DefaultClientID)
	if err != nil {
		t.Fatal(err)
	}
	_, first := postForm(t, client, oboForm(assertion, "scope", "api://"+next+"/.default"))
	status, second := postForm(t, client, oboForm(first["access_token"].(string), "client_id", next, "client_secret", "next-secret"))
	if status != http.StatusOK || claimsOf(t, second["access_token"].(string))["azp"] != next {
		t.Errorf("got %d %v", status, second)
	}
}

func TestOnBehalfOfRefusals(t *testing.T) {
	t.Parallel()
	tenant := entratest.DefaultTenant()
	tenant.Users = append(tenant.Users, entratest.User{Username: "gone@emulator.example.com", Disabled: true})
	e := newEmulator(t, &entratest.Config{Tenants: []entratest.Tenant{tenant}})
	client := e.Transport().Client()
	mint := func(user, audience string, options ...entratest.UserTokenOption) string {
		tok, err := e.UserToken(user, audience, options...)
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	good := mint(entratest.DefaultUsername, entratest.DefaultClientID)
	for name, test := range map[string]struct {
		form url.Values
		code float64
	}{
		"no assertion":   {oboForm(""), 900144},
		"other use":      {oboForm(good, "requested_token_use", "other"), 900144},
		"other audience": {oboForm(mint(entratest.DefaultUsername, "api://other")), 500131},
		"expired":        {oboForm(mint(entratest.DefaultUsername, entratest.DefaultClientID, entratest.Lasting(-time.Hour))), 500133},
		"disabled":       {oboForm(mint("gone@emulator.example.com", entratest.DefaultClientID)), 50057},
		"tampered":       {oboForm(good[:len(good)-8] + "AAAAAAAA"), 50013},
		"garbage":        {oboForm("garbage"), 50013},
		"two resources":  {oboForm(good, "scope", "https://a.example/x https://b.example/y"), 28000},
		"no scope":       {oboForm(good, "scope", ""), 900144},
		"wrong secret":   {oboForm(good, "client_secret", "wrong"), 7000215},
		"no refresh":     {oboForm(good, "grant_type", "refresh_token"), 900144},
		"bad refresh":    {oboForm(good, "grant_type", "refresh_token", "refresh_token", "x"), 70000},
	} {
		status, body := postForm(t, client, test.form)
		codes, _ := body["error_codes"].([]any)
		if status < 400 || len(codes) != 1 || codes[0] != test.code {
			t.Errorf("%s: got %d %v, want code %v", name, status, body, test.code)
		}
		if entry, _ := e.LastRequest(entratest.EndpointToken); entry.Reason == "" {
			t.Errorf("%s: the journal has no reason", name)
		}
	}
	if _, err := e.UserToken("nobody@emulator.example.com", "x"); err == nil {
		t.Error("a token for nobody")
	}
	if _, err := e.UserToken(entratest.DefaultUsername, "x", entratest.InTenant("nowhere")); err == nil {
		t.Error("a token in no tenant")
	}
}

func TestUsersAreValidated(t *testing.T) {
	t.Parallel()
	tenant := entratest.DefaultTenant()
	tenant.Users = []entratest.User{{Username: "nobody"}, {Username: "a@b.example", ID: "x"}, {Username: "A@b.example"}}
	_, err := entratest.New(&entratest.Config{Tenants: []entratest.Tenant{tenant}})
	for _, want := range []string{"tenants[0].users[0].username", "tenants[0].users[1].id", "tenants[0].users[2]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s in it", err, want)
		}
	}
}
