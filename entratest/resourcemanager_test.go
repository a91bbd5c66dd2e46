package entratest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/entratest"
)

const (
	managementScope = "https://management.core.windows.net//.default"
	guestTenant     = "10000000-aaaa-4aaa-8aaa-000000000002"
)

func manage(t *testing.T, e *entratest.Emulator, authorization, path string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://management.azure.com"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return send(t, e.Transport(), r)
}

// listed returns a member of each thing in a list.
func listed(t *testing.T, got answer, member string) string {
	t.Helper()
	if got.status != http.StatusOK {
		t.Fatalf("got %d %v", got.status, got.body)
	}
	var all []string
	for _, one := range got.body["value"].([]any) {
		all = append(all, one.(map[string]any)[member].(string))
	}
	return strings.Join(all, " ")
}

// The default user is a guest in a second tenant, and not in a third.
func TestTenantsAndSubscriptions(t *testing.T) {
	t.Parallel()
	guest := entratest.DefaultTenant()
	guest.ID, guest.Domains = guestTenant, []string{"guest.example.com"}
	guest.Subscriptions = []entratest.Subscription{
		{ID: "50000000-eeee-4eee-8eee-000000000002", Name: "two"}, {ID: "50000000-eeee-4eee-8eee-000000000003", Name: "three"},
	}
	e := newEmulator(t, &entratest.Config{Tenants: []entratest.Tenant{
		entratest.DefaultTenant(), guest, {ID: "10000000-aaaa-4aaa-8aaa-000000000003"},
	}})
	user := func(tenant string) string {
		url := strings.Replace(tokenURL, entratest.DefaultTenantID, tenant, 1)
		got := post(t, e.Transport(), url, passwordForm(entratest.DefaultUsername, entratest.DefaultPassword, "scope", managementScope))
		return "Bearer " + got.text("access_token")
	}
	app := "Bearer " + post(t, e.Transport(), tokenURL, secretForm("scope", "https://management.azure.com/.default")).text("access_token")
	for _, tt := range []struct{ name, authorization, path, member, want string }{
		{"user, tenants", user(entratest.DefaultTenantID), "/tenants?api-version=2019-11-01", "tenantId", entratest.DefaultTenantID + " " + guestTenant},
		{"user, home", user(entratest.DefaultTenantID), "/subscriptions?api-version=2019-11-01", "subscriptionId", entratest.DefaultSubscriptionID},
		{"user, guest", user(guestTenant), "/subscriptions?api-version=2019-11-01", "displayName", "two three"},
		{"application, tenants", app, "/tenants?api-version=2019-11-01", "defaultDomain", entratest.DefaultTenantDomain},
		{"application, subscriptions", app, "/subscriptions?api-version=2019-11-01", "id", "/subscriptions/" + entratest.DefaultSubscriptionID},
	} {
		if got := listed(t, manage(t, e, tt.authorization, tt.path), tt.member); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestResourceManagerRefusals(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	token := func(scope string) string {
		return "Bearer " + post(t, e.Transport(), tokenURL, secretForm("scope", scope)).text("access_token")
	}
	good := token(managementScope)
	for _, tt := range []struct {
		name, authorization, query, code string
		status                           int
	}{
		{"none", "", "?api-version=2019-11-01", "AuthenticationFailed", 401},
		{"basic", "Basic eDp5", "?api-version=2019-11-01", "AuthenticationFailed", 401},
		{"another audience", token("https://graph.microsoft.com/.default"), "?api-version=2019-11-01", "InvalidAuthenticationToken", 401},
		{"tampered", good[:len(good)-8] + "AAAAAAAA", "?api-version=2019-11-01", "InvalidAuthenticationToken", 401},
		{"no version", good, "", "MissingApiVersionParameter", 400},
	} {
		for _, path := range []string{"/tenants", "/subscriptions"} {
			got := manage(t, e, tt.authorization, path+tt.query)
			told, _ := got.body["error"].(map[string]any)
			entry, _ := e.LastRequest(entratest.EndpointResourceManager)
			if got.status != tt.status || told["code"] != tt.code || entry.Error != tt.code || entry.Reason == "" {
				t.Errorf("%s %s: got %d %v, the journal has %q, %q", tt.name, path, got.status, got.body, entry.Error, entry.Reason)
			}
			if challenge := got.header.Get("WWW-Authenticate"); (tt.status == 401) != strings.HasPrefix(challenge, "Bearer ") {
				t.Errorf("%s %s: challenge %q", tt.name, path, challenge)
			}
		}
	}
}
