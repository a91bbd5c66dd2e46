package entratest

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	deviceCodeGrant = "urn:ietf:params:oauth:grant-type:device_code"

	defaultDeviceLifetime = 15 * time.Minute
	defaultDeviceInterval = 5 * time.Second
)

// DeviceCodes says what becomes of device codes. The zero value: each waits for
// [Emulator.ApproveDeviceCode] or [Emulator.DenyDeviceCode].
type DeviceCodes struct {
	// Outcome decides without anybody: approve, deny or expire. Empty: nothing does.
	Outcome string `json:"outcome,omitempty"`
	// User is who approves, by username. Default: the first user of the tenant that
	// has a first.
	User string `json:"user,omitempty"`
	// SignIn is how the user signs in then.
	SignIn SignIn `json:"signIn,omitzero"`
	// PendingPolls is how many polls find the sign-in pending before the outcome.
	PendingPolls int `json:"pendingPolls,omitempty"`
	// SlowDownAfter answers the poll after that many with slow_down, once for each
	// code. 0: none.
	SlowDownAfter int `json:"slowDownAfter,omitempty"`
	// EnforceInterval answers polls that come too early with slow_down, and takes five
	// seconds more for the interval from then on (RFC 8628 section 3.5). Entra is
	// lenient.
	EnforceInterval bool `json:"enforceInterval,omitempty"`
	// Lifetime of the codes. Default 15m.
	Lifetime time.Duration `json:"lifetime,omitzero"`
	// Interval between polls. Default 5s.
	Interval time.Duration `json:"interval,omitzero"`
}

// The outcomes of a device code, and the states of a [DeviceCode].
const (
	DevicePending  = "pending"
	DeviceApproved = "approve"
	DeviceDenied   = "deny"
	DeviceExpired  = "expire"
	DeviceRedeemed = "redeemed"
)

// DeviceCode is a device code as its user sees it.
type DeviceCode struct {
	UserCode string `json:"userCode"`
	// Tenant is the GUID, or the pseudo-tenant that the client named.
	Tenant   string    `json:"tenant"`
	ClientID string    `json:"clientId"`
	Scope    string    `json:"scope"`
	Expires  time.Time `json:"expires"`
	State    string    `json:"state"`
	User     string    `json:"user,omitempty"` // who approved, by username
	Polls    int       `json:"polls"`
}

// deviceRecord is a DeviceCode with what is not for its user.
type deviceRecord struct {
	DeviceCode
	code   string
	tenant string // GUID, empty: that of whoever approves
	claims string

	user       string // object ID
	userTenant string // GUID
	did        SignIn
	session    int
	interval   time.Duration
	lastPoll   time.Time
	slowedDown bool
}

// maxDeviceCodes bounds what an emulator remembers; the oldest go first.
const maxDeviceCodes = 10_000

// deviceCodes are those that were issued.
type deviceCodes struct {
	mu  sync.Mutex // guards all below, and the records
	all []*deviceRecord
}

func (d *deviceCodes) issue(rec *deviceRecord) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.all) >= maxDeviceCodes {
		d.all = slices.Delete(d.all, 0, 1)
	}
	d.all = append(d.all, rec)
}

// byCode calls f with a record under the lock; with nil if there is none.
func (d *deviceCodes) byCode(code string, f func(*deviceRecord)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, rec := range d.all {
		if code != "" && rec.code == code {
			f(rec)
			return
		}
	}
	f(nil)
}

// byUserCode finds a record, nil if there is none. It is called under the lock.
func (d *deviceCodes) byUserCode(userCode string) *deviceRecord {
	userCode = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(userCode))
	for _, r := range d.all {
		if r.UserCode == userCode {
			return r
		}
	}
	return nil
}

// userCodeLetters leaves out what is easily misread.
const userCodeLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789" // 32: a byte's remainder is fair

func newUserCode() string {
	b := make([]byte, 9)
	rand.Read(b)
	for i, c := range b {
		b[i] = userCodeLetters[int(c)%len(userCodeLetters)]
	}
	return string(b)
}

// serveDeviceCode is the device authorization endpoint (RFC 8628 section 3.1).
func serveDeviceCode(c *call) reply {
	if c.formErr != nil {
		return c.refuse(c.formErr)
	}
	pseudo := c.tenant == nil
	app, ref := c.client()
	if ref == nil && len(app.PublicRedirectURIs) == 0 {
		ref = refuse(7000218, "application "+app.ClientID+" is no public client: it has no PublicRedirectURIs",
			"The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	if ref == nil {
		_, _, _, ref = c.userResource()
	}
	if ref == nil {
		_, ref = parseClaims(c.form.Get("claims"), c.now)
	}
	if ref != nil {
		return c.refuse(ref)
	}
	script := c.cfg.DeviceCodes
	lifetime, interval := cmp.Or(script.Lifetime, defaultDeviceLifetime), cmp.Or(script.Interval, defaultDeviceInterval)
	rec := &deviceRecord{
		DeviceCode: DeviceCode{
			UserCode: newUserCode(), Tenant: c.tenant.ID, ClientID: app.ClientID, Scope: c.form.Get("scope"),
			Expires: c.now.Add(lifetime), State: DevicePending,
		},
		code: "D" + opaque(96), tenant: c.tenant.ID, claims: c.form.Get("claims"), interval: interval,
	}
	if pseudo {
		rec.tenant, rec.Tenant = "", strings.ToLower(c.segment)
	}
	c.e.devices.issue(rec)
	page := c.origin + "/devicelogin"
	return jsonReply(http.StatusOK, map[string]any{
		"user_code":        rec.UserCode,
		"device_code":      rec.code,
		"verification_uri": page,
		"expires_in":       int64(lifetime / time.Second),
		"interval":         int64(interval / time.Second),
		"message":          fmt.Sprintf("To sign in, open the page %s in a web browser and enter the code %s to authenticate.", page, rec.UserCode),
	})
}

// deviceToken is the grant of RFC 8628 section 3.4.
func deviceToken(c *call) (*grant, *refusal) {
	// Python's client sends the code twice.
	code := cmp.Or(c.form.Get("device_code"), c.form.Get("code"))
	if code == "" {
		return nil, missing("device_code", "there is no device_code in the form")
	}
	var rec deviceRecord
	var known bool
	var ref *refusal
	c.e.devices.byCode(code, func(r *deviceRecord) {
		if known = r != nil; known {
			ref = c.poll(r)
			rec = *r
		}
	})
	if known && c.tenant == nil && isPseudoTenant(c.segment) {
		c.settle(c.directory.tenant(cmp.Or(rec.userTenant, rec.tenant)))
	}
	app, proof, kind, clientRef := c.nativeClient()
	switch {
	case clientRef != nil:
		return nil, clientRef
	case !known || !strings.EqualFold(rec.ClientID, app.ClientID) || rec.tenant != "" && rec.tenant != c.tenant.ID:
		return nil, refuse(70018, "the device code is unknown, or another client's or tenant's",
			"Invalid verification code due to User typing in wrong user code for device code flow.")
	case ref != nil:
		return nil, ref
	}
	user, ref := c.activeUser(rec.user)
	if ref != nil {
		return nil, ref
	}
	if c.form.Get("scope") == "" {
		c.form.Set("scope", rec.Scope)
	}
	if c.form.Get("claims") == "" {
		c.form.Set("claims", rec.claims)
	}
	g, ref := c.issueForUser(app, proof, userSession{user: user, did: rec.did, number: rec.session}, kind, offlineIn(rec.Scope))
	if ref != nil {
		return nil, ref
	}
	// Last of all, and here alone, as two requests may have come this far.
	c.e.devices.byCode(code, func(r *deviceRecord) {
		if r == nil || r.State == DeviceRedeemed {
			g, ref = nil, deviceRedeemed()
			return
		}
		r.State = DeviceRedeemed
	})
	return g, ref
}

func deviceRedeemed() *refusal {
	return refuse(54005, "the device code was redeemed before", "The device code was already redeemed, please retry with a new one.")
}

// poll counts a poll, lets the script act, and says why there is no token. It is called
// under the lock.
func (c *call) poll(r *deviceRecord) *refusal {
	r.Polls++
	script := c.cfg.DeviceCodes
	early := !r.lastPoll.IsZero() && c.now.Sub(r.lastPoll) < r.interval
	r.lastPoll = c.now
	switch {
	case script.EnforceInterval && early:
		r.interval += 5 * time.Second
		return slowDown("the poll came before the interval was over")
	case script.SlowDownAfter > 0 && r.Polls == script.SlowDownAfter+1 && !r.slowedDown:
		r.slowedDown = true
		r.interval += 5 * time.Second
		return slowDown("the script says slowDownAfter")
	}
	if r.State == DevicePending && !c.now.Before(r.Expires) {
		r.State = DeviceExpired
	}
	if r.State == DevicePending && script.Outcome != "" && r.Polls > script.PendingPolls {
		c.e.decide(c.directory, r, script)
	}
	switch r.State {
	case DeviceApproved:
		return nil
	case DeviceDenied:
		// Entra's number for it is not published.
		return &refusal{status: http.StatusBadRequest, oauth: "authorization_declined", reason: "the user declined",
			text: "The end user denied the authorization request."}
	case DeviceExpired:
		return refuse(70019, "the device code expired at "+r.Expires.UTC().Format(time.RFC3339),
			"Verification code expired. Have the user retry the sign-in.")
	case DeviceRedeemed:
		return deviceRedeemed()
	}
	return refuse(70016, "nobody has signed in with the device code yet",
		"OAuth 2.0 device flow error. Authorization is pending. Continue polling.")
}

func slowDown(reason string) *refusal {
	return &refusal{status: http.StatusBadRequest, oauth: "slow_down", reason: reason,
		text: "The client polls too often. Wait five seconds more between polls."}
}

// decide applies the script.
func (e *Emulator) decide(d *directory, r *deviceRecord, script DeviceCodes) {
	if r.State = script.Outcome; r.State != DeviceApproved {
		return
	}
	user := script.User
	for _, t := range d.tenants {
		if user == "" && len(t.Users) > 0 && (r.tenant == "" || r.tenant == t.ID) {
			user = t.Users[0].Username
		}
	}
	if err := e.approve(d, r, user, script.SignIn); err != nil {
		r.State = DeviceDenied
	}
}

// approve notes who signed in with a code. It is called under the lock.
func (e *Emulator) approve(d *directory, r *deviceRecord, user string, did SignIn) error {
	t, u := d.anyUser(user)
	if r.tenant != "" {
		if t = d.tenant(r.tenant); t != nil {
			u = t.user(user)
		}
	}
	if u == nil {
		return fmt.Errorf("entratest: tenant %s has no user %q", r.Tenant, user)
	}
	r.State, r.User, r.user, r.userTenant, r.did = DeviceApproved, u.Username, u.ID, t.ID, did
	r.session = e.people.view(u.ID).sessions
	return nil
}

// DeviceCodes returns the device codes that wait for somebody to sign in, oldest first.
func (e *Emulator) DeviceCodes() []DeviceCode {
	now := e.clock()
	e.devices.mu.Lock()
	defer e.devices.mu.Unlock()
	all := []DeviceCode{}
	for _, r := range e.devices.all {
		if r.State == DevicePending && now.Before(r.Expires) {
			all = append(all, r.DeviceCode)
		}
	}
	return all
}

// DeviceCode returns what is known of a user code, decided or not, and whether it was
// ever issued.
func (e *Emulator) DeviceCode(userCode string) (DeviceCode, bool) {
	now := e.clock()
	e.devices.mu.Lock()
	defer e.devices.mu.Unlock()
	r := e.devices.byUserCode(userCode)
	if r == nil {
		return DeviceCode{}, false
	}
	out := r.DeviceCode
	if out.State == DevicePending && !now.Before(r.Expires) {
		out.State = DeviceExpired
	}
	return out, true
}

// ErrNoDeviceCode is in the tree of the error for a user code that nothing waits for:
// it is unknown, expired, or decided.
var ErrNoDeviceCode = errors.New("entratest: no sign-in waits for this user code")

// ApproveDeviceCode signs a user in with a user code, as the page would at which it is
// entered; letter case, spaces and hyphens do not count. user is a username or an object
// ID. Conditions that did does not meet are found at the next poll.
func (e *Emulator) ApproveDeviceCode(userCode, user string, did SignIn) error {
	return e.pending(userCode, func(r *deviceRecord) error { return e.approve(e.setup.Load().directory, r, user, did) })
}

// DenyDeviceCode is a user who declines.
func (e *Emulator) DenyDeviceCode(userCode string) error {
	return e.pending(userCode, func(r *deviceRecord) error {
		r.State = DeviceDenied
		return nil
	})
}

// pending calls f with the record of a user code, under the lock.
func (e *Emulator) pending(userCode string, f func(*deviceRecord) error) error {
	now := e.clock()
	e.devices.mu.Lock()
	defer e.devices.mu.Unlock()
	r := e.devices.byUserCode(userCode)
	if r == nil || r.State != DevicePending || !now.Before(r.Expires) {
		return ErrNoDeviceCode
	}
	return f(r)
}

// deviceCodes checks a script.
func (p *problems) deviceCodes(path string, d DeviceCodes) {
	if !slices.Contains([]string{"", DeviceApproved, DeviceDenied, DeviceExpired}, d.Outcome) {
		p.add(path+".outcome", "%q is none of approve, deny and expire", d.Outcome)
	}
	if d.PendingPolls < 0 || d.SlowDownAfter < 0 {
		p.add(path, "a number of polls is negative")
	}
	p.duration(path+".lifetime", d.Lifetime)
	p.duration(path+".interval", d.Interval)
}
