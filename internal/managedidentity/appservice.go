package managedidentity

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/azid-go/azidentity/internal/secret"
)

func openAppService(e *environment) (host, error) {
	u, err := endpoint("IDENTITY_ENDPOINT", e.get("IDENTITY_ENDPOINT"))
	if err != nil {
		return host{}, err
	}
	shown := e.get("IDENTITY_HEADER")
	return host{
		endpoint: u, version: "2019-08-01", secret: secret.New(shown),
		selectors: selectors{ClientID: "client_id", ObjectID: "object_id", ResourceID: "mi_res_id"},
		request: func(r *http.Request, _ url.Values) {
			r.Header["X-Identity-Header"] = []string{shown}
			r.Header["Metadata"] = []string{"true"} // Azure Automation wants it
		},
		revokes: true, revoking: "2025-03-30",
		retries: hostRetries, verdicts: hostVerdicts,
	}, errors.Join(local("IDENTITY_ENDPOINT", u), checkHeader("IDENTITY_HEADER", shown))
}
