package entratest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

func TestDeviceLogin(t *testing.T) {
	t.Parallel()
	clock := new(movingClock)
	cfg := peopled()
	cfg.Clock = clock.now
	e := newEmulator(t, cfg)
	begin := func(tenant string) answer {
		return post(t, e.Transport(), localhost+"/"+tenant+"/oauth2/v2.0/devicecode", nativeForm(""))
	}
	poll := func(a answer) answer { return post(t, e.Transport(), tokenURL, deviceForm(a.text("device_code"))) }

	device := begin(entratest.DefaultTenantID)
	s := newSomeone(t, e)
	s.open(device.text("verification_uri"))
	s.sees("Enter the code")
	s.press("code", "user_code", "ABC-DEF-GHI")
	s.sees("Enter the code", "AADSTS70018", `value="ABC-DEF-GHI"`)
	if entry, _ := e.LastRequest(entratest.EndpointSignIn); strings.Contains(strings.Join(entry.Form["user_code"], ""), "ABC") {
		t.Errorf("the journal has the code: %v", entry.Form)
	}
	s.press("code", "user_code", " "+strings.ToLower(device.text("user_code"))+" ")
	s.sees("Pick an account", "developer sign-on")
	s.pick("Mia")
	s.press("password", "passwd", "right")
	s.press("verify", "verification_code", e.Verifications()[0].Code)
	s.sees("Sign in to developer sign-on?", device.text("user_code"), "mia@emulator.example.com")
	if got := poll(device); got.text("error") != "authorization_pending" {
		t.Errorf("signed in before the person said so: %v", got.body)
	}
	s.press("confirm")
	s.sees("You have signed in", "developer sign-on", "mia@emulator.example.com")
	if claims := claimsOf(t, poll(device).text("access_token")); claims["preferred_username"] != "mia@emulator.example.com" {
		t.Errorf("got %v", claims)
	}

	// Nobody goes on as somebody without seeing it, and may still decline.
	device = begin("organizations")
	s.open(localhost + "/common/oauth2/deviceauth?user_code=" + device.text("user_code"))
	s.sees("Enter the code", `value="`+device.text("user_code")+`"`)
	s.press("code", "user_code", device.text("user_code"))
	s.sees("Pick an account", "Mia", "Olga", "Signed in")
	s.pick("Mia")
	s.sees("Sign in to developer sign-on?")
	s.press("cancel")
	s.sees("You have not signed in", "developer sign-on")
	if got := poll(device); got.text("error") != "authorization_declined" {
		t.Errorf("got %v", got.body)
	}

	// A code that has expired meanwhile.
	device = begin(entratest.DefaultTenantID)
	s.open(device.text("verification_uri"))
	s.press("code", "user_code", device.text("user_code"))
	s.pick("Mia")
	clock.advance(15 * time.Minute)
	s.press("confirm")
	s.sees("You cannot be signed in", "AADSTS70019")

	// Conditions are met here or not at all.
	device = begin(entratest.DefaultTenantID)
	s.open(device.text("verification_uri"))
	s.press("code", "user_code", device.text("user_code"))
	s.pick("Bob")
	s.press("password", "passwd", "right")
	s.sees("You cannot get to this now", "AADSTS53003")
	s.press("cancel")
	s.sees("You have not signed in")
	if got := poll(device); got.text("error") != "authorization_declined" {
		t.Errorf("got %v", got.body)
	}

	// Without a code there is nothing to decline.
	s.open(device.text("verification_uri"))
	s.post(localhost+"/common/login", "signin_token", s.token("signin_token"), "do", "cancel")
	s.sees("You have not signed in", "No device has been signed in")
	s.open(device.text("verification_uri"))
	for _, do := range []string{"account", "username", "another", "return"} {
		s.post(localhost+"/common/login", "signin_token", s.token("signin_token"), "do", do)
		s.sees("Enter the code")
	}
}
