//go:build interop

package interop_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/azid-go/azidentity/entratest"
)

// TestMatrix lets every peer do every flow against azid emulator, and holds
// docs/interop.md to what came of it.
func TestMatrix(t *testing.T) {
	var hosts []string
	emulators := map[string]*emulator{}
	for _, f := range flows {
		if emulators[f.host] == nil {
			hosts = append(hosts, f.host)
			if f.people() {
				emulators[f.host] = startPeopleEmulator(t, f.host)
			} else {
				emulators[f.host] = startEmulator(t, f.host)
			}
		}
	}
	got := newResults()
	t.Run("peers", func(t *testing.T) {
		for _, p := range peers {
			t.Run(p.name, func(t *testing.T) {
				if !p.inProcess {
					t.Parallel()
				}
				for _, host := range hosts {
					t.Run(host, func(t *testing.T) {
						e := emulators[host]
						ask := p.start(t, e)
						for _, f := range flows {
							if f.host != host {
								continue
							}
							t.Run(f.name, func(t *testing.T) {
								do := e.prepare(t, p, f)
								got.add(p, f, e.check(t, p, f, do, ask(t, do)))
							})
						}
					})
				}
			})
		}
	})
	if !t.Failed() && got.complete() { // with -run there may be less
		got.compare(t)
	}
}

// check checks what a peer got and the requests that it sent for that, and returns
// what the page says about it.
func (e *emulator) check(t *testing.T, p peer, f flow, do ask, got answer) result {
	t.Helper()
	why, lacks := f.cannot[p.name]
	requests := e.requestsFor(t, do.resource)
	version := ""
	if f.people() {
		requests = e.requestsOf(t, do.Client)[do.before:]
		version = checkPeople(t, p, f, requests, why)
	}
	problem := got.Error
	if problem == "" {
		problem = e.verify(t, f, do, got)
	}
	switch {
	case lacks && why.says != "":
		if !strings.Contains(problem, why.says) {
			t.Errorf("got %q, want %q: is this no longer so? %s", problem, why.says, why.why)
		}
		return result{cannot: why.why}
	case f.declined:
		if n := len(requests); n == 0 || requests[n-1].Error != "authorization_declined" {
			t.Errorf("the emulator declined none of %d requests", n)
		}
		if !declined.MatchString(got.Error) {
			t.Errorf("got %q, which does not say that somebody declined", got.Error)
		}
		return result{refused: "declined"}
	case f.refused != 0:
		code := fmt.Sprintf("AADSTS%d", f.refused)
		if !strings.Contains(got.Error, code) {
			t.Errorf("got %q, which does not have %s", got.Error, code)
		}
		if len(requests) == 0 || requests[len(requests)-1].Code != f.refused {
			t.Errorf("the emulator refused none of %d requests by %s", len(requests), code)
		}
		return result{refused: code}
	case problem != "":
		t.Fatal(problem)
	}
	if f.people() {
		return result{version: version}
	}
	return result{version: e.checkRequests(t, p, f, lacks, requests), cannot: why.why}
}

// declined is how peers say that the user said no.
var declined = regexp.MustCompile("(?i)declined|denied")

// verify checks a token as the API it is for would, with a library that nobody
// here wrote: issuer and keys by discovery, signature, audience, expiry. It returns
// what is wrong with it.
func (e *emulator) verify(t *testing.T, f flow, do ask, got answer) string {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), e.client)
	issuer := e.authority + "/" + do.Tenant + "/v2.0"
	if f.machine() {
		issuer = strings.TrimSuffix(issuer, "v2.0") // tokens of managed identities are of version 1
	}
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		t.Fatal(err)
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: do.resource}).Verify(ctx, got.Token)
	if err != nil {
		return fmt.Sprintf("the token is not valid: %v", err)
	}
	if _, err := provider.Verifier(&oidc.Config{ClientID: do.resource + "x"}).Verify(ctx, got.Token); err == nil {
		return "the token is valid for another resource as well"
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range f.claims(do) {
		if claims[name] != want {
			return fmt.Sprintf("the token's %s is %v, want %v", name, claims[name], want)
		}
	}
	// Clients count expires_in from when they got it, the token from when it was made.
	if expires := time.Unix(got.ExpiresOn, 0); expires.Sub(token.Expiry).Abs() > 5*time.Second {
		return fmt.Sprintf("the peer says that the token expires at %v, it does at %v", expires.UTC(), token.Expiry.UTC())
	}
	return ""
}

// TestMicrosoftHasNot holds what the matrix says of Microsoft's library for Go: a
// credential that is not there cannot be asked.
func TestMicrosoftHasNot(t *testing.T) {
	t.Parallel()
	if exported(t, microsoftModule).Scope().Lookup("NewAuthorizationCodeCredential") != nil {
		t.Error("there is an AuthorizationCodeCredential: construct it in microsoftCredential")
	}
}

// claims is who the flow's token is for.
func (f flow) claims(do ask) map[string]any {
	switch {
	case f.people():
		return map[string]any{"tid": do.Tenant, "azp": do.Client, "preferred_username": do.Username, "scp": "user_impersonation"}
	case f.machine():
		who := entratest.DefaultManagedIdentities()[0]
		if f.id.kind != "" {
			who = entratest.DefaultManagedIdentities()[1]
		}
		return map[string]any{"tid": entratest.DefaultTenantID, "appid": who.ClientID, "oid": who.ObjectID, "sub": who.ObjectID, "idtyp": "app", "xms_mirid": who.ResourceID}
	case f.credential == "onBehalfOf" || f.credential == "authorizationCode":
		return map[string]any{"tid": entratest.DefaultTenantID, "azp": entratest.DefaultClientID, "preferred_username": entratest.DefaultUsername, "scp": "user_impersonation"}
	}
	return map[string]any{"tid": entratest.DefaultTenantID, "azp": entratest.DefaultClientID, "preferred_username": nil, "scp": nil}
}

// checkRequests checks that the token was got by the peer, in the flow that was
// meant and by no more requests than needed, and returns the peer's version.
func (e *emulator) checkRequests(t *testing.T, p peer, f flow, lacks bool, requests []entratest.Entry) string {
	t.Helper()
	want := 1
	if f.host == "arc" {
		want = 2 // the challenge
	}
	if len(requests) != want {
		t.Fatalf("got %d requests for the token, want %d", len(requests), want)
	}
	r := requests[want-1]
	if r.Status != http.StatusOK {
		t.Errorf("the last request was answered %d", r.Status)
	}
	agent := p.agent.FindStringSubmatch(r.Header.Get("User-Agent"))
	if agent == nil {
		t.Fatalf("the request came from %q, want %v", r.Header.Get("User-Agent"), p.agent)
	}
	if f.machine() {
		if r.Endpoint != machineEndpoints[f.host] {
			t.Errorf("got a request to %s", r.Endpoint)
		}
		return agent[1]
	}
	grant := map[string]string{"onBehalfOf": "urn:ietf:params:oauth:grant-type:jwt-bearer", "authorizationCode": "authorization_code"}[f.credential]
	if grant == "" {
		grant = "client_credentials"
	}
	if r.GrantType != grant {
		t.Errorf("got grant %q, want %q", r.GrantType, grant)
	}
	if want := f.proof == "secret"; want != r.Form.Has("client_secret") {
		t.Errorf("client_secret was sent: %t, want %t", !want, want)
	}
	var subject any
	switch f.proof {
	case "certificate", "chain":
		subject = entratest.DefaultClientID
	case "assertion":
		subject = entratest.DefaultFederatedSubject
	}
	if got := r.AssertionClaims["sub"]; got != subject {
		t.Errorf("got an assertion about %v, want %v", got, subject)
	}
	if _, sent := r.AssertionHeader["x5c"]; sent != (f.proof == "chain" && !lacks) {
		t.Errorf("a chain was sent: %t", sent)
	}
	return agent[1]
}
