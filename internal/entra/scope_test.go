package entra_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/internal/entra"
)

// Pain 78: one conversion between scopes and resources, which strips one
// suffix and touches nothing else.
func TestPain78Audiences(t *testing.T) {
	t.Parallel()
	resources := strings.Fields(`
		https://management.azure.com https://management.azure.com/ https://management.core.windows.net https://management.core.windows.net/
		https://management.core.windows.net// https://management.chinacloudapi.cn https://management.core.chinacloudapi.cn/
		https://management.usgovcloudapi.net https://management.core.usgovcloudapi.net/ https://management.microsoftazure.de
		https://graph.microsoft.com https://graph.microsoft.com/ https://graph.microsoft.us https://dod-graph.microsoft.us
		https://microsoftgraph.chinacloudapi.cn https://graph.windows.net https://graph.windows.net/ https://canary.graph.microsoft.com
		https://vault.azure.net https://vault.azure.cn https://vault.usgovcloudapi.net https://vault.microsoftazure.de
		https://managedhsm.azure.net https://managedhsm.usgovcloudapi.net https://managedhsm.azure.cn
		https://storage.azure.com https://storage.azure.com/ https://account.blob.core.windows.net https://account.queue.core.windows.net
		https://account.table.core.usgovcloudapi.net https://disk.azure.com https://datalake.azure.net/ https://datalake.azure.net//
		https://database.windows.net https://database.windows.net/ https://database.windows.net// https://database.usgovcloudapi.net/
		https://ossrdbms-aad.database.windows.net https://ossrdbms-aad.database.chinacloudapi.cn https://sql.azuresynapse.net
		https://dev.azuresynapse.net https://help.kusto.windows.net https://cluster.westeurope.kusto.windows.net https://kusto.kusto.windows.net
		https://api.kusto.windows.net https://cosmos.azure.com https://account.documents.azure.com https://account.documents.azure.com:443/
		https://servicebus.azure.net https://servicebus.azure.net/ https://eventhubs.azure.net https://eventhubs.azure.net//
		https://relay.azure.net https://eventgrid.azure.net https://appconfig.azure.com https://azconfig.io https://store.azconfig.io
		https://communication.azure.com https://communication.azure.com// https://cognitiveservices.azure.com https://ai.azure.com
		https://ml.azure.com https://search.azure.com https://batch.core.windows.net/ https://batch.chinacloudapi.cn/
		https://containerregistry.azure.net https://management.azure.com/subscriptions/s https://monitor.azure.com https://monitor.azure.com//
		https://metrics.monitor.azure.com https://api.loganalytics.io https://api.loganalytics.io/ https://westus-api.loganalytics.io
		https://api.applicationinsights.io https://attest.azure.net https://quantum.microsoft.com https://purview.azure.net
		https://atlas.microsoft.com https://confidential-ledger.azure.com https://redis.azure.com https://digitaltwins.azure.net
		https://api.azureml.ms https://signalr.azure.com https://webpubsub.azure.com https://device.iothubs.azure.net
		https://iothubs.azure.net https://vssps.visualstudio.com https://outlook.office365.com https://analysis.windows.net/powerbi/api
		https://contoso.sharepoint.com https://contoso.crm.dynamics.com https://contoso.crm.dynamics.com/ https://api.fabric.microsoft.com
		https://token.botframework.com https://api.botframework.com https://sts.windows.net/10000000-aaaa-4aaa-8aaa-000000000001/
		499b84ac-1321-427f-aa17-267ca6975798 2ff814a6-3304-4ab8-85cb-cd0e6f879c1d 00000003-0000-0000-c000-000000000000
		00000003-0000-0000-c000-000000000000/ags.windows.net spn:20000000-bbbb-4bbb-8bbb-000000000001 6dae42f8-4368-4678-94ff-3960e28e3630
		api://20000000-bbbb-4bbb-8bbb-000000000001 api://contoso.com/app api://AzureADTokenExchange api://AzureADTokenExchangeUSGov
		api://AzureADTokenExchangeChina api://app/ api://10000000-aaaa-4aaa-8aaa-000000000001/app urn:contoso:app http://app.contoso.com
		https://contoso.com/app/ https://contoso.com//app https://contoso.com/.default https://KUSTO.Example.com/A ms-appx-web://contoso
	`)
	if len(resources) < 100 {
		t.Fatalf("the table has %d resources, want 100", len(resources))
	}
	for _, r := range resources {
		scope := entra.DefaultScope(r)
		if scope != r+"/.default" {
			t.Errorf("%s: got scope %s", r, scope)
		}
		if got := entra.Resource(scope); got != r {
			t.Errorf("%s: got resource %s, want %s", scope, got, r)
		}
		if err := authority(t, private).CheckScopes([]string{scope}); err != nil {
			t.Errorf("%s: %v", scope, err)
		}
	}
}

func TestPain78OtherScopes(t *testing.T) {
	t.Parallel()
	for scope, want := range map[string]string{
		"https://graph.microsoft.com/User.Read":                  "https://graph.microsoft.com",
		"https://graph.microsoft.com//User.Read":                 "https://graph.microsoft.com/",
		"https://management.azure.com//user_impersonation":       "https://management.azure.com/",
		"https://analysis.windows.net/powerbi/api/Dataset.Read":  "https://analysis.windows.net/powerbi/api",
		"api://contoso.com/app/access":                           "api://contoso.com/app",
		"api://20000000-bbbb-4bbb-8bbb-000000000001/access":      "api://20000000-bbbb-4bbb-8bbb-000000000001",
		"api://20000000-bbbb-4bbb-8bbb-000000000001":             "api://20000000-bbbb-4bbb-8bbb-000000000001",
		"https://vault.azure.net":                                "https://vault.azure.net",
		"https://vault.azure.net/":                               "https://vault.azure.net/",
		"https://vault.azure.net//":                              "https://vault.azure.net//",
		"https://vault.azure.net/.DEFAULT":                       "https://vault.azure.net",
		"User.Read":                                              "User.Read",
		"openid":                                                 "openid",
		".default":                                               ".default",
		"499b84ac-1321-427f-aa17-267ca6975798/.default":          "499b84ac-1321-427f-aa17-267ca6975798",
		"499b84ac-1321-427f-aa17-267ca6975798/.default/.default": "499b84ac-1321-427f-aa17-267ca6975798/.default",
		"": "",
	} {
		if got := entra.Resource(scope); got != want {
			t.Errorf("%q: got %q, want %q", scope, got, want)
		}
	}
}

func TestPain78MixedAndEmpty(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		scopes  []string
		several bool
	}{
		{[]string{vault}, false},
		{[]string{vault, "HTTPS://VAULT.azure.net/.default"}, false},
		{[]string{vault, "https://vault.azure.net/user_impersonation"}, false},
		{[]string{vault, "offline_access", "openid"}, false},
		{[]string{"User.Read", "Mail.Read"}, false},
		{[]string{vault, "https://management.azure.com/.default"}, true},
		{[]string{vault, "https://graph.microsoft.com/User.Read"}, true},
		{[]string{"api://a/x", "api://b/x"}, true},
		{[]string{"a/.default", "b/.default"}, true},
		{[]string{"https://management.azure.com/.default", "https://management.azure.com//.default"}, true},
	} {
		err := entra.CheckOneResource(tc.scopes)
		if errors.Is(err, entra.ErrSeveralResources) != tc.several {
			t.Errorf("%q: got %v, want an error: %t", tc.scopes, err, tc.several)
		}
	}
	transport, requests := answering(granted)
	r := request()
	r.Scopes = []string{vault, "https://management.azure.com/.default"}
	_, err := newClient(t, transport).ClientCredentials(t.Context(), r)
	const want = `a token is for one resource: "https://vault.azure.net/.default" and "https://management.azure.com/.default" are two; request a token for each`
	if err == nil || err.Error() != want || requests() != 0 {
		t.Errorf("got %v after %d requests, want %s", err, requests(), want)
	}
	for want, scopes := range map[string][]string{
		"at least one scope is needed, for example https://management.azure.com/.default": nil,
		"one of the scopes is empty": {vault, " \t"},
		"the scope /.default names no resource: write it in front, for example https://management.azure.com/.default": {"/.default"},
	} {
		if err := authority(t, private).CheckScopes(scopes); err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", scopes, err, want)
		}
	}
}
