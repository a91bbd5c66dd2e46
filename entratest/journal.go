package entratest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// redacted stands in the journal for values that a client must keep to itself.
const redacted = "[redacted]"

// Entry is a request in the journal. It never contains a secret, assertion,
// code, password or token: those are replaced by a placeholder.
type Entry struct {
	// Time of arrival, by Config.Clock.
	Time     time.Time `json:"time"`
	Method   string    `json:"method"`
	Host     string    `json:"host"`
	Path     string    `json:"path"`
	Endpoint Endpoint  `json:"endpoint"`
	// Tenant is the GUID when the path names a tenant that exists, else the path
	// segment as it was sent, pseudo-tenants included.
	Tenant    string     `json:"tenant,omitempty"`
	ClientID  string     `json:"clientId,omitempty"`
	GrantType string     `json:"grantType,omitempty"`
	Scope     string     `json:"scope,omitempty"` // or resource, on the v1 endpoint
	Query     url.Values `json:"query,omitempty"`
	Form      url.Values `json:"form,omitempty"`
	// AssertionHeader and AssertionClaims are the decoded parts of a client
	// assertion that was presented, whether or not it was any good.
	AssertionHeader map[string]any `json:"assertionHeader,omitempty"`
	AssertionClaims map[string]any `json:"assertionClaims,omitempty"`
	// Header has the request headers that say something about the client.
	Header http.Header `json:"header,omitempty"`
	// Status is 0 while the request is being answered, and for good when it never
	// was (a broken connection, a client that left).
	Status int `json:"status"`
	// Error and Code are the OAuth error and AADSTS number of a refusal.
	Error string `json:"error,omitempty"`
	Code  int    `json:"code,omitempty"`
	// Reason says to the developer why the request was refused.
	Reason string `json:"reason,omitempty"`
	// Faulted says that an injected fault acted on the request.
	Faulted bool `json:"faulted,omitempty"`
	// Duration from arrival until the answer was ready, in nanoseconds.
	Duration time.Duration `json:"duration"`

	segment string
}

var journalHeaders = []string{
	"Accept", "Client-Request-Id", "Content-Type", "Metadata", "Origin", "Return-Client-Request-Id", "User-Agent",
	"X-Anchormailbox", "X-Client-Cpu", "X-Client-Os", "X-Client-Sku", "X-Client-Ver", "X-Ms-Lib-Capability", "X-Tfs-Fedauthredirect",
}

func newEntry(c *call) Entry {
	r := c.req
	en := Entry{
		Time:      c.now,
		Method:    r.Method,
		Host:      r.Host,
		Path:      r.URL.Path,
		Endpoint:  c.route.endpoint,
		Tenant:    c.segment,
		ClientID:  c.form.Get("client_id"),
		GrantType: c.form.Get("grant_type"),
		Scope:     c.form.Get("scope"),
		Query:     redactValues(r.URL.Query()),
		Header:    http.Header{},
		segment:   c.segment,
	}
	if c.route.endpoint != EndpointAuthorize {
		en.Form = redactValues(c.form)
	}
	if c.tenant != nil {
		en.Tenant = c.tenant.ID
	}
	if en.Scope == "" {
		en.Scope = c.form.Get("resource")
	}
	if assertion := c.form.Get("client_assertion"); assertion != "" {
		if t, err := parseJWT(assertion); err == nil {
			en.AssertionHeader, en.AssertionClaims = t.header, t.claims
		}
	}
	for _, name := range journalHeaders {
		if v := r.Header.Values(name); len(v) > 0 {
			en.Header[name] = slices.Clone(v)
		}
	}
	return en
}

// redactValues copies a form without what is secret in it. Names decide, so that
// a secret sent under a misspelt name is caught too.
func redactValues(form url.Values) url.Values {
	if len(form) == 0 {
		return nil
	}
	out := url.Values{}
	for name, values := range form {
		if isSecret(name) {
			values = []string{redacted}
		}
		out[name] = slices.Clone(values)
	}
	return out
}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "client_assertion_type", "code_challenge", "code_challenge_method", "requested_token_use",
		"requested_token_type", "subject_token_type", "token_type":
		return false
	}
	for _, part := range []string{"secret", "assertion", "code", "password", "passwd", "token", "verifier"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// journal keeps the newest requests in order of arrival.
type journal struct {
	size int

	mu      sync.Mutex // guards entries and what they point to
	entries []*Entry
}

func (j *journal) open(en Entry) *Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) >= j.size {
		j.entries = slices.Delete(j.entries, 0, len(j.entries)-j.size+1)
	}
	p := &en
	j.entries = append(j.entries, p)
	return p
}

func (j *journal) complete(p *Entry, en Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	*p = en
}

func (j *journal) snapshot() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]Entry, len(j.entries))
	for i, p := range j.entries {
		out[i] = *p
	}
	return out
}

// Journal returns the recorded requests in order of arrival. Those still being
// answered have status 0. Entries are not to be modified.
func (e *Emulator) Journal() []Entry { return e.Requests(nil) }

// Requests returns the recorded requests that match, nil meaning all, in order
// of arrival.
func (e *Emulator) Requests(match func(Entry) bool) []Entry {
	all := e.journal.snapshot()
	if match == nil {
		return all
	}
	return slices.DeleteFunc(all, func(en Entry) bool { return !match(en) })
}

// CountRequests returns how many requests for the endpoint are recorded.
func (e *Emulator) CountRequests(endpoint Endpoint) int {
	return len(e.Requests(func(en Entry) bool { return en.Endpoint == endpoint }))
}

// LastRequest returns the newest recorded request for the endpoint, and whether
// there is one.
func (e *Emulator) LastRequest(endpoint Endpoint) (Entry, bool) {
	all := e.Requests(func(en Entry) bool { return en.Endpoint == endpoint })
	if len(all) == 0 {
		return Entry{}, false
	}
	return all[len(all)-1], true
}

// ResetJournal forgets the recorded requests.
func (e *Emulator) ResetJournal() {
	e.journal.mu.Lock()
	defer e.journal.mu.Unlock()
	e.journal.entries = nil
}
