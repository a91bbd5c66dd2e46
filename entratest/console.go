package entratest

import (
	"cmp"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The console is one page for the developer: what is configured, what waits for a
// decision, what was asked, and what is to go wrong. It is as protected as the other
// endpoints of the emulator's own, and takes forms of its own page only.

// consoleOnly answers under the names of this machine only, so that no web page can have
// its own name lead here (DNS rebinding) and then read what it likes.
func consoleOnly(serve func(*call) reply) func(*call) reply {
	return func(c *call) reply {
		if name := (&url.URL{Host: c.req.Host}).Hostname(); !fromThisMachine(c.req) || name != "localhost" && !net.ParseIP(name).IsLoopback() {
			return adminError(http.StatusForbidden, "the console is at https://localhost, for this machine only")
		}
		return serve(c)
	}
}

type console struct {
	titled
	Token, Notice string
	Address       string
	Tenants       []consoleTenant
	Devices       []consoleDevice
	Verifications []Verification
	Endpoints     []Endpoint
	Kinds         []faultKind
	Faults        []consoleFault
	Journal       []consoleEntry
	JournalTotal  int
}

type consoleTenant struct {
	Tenant
	Go           string
	Users        []consoleUser
	Applications []consoleApp
}

type consoleUser struct {
	User
	Disabled bool
	Locked   bool
	Asked    []string // the conditions
	Go       string
}

type consoleApp struct {
	Application
	Proofs []string
	Go     string
}

type consoleDevice struct {
	DeviceCode
	App   string
	Users []string // who can approve it
	Go    string
}

type consoleFault struct {
	listedFault
	Go string
}

type consoleEntry struct {
	Entry
	App   string
	Grant string // the last part of its name
	Class string
	Took  time.Duration
	Go    string
}

// faultKind is a fault that can be had by one click.
type faultKind struct {
	Name, Text string
	fault      Fault
}

var faultKinds = []faultKind{
	{"outage", "Outage: 503", Fault{Status: http.StatusServiceUnavailable}},
	{"throttle", "Throttled: 429, Retry-After 10 s", Fault{RetryAfter: 10 * time.Second}},
	{"slow", "Slow: 3 s before the answer", Fault{Latency: 3 * time.Second}},
	{"reset", "Connection reset", Fault{Reset: true}},
	{"truncate", "Half of the answer", Fault{Truncate: true}},
	{"page", "A web page, as of a captive portal", Fault{Body: "<!DOCTYPE html><title>Welcome</title><p>Accept the terms to go online."}},
}

// consoleJournal is how many requests the console shows.
const consoleJournal = 50

func serveConsole(c *call) reply { return c.console(http.StatusOK, "") }

func (c *call) console(status int, notice string) reply {
	v := console{
		titled: titled{"Console"}, Token: c.e.consoleToken, Notice: notice, Address: c.origin,
		Verifications: c.e.Verifications(), Kinds: faultKinds,
	}
	for _, rt := range c.e.routes {
		if rt.endpoint != "" && !slices.Contains(v.Endpoints, rt.endpoint) {
			v.Endpoints = append(v.Endpoints, rt.endpoint)
		}
	}
	slices.Sort(v.Endpoints)
	for _, t := range c.directory.tenants {
		v.Tenants = append(v.Tenants, c.consoleTenant(t))
	}
	for _, d := range c.e.DeviceCodes() {
		v.Devices = append(v.Devices, c.consoleDevice(d))
	}
	for _, f := range c.e.faults.snapshot() {
		v.Faults = append(v.Faults, consoleFault{f, "emulator.Inject(" + goCode(f.Fault) + ")"})
	}
	all := c.e.Journal()
	v.JournalTotal = len(all)
	for _, en := range slices.Backward(all[max(0, len(all)-consoleJournal):]) {
		v.Journal = append(v.Journal, c.consoleEntry(en))
	}
	name := "console"
	if c.req.Method == http.MethodGet && c.req.URL.Query().Get("part") == "live" {
		name = "live"
	}
	rep := page(status, name, v, "")
	// Forms of a page that tells nobody where they come from have the origin null.
	rep.header.Set("Referrer-Policy", "same-origin")
	return rep
}

func (c *call) consoleTenant(t *tenant) consoleTenant {
	out := consoleTenant{Tenant: t.Tenant}
	plain := t.Tenant
	plain.Applications, plain.Users = nil, nil
	out.Go = goCode(plain)
	for _, u := range t.Tenant.Users {
		u := t.user(u.Username)
		_, ref := (&call{e: c.e, setup: c.setup, tenant: t}).activeUser(u.ID)
		row := consoleUser{User: *u, Disabled: ref != nil, Locked: c.now.Before(c.e.people.view(u.ID).lockedUntil), Go: goCode(*u)}
		for _, condition := range []struct {
			on   bool
			name string
		}{
			{u.Conditions.MFA, "multifactor authentication"}, {u.Conditions.RegisterMFA, "to register for it"},
			{u.Conditions.CompliantDevice, "a compliant device"}, {u.Conditions.Blocked, "to stay out"},
			{len(u.Conditions.AuthContexts) > 0, "contexts " + strings.Join(u.Conditions.AuthContexts, ", ")},
		} {
			if condition.on {
				row.Asked = append(row.Asked, condition.name)
			}
		}
		out.Users = append(out.Users, row)
	}
	for _, a := range t.Tenant.Applications {
		a := t.application(a.ClientID).Application
		row := consoleApp{Application: a, Go: goCode(a)}
		for _, kind := range []struct {
			n    int
			name string
		}{{len(a.Secrets), "secret"}, {len(a.Certificates), "certificate"}, {len(a.FederatedCredentials), "federated credential"}} {
			switch {
			case kind.n == 1:
				row.Proofs = append(row.Proofs, "1 "+kind.name)
			case kind.n > 1:
				row.Proofs = append(row.Proofs, fmt.Sprintf("%d %ss", kind.n, kind.name))
			}
		}
		out.Applications = append(out.Applications, row)
	}
	return out
}

func (c *call) consoleDevice(d DeviceCode) consoleDevice {
	out := consoleDevice{DeviceCode: d, App: c.appName(d.ClientID)}
	for _, t := range c.directory.tenants {
		for _, u := range t.Users {
			if t.ID == d.Tenant || isPseudoTenant(d.Tenant) {
				out.Users = append(out.Users, u.Username)
			}
		}
	}
	user := append(out.Users, "nobody")[0]
	out.Go = fmt.Sprintf("err := emulator.ApproveDeviceCode(%q, %q, entratest.SignIn{})", d.UserCode, user)
	return out
}

func (c *call) consoleEntry(en Entry) consoleEntry {
	out := consoleEntry{Entry: en, App: c.appName(en.ClientID), Class: "good", Took: en.Duration.Round(10 * time.Microsecond)}
	if en.Status == 0 || en.Status >= 400 {
		out.Class = "bad"
	}
	out.Grant = en.GrantType[strings.LastIndexByte(en.GrantType, ':')+1:]
	conditions := []string{fmt.Sprintf("r.Endpoint == %q", en.Endpoint)}
	if en.ClientID != "" {
		conditions = append(conditions, fmt.Sprintf("r.ClientID == %q", en.ClientID))
	}
	if en.GrantType != "" {
		conditions = append(conditions, fmt.Sprintf("r.GrantType == %q", en.GrantType))
	}
	conditions = append(conditions, fmt.Sprintf("r.Status == %d", en.Status))
	out.Go = "got := emulator.Requests(func(r entratest.Entry) bool {\n\treturn " + strings.Join(conditions, " && ") + "\n})"
	return out
}

// appName is the name of an application of any tenant.
func (c *call) appName(clientID string) string {
	if t := c.directory.home(clientID); t != nil {
		return t.application(clientID).shown()
	}
	return clientID
}

// serveConsoleChange takes the forms of the console.
func serveConsoleChange(c *call) reply {
	c.req.Body = http.MaxBytesReader(nil, c.req.Body, maxBody)
	if err := c.req.ParseForm(); err != nil || c.req.Header.Get("Origin") != c.origin ||
		subtle.ConstantTimeCompare([]byte(c.req.PostForm.Get("console_token")), []byte(c.e.consoleToken)) != 1 {
		return adminError(http.StatusForbidden, "the console takes the forms of its own page only; load it again")
	}
	form := c.req.PostForm
	do, ok := consoleChanges[form.Get("do")]
	if !ok {
		return c.console(http.StatusBadRequest, "The form says nothing to do that is known.")
	}
	if err := do(c.e, form); err != nil {
		return c.console(http.StatusBadRequest, strings.TrimPrefix(err.Error(), "entratest: "))
	}
	return reply{status: http.StatusSeeOther, header: http.Header{"Location": {"/_emulator/"}}}
}

var consoleChanges = map[string]func(*Emulator, url.Values) error{
	"approve": func(e *Emulator, form url.Values) error {
		return e.ApproveDeviceCode(form.Get("user_code"), form.Get("user"), SignIn{MFA: form.Has("mfa"), CompliantDevice: form.Has("device")})
	},
	"deny":    func(e *Emulator, form url.Values) error { return e.DenyDeviceCode(form.Get("user_code")) },
	"disable": func(e *Emulator, form url.Values) error { return e.SetDisabled(form.Get("user"), true) },
	"enable":  func(e *Emulator, form url.Values) error { return e.SetDisabled(form.Get("user"), false) },
	"revoke":  func(e *Emulator, form url.Values) error { return e.RevokeSessions(form.Get("user")) },
	"inject": func(e *Emulator, form url.Values) error {
		i := slices.IndexFunc(faultKinds, func(k faultKind) bool { return k.Name == form.Get("kind") })
		times, err := strconv.Atoi(cmp.Or(form.Get("times"), "0"))
		if i < 0 || err != nil || times < 0 {
			return fmt.Errorf("entratest: a fault needs a kind, and how many requests it hits: 0, all, or more")
		}
		f := faultKinds[i].fault
		f.Endpoint, f.Times = Endpoint(form.Get("endpoint")), times
		e.Inject(f)
		return nil
	},
	"remove": func(e *Emulator, form url.Values) error {
		id, err := strconv.Atoi(form.Get("id"))
		if err != nil {
			return fmt.Errorf("entratest: %q is no fault", form.Get("id"))
		}
		e.faults.remove(id)
		return nil
	},
	"forget": func(e *Emulator, _ url.Values) error {
		e.ResetJournal()
		return nil
	},
}

func serveVerifications(c *call) reply {
	return jsonReply(http.StatusOK, map[string]any{"verifications": c.e.Verifications()})
}
