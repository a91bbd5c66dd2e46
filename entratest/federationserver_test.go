package entratest_test

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

// federation is a directory with a federated domain for each version of SAML.
func federation() *entratest.Config {
	d := entratest.DefaultTenant()
	d.Domains = append(d.Domains, "one.example.com", "two.example.com")
	d.FederatedDomains = []entratest.FederatedDomain{{Domain: "One.example.com"}, {Domain: "two.example.com", Host: "login.two.example.com", SAML2: true}}
	d.Users = append(d.Users, entratest.User{Username: "o'neil&co@one.example.com", Password: "p<w"}, entratest.User{Username: "u@two.example.com", Password: "p<w"})
	return &entratest.Config{Tenants: []entratest.Tenant{d}}
}

func TestUserRealm(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, federation())
	for user, want := range map[string]map[string]string{
		entratest.DefaultUsername: {"account_type": "Managed", "domain_name": entratest.DefaultTenantDomain, "federation_metadata_url": ""},
		"x@elsewhere.example.com": {"account_type": "Unknown", "domain_name": ""},
		"nobody":                  {"account_type": "Unknown"},
		"U@Two.example.com": {"account_type": "Federated", "domain_name": "two.example.com", "federation_protocol": "WSTrust", "cloud_audience_urn": "urn:federation:MicrosoftOnline",
			"federation_metadata_url":    "https://login.two.example.com:8443/adfs/services/trust/mex",
			"federation_active_auth_url": "https://login.two.example.com:8443/adfs/services/trust/2005/usernamemixed"},
	} {
		got := get(t, e.Transport(), "https://localhost:8443/common/UserRealm/"+url.PathEscape(user)+"?api-version=1.0")
		for name, value := range want {
			if got.text(name) != value {
				t.Errorf("%s: %s is %q, want %q", user, name, got.text(name), value)
			}
		}
	}
}

// trustMessage is a request of version 1.3 for an assertion.
func trustMessage(to, user, password string, now time.Time) string {
	escape := func(s string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(s))
		return b.String()
	}
	const version = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
	return `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action>` + version + `/RST/Issue</a:Action><a:MessageID>urn:uuid:1</a:MessageID><a:To>` + to + `</a:To>` +
		`<o:Security xmlns:o="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" xmlns:u="urn:u"><u:Timestamp><u:Created>` + now.UTC().Format(time.RFC3339) + `</u:Created><u:Expires>` + now.Add(10*time.Minute).UTC().Format(time.RFC3339) + `</u:Expires></u:Timestamp>` +
		`<o:UsernameToken><o:Username>` + escape(user) + `</o:Username><o:Password>` + escape(password) + `</o:Password></o:UsernameToken></o:Security></s:Header>` +
		`<s:Body><t:RequestSecurityToken xmlns:t="` + version + `"><p:AppliesTo xmlns:p="urn:p"><a:EndpointReference><a:Address>urn:federation:MicrosoftOnline</a:Address></a:EndpointReference></p:AppliesTo>` +
		`<t:KeyType>` + version + `/Bearer</t:KeyType><t:RequestType>` + version + `/Issue</t:RequestType></t:RequestSecurityToken></s:Body></s:Envelope>`
}

func askTrust(t *testing.T, client doer, target, message string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/soap+xml; charset=utf-8")
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, readAll(t, resp)
}

const (
	oneURL = "https://sts.one.example.com/adfs/services/trust/13/usernamemixed"
	twoURL = "https://login.two.example.com/adfs/services/trust/13/usernamemixed"
)

func assertionIn(t *testing.T, body string) string {
	t.Helper()
	from, to := strings.Index(body, "<saml:Assertion "), strings.Index(body, "</saml:Assertion>")
	if from < 0 || to < 0 {
		t.Fatalf("no assertion in %s", body)
	}
	return body[from : to+len("</saml:Assertion>")]
}

func samlForm(version, assertion string, more ...string) url.Values {
	return nativeForm("urn:ietf:params:oauth:grant-type:saml"+version+"-bearer",
		append([]string{"assertion", base64.RawURLEncoding.EncodeToString([]byte(assertion))}, more...)...)
}

func TestFederationServer(t *testing.T) {
	t.Parallel()
	clock := new(movingClock)
	cfg := federation()
	cfg.Clock = clock.now
	e := newEmulator(t, cfg)
	client := e.Transport().Client()
	const user, password = "o'neil&co@one.example.com", "p<w"
	good := trustMessage(oneURL, user, password, clock.now())
	status, body := askTrust(t, client, oneURL, good)
	if status != 200 {
		t.Fatalf("got %d %s", status, body)
	}
	one := assertionIn(t, body)
	_, body = askTrust(t, client, twoURL, trustMessage(twoURL, "u@two.example.com", password, clock.now()))
	two := assertionIn(t, body)

	for name, test := range map[string]struct{ target, message, subcode string }{
		"wrong password":        {oneURL, trustMessage(oneURL, user, "x", clock.now()), "FailedAuthentication"},
		"unknown user":          {oneURL, trustMessage(oneURL, "x@one.example.com", password, clock.now()), "FailedAuthentication"},
		"user of another":       {oneURL, trustMessage(oneURL, "u@two.example.com", password, clock.now()), "FailedAuthentication"},
		"a managed user":        {oneURL, trustMessage(oneURL, entratest.DefaultUsername, string(entratest.DefaultPassword), clock.now()), "FailedAuthentication"},
		"another version":       {strings.Replace(oneURL, "/13/", "/2005/", 1), good, "InvalidRequest"},
		"another destination":   {oneURL, strings.Replace(good, "<a:To>", "<a:To>x", 1), "DestinationUnreachable"},
		"another relying party": {oneURL, strings.Replace(good, "urn:federation:", "urn:", 1), "InvalidScope"},
		"stale":                 {oneURL, trustMessage(oneURL, user, password, clock.now().Add(-time.Hour)), "MessageExpired"},
		"not XML":               {oneURL, "x", "InvalidRequest"},
	} {
		status, body := askTrust(t, client, test.target, test.message)
		if entry, _ := e.LastRequest(entratest.EndpointFederationServer); status != 500 || !strings.Contains(body, "<s:Fault>") || entry.Error != test.subcode || entry.Reason == "" {
			t.Errorf("%s: got %d %s, the journal has %q %q", name, status, body, entry.Error, entry.Reason)
		}
	}
	if status, _ := askTrust(t, client, "https://login.microsoftonline.com/adfs/services/trust/13/usernamemixed", good); status != 404 {
		t.Errorf("another host: got %d", status)
	}
	for _, entry := range e.Journal() {
		if strings.Contains(fmt.Sprintf("%+v", entry), password) {
			t.Errorf("the journal has the password: %+v", entry)
		}
	}

	for version, assertion := range map[string]string{"1_1": one, "2": two} {
		got := post(t, client, tokenURL, samlForm(version, assertion))
		if got.status != 200 || got.text("refresh_token") == "" {
			t.Errorf("SAML %s: got %d %v", version, got.status, got.body)
		}
	}
	if got := post(t, client, tokenURL, samlForm("1_1", one)); claimsOf(t, got.text("access_token"))["preferred_username"] != user {
		t.Errorf("got %v", got.body)
	}
	// The old encoding, and the tenant of the domain.
	form := samlForm("1_1", one, "assertion", base64.StdEncoding.EncodeToString([]byte(one)))
	if got := post(t, client, strings.Replace(tokenURL, entratest.DefaultTenantID, "organizations", 1), form); got.status != 200 {
		t.Errorf("got %d %v", got.status, got.body)
	}

	for name, test := range map[string]struct {
		form   url.Values
		reason string
	}{
		"another version":     {samlForm("2", one), "another version of SAML"},
		"another user":        {samlForm("1_1", strings.Replace(one, "o'neil&amp;co@", "admin@", 1)), "changed after it was signed"},
		"written anew":        {samlForm("1_1", strings.Replace(one, "></saml:Assertion>", "> </saml:Assertion>", 1)), "changed after it was signed"},
		"no signature":        {samlForm("1_1", one[:strings.Index(one, "<ds:Signature")]+"</saml:Assertion>"), "no signature"},
		"another's signature": {samlForm("1_1", strings.Replace(one, "<ds:SignatureValue>", "<ds:SignatureValue>AAAA", 1)), "not that of the federation server"},
		"another digest":      {samlForm("1_1", strings.Replace(one, "<ds:SignedInfo", "<ds:DigestValue>x</ds:DigestValue><ds:SignedInfo", 1)), "changed after"},
		"no base64":           {samlForm("1_1", one, "assertion", "<"), "not base64"},
		"none":                {samlForm("1_1", one, "assertion", ""), "no assertion"},
	} {
		got := post(t, client, tokenURL, test.form)
		if entry, _ := e.LastRequest(entratest.EndpointToken); got.status != 400 || !strings.Contains(entry.Reason, test.reason) {
			t.Errorf("%s: got %d %v, the journal has %q", name, got.status, got.body, entry.Reason)
		}
	}
	clock.advance(2 * time.Hour)
	wantRefused(t, e, post(t, client, tokenURL, samlForm("1_1", one)), 400, "invalid_grant", 50008, "not valid now")
	wantRefused(t, e, post(t, client, tokenURL, passwordForm(user, password)), 400, "invalid_grant", 50126, "federated")
}

func TestFederatedDomainsAreValidated(t *testing.T) {
	t.Parallel()
	cfg := federation()
	cfg.Tenants[0].FederatedDomains = []entratest.FederatedDomain{{Domain: "x.example.com"}, {Domain: "one.example.com", Host: "a/b"}, {Domain: "one.example.com", Version: "2"}}
	_, err := entratest.New(cfg)
	for _, want := range []string{"federatedDomains[0].domain", "federatedDomains[1].host", "federatedDomains[2].version"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Through TLS, the federation server is on the same port by its own name.
func TestFederationServerOverTLS(t *testing.T) {
	t.Parallel()
	cfg := federation()
	cfg.SigningKey = signingKey()
	s := entratest.NewServer(cfg)
	defer s.Close()
	realm := get(t, s.Client(), s.URL+"/common/userrealm/u@two.example.com?api-version=1.0")
	mex, err := s.Client().Get(realm.text("federation_metadata_url"))
	if err != nil {
		t.Fatal(err)
	}
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	if text := readAll(t, mex); mex.StatusCode != 200 || !strings.Contains(text, "https://login.two.example.com"+port+"/adfs/services/trust/13/usernamemixed") {
		t.Errorf("got %d %s", mex.StatusCode, text)
	}
}

// FuzzSAML checks that no assertion makes the emulator panic, or is taken without its
// signature.
func FuzzSAML(f *testing.F) {
	cfg := federation()
	cfg.SigningKey, cfg.JournalSize = signingKey(), 1
	e, err := entratest.New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion"><ds:Signature ><ds:SignedInfo></ds:SignedInfo><ds:DigestValue>x</ds:DigestValue><ds:SignatureValue>AA</ds:SignatureValue></ds:Signature></saml:Assertion>`)
	f.Add(`<ds:Signature </ds:Signature>`)
	f.Add(`</ds:Signature><ds:Signature `)
	f.Fuzz(func(t *testing.T, assertion string) {
		r := httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader(samlForm("1_1", assertion).Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if status := wantNoPanic(t, e, r); status == http.StatusOK {
			t.Errorf("accepted %q", assertion)
		}
		r = httptest.NewRequest(http.MethodPost, oneURL, strings.NewReader(assertion))
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if strings.Contains(w.Body.String(), "panicked") || w.Code == http.StatusOK {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
