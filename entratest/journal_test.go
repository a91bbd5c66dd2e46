package entratest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

func TestJournalEntry(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	e := newEmulator(t, &entratest.Config{Clock: func() time.Time { return now }})
	r := newPost(t, "https://LOGIN.microsoftonline.com/"+entratest.DefaultTenantDomain+"/oauth2/v2.0/token?dc=x&code=y", secretForm("client_info", "1"))
	r.Header.Set("User-Agent", "test/1")
	r.Header.Set("client-request-id", unknownGUID)
	r.Header.Set("X-Private", "z")
	send(t, e.Transport(), r)
	entry, ok := e.LastRequest(entratest.EndpointToken)
	if !ok {
		t.Fatal("the journal is empty")
	}
	want := map[string][2]any{
		"Time":      {entry.Time, now},
		"Method":    {entry.Method, "POST"},
		"Host":      {entry.Host, "LOGIN.microsoftonline.com"},
		"Path":      {entry.Path, "/" + entratest.DefaultTenantDomain + "/oauth2/v2.0/token"},
		"Endpoint":  {entry.Endpoint, entratest.EndpointToken},
		"Tenant":    {entry.Tenant, entratest.DefaultTenantID},
		"ClientID":  {entry.ClientID, entratest.DefaultClientID},
		"GrantType": {entry.GrantType, "client_credentials"},
		"Scope":     {entry.Scope, scope},
		"Status":    {entry.Status, 200},
		"Form":      {entry.Form.Get("client_info"), "1"},
		"secret":    {entry.Form.Get("client_secret"), "[redacted]"},
		"Query":     {entry.Query.Encode(), "code=%5Bredacted%5D&dc=x"},
		"Header":    {fmt.Sprint(entry.Header), fmt.Sprint(map[string][]string{"Client-Request-Id": {unknownGUID}, "Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}, "User-Agent": {"test/1"}})},
	}
	for name, pair := range want {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	if _, ok := e.LastRequest(entratest.EndpointKeys); ok {
		t.Error("there is a request for keys")
	}
}

// TestJournalHasNoSecrets sends secrets in every place a client may put one.
func TestJournalHasNoSecrets(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	assertion, err := e.FederatedAssertion("someone")
	if err != nil {
		t.Fatal(err)
	}
	const secret = "Zx8~very-secret-value"
	post(t, e.Transport(), tokenURL, secretForm("client_secret", secret))
	post(t, e.Transport(), tokenURL, assertionForm(assertion))
	for _, name := range []string{"assertion", "password", "code", "device_code", "code_verifier", "refresh_token", "subject_token", "clientSecret", "id_token_hint"} {
		post(t, e.Transport(), tokenURL, secretForm(name, secret))
	}
	r := newPost(t, tokenURL, secretForm("client_id", "-", "client_secret", "-"))
	r.SetBasicAuth(entratest.DefaultClientID, secret)
	r.Header.Set("Cookie", secret)
	send(t, e.Transport(), r)

	resp, err := e.Transport().Client().Get("https://localhost/_emulator/journal")
	if err != nil {
		t.Fatal(err)
	}
	signature := assertion[strings.LastIndex(assertion, ".")+1:]
	for form, text := range map[string]string{"Go": fmt.Sprintf("%+v %#v", e.Journal(), e.Journal()), "JSON": readAll(t, resp)} {
		if strings.Contains(text, secret) || strings.Contains(text, signature) {
			t.Errorf("the journal's %s form contains a secret", form)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", refusalConfig(), refusalConfig(), *refusalConfig()); strings.Contains(text, expiredValue) {
		t.Errorf("a printed configuration contains a secret: %s", text)
	}
	for _, secret := range refusalConfig().Tenants[0].Applications[0].Secrets {
		if text := fmt.Sprintf("%v %+v %#v %s %q %x", secret, secret, secret, secret, secret, secret); strings.Contains(text, expiredValue) {
			t.Errorf("a printed secret shows: %s", text)
		}
	}
}

func TestJournalIsBounded(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, &entratest.Config{JournalSize: 3})
	for i := range 5 {
		post(t, e.Transport(), tokenURL, secretForm("client_info", fmt.Sprint(i)))
	}
	var kept []string
	for _, entry := range e.Journal() {
		kept = append(kept, entry.Form.Get("client_info"))
	}
	if fmt.Sprint(kept) != "[2 3 4]" {
		t.Errorf("kept are %v, want the newest three", kept)
	}
	if n := len(e.Requests(func(en entratest.Entry) bool { return en.Form.Get("client_info") == "3" })); n != 1 {
		t.Errorf("Requests found %d", n)
	}
	e.ResetJournal()
	if n := len(e.Journal()); n != 0 {
		t.Errorf("after a reset there are %d", n)
	}
}
