package entra_test

import (
	"strings"
	"testing"

	"github.com/azid-go/azidentity/internal/entra"
)

// services are audiences that exist in one cloud only, by that cloud's host.
var services = map[string][]string{
	"login.microsoftonline.com": {
		"https://management.azure.com", "https://management.core.windows.net/", "https://vault.azure.net", "https://managedhsm.azure.net",
		"https://account.blob.core.windows.net", "https://database.windows.net/", "https://ossrdbms-aad.database.windows.net", "https://batch.core.windows.net/",
	},
	"login.partner.microsoftonline.cn": {
		"https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn/", "https://vault.azure.cn", "https://managedhsm.azure.cn",
		"https://microsoftgraph.chinacloudapi.cn", "https://account.blob.core.chinacloudapi.cn", "https://database.chinacloudapi.cn/",
	},
	"login.microsoftonline.us": {
		"https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net/", "https://vault.usgovcloudapi.net",
		"https://managedhsm.usgovcloudapi.net", "https://account.blob.core.usgovcloudapi.net", "https://database.usgovcloudapi.net/",
	},
	"login.microsoftonline.de": {
		"https://management.microsoftazure.de", "https://vault.microsoftazure.de", "https://graph.cloudapi.de", "https://account.blob.core.cloudapi.de",
	},
}

// everywhere are audiences that no cloud refuses for its name, or that nobody
// can tell.
var everywhere = []string{
	"https://storage.azure.com", "https://graph.microsoft.com", "https://graph.microsoft.us", "https://graph.windows.net/",
	"https://cosmos.azure.com", "https://app.contoso.com", "api://20000000-bbbb-4bbb-8bbb-000000000001", "api://management.azure.com",
	"499b84ac-1321-427f-aa17-267ca6975798", "https://notvault.azure.example.com", "https://xmanagement.azure.com", "https://vault.azure.net.example.com",
	"urn:management.azure.com", "https://app.contoso.com/https://management.azure.com", "http://management.azure.com",
}

// Pain 51: an audience of another cloud is found before the network, and the
// error names both clouds.
func TestPain51CloudsAndServices(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"login.microsoftonline.com": "Azure public cloud", "login.partner.microsoftonline.cn": "Azure operated by 21Vianet",
		"login.microsoftonline.us": "Azure US Government", "login.microsoftonline.de": "Azure Germany (closed in 2021)",
	}
	for home, aliases := range entra.Clouds() {
		for _, alias := range aliases {
			a := authority(t, alias)
			for owner, resources := range services {
				for _, r := range resources {
					for _, scope := range []string{r + "/.default", strings.ToUpper(strings.TrimSuffix(r, "/")) + "/user_impersonation"} {
						err := a.CheckScopes([]string{"openid", scope})
						if owner == home || names[home] == "" {
							if err != nil {
								t.Errorf("%s, %s: %v", alias, scope, err)
							}
							continue
						}
						if err == nil || !strings.Contains(err.Error(), names[owner]) || !strings.Contains(err.Error(), names[home]) || !strings.Contains(err.Error(), scope) {
							t.Errorf("%s, %s: got %v, want an error that names %s and %s", alias, scope, err, names[owner], names[home])
						}
					}
				}
			}
			for _, r := range everywhere {
				if err := a.CheckScopes([]string{r + "/.default"}); err != nil {
					t.Errorf("%s, %s: %v", alias, r, err)
				}
			}
		}
	}
	for _, unknown := range []string{private, "https://adfs.example.com/adfs", "https://dsts.example.com/dstsv2", "contoso.ciamlogin.com"} {
		for _, resources := range services {
			for _, r := range resources {
				if err := authority(t, unknown).CheckScopes([]string{r + "/.default"}); err != nil {
					t.Errorf("%s, %s: %v", unknown, r, err)
				}
			}
		}
	}
	const want = `scope "https://management.azure.com/.default" belongs to Azure public cloud, but the authority login.chinacloudapi.cn is Azure operated by 21Vianet: use the scope of the same cloud, or set the authority to https://login.microsoftonline.com`
	if err := authority(t, "login.chinacloudapi.cn").CheckScopes([]string{"https://management.azure.com/.default"}); err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}
