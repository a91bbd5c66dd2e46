package entratest

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// The emulator's own endpoints let tests in other processes and languages read the
// journal, inject faults and get federated assertions.

// loopbackOnly guards them. A web page that a browser on this machine shows is on
// loopback too, but cannot help sending an Origin when it changes something.
func loopbackOnly(serve func(*call) reply) func(*call) reply {
	return func(c *call) reply {
		if !fromThisMachine(c.req) || c.req.Header.Get("Origin") != "" {
			return adminError(http.StatusForbidden, "the emulator's own endpoints answer programs on this machine only")
		}
		return serve(c)
	}
}

func fromThisMachine(r *http.Request) bool {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return net.ParseIP(host).IsLoopback()
}

func adminError(status int, text string) reply {
	return jsonReply(status, map[string]string{"error": text})
}

func noContent() reply { return reply{status: http.StatusNoContent} }

// serveJournal answers with the entries, oldest first. The query parameter
// endpoint selects those of one endpoint.
func serveJournal(c *call) reply {
	endpoint := c.req.URL.Query().Get("endpoint")
	return jsonReply(http.StatusOK, map[string]any{
		"entries": c.e.Requests(func(en Entry) bool { return endpoint == "" || string(en.Endpoint) == endpoint }),
	})
}

func serveJournalReset(c *call) reply {
	c.e.ResetJournal()
	return noContent()
}

// serveFaultAdd takes a Fault as JSON and answers with its id.
func serveFaultAdd(c *call) reply {
	body, err := io.ReadAll(io.LimitReader(c.req.Body, maxBody))
	if err != nil {
		return adminError(http.StatusBadRequest, "the body ended early")
	}
	var f Fault
	if err := decodeStrict(body, &f); err != nil {
		return adminError(http.StatusBadRequest, err.Error())
	}
	if member, what := f.mistake(); what != "" {
		return adminError(http.StatusBadRequest, member+": "+what)
	}
	return jsonReply(http.StatusCreated, map[string]int{"id": c.e.faults.add(f)})
}

func serveFaultList(c *call) reply {
	return jsonReply(http.StatusOK, map[string]any{"faults": c.e.faults.snapshot()})
}

// serveFaultReset removes all faults, or the one in the query parameter id.
func serveFaultReset(c *call) reply {
	text := c.req.URL.Query().Get("id")
	if text == "" {
		c.e.faults.clear()
		return noContent()
	}
	id, err := strconv.Atoi(text)
	if err != nil {
		return adminError(http.StatusBadRequest, "id is not a number")
	}
	c.e.faults.remove(id)
	return noContent()
}

// serveAssertion mints a federated assertion, as text. Query parameters: subject
// (default DefaultFederatedSubject), audience, lifetime (a Go duration).
func serveAssertion(c *call) reply {
	query := c.req.URL.Query()
	subject := query.Get("subject")
	if subject == "" {
		subject = DefaultFederatedSubject
	}
	var options []AssertionOption
	if audience := query.Get("audience"); audience != "" {
		options = append(options, WithAudience(audience))
	}
	if text := query.Get("lifetime"); text != "" {
		lifetime, err := time.ParseDuration(text)
		if err != nil {
			return badLifetime()
		}
		options = append(options, WithLifetime(lifetime))
	}
	assertion, err := c.e.FederatedAssertion(subject, options...)
	if err != nil {
		return adminError(http.StatusInternalServerError, err.Error())
	}
	return textReply(assertion)
}

// serveUserToken mints an access token that a user has for a web API, as text.
// Query parameters: user (default DefaultUsername), audience (default
// DefaultClientID), lifetime (a Go duration).
func serveUserToken(c *call) reply {
	query := c.req.URL.Query()
	options := []UserTokenOption{FromOrigin(c.origin)}
	if text := query.Get("lifetime"); text != "" {
		lifetime, err := time.ParseDuration(text)
		if err != nil {
			return badLifetime()
		}
		options = append(options, Lasting(lifetime))
	}
	user, audience := cmp.Or(query.Get("user"), DefaultUsername), cmp.Or(query.Get("audience"), DefaultClientID)
	token, err := c.e.UserToken(user, audience, options...)
	if err != nil {
		return adminError(http.StatusNotFound, err.Error())
	}
	return textReply(token)
}

func badLifetime() reply {
	return adminError(http.StatusBadRequest, "lifetime is not a duration such as 90m")
}

func textReply(text string) reply {
	return reply{
		status: http.StatusOK,
		header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		body:   []byte(text),
	}
}
