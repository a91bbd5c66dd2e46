package entratest_test

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

const (
	otherTenant  = "30000000-cccc-4ccc-8ccc-000000000001"
	disabledApp  = "40000000-dddd-4ddd-8ddd-000000000001"
	unknownGUID  = "50000000-eeee-4eee-8eee-000000000001"
	expiredValue = "expired-secret"
)

func refusalConfig() *entratest.Config {
	first := entratest.DefaultTenant()
	first.Applications[0].Secrets = append(first.Applications[0].Secrets,
		entratest.Secret{Value: expiredValue, Expires: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)})
	first.Applications = append(first.Applications, entratest.Application{
		ClientID: disabledApp, Disabled: true, Secrets: []entratest.Secret{{Value: "x"}},
	})
	first.Resources = []entratest.Resource{
		{Identifiers: []string{"https://vault.azure.net"}},
		{Identifiers: []string{"https://management.azure.com/"}},
	}
	return &entratest.Config{Tenants: []entratest.Tenant{first, {ID: otherTenant, Domains: []string{"Other.example.com"}}}}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const host = "https://login.microsoftonline.com/"
	tests := []struct {
		name   string
		url    string // default tokenURL
		form   url.Values
		status int
		oauth  string
		code   int
		reason string
	}{
		{"wrong secret", "", secretForm("client_secret", "wrong"), 401, "invalid_client", 7000215, "none of 2 secrets of application " + entratest.DefaultClientID},
		{"expired secret", "", secretForm("client_secret", expiredValue), 401, "invalid_client", 7000222, "expired at 1999-01-01T00:00:00Z"},
		{"no proof", "", secretForm("client_secret", "-"), 401, "invalid_client", 7000218, "neither client_assertion nor client_secret"},
		{"no client id", "", secretForm("client_id", "-"), 400, "invalid_request", 900144, "no client_id"},
		{"unknown application", "", secretForm("client_id", unknownGUID), 400, "unauthorized_client", 700016, "does not have the application"},
		{"application of another tenant", host + otherTenant + "/oauth2/v2.0/token", secretForm(), 400, "unauthorized_client", 700016, otherTenant},
		{"unknown application, no tenant", host + "organizations/oauth2/v2.0/token", secretForm("client_id", unknownGUID), 400, "unauthorized_client", 700016, "no tenant has"},
		{"disabled application", "", secretForm("client_id", disabledApp, "client_secret", "x"), 400, "unauthorized_client", 7000112, "disabled"},
		{"unknown tenant GUID", host + unknownGUID + "/oauth2/v2.0/token", secretForm(), 400, "invalid_request", 90002, unknownGUID},
		{"unknown tenant domain", host + "nowhere.example.com/oauth2/v2.0/token", secretForm(), 400, "invalid_request", 90002, "nowhere.example.com"},
		{"malformed tenant", host + "not a tenant/oauth2/v2.0/token", secretForm(), 400, "invalid_request", 900023, "neither a GUID nor a domain"},
		{"no grant type", "", secretForm("grant_type", "-"), 400, "invalid_request", 900144, "no grant_type"},
		{"empty body", "", url.Values{}, 400, "invalid_request", 900144, "not a form"},
		{"unknown grant type", "", secretForm("grant_type", "magic"), 400, "unsupported_grant_type", 70003, "magic"},
		{"no scope", "", secretForm("scope", "-"), 400, "invalid_request", 900144, "no scope"},
		{"named scope", "", secretForm("scope", "https://vault.azure.net/user"), 400, "invalid_scope", 1002012, "does not end in /.default"},
		{"only reserved scopes", "", secretForm("scope", "openid profile"), 400, "invalid_scope", 1002012, "no resource"},
		{"several resources", "", secretForm("scope", scope+" https://management.azure.com/.default"), 400, "invalid_scope", 28000, "several resources"},
		{"unknown resource", "", secretForm("scope", "https://nowhere.example.com/.default"), 400, "invalid_resource", 500011, "https://nowhere.example.com"},
		{"resource on v2", "", secretForm("resource", "https://vault.azure.net"), 400, "invalid_request", 901002, "takes scope"},
		{"no resource on v1", host + entratest.DefaultTenantID + "/oauth2/token", secretForm(), 400, "invalid_request", 900144, "no resource"},
		{"claims are not JSON", "", secretForm("claims", "{"), 400, "invalid_request", 9002313, "claims parameter is unusable"},
		{"claims ask for the future", "", secretForm("claims", `{"access_token":{"nbf":{"essential":true,"value":"99999999999"}}}`), 400, "invalid_request", 9002313, "more than 5m0s from now"},
		{"no assertion type", "", secretForm("client_secret", "-", "client_assertion", "x"), 400, "invalid_request", 900144, "client_assertion_type is not"},
		{"malformed assertion", "", assertionForm("x"), 400, "invalid_request", 50027, "1 parts"},
		{"empty assertion header", "", assertionForm("e30.bnVsbA.e30"), 400, "invalid_request", 50027, "not a JSON object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEmulator(t, refusalConfig())
			target := tt.url
			if target == "" {
				target = tokenURL
			}
			got := post(t, e.Transport(), strings.ReplaceAll(target, " ", "%20"), tt.form)
			wantRefused(t, e, got, tt.status, tt.oauth, tt.code, tt.reason)
			if text := got.text("error_description"); !strings.HasPrefix(text, "AADSTS"+strconv.Itoa(tt.code)+": ") {
				t.Errorf("error_description is %q", text)
			}
		})
	}
}

// TestErrorBody checks the parts of an error that clients print or log.
func TestErrorBody(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	e := newEmulator(t, &entratest.Config{Clock: func() time.Time { return now }})
	const id = "60000000-ffff-4fff-8fff-000000000001"
	r := newPost(t, tokenURL, secretForm("client_secret", "wrong"))
	r.Header.Set("client-request-id", id)
	r.Header.Set("return-client-request-id", "true")
	got := send(t, e.Transport(), r)

	trace := got.text("trace_id")
	if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(trace) {
		t.Errorf("trace_id is %q, want a GUID", trace)
	}
	want := map[string]string{
		"correlation_id": id,
		"timestamp":      "2031-02-03 04:05:06Z",
		"error_uri":      "https://login.microsoftonline.com/error?code=7000215",
	}
	for name, value := range want {
		if got.text(name) != value {
			t.Errorf("%s is %q, want %q", name, got.text(name), value)
		}
	}
	suffix := " Trace ID: " + trace + " Correlation ID: " + id + " Timestamp: 2031-02-03 04:05:06Z"
	if !strings.HasSuffix(got.text("error_description"), suffix) {
		t.Errorf("error_description is %q, want it to end in %q", got.text("error_description"), suffix)
	}
	headers := map[string]string{
		"Date":              "Mon, 03 Feb 2031 04:05:06 GMT",
		"X-Ms-Request-Id":   trace,
		"Client-Request-Id": id,
		"Cache-Control":     "no-store, no-cache",
		"Content-Type":      "application/json; charset=utf-8",
	}
	for name, value := range headers {
		if got.header.Get(name) != value {
			t.Errorf("header %s is %q, want %q", name, got.header.Get(name), value)
		}
	}
	r = newPost(t, tokenURL, secretForm("client_secret", "wrong"))
	r.Header.Set("client-request-id", "not a GUID")
	if id := send(t, e.Transport(), r).text("correlation_id"); id == "" || id == "not a GUID" {
		t.Errorf("correlation_id is %q, want a fresh GUID", id)
	}
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	got := get(t, e.Transport(), "https://login.microsoftonline.com/nothing/here")
	if got.status != 404 || !strings.Contains(got.text("error_description"), "GET /nothing/here") {
		t.Errorf("got %d %v", got.status, got.body)
	}
	if list, _ := got.body["endpoints"].([]any); len(list) < 10 {
		t.Errorf("endpoints are %v, want the whole table", list)
	}
	got = get(t, e.Transport(), tokenURL)
	if got.status != 405 || got.header.Get("Allow") != "POST" {
		t.Errorf("got %d with Allow %q, want 405 with POST", got.status, got.header.Get("Allow"))
	}
	if n := e.CountRequests(entratest.EndpointUnknown); n != 2 {
		t.Errorf("the journal has %d unknown requests, want 2", n)
	}
}

func TestBodyIsCapped(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	got := post(t, e.Transport(), tokenURL, secretForm("padding", strings.Repeat("x", 2<<20)))
	wantRefused(t, e, got, 413, "invalid_request", 9002313, "larger than 1 MiB")
}
