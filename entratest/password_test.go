package entratest_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

func passwordForm(user, password string, more ...string) url.Values {
	return nativeForm("password", append([]string{"username", user, "password", password}, more...)...)
}

// conditioned is a directory with a user for each condition, all with one password.
func conditioned() *entratest.Config {
	d := entratest.DefaultTenant()
	for name, c := range map[string]entratest.Conditions{
		"mfa": {MFA: true}, "register": {RegisterMFA: true}, "device": {CompliantDevice: true}, "blocked": {Blocked: true},
		"context": {AuthContexts: []string{"c1"}}, "vault": {MFA: true, Resources: []string{"https://vault.azure.net"}},
	} {
		d.Users = append(d.Users, entratest.User{Username: name + "@emulator.example.com", Password: "pw", Conditions: c})
	}
	d.Users = append(d.Users, entratest.User{Username: "expired@emulator.example.com", Password: "pw", PasswordExpired: true},
		entratest.User{Username: "none@emulator.example.com"}, entratest.User{Username: "gone@emulator.example.com", Password: "pw", Disabled: true})
	d.Applications = append(d.Applications,
		entratest.Application{ClientID: "20000000-bbbb-4bbb-8bbb-00000000000a", Name: "asks", PublicRedirectURIs: []string{"http://localhost"}, ConsentRequired: true},
		entratest.Application{ClientID: "20000000-bbbb-4bbb-8bbb-00000000000b", Name: "family", PublicRedirectURIs: []string{"http://localhost"}, FamilyID: "1"},
		entratest.Application{ClientID: "20000000-bbbb-4bbb-8bbb-00000000000c", Name: "stranger", PublicRedirectURIs: []string{"http://localhost"}},
		entratest.Application{ClientID: "20000000-bbbb-4bbb-8bbb-00000000000d", Name: "web", Secrets: []entratest.Secret{{Value: "s"}}})
	return &entratest.Config{Tenants: []entratest.Tenant{d}, LockoutThreshold: 3}
}

func TestPasswordGrant(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, conditioned())
	got := post(t, e.Transport(), tokenURL, passwordForm(entratest.DefaultUsername, entratest.DefaultPassword))
	if got.status != 200 || claimsOf(t, got.text("access_token"))["preferred_username"] != entratest.DefaultUsername || got.text("refresh_token") == "" {
		t.Errorf("got %d %v", got.status, got.body)
	}
	confidential := passwordForm(entratest.DefaultUsername, entratest.DefaultPassword, "client_id", "20000000-bbbb-4bbb-8bbb-00000000000d", "client_secret", "s")
	if got := post(t, e.Transport(), tokenURL, confidential); got.status != 200 {
		t.Errorf("a web application: got %d %v", got.status, got.body)
	}
	for _, tc := range []struct {
		form             url.Values
		oauth            string
		code             int
		claims, reason   string
		suberror, tenant string
	}{
		{passwordForm(entratest.DefaultUsername, "wrong"), "invalid_grant", 50126, "", "wrong 1 times", "", ""},
		{passwordForm("nobody@emulator.example.com", "pw"), "invalid_grant", 50034, "", "has no user", "", ""},
		{passwordForm("none@emulator.example.com", "pw"), "invalid_grant", 50126, "", "", "", ""},
		{passwordForm("gone@emulator.example.com", "pw"), "invalid_grant", 50057, "", "disabled", "", ""},
		{passwordForm("expired@emulator.example.com", "pw"), "invalid_grant", 50055, "", "expired", "user_password_expired", ""},
		{passwordForm("mfa@emulator.example.com", "pw"), "invalid_grant", 50076, `"capolids":{"essential":true,"values":["`, "conditions say mfa", "basic_action", ""},
		{passwordForm("register@emulator.example.com", "pw"), "invalid_grant", 50079, `"capolids"`, "registerMfa", "basic_action", ""},
		{passwordForm("device@emulator.example.com", "pw"), "invalid_grant", 53000, `"capolids"`, "compliantDevice", "message_only", ""},
		{passwordForm("blocked@emulator.example.com", "pw"), "invalid_grant", 53003, `"capolids"`, "blocked", "message_only", ""},
		{passwordForm("context@emulator.example.com", "pw", "claims", `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`), "invalid_grant", 50076, `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`, "authentication context c1", "basic_action", ""},
		{passwordForm(entratest.DefaultUsername, entratest.DefaultPassword, "client_id", "20000000-bbbb-4bbb-8bbb-00000000000a"), "invalid_grant", 65001, "", "not consented", "consent_required", ""},
		{passwordForm("", "pw"), "invalid_request", 900144, "", "no username", "", ""},
		{passwordForm(entratest.DefaultUsername, ""), "invalid_request", 900144, "", "no password", "", ""},
		{passwordForm(entratest.DefaultUsername, entratest.DefaultPassword), "invalid_request", 9001023, "", "needs a tenant", "", "common"},
	} {
		target := tokenURL
		if tc.tenant != "" {
			target = strings.Replace(target, entratest.DefaultTenantID, tc.tenant, 1)
		}
		got := post(t, e.Transport(), target, tc.form)
		wantRefused(t, e, got, 400, tc.oauth, tc.code, tc.reason)
		if !strings.Contains(got.text("claims"), tc.claims) || (tc.claims == "") != (got.text("claims") == "") || got.text("suberror") != tc.suberror {
			t.Errorf("%d: claims %q, suberror %q", tc.code, got.text("claims"), got.text("suberror"))
		}
	}
	secretless := passwordForm(entratest.DefaultUsername, entratest.DefaultPassword, "client_id", "20000000-bbbb-4bbb-8bbb-00000000000d")
	wantRefused(t, e, post(t, e.Transport(), tokenURL, secretless), 401, "invalid_client", 7000218, "neither")
	// Conditions for one resource, and contexts that nobody asks for, are met elsewhere.
	for _, user := range []string{"vault", "context"} {
		if got := post(t, e.Transport(), tokenURL, passwordForm(user+"@emulator.example.com", "pw")); got.status != 200 {
			t.Errorf("%s: got %d %v", user, got.status, got.body)
		}
	}
	wantRefused(t, e, post(t, e.Transport(), tokenURL, passwordForm("vault@emulator.example.com", "pw", "scope", scope)), 400, "invalid_grant", 50076, "conditions say mfa")
	if err := e.Consent(entratest.DefaultUsername, "20000000-BBBB-4bbb-8bbb-00000000000a"); err != nil {
		t.Fatal(err)
	}
	if got := post(t, e.Transport(), tokenURL, passwordForm(entratest.DefaultUsername, entratest.DefaultPassword, "client_id", "20000000-bbbb-4bbb-8bbb-00000000000a")); got.status != 200 {
		t.Errorf("after consent: got %d %v", got.status, got.body)
	}
	for _, entry := range e.Journal() {
		if strings.Contains(fmt.Sprint(entry.Form), entratest.DefaultPassword) {
			t.Fatalf("the journal has a password: %v", entry.Form)
		}
	}
}

func TestLockout(t *testing.T) {
	t.Parallel()
	clock := new(movingClock)
	cfg := conditioned()
	cfg.Clock = clock.now
	e := newEmulator(t, cfg)
	ask := func(password string) answer {
		return post(t, e.Transport(), tokenURL, passwordForm(entratest.DefaultUsername, password))
	}
	for range 2 {
		wantRefused(t, e, ask("wrong"), 400, "invalid_grant", 50126, "")
	}
	if got := ask(entratest.DefaultPassword); got.status != 200 {
		t.Fatalf("got %d %v", got.status, got.body)
	}
	for range 3 {
		wantRefused(t, e, ask("wrong"), 400, "invalid_grant", 50126, "")
	}
	wantRefused(t, e, ask(entratest.DefaultPassword), 400, "invalid_grant", 50053, "locked until")
	clock.advance(time.Minute)
	if got := ask(entratest.DefaultPassword); got.status != 200 {
		t.Errorf("a minute later: got %d %v", got.status, got.body)
	}
}

// What is asked of a user holds for later grants too, until a sign-in has met it.
func TestConditionsAtOtherGrants(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, conditioned())
	const user = "mfa@emulator.example.com"
	// On behalf of: the middle tier learns what its client has to bring.
	assertion := func(options ...entratest.UserTokenOption) string {
		s, err := e.UserToken(user, entratest.DefaultClientID, options...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	got := post(t, e.Transport(), tokenURL, oboForm(assertion()))
	wantRefused(t, e, got, 400, "interaction_required", 50076, "conditions say mfa")
	if !strings.Contains(got.text("claims"), "capolids") {
		t.Errorf("got %v", got.body)
	}
	got = post(t, e.Transport(), tokenURL, oboForm(assertion(entratest.WithSignIn(entratest.SignIn{MFA: true}))))
	if amr := claimsOf(t, got.text("access_token"))["amr"]; got.status != 200 || fmt.Sprint(amr) != "[pwd mfa]" {
		t.Errorf("got %d %v, amr %v", got.status, got.body, amr)
	}
	// Refresh tokens remember how the user signed in.
	for _, did := range []entratest.SignIn{{}, {MFA: true}} {
		device := post(t, e.Transport(), deviceURL, nativeForm(""))
		if err := e.ApproveDeviceCode(device.text("user_code"), "vault@emulator.example.com", did); err != nil {
			t.Fatal(err)
		}
		first := post(t, e.Transport(), tokenURL, deviceForm(device.text("device_code")))
		got := post(t, e.Transport(), tokenURL, nativeForm("refresh_token", "refresh_token", first.text("refresh_token"), "scope", scope))
		if did.MFA && got.status != 200 {
			t.Errorf("with MFA: got %d %v", got.status, got.body)
		}
		if !did.MFA {
			wantRefused(t, e, got, 400, "interaction_required", 50076, "conditions say mfa")
		}
	}
}

func TestFamilies(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, conditioned())
	first := post(t, e.Transport(), tokenURL, passwordForm(entratest.DefaultUsername, entratest.DefaultPassword))
	refresh := func(token, client string) answer {
		return post(t, e.Transport(), tokenURL, nativeForm("refresh_token", "refresh_token", token, "client_id", client))
	}
	got := refresh(first.text("refresh_token"), "20000000-bbbb-4bbb-8bbb-00000000000b")
	if got.status != 200 || got.text("foci") != "1" || got.text("refresh_token") == first.text("refresh_token") || claimsOf(t, got.text("id_token"))["aud"] != "20000000-bbbb-4bbb-8bbb-00000000000b" {
		t.Errorf("the family: got %d %v", got.status, got.body)
	}
	got = refresh(first.text("refresh_token"), "20000000-bbbb-4bbb-8bbb-00000000000c")
	wantRefused(t, e, got, 400, "invalid_grant", 70000, "is not in it")
	if got.text("suberror") != "client_mismatch" {
		t.Errorf("got %v", got.body)
	}
	alone := post(t, e.Transport(), tokenURL, passwordForm(entratest.DefaultUsername, entratest.DefaultPassword, "client_id", "20000000-bbbb-4bbb-8bbb-00000000000c"))
	if alone.text("foci") != "" || alone.text("refresh_token") == "" {
		t.Errorf("got %v", alone.body)
	}
	wantRefused(t, e, refresh(alone.text("refresh_token"), entratest.DeveloperClientID), 400, "invalid_grant", 70000, "another client's")
}

func TestEndOfSessions(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	password := string(entratest.DefaultPassword)
	ask := func() answer {
		return post(t, e.Transport(), tokenURL, passwordForm(entratest.DefaultUsername, password))
	}
	refresh := func(first answer) answer {
		return post(t, e.Transport(), strings.Replace(tokenURL, entratest.DefaultTenantID, "organizations", 1), nativeForm("refresh_token", "refresh_token", first.text("refresh_token")))
	}
	for name, end := range map[string]func() error{
		"revoked":  func() error { return e.RevokeSessions(entratest.DefaultUsername) },
		"password": func() error { password = "another"; return e.SetPassword(entratest.DefaultUsername, "another") },
	} {
		first := ask()
		if got := refresh(first); got.status != 200 {
			t.Fatalf("%s: got %d %v", name, got.status, got.body)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		got := refresh(first)
		wantRefused(t, e, got, 400, "invalid_grant", 50173, "after the sign-in")
		if got.text("suberror") != "bad_token" {
			t.Errorf("%s: got %v", name, got.body)
		}
		if got := refresh(ask()); got.status != 200 {
			t.Errorf("%s: a new sign-in: got %d %v", name, got.status, got.body)
		}
	}
	wantRefused(t, e, post(t, e.Transport(), tokenURL, passwordForm(entratest.DefaultUsername, entratest.DefaultPassword)), 400, "invalid_grant", 50126, "")
	first := ask()
	if err := e.SetDisabled(entratest.DefaultUsername, true); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, e, ask(), 400, "invalid_grant", 50057, "disabled")
	wantRefused(t, e, refresh(first), 400, "invalid_grant", 50057, "disabled")
	if err := e.SetDisabled(entratest.DefaultUsername, false); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, e, refresh(first), 400, "invalid_grant", 50173, "")
	if got := ask(); got.status != 200 {
		t.Errorf("enabled again: got %d %v", got.status, got.body)
	}
	for _, err := range []error{e.RevokeSessions("x"), e.SetPassword("x", "y"), e.SetDisabled("x", true), e.Consent("x", "y")} {
		if err == nil {
			t.Error("something was done to nobody")
		}
	}
}
