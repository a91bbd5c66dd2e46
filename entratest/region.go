package entratest

import "net/http"

// serveCompute and serveLocation are the part of the instance metadata endpoint
// that clients detect their region with.
func serveCompute(c *call) reply {
	if rep, ok := c.metadataRefusal(); ok {
		return rep
	}
	return jsonReply(http.StatusOK, map[string]string{
		"azEnvironment": "AzurePublicCloud",
		"location":      c.cfg.Region,
		"name":          "emulated",
		"osType":        "Linux",
	})
}

func serveLocation(c *call) reply {
	if rep, ok := c.metadataRefusal(); ok {
		return rep
	}
	if c.req.URL.Query().Get("format") != "text" {
		return jsonReply(http.StatusOK, c.cfg.Region)
	}
	return reply{
		status: http.StatusOK,
		header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		body:   []byte(c.cfg.Region),
	}
}

func (c *call) metadataRefusal() (reply, bool) {
	switch {
	case c.cfg.Region == "":
		c.entry.Reason = "no Region is configured, so there is no metadata endpoint"
		return jsonReply(http.StatusNotFound, map[string]string{"error": "Not found"}), true
	case c.req.Header.Get("Metadata") != "true":
		c.entry.Reason = "the header Metadata: true is missing"
		return jsonReply(http.StatusBadRequest, map[string]string{"error": "Bad request. Required metadata header not specified"}), true
	case c.req.URL.Query().Get("api-version") == "":
		c.entry.Reason = "the api-version is missing"
		return jsonReply(http.StatusBadRequest, map[string]any{
			"error":           "Bad request. api-version was not specified in the request",
			"newest-versions": []string{"2021-12-13", "2021-11-15", "2021-11-01"},
		}), true
	}
	return reply{}, false
}
