package entra

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// PublicCloudHost is the authority that is used when none is configured.
const PublicCloudHost = "login.microsoftonline.com"

// ADFSTenant in the place of a tenant means Active Directory Federation
// Services: one directory, other paths, older assertions.
const ADFSTenant = "adfs"

// dstsPath begins the path of a dSTS authority.
const dstsPath = "dstsv2"

// An Authority is a server that issues tokens, for any number of tenants.
// Authorities are immutable and comparable.
type Authority struct {
	host  string // lower case, with a port if it is not 443
	cloud *Cloud // nil if the host is not in the table
	path  string // "dstsv2" or ""
}

// ParseAuthority reads the authority option: a host, or a URL with scheme
// https. Letter case, spaces around it and slashes at its end do not count. A
// path /adfs or /dstsv2 names the kind of server; the tenant that goes with
// /adfs is returned, and is empty otherwise.
func ParseAuthority(s string) (a Authority, tenant string, err error) {
	if cloud := cloudByHost[s]; cloud != nil {
		return Authority{host: s, cloud: cloud}, "", nil
	}
	given := s
	if s = strings.TrimSpace(s); !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	fail := func(why string) (Authority, string, error) {
		return Authority{}, "", fmt.Errorf("authority %q: %s; give a host such as %s, or a URL that begins with https://", redactUserInfo(given), why, PublicCloudHost)
	}
	switch {
	case err != nil:
		return fail("it is not a URL")
	case u.Scheme != "https":
		return fail("it must use TLS (https)")
	case u.Hostname() == "":
		return fail("it has no host")
	case u.User != nil || strings.ContainsAny(s, "?#"):
		return fail("it must be no more than a host")
	}
	host := strings.TrimSuffix(strings.ToLower(u.Host), ":443")
	if !validHost(host) {
		return fail("its host is not a DNS name or an IP address")
	}
	a = Authority{host: host, cloud: cloudByHost[host]}
	switch path := strings.ToLower(strings.Trim(u.Path, "/")); {
	case path == "":
	case path == ADFSTenant:
		tenant = ADFSTenant
	case path == dstsPath:
		a.path = dstsPath
	case strings.HasPrefix(path, dstsPath+"/") && ValidTenant(path[len(dstsPath)+1:]):
		a.path, tenant = dstsPath, path[len(dstsPath)+1:]
	default:
		return fail("its path is not one that Entra ID, ADFS or dSTS has; the tenant is an option of its own")
	}
	return a, tenant, nil
}

// hosts are DNS names and IP addresses, with or without a port. net/url takes
// much else in their place.
var hosts = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)

func validHost(s string) bool { return hosts.MatchString(s) }

// redactUserInfo takes a password out of a URL that is to be quoted.
func redactUserInfo(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return "…" + s[i:]
	}
	return s
}

// ErrInvalidTenant says which characters a tenant may have.
var ErrInvalidTenant = errors.New("a tenant is an ID or a domain: letters, digits, periods and hyphens (see https://learn.microsoft.com/partner-center/find-ids-and-domain-names)")

// ValidTenant reports whether s has only the characters of a tenant ID or a
// domain. It becomes a segment of a path, so nothing else may pass.
func ValidTenant(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-') {
			return false
		}
	}
	return s != "" && s != "." && s != ".."
}

// Host returns the host, with its port if that is not the usual one.
func (a Authority) Host() string { return a.host }

// Canonical returns what all aliases of a's cloud have in common: the host
// that separates tokens in a cache.
func (a Authority) Canonical() string {
	if a.cloud != nil {
		return a.cloud.Host
	}
	if a.path != "" {
		return a.host + "/" + a.path
	}
	return a.host
}

// Known reports whether a's endpoints can be derived, and the host trusted,
// without asking anyone: hosts of the table, and servers that have no
// discovery (dSTS, external identities).
func (a Authority) Known() bool {
	return a.cloud != nil || a.path == dstsPath || a.external()
}

// external reports whether a is for external identities (CIAM).
func (a Authority) external() bool { return strings.HasSuffix(a.host, ".ciamlogin.com") }

// Legacy reports whether tenant's server at a wants assertions signed as
// before 2023: RS256, SHA-1 thumbprint.
func (a Authority) Legacy(tenant string) bool {
	return a.path == dstsPath || strings.EqualFold(tenant, ADFSTenant)
}

// CheckScopes finds, without asking anyone, scopes that no token could have:
// empty ones, and audiences of another cloud.
func (a Authority) CheckScopes(scopes []string) error {
	if len(scopes) == 0 {
		return errors.New("at least one scope is needed, for example https://management.azure.com/.default")
	}
	for _, s := range scopes {
		switch {
		case strings.TrimSpace(s) == "":
			return errors.New("one of the scopes is empty")
		case s == defaultSuffix:
			return errors.New("the scope /.default names no resource: write it in front, for example https://management.azure.com/.default")
		}
		if err := a.checkAudience(s); err != nil {
			return err
		}
	}
	return nil
}

// endpoint derives a URL of the table in token-endpoint facts, section 3.1.
// leaf is the last segment: token, authorize or devicecode.
func (a Authority) endpoint(host, tenant, leaf string) string {
	if strings.EqualFold(tenant, ADFSTenant) {
		return "https://" + host + "/adfs/oauth2/" + leaf
	}
	if a.path != "" {
		host += "/" + a.path
	}
	return "https://" + host + "/" + tenant + "/oauth2/v2.0/" + leaf
}
