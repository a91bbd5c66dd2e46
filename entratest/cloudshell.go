package entratest

import (
	"net/http"
	"strconv"
	"time"
)

// serveCloudShell is the token service of Azure Cloud Shell. Real ones answer for
// the user that is signed in.
func serveCloudShell(c *call) reply {
	if !c.hasMetadata() {
		return badRequest(c, metadataMissing)
	}
	token, missing := c.issue(c.form, nil)
	if missing != "" {
		return c.refuseWith(http.StatusBadRequest, map[string]any{"error": map[string]string{
			"code": "AudienceNotSupported", "message": "The " + missing + " is not supported",
		}}, "AudienceNotSupported")
	}
	body := token.numbers()
	body["expires_in"] = strconv.FormatInt(int64(token.lifetime/time.Second), 10)
	return jsonReply(http.StatusOK, body)
}
