package entratest

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody bounds what is read of a request. Entra's own limit is not published;
// no honest form comes near this.
const maxBody = 1 << 20

// call is one request on its way through the emulator.
type call struct {
	e      *Emulator
	*setup // the configuration at the time of arrival
	req    *http.Request
	route  route
	now    time.Time
	// origin is the scheme and host as the client named them, port included, or
	// the authority's for what comes in by another port.
	origin string
	routes []route // that can be reached the way the request came
	// segment is the tenant as the path names it; tenant is what it stands for,
	// nil when nothing.
	segment string
	tenant  *tenant
	form    url.Values // the query, at the authorize endpoint
	formErr *refusal

	traceID       string
	correlationID string
	// entry is the call's line in the journal, completed by the handlers.
	entry Entry
}

// newCall reads a request for one of the routes. An empty origin is the request's.
func (e *Emulator) newCall(w http.ResponseWriter, r *http.Request, routes []route, origin string) *call {
	c := &call{
		e: e, setup: e.setup.Load(), req: r, now: e.clock(), traceID: newGUID(), correlationID: newGUID(),
		origin: origin, routes: routes,
	}
	if id := r.Header.Get("client-request-id"); guidPattern.MatchString(id) {
		c.correlationID = id
	}
	scheme := "https"
	if r.TLS == nil {
		scheme = "http"
	}
	if origin == "" {
		c.origin = scheme + "://" + strings.ToLower(r.Host)
	}
	c.route, c.segment = findRoute(routes, r.Method, r.URL.Path)
	c.tenant = c.named()
	switch {
	case c.route.endpoint == EndpointAuthorize:
		c.form = r.URL.Query()
	case c.route.endpoint == EndpointFederationServer: // not a form, and holds a password
	case r.Method == http.MethodPost && !c.route.private:
		c.form, c.formErr = readForm(w, r)
	}
	c.entry = newEntry(c)
	return c
}

// named is the tenant that the path names, nil if there is none of that name, or it is a
// pseudo-tenant.
func (c *call) named() *tenant {
	// ADFS serves one organisation and has no tenants: its path stands for the first.
	if c.route.dialect == adfs {
		return c.directory.first()
	}
	t := c.directory.tenant(c.segment)
	if t == nil && c.segment != "" && c.route.dialect == dsts {
		return c.directory.first()
	}
	return t
}

// readForm reads an urlencoded body. A body of another type has no parameters,
// as with Entra, which then misses the first one it needs.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		ref := refuse(9002313, "the request body is larger than 1 MiB", "Invalid request. The request body is too large.")
		ref.status = http.StatusRequestEntityTooLarge
		return url.Values{}, ref
	}
	if err != nil {
		return url.Values{}, refuse(9002313, "the request body ended early: "+err.Error(), "Invalid request. The request body is incomplete.")
	}
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType != "application/x-www-form-urlencoded" {
		return url.Values{}, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return url.Values{}, refuse(9002313, "the request body is not a valid form", "Invalid request. The request is malformed or invalid.")
	}
	return form, nil
}

func encodeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
