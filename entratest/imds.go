package entratest

import (
	"net/http"
	"strconv"
	"time"
)

// serveIMDS is the instance metadata service of virtual machines.
func serveIMDS(c *call) reply {
	query := c.req.URL.Query()
	switch {
	case !c.hasMetadata():
		return badRequest(c, metadataMissing)
	case !c.hasVersion("2018-02-01"):
		return badRequest(c, badVersion)
	}
	token, missing := c.issue(query, []selector{
		{"client_id", byClientID}, {"object_id", byObjectID}, {"msi_res_id", byResourceID}, {"mi_res_id", byResourceID},
	})
	switch missing {
	case "resource":
		return badRequest(c, map[string]string{"error": "invalid_resource", "error_description": "AADSTS500011: The resource principal was not found in the tenant"})
	case "identity":
		return badRequest(c, map[string]string{"error": "invalid_request", "error_description": "Identity not found"})
	}
	body := token.numbers()
	body["expires_in"] = strconv.FormatInt(int64(token.lifetime/time.Second), 10)
	body["ext_expires_in"] = body["expires_in"]
	body["not_before"] = strconv.FormatInt(token.expires.Add(-token.lifetime).Unix(), 10)
	return jsonReply(http.StatusOK, body)
}
