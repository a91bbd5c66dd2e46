package entratest

import (
	"net/http"
	"strconv"
)

// appServiceDate is how App Service writes times in its version of 2017, on
// Linux.
const appServiceDate = "01/02/2006 15:04:05 -07:00"

// revokingVersion is from when on App Service takes token_sha256_to_refresh.
const revokingVersion = "2025-03-30"

// serveAppService is App Service, Functions and Container Apps.
func serveAppService(c *call) reply {
	if c.req.Header.Get("X-Identity-Header") != identityHeader {
		c.entry.Reason = "X-IDENTITY-HEADER is missing or wrong"
		return c.refuseWith(http.StatusUnauthorized, map[string]any{"statusCode": 401, "message": "The provided value for X-IDENTITY-HEADER is not valid"}, "unauthorized")
	}
	if !c.hasVersion("2019-08-01", revokingVersion) {
		return c.appServiceRefusal(http.StatusBadRequest, "api-version is not supported")
	}
	token, missing := c.issue(c.req.URL.Query(), []selector{
		{"client_id", byClientID}, {"object_id", byObjectID}, {"principal_id", byObjectID}, {"mi_res_id", byResourceID},
	})
	switch missing {
	case "resource":
		return c.appServiceRefusal(http.StatusInternalServerError, "An unexpected error occurred while fetching the AAD Token.")
	case "identity":
		return c.appServiceRefusal(http.StatusBadRequest, "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.")
	}
	return jsonReply(http.StatusOK, token.numbers())
}

func (c *call) appServiceRefusal(status int, message string) reply {
	return c.refuseWith(status, map[string]any{"statusCode": status, "message": message}, strconv.Itoa(status))
}

// serveAzureML is Azure ML, and App Service in its version of 2017, which has the
// same protocol but for the form of times.
func serveAzureML(c *call) reply {
	if c.req.Header.Get("Secret") != identityHeader {
		c.entry.Reason = "the header secret is missing or wrong"
		return c.appServiceRefusal(http.StatusUnauthorized, "The secret is not valid")
	}
	if !c.hasVersion("2017-09-01") {
		return c.appServiceRefusal(http.StatusBadRequest, "api-version is not supported")
	}
	token, missing := c.issue(c.req.URL.Query(), []selector{{"clientid", byClientID}})
	if missing != "" {
		return c.appServiceRefusal(http.StatusBadRequest, "The "+missing+" was not found")
	}
	body := token.numbers()
	if c.route.endpoint == EndpointLegacyAppService {
		body["expires_on"] = token.expires.UTC().Format(appServiceDate)
	}
	return jsonReply(http.StatusOK, body)
}
