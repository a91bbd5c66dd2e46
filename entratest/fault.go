package entratest

import (
	"cmp"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault makes requests go wrong. The first group of fields says which requests,
// the second what happens. Without anything to happen, a fault only marks the
// journal entry.
type Fault struct {
	// Host, Endpoint, Tenant, ClientID and GrantType select requests; empty means
	// any, letter case is ignored. Host fits with and without its port, Tenant by
	// GUID or as the path names it.
	Host      string   `json:"host,omitempty"`
	Endpoint  Endpoint `json:"endpoint,omitempty"`
	Tenant    string   `json:"tenant,omitempty"`
	ClientID  string   `json:"clientId,omitempty"`
	GrantType string   `json:"grantType,omitempty"`
	// Skip lets that many selected requests pass first.
	Skip int `json:"skip,omitempty"`
	// Times is how many selected requests are hit, 0 meaning all.
	Times int `json:"times,omitempty"`

	// Latency passes before anything else happens.
	Latency time.Duration `json:"latency,omitzero"`
	// Hang never answers: the request ends with its context.
	Hang bool `json:"hang,omitempty"`
	// Reset breaks the connection instead of answering.
	Reset bool `json:"reset,omitempty"`
	// Status of the answer, 200 to 599. Default: what Error and Code imply; with Body 200.
	Status int `json:"status,omitempty"`
	// Error is the OAuth error of an Entra error body, or the code that a managed
	// identity endpoint writes in the form of its own. Default: what Code or Status
	// implies.
	Error string `json:"error,omitempty"`
	// Code is the AADSTS number of the error body.
	Code int `json:"code,omitempty"`
	// SubError and Claims are further members of the error body.
	SubError string `json:"suberror,omitempty"`
	Claims   string `json:"claims,omitempty"`
	// RetryAfter is sent as a Retry-After header in whole seconds, rounded up. Alone
	// it implies Status 429.
	RetryAfter time.Duration `json:"retryAfter,omitzero"`
	// Body is sent verbatim, with ContentType (default text/html).
	Body        string `json:"body,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	// SlowBody is how long the body takes after the header has been sent.
	SlowBody time.Duration `json:"slowBody,omitzero"`
	// Truncate ends the body half way, with the full length announced.
	Truncate bool `json:"truncate,omitempty"`
}

// slowBodyPieces is in how many pieces a slow body arrives.
const slowBodyPieces = 10

// Inject adds a fault and returns a function that removes it. Faults are tried in
// the order in which they were injected; the first that hits a request is the only
// one to act on it.
func (e *Emulator) Inject(f Fault) (cancel func()) {
	id := e.faults.add(f)
	return func() { e.faults.remove(id) }
}

// mistake says what is wrong with a fault, and in which member, or nothing.
func (f *Fault) mistake() (member, what string) {
	known := func(rt route) bool { return strings.EqualFold(string(rt.endpoint), string(f.Endpoint)) }
	switch {
	case f.Endpoint != "" && !strings.EqualFold(string(f.Endpoint), string(EndpointUnknown)) && !slices.ContainsFunc(routes(), known):
		return "endpoint", "there is no " + string(f.Endpoint)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return "status", strconv.Itoa(f.Status) + " is none of 200 to 599"
	}
	return "", ""
}

// ClearFaults removes all faults.
func (e *Emulator) ClearFaults() { e.faults.clear() }

// before does what happens before an answer. It returns false when there is to be
// none.
func (f *Fault) before(c *call) bool {
	if !c.wait(f.Latency) {
		return false
	}
	c.now = c.e.clock()
	if f.Hang {
		<-c.req.Context().Done()
		c.entry.Reason = "fault: hung until the request ended"
		return false
	}
	if f.Reset {
		c.entry.Reason = "fault: connection reset"
		return false
	}
	return true
}

// wait lets time pass, and returns false when the request ended first.
func (c *call) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.req.Context().Done():
		c.entry.Reason = "fault: the request ended while it was delayed"
		return false
	}
}

// answer is what the fault sends in place of the endpoint, or the endpoint's own.
func (f *Fault) answer(c *call) reply {
	var rep reply
	switch {
	case f.Body != "" || f.Status > 0 && f.Status < 400:
		rep = reply{
			status: cmp.Or(f.Status, http.StatusOK),
			header: http.Header{"Content-Type": {cmp.Or(f.ContentType, "text/html; charset=utf-8")}},
			body:   []byte(f.Body),
		}
		c.entry.Reason = "fault: body sent verbatim"
	case f.Status != 0 || f.Error != "" || f.Code != 0 || f.RetryAfter > 0:
		if c.route.endpoint.onMachine() {
			rep = c.machineRefusal(f)
		} else {
			rep = c.refuse(f.refusal())
		}
	default:
		return c.route.serve(c)
	}
	if f.RetryAfter > 0 {
		rep.header.Set("Retry-After", strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10))
	}
	return rep
}

// refusal completes an error from the part of it that was given.
func (f *Fault) refusal() *refusal {
	status, code := f.Status, f.Code
	if status == 0 && f.RetryAfter > 0 && f.Error == "" && code == 0 {
		status = http.StatusTooManyRequests
	}
	if code == 0 && f.Error == "" {
		switch {
		case status == http.StatusTooManyRequests:
			code = 90055
		case status >= 500:
			code = 90033
		}
	}
	row, known := catalogue[code]
	if !known {
		row.status, row.oauth = http.StatusBadRequest, "invalid_request"
		if f.Error == "invalid_client" || status == http.StatusUnauthorized {
			row.status, row.oauth = http.StatusUnauthorized, "invalid_client"
		}
	}
	return &refusal{
		status:   cmp.Or(status, row.status),
		oauth:    cmp.Or(f.Error, row.oauth),
		code:     code,
		text:     "The emulator was told to fail this request.",
		reason:   "fault: error answer",
		suberror: f.SubError,
		claims:   f.Claims,
	}
}

// send writes the answer, slowly or in part when the fault says so.
func (f *Fault) send(c *call, w http.ResponseWriter, rep reply) {
	if f.SlowBody <= 0 && !f.Truncate {
		c.send(w, rep)
		return
	}
	c.sendHeader(w, rep)
	flusher := http.NewResponseController(w)
	_ = flusher.Flush()
	body := rep.body
	if f.Truncate {
		body = body[:len(body)/2]
	}
	size := max(1, (len(body)+slowBodyPieces-1)/slowBodyPieces)
	for piece := range slices.Chunk(body, size) {
		if !c.wait(f.SlowBody / slowBodyPieces) {
			panic(http.ErrAbortHandler)
		}
		if _, err := w.Write(piece); err != nil {
			return
		}
		_ = flusher.Flush()
	}
	if f.Truncate {
		panic(http.ErrAbortHandler)
	}
}

// abort breaks the connection. Over TCP it is a reset where the connection can be
// had, else the server's way of closing without an answer.
func (f *Fault) abort(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := conn
	if t, ok := conn.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // close sends RST
	}
	_ = raw.Close()
}
