package entratest

import (
	"net/http"
	"strconv"
	"time"
)

// grants is the table of what the token endpoint can be asked for, by grant_type.
var grants = map[string]func(*call) (*grant, *refusal){
	"authorization_code": authorizationCode,
	"client_credentials": clientCredentials,
	"device_code":        deviceToken,
	deviceCodeGrant:      deviceToken,
	"password":           passwordGrant,
	saml11Grant:          samlGrant,
	saml2Grant:           samlGrant,
	jwtBearerGrant:       onBehalfOf,
	"refresh_token":      refreshToken,
}

// grant is what a handler in the grants table decided to hand out.
type grant struct {
	resource string // as the client named it
	token    accessToken
	user     *userGrant // nil for an application's own token
}

func serveToken(c *call) reply {
	g, ref := c.grant()
	if ref != nil {
		return c.refuse(ref)
	}
	text, err := c.e.signing().sign(g.token.claims)
	if err != nil {
		panic(err)
	}
	return jsonReply(http.StatusOK, c.tokenResponse(g, text))
}

func (c *call) grant() (*grant, *refusal) {
	if c.formErr != nil {
		return nil, c.formErr
	}
	name := c.form.Get("grant_type")
	if name == "" {
		reason := "there is no grant_type in the form"
		if len(c.form) == 0 {
			reason = "the body is not a form: it is empty or its Content-Type is not application/x-www-form-urlencoded"
		}
		return nil, missing("grant_type", reason)
	}
	handler, ok := grants[name]
	if !ok {
		return nil, refuse(70003, "the grant_type "+name+" is not one the emulator knows",
			"The app requested an unsupported grant type '%s'.", name)
	}
	return handler(c)
}

// missing refuses a request without a required parameter.
func missing(parameter, reason string) *refusal {
	return refuse(900144, reason, "The request body must contain the following parameter: '%s'.", parameter)
}

// tokenResponse builds the success body. The v1 endpoint writes numbers as
// strings and repeats the resource.
func (c *call) tokenResponse(g *grant, text string) map[string]any {
	seconds := int64(g.token.lifetime / time.Second)
	refreshIn := int64(g.token.refreshIn / time.Second)
	body := map[string]any{"token_type": "Bearer", "access_token": text}
	if c.route.dialect == v1 {
		body["expires_in"] = strconv.FormatInt(seconds, 10)
		body["ext_expires_in"] = strconv.FormatInt(seconds, 10)
		body["expires_on"] = strconv.FormatInt(g.token.issued.Unix()+seconds, 10)
		body["not_before"] = strconv.FormatInt(g.token.issued.Unix(), 10)
		body["resource"] = g.resource
		if refreshIn > 0 {
			body["refresh_in"] = strconv.FormatInt(refreshIn, 10)
		}
		return body
	}
	body["expires_in"] = seconds
	if c.route.dialect != adfs {
		body["ext_expires_in"] = seconds
	}
	if refreshIn > 0 {
		body["refresh_in"] = refreshIn
	}
	if g.user != nil {
		g.user.respond(c, body)
	}
	return body
}
