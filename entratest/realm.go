package entratest

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// FederatedDomain is a domain whose users' passwords the organisation checks itself, at
// a WS-Trust server that the emulator plays: a metadata document at
// https://HOST/adfs/services/trust/mex, and endpoints for user names and passwords in
// the versions 2005 and 1.3. The users, and their passwords, are in the tenant as any
// others.
type FederatedDomain struct {
	// Domain is one of the tenant's domains.
	Domain string `json:"domain"`
	// Host is the server's name, without a port. Default: sts. before the domain.
	// Clients that find hosts by DNS need one that leads to the emulator.
	Host string `json:"host,omitempty"`
	// Protocol is the one that Entra ID names. Default WSTrust; clients can use a
	// password with no other.
	Protocol string `json:"protocol,omitempty"`
	// Version is the only version that the metadata document names: 2005 or 1.3.
	// Default: both.
	Version string `json:"version,omitempty"`
	// SAML2 issues assertions of SAML 2.0. Default: 1.1, as AD FS does.
	SAML2 bool `json:"saml2,omitempty"`
}

// addFederated checks the federated domains of a tenant and completes them.
func (t *tenant) addFederated(p *problems, path string) {
	t.FederatedDomains = slices.Clone(t.FederatedDomains)
	for i := range t.FederatedDomains {
		f := &t.FederatedDomains[i]
		path := fmt.Sprintf("%s.federatedDomains[%d]", path, i)
		if !slices.ContainsFunc(t.Domains, func(d string) bool { return strings.EqualFold(d, f.Domain) }) {
			p.add(path+".domain", "%q is none of the tenant's domains", f.Domain)
		}
		if f.Version != "" && f.Version != "2005" && f.Version != "1.3" {
			p.add(path+".version", "%q is neither 2005 nor 1.3", f.Version)
		}
		f.Host = strings.ToLower(cmp.Or(f.Host, "sts."+f.Domain))
		if strings.ContainsAny(f.Host, "/: ") {
			p.add(path+".host", "%q is not a host name", f.Host)
		}
		f.Protocol = cmp.Or(f.Protocol, "WSTrust")
	}
}

// federated finds the federation of a domain, nil if the domain is managed.
func (t *tenant) federated(domain string) *FederatedDomain {
	for i, f := range t.FederatedDomains {
		if strings.EqualFold(f.Domain, domain) {
			return &t.FederatedDomains[i]
		}
	}
	return nil
}

// federationServer finds whose federation server a host is.
func (d *directory) federationServer(host string) (*tenant, *FederatedDomain) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	for _, t := range d.tenants {
		for i, f := range t.FederatedDomains {
			if strings.EqualFold(f.Host, host) {
				return t, &t.FederatedDomains[i]
			}
		}
	}
	return nil, nil
}

// federationAudience is for whom federation servers make assertions.
const federationAudience = "urn:federation:MicrosoftOnline"

// serveUserRealm says who checks the passwords of a user's domain.
func serveUserRealm(c *call) reply {
	segments := strings.Split(strings.Trim(c.req.URL.Path, "/"), "/")
	name := domain(segments[len(segments)-1])
	_, host, _ := strings.Cut(c.origin, "://")
	out := map[string]string{"ver": "1.0", "account_type": "Unknown", "cloud_instance_name": host, "cloud_audience_urn": federationAudience}
	if t := c.directory.tenant(name); name != "" && t != nil {
		out["account_type"], out["domain_name"] = "Managed", name
		if f := t.federated(name); f != nil {
			base := c.federationBase(f)
			out["account_type"], out["federation_protocol"] = "Federated", f.Protocol
			out["federation_metadata_url"] = base + "/mex"
			out["federation_active_auth_url"] = base + trustPaths["2005"]
		}
	}
	return jsonReply(http.StatusOK, out)
}

// federationBase is the URL of a federation server on the port by which the emulator
// was reached.
func (c *call) federationBase(f *FederatedDomain) string {
	scheme, host, _ := strings.Cut(c.origin, "://")
	if _, port, err := net.SplitHostPort(host); err == nil {
		return scheme + "://" + net.JoinHostPort(f.Host, port) + "/adfs/services/trust"
	}
	return scheme + "://" + f.Host + "/adfs/services/trust"
}
