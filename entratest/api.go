package entratest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// graphAppID is Microsoft Graph's, which its tokens may have as their audience.
const graphAppID = "00000003-0000-0000-c000-000000000000"

// serveMe is a small protected API, as Microsoft Graph's /me is one: it says who the
// user of an access token is. It takes tokens for Microsoft Graph, or for the host by
// which it is reached. Of clients that declare that they handle continuous access
// evaluation it wants a newer token when the user's sessions have been ended. The query
// parameter acrs names an authentication context that the token has to have.
func serveMe(c *call) reply {
	text, ok := strings.CutPrefix(c.req.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return c.unauthorized("there is no bearer token in the request", "Access token is empty.", "")
	}
	t, reason := c.checkAccessToken(strings.TrimSpace(text), graph, graphAppID)
	if reason != "" {
		return c.unauthorized(reason, "Access token validation failure.", "")
	}
	if t.claim("scp") == "" {
		c.entry.Reason = "the token is an application's own, and has no user"
		return graphError(http.StatusBadRequest, "BadRequest", "/me request is only valid with delegated authentication flow.")
	}
	c.tenant = c.directory.tenant(t.claim("tid"))
	if c.tenant == nil || c.tenant.user(t.claim("oid")) == nil {
		return c.unauthorized("the token's user is not in the directory", "Access token validation failure.", "")
	}
	c.entry.Tenant = c.tenant.ID
	user := c.tenant.user(t.claim("oid"))
	issued, _, _ := t.date("iat")
	capabilities, _ := t.claims["xms_cc"].([]any)
	if validFrom := c.e.people.view(user.ID).validFrom; slices.Contains(capabilities, any("CP1")) && issued.Before(validFrom) {
		return c.unauthorized("the user's sessions were ended after the token was issued",
			"Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp",
			claimsText("nbf", map[string]any{"essential": true, "value": strconv.FormatInt(validFrom.Unix(), 10)}))
	}
	if context := c.req.URL.Query().Get("acrs"); context != "" {
		had, _ := t.claims["acrs"].([]any)
		if !slices.Contains(had, any(context)) {
			return c.unauthorized("the token does not have the authentication context "+context,
				"The token lacks an authentication context.", claimsText("acrs", map[string]any{"essential": true, "value": context}))
		}
	}
	return jsonReply(http.StatusOK, map[string]string{"id": user.ID, "userPrincipalName": user.Username, "displayName": user.Name})
}

// checkAccessToken verifies an access token for one of the audiences, or for the host by
// which the emulator is reached, or says what is wrong with it.
func (c *call) checkAccessToken(text string, audiences ...string) (t *jwt, reason string) {
	t, err := parseJWT(text)
	if err != nil {
		return nil, "the token is no JWT: " + err.Error()
	}
	expires, _, err := t.date("exp")
	from, _, err2 := t.date("nbf")
	_, host, _ := strings.Cut(c.origin, "://")
	audiences = append(audiences, "https://"+host)
	switch {
	case t.alg() != "RS256" || t.verify(&c.e.signing().private.PublicKey) != nil:
		return nil, "the token is not signed by this emulator"
	case err != nil || err2 != nil || !c.now.Before(expires) || c.now.Add(clockTolerance).Before(from):
		return nil, "the token is not valid at this time; it expires " + expires.UTC().Format(time.RFC3339)
	case !slices.ContainsFunc(t.audiences(), func(aud string) bool {
		return slices.ContainsFunc(audiences, func(a string) bool { return sameResource(a, aud) })
	}):
		return nil, fmt.Sprintf("the token is for %q", t.audiences())
	}
	return t, ""
}

// unauthorized answers 401. claims, if any, are a challenge: what the next token has
// to have.
func (c *call) unauthorized(reason, message, claims string) reply {
	c.entry.Error, c.entry.Reason = "InvalidAuthenticationToken", reason
	challenge := `Bearer realm="", authorization_uri="` + c.origin + `/common/oauth2/authorize", client_id="` + graphAppID + `"`
	if claims != "" {
		c.entry.Error = "insufficient_claims"
		challenge += `, error="insufficient_claims", claims="` + base64.StdEncoding.EncodeToString([]byte(claims)) + `"`
	}
	rep := graphError(http.StatusUnauthorized, "InvalidAuthenticationToken", message)
	rep.header.Set("WWW-Authenticate", challenge)
	return rep
}

// graphError is an error as Microsoft Graph writes it.
func graphError(status int, code, message string) reply {
	return jsonReply(status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}
