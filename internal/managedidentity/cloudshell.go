package managedidentity

import (
	"net/http"
	"net/url"
)

func openCloudShell(e *environment) (host, error) {
	u, err := endpoint("MSI_ENDPOINT", e.get("MSI_ENDPOINT"))
	if err != nil {
		return host{}, err
	}
	return host{
		endpoint: u, post: true,
		request: func(r *http.Request, _ url.Values) { r.Header["Metadata"] = []string{"true"} },
		retries: hostRetries, verdicts: hostVerdicts,
	}, local("MSI_ENDPOINT", u)
}
