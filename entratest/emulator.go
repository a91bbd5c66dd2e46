package entratest

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Emulator is an emulated Microsoft Entra ID. It is an [http.Handler] and safe
// for concurrent use; emulators share nothing with one another.
type Emulator struct {
	setup    atomic.Pointer[setup]
	clock    func() time.Time
	routes   []route
	journal  *journal
	faults   faultList
	refresh  refreshTokens
	codes    authorizationCodes
	devices  deviceCodes
	people   people
	browsers browsers
	// consoleToken is in the forms of the console, and in nobody else's.
	consoleToken string
	arcKeys      sync.Map // key to path, of Azure Arc's challenges
	kept         sync.Map // keptKey to issued, see Config.HostsKeepTokens

	signing    func() *signingKey // of issued tokens
	federation func() *signingKey // of the hosted outside issuer
	defaults   func() *defaultCertificate

	// base is the scheme and host under which the emulator speaks of itself
	// outside of any request, as in the issuer of federated assertions.
	base string
}

// setup is a configuration with its defaults filled in, and what was made of it.
// It does not change; Reconfigure puts another in its place.
type setup struct {
	cfg       Config
	directory *directory
}

func newSetup(cfg *Config) (*setup, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	c.UnknownHosts = slices.Clone(c.UnknownHosts)
	if c.Tenants == nil {
		c.Tenants = []Tenant{DefaultTenant()}
	}
	if c.ManagedIdentities == nil {
		c.ManagedIdentities = DefaultManagedIdentities()
	}
	d, err := newDirectory(&c)
	c.LockoutThreshold = cmp.Or(c.LockoutThreshold, defaultLockoutThreshold)
	c.TokenLifetime = cmp.Or(c.TokenLifetime, defaultTokenLifetime)
	c.CAETokenLifetime = cmp.Or(c.CAETokenLifetime, defaultCAETokenLifetime)
	return &setup{c, d}, err
}

// New returns an emulator of cfg, nil meaning the default. Its error names every
// mistake in cfg with its place, such as tenants[0].applications[2].clientId.
func New(cfg *Config) (*Emulator, error) {
	s, err := newSetup(cfg)
	if err != nil {
		return nil, err
	}
	e := &Emulator{
		clock:      s.cfg.Clock,
		routes:     routes(),
		journal:    &journal{size: cmp.Or(s.cfg.JournalSize, defaultJournalSize)},
		signing:    lazySigningKey(s.cfg.SigningKey, "Emulated Entra ID token signing"),
		federation: lazySigningKey(nil, "Emulated federation token signing"),
		defaults:   lazyDefaultCertificate(),
		base:       "https://entratest.invalid",

		consoleToken: opaque(24),
	}
	if e.clock == nil {
		e.clock = time.Now
	}
	e.setup.Store(s)
	for _, f := range s.cfg.Faults {
		e.faults.add(f)
	}
	return e, nil
}

// Reconfigure replaces what the emulator contains, to rotate a secret or disable
// an application while clients run. Keys, journal and faults stay, and so do the
// Clock, SigningKey and JournalSize given to New. Requests under way finish with
// the old configuration; an invalid new one changes nothing.
func (e *Emulator) Reconfigure(cfg *Config) error {
	s, err := newSetup(cfg)
	if err != nil {
		return err
	}
	e.setup.Store(s)
	return nil
}

// reply is an answer before anything of it is sent, so that the journal is
// complete when a client sees the first byte.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP implements [http.Handler]. A panic in it becomes an answer with
// status 500, except [http.ErrAbortHandler], which faults use to break the
// connection.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.answer(w, r, e.routes, "") }

// answer serves some of the routes; the origin is as of newCall.
func (e *Emulator) answer(w http.ResponseWriter, r *http.Request, routes []route, origin string) {
	c := e.newCall(w, r, routes, origin)
	if c.route.private {
		c.send(w, c.guard(c.route.serve))
		return
	}
	f, hit := e.faults.match(c)
	c.entry.Faulted = hit
	record := e.journal.open(c.entry)
	start := time.Now()
	closeEntry := func(rep reply) {
		c.entry.Status = rep.status
		c.entry.Duration = time.Since(start)
		e.journal.complete(record, c.entry)
	}
	if !hit {
		rep := c.guard(c.route.serve)
		closeEntry(rep)
		c.send(w, rep)
		return
	}
	if !f.before(c) {
		closeEntry(reply{})
		f.abort(w)
		return
	}
	rep := c.guard(f.answer)
	closeEntry(rep)
	f.send(c, w, rep)
}

// guard runs a handler. Its panic must not take the server down or leave the
// client without an answer.
func (c *call) guard(serve func(*call) reply) (rep reply) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			rep = c.refuse(refuse(90033, fmt.Sprintf("the emulator panicked: %v\n%s", p, debug.Stack()),
				"A transient error has occurred. Please try again."))
			rep.status = http.StatusInternalServerError
		}
	}()
	return serve(c)
}

// send writes an answer with the headers that all answers have.
func (c *call) send(w http.ResponseWriter, rep reply) {
	c.sendHeader(w, rep)
	_, _ = w.Write(rep.body)
}

func (c *call) sendHeader(w http.ResponseWriter, rep reply) {
	h := w.Header()
	for name, values := range rep.header {
		h[name] = values
	}
	h.Set("Date", c.now.UTC().Format(http.TimeFormat))
	h.Set("x-ms-request-id", c.traceID)
	h.Set("X-Content-Type-Options", "nosniff")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store, no-cache")
		h.Set("Pragma", "no-cache")
	}
	if id := c.req.Header.Get("client-request-id"); guidPattern.MatchString(id) &&
		c.req.Header.Get("return-client-request-id") == "true" {
		h.Set("client-request-id", id)
	}
	h.Set("Content-Length", strconv.Itoa(len(rep.body)))
	w.WriteHeader(rep.status)
}

// jsonReply answers with v as JSON, without escaping characters that only matter
// in HTML: clients print error texts as they are.
func jsonReply(status int, v any) reply {
	var b bytes.Buffer
	if err := encodeJSON(&b, v); err != nil {
		panic(err)
	}
	return reply{
		status: status,
		header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		body:   b.Bytes(),
	}
}
