package managedidentity

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/azid-go/azidentity/internal/secret"
)

func openAzureML(e *environment) (host, error) {
	u, err := endpoint("MSI_ENDPOINT", e.get("MSI_ENDPOINT"))
	if err != nil {
		return host{}, err
	}
	shown := e.get("MSI_SECRET")
	return host{
		endpoint: u, version: "2017-09-01", secret: secret.New(shown),
		selectors: selectors{ClientID: "clientid"},
		system:    e.get("DEFAULT_IDENTITY_CLIENT_ID"), // of an Azure ML compute
		request: func(r *http.Request, _ url.Values) {
			r.Header["Secret"] = []string{shown}
			r.Header["Metadata"] = []string{"true"}
		},
		retries: hostRetries, verdicts: hostVerdicts,
	}, errors.Join(local("MSI_ENDPOINT", u), checkHeader("MSI_SECRET", shown))
}
