package entratest

import (
	"net/http"
	"net/url"
	"strings"
)

// serveDeviceLogin is the page at which the code of a device is entered (RFC 8628 section
// 3.3). The query parameter user_code fills it in.
func serveDeviceLogin(c *call) reply {
	c.e.browsers.mu.Lock()
	defer c.e.browsers.mu.Unlock()
	b := c.e.browsers.meet(c)
	s := &signIn{begun: c.now, segment: "common", device: true, username: c.req.URL.Query().Get("user_code")}
	b.begin(s)
	return c.remember(c.nextPage(b, s, nil), b)
}

func (c *call) enterUserCode(_ *browser, s *signIn, posted url.Values) (*reply, *refusal) {
	if !s.device || s.userCode != "" {
		return nil, nil
	}
	s.username = strings.TrimSpace(posted.Get("user_code"))
	var rec deviceRecord
	err := c.e.pending(s.username, func(r *deviceRecord) error {
		rec = *r
		return nil
	})
	if err != nil {
		return nil, refuse(70018, "no device code waits that has this user code",
			"Invalid verification code due to User typing in wrong user code for device code flow.")
	}
	s.userCode, s.username, s.segment = rec.UserCode, "", rec.Tenant
	s.form = url.Values{"client_id": {rec.ClientID}, "scope": {rec.Scope}, "claims": {rec.claims}}
	c.resume(s)
	// No single sign-on here: whoever was sent a code by somebody else shall see as whom
	// they go on.
	return nil, nil
}

// declineDevice is a person who does not let the device go on.
func (c *call) declineDevice(b *browser, s *signIn) *reply {
	b.end(s)
	v := view{titled: titled{"You have not signed in"}, Device: true}
	if s.userCode != "" {
		// Somebody else may have decided meanwhile; there is nothing left to decline then.
		_ = c.e.DenyDeviceCode(s.userCode)
		if app, ref := c.client(); ref == nil {
			v.App = app.shown()
		}
	}
	rep := page(http.StatusOK, "declined", v, "")
	return &rep
}
