package managedidentity

import (
	"net/http"
	"net/url"
	"strings"
)

const (
	// imdsHost is the instance metadata service of virtual machines, on every
	// one of them.
	imdsHost  = "http://169.254.169.254"
	tokenPath = "/metadata/identity/oauth2/token"
)

func openIMDS(e *environment) (host, error) {
	base, probes := imdsHost, true
	const name = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
	if v := strings.TrimRight(e.get(name), "/"); v != "" {
		base, probes = v, false // somebody put it there
	}
	u, err := endpoint(name, base+tokenPath)
	return host{
		endpoint: u, version: "2018-02-01",
		selectors: selectors{ClientID: "client_id", ObjectID: "object_id", ResourceID: "msi_res_id"},
		request:   func(r *http.Request, _ url.Values) { r.Header["Metadata"] = []string{"true"} },
		probes:    probes,
		retries:   imdsRetries, verdicts: imdsVerdicts,
	}, err
}
