package entra_test

import (
	"strings"
	"testing"

	"github.com/azid-go/azidentity/internal/entra"
)

func TestParseAuthority(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ given, host, tenant string }{
		{"login.microsoftonline.com", "login.microsoftonline.com", ""},
		{"https://login.microsoftonline.com", "login.microsoftonline.com", ""},
		{"https://login.microsoftonline.com/", "login.microsoftonline.com", ""},
		{"https://login.microsoftonline.com///", "login.microsoftonline.com", ""},
		{"  https://login.microsoftonline.us/\n", "login.microsoftonline.us", ""},
		{"HTTPS://Login.MicrosoftOnline.COM", "login.microsoftonline.com", ""},
		{"https://login.microsoftonline.com:443/", "login.microsoftonline.com", ""},
		{"localhost:8443", "localhost:8443", ""},
		{"https://127.0.0.1:8443", "127.0.0.1:8443", ""},
		{"https://[::1]:8443", "[::1]:8443", ""},
		{"https://[::1]:443", "[::1]", ""},
		{"host_with_underscore.example.com", "host_with_underscore.example.com", ""},
		{"https://adfs.example.com/adfs", "adfs.example.com", "adfs"},
		{"https://adfs.example.com/ADFS/", "adfs.example.com", "adfs"},
		{"adfs.example.com/adfs", "adfs.example.com", "adfs"},
		{"https://dsts.example.com/dstsv2", "dsts.example.com", ""},
		{"https://dsts.example.com/dstsv2/7A433BFC-2514-4697-b467-e0933190487f", "dsts.example.com", "7a433bfc-2514-4697-b467-e0933190487f"},
		{"contoso.ciamlogin.com", "contoso.ciamlogin.com", ""},
	} {
		a, tenant, err := entra.ParseAuthority(tc.given)
		if err != nil || a.Host() != tc.host || tenant != tc.tenant {
			t.Errorf("%q: got host %q, tenant %q, %v; want %q, %q", tc.given, a.Host(), tenant, err, tc.host, tc.tenant)
		}
	}
}

func TestParseAuthorityRefuses(t *testing.T) {
	t.Parallel()
	const (
		hint  = "; give a host such as login.microsoftonline.com, or a URL that begins with https://"
		noURL = ": it is not a URL" + hint
		tls   = ": it must use TLS (https)" + hint
		host  = ": it has no host" + hint
		more  = ": it must be no more than a host" + hint
		name  = ": its host is not a DNS name or an IP address" + hint
		path  = ": its path is not one that Entra ID, ADFS or dSTS has; the tenant is an option of its own" + hint
	)
	for _, tc := range []struct{ given, quoted, want string }{
		{"", `""`, host},
		{" / ", `" / "`, host},
		{"https://", `"https://"`, host},
		{"https:///", `"https:///"`, host},
		{"https://:8443", `"https://:8443"`, host},
		{"http://login.microsoftonline.com", `"http://login.microsoftonline.com"`, tls},
		{"ftp://login.microsoftonline.com", `"ftp://login.microsoftonline.com"`, tls},
		{"://login.microsoftonline.com", `"://login.microsoftonline.com"`, noURL},
		{"https://user:pw@host.example.com", `"…@host.example.com"`, more},
		{"user@host.example.com", `"…@host.example.com"`, more},
		{"https://host.example.com?a=b", `"https://host.example.com?a=b"`, more},
		{"https://host.example.com/?", `"https://host.example.com/?"`, more},
		{"https://host.example.com#a", `"https://host.example.com#a"`, more},
		{"https://host.example.com/tenant", `"https://host.example.com/tenant"`, path},
		{"https://host.example.com/adfs/x", `"https://host.example.com/adfs/x"`, path},
		{"https://host.example.com/dstsv2/a/b", `"https://host.example.com/dstsv2/a/b"`, path},
		{"https://host.example.com/dstsv2/..", `"https://host.example.com/dstsv2/.."`, path},
		{"host example.com", `"host example.com"`, noURL},
		{"host.example.com:port", `"host.example.com:port"`, noURL},
		{"host.example.com:", `"host.example.com:"`, name},
		{"https:", `"https:"`, name},
		{"host.example.com:123456", `"host.example.com:123456"`, name},
		{"a;b", `"a;b"`, name},
		{"{tenant}.example.com", `"{tenant}.example.com"`, noURL},
		{"bücher.example.com", `"bücher.example.com"`, name},
		{"-host.example.com", `"-host.example.com"`, name},
	} {
		_, _, err := entra.ParseAuthority(tc.given)
		if want := "authority " + tc.quoted + tc.want; err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", tc.given, err, want)
		}
	}
}

// The table of hosts is that of Microsoft's libraries.
func TestCloudTable(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"login.microsoftonline.com":        {"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"},
		"login.partner.microsoftonline.cn": {"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"},
		"login.microsoftonline.de":         {"login.microsoftonline.de"},
		"login.microsoftonline.us":         {"login.microsoftonline.us", "login.usgovcloudapi.net"},
		"login-us.microsoftonline.com":     {"login-us.microsoftonline.com"},
		"login.sovcloud-identity.fr":       {"login.sovcloud-identity.fr"},
		"login.sovcloud-identity.de":       {"login.sovcloud-identity.de"},
		"login.sovcloud-identity.sg":       {"login.sovcloud-identity.sg"},
	}
	if got := len(entra.Clouds()); got != len(want) {
		t.Errorf("got %d clouds, want %d", got, len(want))
	}
	for host, aliases := range want {
		for _, alias := range aliases {
			a := authority(t, "https://"+strings.ToUpper(alias))
			if !a.Known() || a.Canonical() != host || a.Host() != alias {
				t.Errorf("%s: got known %t, canonical %q, host %q; want canonical %q", alias, a.Known(), a.Canonical(), a.Host(), host)
			}
		}
	}
	for host, canonical := range map[string]string{
		private: private, "login.windows-ppe.net": "login.windows-ppe.net", "localhost:8443": "localhost:8443",
		"https://dsts.example.com/dstsv2": "dsts.example.com/dstsv2",
	} {
		if got := authority(t, host).Canonical(); got != canonical {
			t.Errorf("%s: got %q, want %q", host, got, canonical)
		}
	}
	for host, known := range map[string]bool{
		private: false, "https://adfs.example.com/adfs": false, "https://dsts.example.com/dstsv2": true,
		"contoso.ciamlogin.com": true, "ciamlogin.com": false, "contoso.ciamlogin.com.example.com": false,
	} {
		if got := authority(t, host).Known(); got != known {
			t.Errorf("%s: got known %t, want %t", host, got, known)
		}
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		authority, tenant, leaf, want string
		legacy                        bool
	}{
		{"login.microsoftonline.com", "contoso.com", "token", "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token", false},
		{"login.microsoftonline.com", "common", "authorize", "https://login.microsoftonline.com/common/oauth2/v2.0/authorize", false},
		{"login.chinacloudapi.cn", "contoso.com", "devicecode", "https://login.chinacloudapi.cn/contoso.com/oauth2/v2.0/devicecode", false},
		{"https://adfs.example.com/adfs", "adfs", "token", "https://adfs.example.com/adfs/oauth2/token", true},
		{"adfs.example.com", "ADFS", "devicecode", "https://adfs.example.com/adfs/oauth2/devicecode", true},
		{"https://dsts.example.com/dstsv2/x", "7a433bfc-2514-4697-b467-e0933190487f", "token", "https://dsts.example.com/dstsv2/7a433bfc-2514-4697-b467-e0933190487f/oauth2/v2.0/token", true},
		{"contoso.ciamlogin.com", "contoso.onmicrosoft.com", "token", "https://contoso.ciamlogin.com/contoso.onmicrosoft.com/oauth2/v2.0/token", false},
		{"localhost:8443", "t", "token", "https://localhost:8443/t/oauth2/v2.0/token", false},
	} {
		a := authority(t, tc.authority)
		if got := a.Endpoint(tc.tenant, tc.leaf); got != tc.want || a.Legacy(tc.tenant) != tc.legacy {
			t.Errorf("%s, %s: got %s, legacy %t; want %s, %t", tc.authority, tc.tenant, got, a.Legacy(tc.tenant), tc.want, tc.legacy)
		}
	}
}

func TestValidTenant(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		tenant: true, "contoso.onmicrosoft.com": true, "common": true, "adfs": true, "a-b.c": true, "A1": true,
		"": false, ".": false, "..": false, "a/b": false, "a b": false, "a?b": false, "a%2fb": false, "ü": false, "a_b": false, "{tenant}": false, "a\n": false,
	} {
		if got := entra.ValidTenant(s); got != want {
			t.Errorf("%q: got %t, want %t", s, got, want)
		}
	}
}
