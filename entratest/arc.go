package entratest

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// serveArc is the agent of Azure Arc. It hands out tokens to who can read the
// file that it names; every file serves once.
func serveArc(c *call) reply {
	switch {
	case !c.hasMetadata():
		return badRequest(c, metadataMissing)
	case !c.hasVersion("2020-06-01", "2019-11-01"):
		return badRequest(c, badVersion)
	case c.cfg.ArcKeyDirectory == "":
		c.entry.Reason = "ArcKeyDirectory is not configured, so there is nowhere to put a key"
		return c.refuseWith(http.StatusInternalServerError, map[string]string{"error": "server_error"}, "server_error")
	}
	key, ok := strings.CutPrefix(c.req.Header.Get("Authorization"), "Basic ")
	if !ok {
		return c.arcChallenge()
	}
	path, known := c.e.arcKeys.LoadAndDelete(key)
	if !known {
		c.entry.Reason = "the key is not that of a challenge, or was used before"
		return c.refuseWith(http.StatusUnauthorized, map[string]string{"error": "unauthorized_client"}, "unauthorized_client")
	}
	_ = os.Remove(path.(string))
	query := c.req.URL.Query()
	token, missing := c.issue(query, []selector{{"client_id", byClientID}, {"object_id", byObjectID}, {"msi_res_id", byResourceID}})
	if missing != "" {
		return badRequest(c, map[string]string{"error": "invalid_request", "error_description": missing + " not found"})
	}
	body := token.numbers()
	body["object_id"], body["msi_res_id"] = token.identity.ObjectID, token.identity.ResourceID
	return jsonReply(http.StatusOK, body)
}

func (c *call) arcChallenge() reply {
	key := newGUID()
	path := filepath.Join(c.cfg.ArcKeyDirectory, newGUID()+".key")
	if err := writeKey(path, key); err != nil {
		c.entry.Reason = "the key file cannot be written: " + err.Error()
		return c.refuseWith(http.StatusInternalServerError, map[string]string{"error": "server_error"}, "server_error")
	}
	c.e.arcKeys.Store(key, path)
	c.entry.Reason = "challenged to show the key in a file"
	return reply{status: http.StatusUnauthorized, header: http.Header{"Www-Authenticate": {"Basic realm=" + path}}}
}

// writeKey creates a file that nobody else can read, and follows no link.
func writeKey(path, key string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(key)
	return errors.Join(err, f.Close())
}

// removeArcKeys removes the files of challenges that nobody answered.
func (e *Emulator) removeArcKeys() {
	e.arcKeys.Range(func(key, path any) bool {
		e.arcKeys.Delete(key)
		_ = os.Remove(path.(string))
		return true
	})
}
