package entratest

import (
	"io"
	"net/http"
)

// What happens to users and their device codes can be told to the emulator over HTTP as
// well, from this machine.

func serveDeviceCodeList(c *call) reply {
	return jsonReply(http.StatusOK, map[string]any{"deviceCodes": c.e.DeviceCodes()})
}

// serveDeviceCodeDecision approves a user code as somebody, or declines.
func serveDeviceCodeDecision(c *call) reply {
	var in struct {
		UserCode string `json:"userCode"`
		User     string `json:"user"`
		SignIn   SignIn `json:"signIn"`
		Deny     bool   `json:"deny"`
	}
	if rep, ok := c.readStrict(&in); !ok {
		return rep
	}
	err := c.e.DenyDeviceCode
	if !in.Deny {
		err = func(code string) error { return c.e.ApproveDeviceCode(code, in.User, in.SignIn) }
	}
	if err := err(in.UserCode); err != nil {
		return adminError(http.StatusNotFound, err.Error())
	}
	return noContent()
}

// serveUserChange applies what is given to a user, in this order.
func serveUserChange(c *call) reply {
	var in struct {
		User           string   `json:"user"`
		Password       Password `json:"password"`
		Disable        bool     `json:"disable"`
		Enable         bool     `json:"enable"`
		RevokeSessions bool     `json:"revokeSessions"`
		ConsentTo      string   `json:"consentTo"` // a client ID
	}
	if rep, ok := c.readStrict(&in); !ok {
		return rep
	}
	for _, change := range []struct {
		asked bool
		do    func() error
	}{
		{true, func() error { return c.e.changeUser(in.User, func(*person) {}) }}, // there is such a user
		{in.Password != "", func() error { return c.e.SetPassword(in.User, in.Password) }},
		{in.Disable || in.Enable, func() error { return c.e.SetDisabled(in.User, in.Disable) }},
		{in.RevokeSessions, func() error { return c.e.RevokeSessions(in.User) }},
		{in.ConsentTo != "", func() error { return c.e.Consent(in.User, in.ConsentTo) }},
	} {
		if !change.asked {
			continue
		}
		if err := change.do(); err != nil {
			return adminError(http.StatusNotFound, err.Error())
		}
	}
	return noContent()
}

// readStrict reads a JSON body.
func (c *call) readStrict(into any) (reply, bool) {
	body, err := io.ReadAll(io.LimitReader(c.req.Body, maxBody))
	if err != nil {
		return adminError(http.StatusBadRequest, "the body ended early"), false
	}
	if err := decodeStrict(body, into); err != nil {
		return adminError(http.StatusBadRequest, err.Error()), false
	}
	return reply{}, true
}
