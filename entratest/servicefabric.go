package entratest

import "net/http"

// serveServiceFabric is the managed identity endpoint of a Service Fabric node.
func serveServiceFabric(c *call) reply {
	fail := func(status int, code, message string) reply {
		return c.refuseWith(status, map[string]any{"error": map[string]string{
			"code": code, "message": message, "correlationId": c.correlationID,
		}}, code)
	}
	switch {
	case c.req.TLS == nil:
		c.entry.Reason = "the request came without TLS"
		return fail(http.StatusBadRequest, "InternalServerError", "TLS is required")
	case c.req.Header.Get("Secret") != identityHeader:
		c.entry.Reason = "the header Secret is missing or wrong"
		return fail(http.StatusNotFound, "SecretHeaderNotFound", "Secret is not found in the request headers.")
	case !c.hasVersion("2019-07-01-preview"):
		return fail(http.StatusBadRequest, "InvalidApiVersion", "The api-version is not supported.")
	}
	token, missing := c.issue(c.req.URL.Query(), nil)
	switch missing {
	case "resource":
		return fail(http.StatusBadRequest, "ArgumentNullOrEmpty", "The parameter 'resource' should not be null or empty string.")
	case "identity":
		return fail(http.StatusNotFound, "ManagedIdentityNotFound", "Managed identity is not found.")
	}
	body := token.numbers()
	body["expires_on"] = token.expires.Unix()
	return jsonReply(http.StatusOK, body)
}
