package entra

import (
	"fmt"
	"strings"
)

// A Cloud is one instance of Entra ID: directories, keys and resources of one
// cloud mean nothing in another.
type Cloud struct {
	Name string
	// Host is the one to send requests to. It also names the cloud in keys.
	Host string
	// aliases are all its hosts, Host included.
	aliases []string
	// management is the identifier of its management API, slash included, or empty.
	management string
	// domains end the audiences of services that run in this cloud only.
	// Microsoft Graph and Azure AD Graph are not among them: their names of one
	// cloud are registered in others too.
	domains []string
}

// clouds is Microsoft's table of known authority hosts, as their libraries
// embed it (token-endpoint facts, section 1.1). Hosts in it are trusted and
// their endpoints are known: nothing is ever asked to find them.
var clouds = []*Cloud{
	{
		Name: "Azure public cloud", Host: "login.microsoftonline.com",
		management: "https://management.core.windows.net/",
		aliases:    []string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"},
		domains:    []string{"management.azure.com", "core.windows.net", "vault.azure.net", "managedhsm.azure.net", "database.windows.net"},
	},
	{
		Name: "Azure operated by 21Vianet", Host: "login.partner.microsoftonline.cn",
		management: "https://management.core.chinacloudapi.cn/",
		aliases:    []string{"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"},
		domains:    []string{"chinacloudapi.cn", "vault.azure.cn", "managedhsm.azure.cn"},
	},
	{
		Name: "Azure Germany (closed in 2021)", Host: "login.microsoftonline.de",
		management: "https://management.core.cloudapi.de/",
		aliases:    []string{"login.microsoftonline.de"},
		domains:    []string{"cloudapi.de", "microsoftazure.de"},
	},
	{
		Name: "Azure US Government", Host: "login.microsoftonline.us",
		management: "https://management.core.usgovcloudapi.net/",
		aliases:    []string{"login.microsoftonline.us", "login.usgovcloudapi.net"},
		domains:    []string{"usgovcloudapi.net"},
	},
	{Name: "Azure US (former host)", Host: "login-us.microsoftonline.com", aliases: []string{"login-us.microsoftonline.com"}},
	{Name: "Bleu (France)", Host: "login.sovcloud-identity.fr", aliases: []string{"login.sovcloud-identity.fr"}},
	{Name: "Delos (Germany)", Host: "login.sovcloud-identity.de", aliases: []string{"login.sovcloud-identity.de"}},
	{Name: "GovSG (Singapore)", Host: "login.sovcloud-identity.sg", aliases: []string{"login.sovcloud-identity.sg"}},
}

var cloudByHost = func() map[string]*Cloud {
	m := make(map[string]*Cloud)
	for _, c := range clouds {
		for _, a := range c.aliases {
			m[a] = c
		}
	}
	return m
}()

// ManagementScope returns the scope for which people sign in when they name none (user-flows
// facts, section 8), or "" if a's cloud has no known management API.
func (a Authority) ManagementScope() string {
	if a.cloud == nil || a.cloud.management == "" {
		return ""
	}
	return DefaultScope(a.cloud.management)
}

// CloudHost returns the host of the cloud that has host for an alias, or "" if none of
// the known clouds has.
func CloudHost(host string) string {
	if c := cloudByHost[strings.ToLower(host)]; c != nil {
		return c.Host
	}
	return ""
}

// checkAudience finds an audience that exists only in another cloud than a's.
// Entra would refuse it with a code that names neither cloud.
func (a Authority) checkAudience(scope string) error {
	c, host := a.cloud, hostOf(Resource(scope))
	if c == nil || host == "" || len(c.domains) == 0 {
		return nil
	}
	for _, other := range clouds {
		if other == c {
			continue
		}
		for _, d := range other.domains {
			if host == d || strings.HasSuffix(host, "."+d) {
				return fmt.Errorf("scope %q belongs to %s, but the authority %s is %s: use the scope of the same cloud, or set the authority to https://%s",
					scope, other.Name, a.host, c.Name, other.Host)
			}
		}
	}
	return nil
}

// hostOf returns the host of an https identifier in lower case, or "".
func hostOf(resource string) string {
	rest, ok := strings.CutPrefix(strings.ToLower(resource), "https://")
	if !ok {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, ":")
	return host
}
