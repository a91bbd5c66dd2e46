//go:build interop

package interop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

// verifiedUser has to pass multifactor authentication, which a password alone cannot.
const verifiedUser = "verified@" + entratest.DefaultTenantDomain

// Emulators for people, by what flow.host says beside the names of azid emulator --host.
const (
	people        = "people"
	peopleTooLate = "people, too late"
)

// clientOf is the application that a peer signs people in to. Each has one of its own, by
// which its requests are found in the journal: not all of them name a resource.
func clientOf(p peer) string {
	i := slices.IndexFunc(peers, func(other peer) bool { return other.name == p.name })
	return fmt.Sprintf("20000000-bbbb-4bbb-8bbb-0000000001%02d", i)
}

// startPeopleEmulator starts one with people, and with a browser for those who are asked
// to sign in.
func startPeopleEmulator(t *testing.T, host string) *emulator {
	t.Helper()
	tenant := entratest.DefaultTenant()
	tenant.Users = append(tenant.Users, entratest.User{
		Username: verifiedUser, Password: entratest.DefaultPassword, Conditions: entratest.Conditions{MFA: true},
	})
	for _, p := range peers {
		tenant.Applications = append(tenant.Applications, entratest.Application{
			ClientID: clientOf(p), Name: p.name, PublicRedirectURIs: []string{entratest.DefaultPublicRedirectURI},
		})
	}
	cfg := entratest.Config{Tenants: []entratest.Tenant{tenant}, DeviceCodes: entratest.DeviceCodes{Interval: time.Second}}
	listen := "localhost:443" // where MSAL for Python asks for user realms, whatever the authority's port
	if host == peopleTooLate {
		cfg.DeviceCodes.Outcome, listen = entratest.DeviceExpired, "localhost:0"
	}
	e := startEmulator(t, "application", "--listen", listen, "--seed", writeSeed(t, &cfg))
	e.environment["PATH"], e.environment["BROWSER"] = withBrowser(t, "here")
	return e
}

func writeSeed(t *testing.T, cfg *entratest.Config) string {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "seed.json")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// decide answers for the person who is shown a device code, if there is one.
func (e *emulator) decide(do ask, userCode string) error {
	if do.nobody {
		return nil
	}
	text, err := json.Marshal(map[string]any{"userCode": userCode, "user": do.Username, "deny": do.deny})
	if err != nil {
		return err
	}
	resp, err := e.client.Post(e.authority+"/_emulator/devicecodes", "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 {
		body, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("the device code is not to be decided on: %s %s", resp.Status, body)
	}
	return nil
}

// requestsOf returns the requests of a peer's application so far.
func (e *emulator) requestsOf(t *testing.T, client string) []entratest.Entry {
	t.Helper()
	return slices.DeleteFunc(e.journal(t), func(r entratest.Entry) bool { return r.ClientID != client })
}

// steps says what requests were for, in order. Polls that found nobody yet do not count.
func steps(requests []entratest.Entry) string {
	var all []string
	for _, r := range requests {
		switch {
		case r.Endpoint == entratest.EndpointToken && r.Error == "authorization_pending":
		case r.Endpoint == entratest.EndpointToken:
			grant := strings.TrimPrefix(r.GrantType, "urn:ietf:params:oauth:grant-type:")
			all = append(all, fmt.Sprintf("%s %d", grant, r.Status))
		default:
			all = append(all, string(r.Endpoint))
		}
	}
	return strings.Join(all, ", ")
}

// steps are those that the flow takes.
func (f flow) steps() string {
	last := "200"
	if f.fails() {
		last = "400"
	}
	all := map[string]string{
		"deviceCode": "deviceCode, device_code ", "password": "password ", "browser": "authorize, authorization_code ",
	}[f.credential] + last
	if f.then == thenOther {
		all += ", refresh_token 200"
	}
	return all
}

// checkPeople is checkRequests for people. It holds for flows that are refused, and for
// what a peer cannot do, as well, unless it lacks the credential.
func checkPeople(t *testing.T, p peer, f flow, requests []entratest.Entry, why cannot) (version string) {
	t.Helper()
	if why.why == noAIOPeople {
		if len(requests) > 0 {
			t.Errorf("there are %d requests of a credential that there is not", len(requests))
		}
		return ""
	}
	if got, want := steps(requests), f.steps(); got != want {
		t.Errorf("the requests were %q, want %q", got, want)
	}
	for _, r := range requests {
		if r.Endpoint == entratest.EndpointAuthorize {
			if r.Query.Get("code_challenge_method") != "S256" {
				t.Error("the browser was sent off without PKCE")
			}
			continue
		}
		if r.Form.Has("client_secret") || r.Form.Has("client_assertion") {
			t.Error("a public client proved itself")
		}
		agent := p.agent.FindStringSubmatch(r.Header.Get("User-Agent"))
		if agent == nil {
			t.Fatalf("the request came from %q, want %v", r.Header.Get("User-Agent"), p.agent)
		}
		version = agent[1]
	}
	return version
}

// browserVar marks the copy of this program that is a browser.
const browserVar = "AZID_INTEROP_BROWSER"

// withBrowser returns a PATH on which the system's browser is this program, and the
// command for it. how is the variable's value there.
func withBrowser(t *testing.T, how string) (path, command string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	command = filepath.Join(dir, "xdg-open")
	script := fmt.Sprintf("#!/bin/sh\n%s='%s' exec '%s' \"$@\"\n", browserVar, how, self)
	if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir + ":" + os.Getenv("PATH"), command
}

var (
	accountButton = regexp.MustCompile(`name="account" value="([^"]*)"[^\n]*` + regexp.QuoteMeta(entratest.DefaultUsername))
	inputField    = regexp.MustCompile(`<input[^>]* name="([^"]*)" value="([^"]*)"`)
	formAction    = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
)

// openBrowser is what this program does as a browser. The variable says to whom to hand
// the address, if it is somebody's: see browserOf.
func openBrowser(address string) error {
	owner := os.Getenv(browserVar)
	if !strings.HasPrefix(owner, "http://") {
		return browse(http.DefaultTransport, address)
	}
	resp, err := http.Post(owner, "text/plain", strings.NewReader(address))
	if err == nil {
		err = resp.Body.Close()
	}
	return err
}

// browse is a browser, and the default user in front of it: it picks the account, enters
// the password, and goes where it is sent, until it is back at an application.
func browse(transport http.RoundTripper, address string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: transport, Jar: jar, Timeout: time.Minute}
	client.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		if via[len(via)-1].URL.Scheme == "http" {
			return http.ErrUseLastResponse // the application has what it waits for, and may be gone
		}
		return nil
	}
	resp, err := client.Get(address)
	for err == nil {
		at := resp.Request.URL
		var page []byte
		page, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if at.Scheme == "http" || err != nil {
			return err // back at the application
		}
		target := formAction.FindSubmatch(page)
		if target == nil {
			return fmt.Errorf("the page %s has no form: %s", at.Path, page)
		}
		form := url.Values{}
		for _, field := range inputField.FindAllSubmatch(page, -1) {
			form.Set(string(field[1]), html.UnescapeString(string(field[2])))
		}
		account := accountButton.FindSubmatch(page)
		switch {
		case strings.Contains(string(page), `name="passwd"`):
			form.Set("passwd", entratest.DefaultPassword)
			form.Set("do", "password")
		case account != nil:
			form = url.Values{"signin_token": form["signin_token"], "do": {"account"}, "account": {string(account[1])}}
		case form.Get("code") == "":
			return errors.New("what is to be done on this page? " + string(page))
		}
		var to *url.URL
		if to, err = at.Parse(html.UnescapeString(string(target[1]))); err == nil {
			resp, err = client.PostForm(to.String(), form)
		}
	}
	return err
}
