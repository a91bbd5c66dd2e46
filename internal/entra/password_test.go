package entra_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/holdoff"
	"github.com/azid-go/azidentity/internal/secret"
)

// wellKept is a password with all that encodings trip over. It appears nowhere.
const wellKept = ` <p&ss'w"örd>%+ ` + "\t]]> "

// federatedDirectory has managed and federated users, in four domains.
func federatedDirectory() entratest.Tenant {
	d := entratest.DefaultTenant()
	d.Domains = append(d.Domains, "federated.example.com", "old.example.com", "new.example.com", "ping.example.com")
	d.FederatedDomains = []entratest.FederatedDomain{
		{Domain: "federated.example.com"},
		{Domain: "old.example.com", Version: "2005", Host: "adfs.old.example.com"},
		{Domain: "new.example.com", Version: "1.3", SAML2: true},
		{Domain: "ping.example.com", Protocol: "SAMLP"},
	}
	for _, u := range []entratest.User{
		{Username: "managed@emulator.example.com"}, {Username: "o'brien@federated.example.com"}, {Username: "u@old.example.com"}, {Username: "u@new.example.com"}, {Username: "u@ping.example.com"},
		{Username: "mfa@emulator.example.com", Conditions: entratest.Conditions{MFA: true}},
		{Username: "mfa@federated.example.com", Conditions: entratest.Conditions{MFA: true}},
		{Username: "register@emulator.example.com", Conditions: entratest.Conditions{RegisterMFA: true}},
		{Username: "expired@emulator.example.com", PasswordExpired: true},
		{Username: "gone@emulator.example.com", Disabled: true},
	} {
		u.Password = wellKept
		d.Users = append(d.Users, u)
	}
	return d
}

func TestPassword(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{Tenants: []entratest.Tenant{federatedDirectory()}})
	for _, tc := range []struct {
		user, password string
		endpoints      string // of the requests
		path           string // of the one to a federation server, if any
		code           int    // of the refusal, if any
		fails          string
		needsPerson    bool
	}{
		{"managed@emulator.example.com", wellKept, "userRealm token", "", 0, "", false},
		{"o'brien@federated.example.com", wellKept, "userRealm federationServer federationServer token", "sts.federated.example.com/adfs/services/trust/13/usernamemixed", 0, "", false},
		{"u@old.example.com", wellKept, "userRealm federationServer federationServer token", "adfs.old.example.com/adfs/services/trust/2005/usernamemixed", 0, "", false},
		{"u@new.example.com", wellKept, "userRealm federationServer federationServer token", "sts.new.example.com/adfs/services/trust/13/usernamemixed", 0, "", false},
		{"u@ping.example.com", wellKept, "userRealm", "", 0, "only WS-Trust takes passwords; use a credential that shows a sign-in page", false},
		{"managed@emulator.example.com", wellKept + "x", "userRealm token", "", 50126, "AADSTS50126", false},
		{"managed@emulator.example.com", strings.TrimSpace(wellKept), "userRealm token", "", 50126, "AADSTS50126", false},
		{"u@old.example.com", "wrong&secret", "userRealm federationServer federationServer", "adfs.old.example.com/adfs/services/trust/2005/usernamemixed", 0, "refused the user name or the password", false},
		{"nobody@emulator.example.com", wellKept, "userRealm token", "", 50034, "AADSTS50034", false},
		{"nobody@unknown.example.com", wellKept, "userRealm token", "", 50034, "AADSTS50034", false},
		{"mfa@emulator.example.com", wellKept, "userRealm token", "", 50076, "AADSTS50076", true},
		{"mfa@federated.example.com", wellKept, "userRealm federationServer federationServer token", "sts.federated.example.com/adfs/services/trust/13/usernamemixed", 50076, "AADSTS50076", true},
		{"register@emulator.example.com", wellKept, "userRealm token", "", 50079, "AADSTS50079", true},
		{"expired@emulator.example.com", wellKept, "userRealm token", "", 50055, "AADSTS50055", true},
		{"gone@emulator.example.com", wellKept, "userRealm token", "", 50057, "AADSTS50057", false},
	} {
		e.ResetJournal()
		c := newClient(t, e.Transport())
		token, err := c.Password(t.Context(), userRequest(), tc.user, secret.New(tc.password))
		var endpoints []string
		path := ""
		for _, entry := range e.Journal() {
			endpoints = append(endpoints, string(entry.Endpoint))
			if entry.Endpoint == entratest.EndpointFederationServer {
				path = entry.Host + entry.Path
			}
			if strings.Contains(fmt.Sprintf("%+v", entry), wellKept[:6]) {
				t.Errorf("%s: the journal has the password", tc.user)
			}
		}
		if got := strings.Join(endpoints, " "); got != tc.endpoints || path != tc.path {
			t.Errorf("%s: asked %s (%s), want %s (%s)", tc.user, got, path, tc.endpoints, tc.path)
		}
		if tc.fails == "" {
			if err != nil {
				t.Errorf("%s: %v", tc.user, err)
				continue
			}
			account, err := c.Account(t.Context(), userRequest(), token, "")
			if err != nil || account.Username != tc.user {
				t.Errorf("%s: got %+v, %v", tc.user, account, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tc.fails) {
			t.Errorf("%s: got %v, want %q", tc.user, err, tc.fails)
			continue
		}
		var refused *entra.Error
		if errors.As(err, &refused) != (tc.code != 0) || refused != nil && (!refused.Has(tc.code) || refused.NeedsPerson() != tc.needsPerson) {
			t.Errorf("%s: got %#v, want %d", tc.user, err, tc.code)
		}
		if refused != nil {
			if _, ok := refused.AdviceFor(); !ok {
				t.Errorf("%s: %v comes without advice", tc.user, err)
			}
		}
		var federation *entra.FederationError
		if errors.As(err, &federation) && (federation.Domain == "" || federation.Refused != strings.Contains(tc.fails, "refused")) {
			t.Errorf("%s: got %+v", tc.user, federation)
		}
		if all := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(all, strings.TrimSpace(tc.password)) {
			t.Errorf("%s: the error has the password: %s", tc.user, all)
		}
	}
}

// organizations stands for the tenant of the user's domain; ADFS has no user realms.
func TestPasswordElsewhere(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{Tenants: []entratest.Tenant{federatedDirectory()}})
	r := userRequest()
	r.Tenant = "organizations"
	for _, user := range []string{"managed@emulator.example.com", "u@new.example.com"} {
		if _, err := newClient(t, e.Transport()).Password(t.Context(), r, user, secret.New(wellKept)); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
	r.Tenant = "common"
	var refused *entra.Error
	if _, err := newClient(t, e.Transport()).Password(t.Context(), r, "managed@emulator.example.com", secret.New(wellKept)); !errors.As(err, &refused) || !refused.Has(9001023) {
		t.Errorf("common: got %v", err)
	}
	e.ResetJournal()
	r.Tenant = "adfs"
	if _, err := newClient(t, e.Transport(), at(t, "adfs.contoso.example")).Password(t.Context(), r, "managed@emulator.example.com", secret.New(wellKept)); err != nil {
		t.Error(err)
	}
	if n := e.CountRequests(entratest.EndpointUserRealm); n != 0 {
		t.Errorf("ADFS was asked for %d user realms", n)
	}
}

// A server in the place of the authority and of the federation, with odd answers.
func TestPasswordOddAnswers(t *testing.T) {
	t.Parallel()
	const realm = `{"account_type":"federated","domain_name":"contoso.example","federation_protocol":"wstrust","federation_metadata_url":"https://sts.contoso.example/mex"}`
	const mex = `<d:definitions xmlns:d="http://schemas.xmlsoap.org/wsdl/" xmlns:p="http://schemas.xmlsoap.org/ws/2004/09/policy" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:u="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd" xmlns:sp="http://schemas.xmlsoap.org/ws/2005/07/securitypolicy">` +
		`<p:Policy u:Id="P"><sp:TransportBinding/><sp:SignedSupportingTokens><sp:UsernameToken><sp:WssUsernameToken10/></sp:UsernameToken></sp:SignedSupportingTokens></p:Policy>` +
		`<d:binding name="B"><p:PolicyReference URI="#P"/><s:binding transport="http://schemas.xmlsoap.org/soap/http"/><d:operation><s:operation soapAction="http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue"/></d:operation></d:binding>` +
		`<d:port binding="x:B"><s:address location="https://sts.contoso.example/2005"/></d:port></d:definitions>`
	const fault = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Subcode><s:Value>x:FailedAuthentication</s:Value></s:Subcode></s:Code><s:Reason><s:Text>no: hunter2-is-long-enough &amp; wrong</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>`
	for _, tc := range []struct {
		name                   string
		realm, mex, trust      func(*http.Request) (*http.Response, error)
		requests               int
		fails                  string
		refusedByFederation    bool
		federation, authoritys bool // the type of the error
	}{
		{"no realms here", status(404, ""), nil, nil, 2, "", false, false, false},
		{"managed", status(200, `{"account_type":"Managed"}`), nil, nil, 2, "", false, false, false},
		{"unknown", status(200, `{"account_type":"Unknown"}`), nil, nil, 2, "", false, false, false},
		{"the realm is a web page", status(200, "<html><title>Proxy</title>"), nil, nil, 1, "web page", false, false, true},
		{"the realm is refused", status(403, "no"), nil, nil, 1, "HTTP status 403", false, false, true},
		{"metadata without TLS", status(200, strings.Replace(realm, "https:", "http:", 1)), nil, nil, 1, "not an https URL", false, true, false},
		{"no metadata", status(200, realm), status(404, ""), nil, 2, "HTTP status 404", false, true, false},
		{"metadata is no XML", status(200, realm), status(200, "<html>"), nil, 2, "not well-formed", false, true, false},
		{"metadata has a DTD", status(200, realm), status(200, `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>`+mex), nil, 2, "document type", false, true, false},
		{"metadata has no endpoint", status(200, realm), status(200, "<a/>"), nil, 2, "no https endpoint", false, true, false},
		{"wrong password", status(200, realm), status(200, mex), status(500, fault), 3, "refused the user name or the password", true, true, false},
		{"another fault", status(200, realm), status(200, mex), status(500, strings.Replace(fault, "FailedAuthentication", "Other", 1)), 3, "(Other)", false, true, false},
		{"SOAP 1.1", status(200, realm), status(200, mex), status(500, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Server</faultcode><faultstring>down</faultstring></s:Fault></s:Body></s:Envelope>`), 3, "down (Server)", false, true, false},
		{"overloaded", status(200, realm), status(200, mex), status(503, "later"), 3, "HTTP status 503", false, true, false},
		{"broken", status(200, realm), status(200, mex), broken, 3, "cannot be reached: connection reset", false, true, false},
		{"no assertion", status(200, realm), status(200, mex), status(200, `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>`), 3, "no security token", false, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			n := 0
			transport := transporter(func(r *http.Request) (*http.Response, error) {
				n++
				var body []byte
				if r.Body != nil {
					body, _ = io.ReadAll(r.Body)
				}
				if held := strings.Contains(string(body), "hunter2"); held && r.URL.Path == "/mex" || r.URL.Path == "/2005" && !held {
					t.Errorf("%s was sent %q", r.URL, body)
				}
				switch {
				case strings.Contains(r.URL.Path, "/userrealm/"):
					return tc.realm(r)
				case r.URL.Path == "/mex":
					return tc.mex(r)
				case r.URL.Path == "/2005":
					if got := r.Header.Get("Content-Type") + r.Header.Get("SOAPAction"); got != "application/soap+xml; charset=utf-8http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue" {
						t.Errorf("headers %s", got)
					}
					return tc.trust(r)
				}
				return granted(r)
			})
			_, err := newClient(t, &transport).Password(t.Context(), userRequest(), "a+b/c@contoso.example", secret.New("hunter2-is-long-enough"))
			if n != tc.requests {
				t.Errorf("%d requests, want %d", n, tc.requests)
			}
			if (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
				t.Fatalf("got %v, want %q", err, tc.fails)
			}
			var federation *entra.FederationError
			var refused *entra.Error
			if errors.As(err, &federation) != tc.federation || errors.As(err, &refused) != tc.authoritys || federation != nil && (federation.Refused != tc.refusedByFederation || federation.Domain != "contoso.example") {
				t.Errorf("got %#v", err)
			}
			if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}

// A program that asks with the wrong password in a loop does not lock the account at
// once; another password is tried.
func TestFederationIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{Tenants: []entratest.Tenant{federatedDirectory()}})
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, e.Transport())
		ask := func(password string) error {
			_, err := c.Password(t.Context(), userRequest(), "u@new.example.com", secret.New(password))
			return err
		}
		for range 10 {
			var federation *entra.FederationError
			if err := ask("wrong"); !errors.As(err, &federation) || !federation.Refused {
				t.Errorf("got %v", err)
			}
		}
		asked := len(e.Requests(func(entry entratest.Entry) bool { return strings.HasSuffix(entry.Path, "/usernamemixed") }))
		if asked != holdoff.Tries+1 {
			t.Errorf("the server was asked %d times, want %d", asked, holdoff.Tries+1)
		}
		if err := ask(wellKept); err != nil {
			t.Error(err)
		}
		time.Sleep(holdoff.Pause)
		var again *holdoff.Remembered
		if err := ask("wrong"); err == nil || errors.As(err, &again) {
			t.Errorf("got %v", err)
		}
	})
}

// Whose server it was stands in the error, and a caller's deadline is found in it.
func TestFederationError(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{Tenants: []entratest.Tenant{federatedDirectory()}})
	e.Inject(entratest.Fault{Endpoint: entratest.EndpointFederationServer, Status: http.StatusTeapot, Skip: 1})
	_, err := newClient(t, e.Transport()).Password(t.Context(), userRequest(), "u@new.example.com", secret.New(wellKept))
	var federation *entra.FederationError
	if !errors.As(err, &federation) || federation.Server != "sts.new.example.com" || !strings.Contains(err.Error(), "418") {
		t.Errorf("got %v", err)
	}
	e.ClearFaults()
	e.Inject(entratest.Fault{Endpoint: entratest.EndpointFederationServer, Latency: time.Hour, Skip: 1})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err := newClient(t, e.Transport()).Password(ctx, userRequest(), "u@new.example.com", secret.New(wellKept))
		if !errors.As(err, &federation) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second || !strings.Contains(err.Error(), "cannot be reached") {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}
