package entratest_test

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

const deviceURL = "https://login.microsoftonline.com/" + entratest.DefaultTenantID + "/oauth2/v2.0/devicecode"

// nativeForm is a request of the developers' application, which has no secret.
func nativeForm(grant string, more ...string) url.Values {
	form := url.Values{
		"grant_type": {grant}, "client_id": {entratest.DeveloperClientID}, "client_info": {"1"},
		"scope": {"https://graph.microsoft.com/.default openid offline_access profile"},
	}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func deviceForm(code string, more ...string) url.Values {
	return nativeForm("urn:ietf:params:oauth:grant-type:device_code", append([]string{"device_code", code}, more...)...)
}

// A clock that tests move.
type movingClock struct{ seconds atomic.Int64 }

func (c *movingClock) now() time.Time          { return time.Unix(1_790_000_000+c.seconds.Load(), 0) }
func (c *movingClock) advance(d time.Duration) { c.seconds.Add(int64(d / time.Second)) }

func TestDeviceAuthorization(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	got := post(t, e.Transport(), deviceURL, nativeForm(""))
	user, page := got.text("user_code"), got.text("verification_uri")
	if got.status != 200 || !regexp.MustCompile(`^[A-Z2-9]{9}$`).MatchString(user) || len(got.text("device_code")) < 100 ||
		page != "https://login.microsoftonline.com/devicelogin" || got.number("expires_in") != 900 || got.number("interval") != 5 ||
		!strings.Contains(got.text("message"), user) || !strings.Contains(got.text("message"), page) {
		t.Errorf("got %d %v", got.status, got.body)
	}
	waiting := e.DeviceCodes()
	if len(waiting) != 1 || waiting[0].UserCode != user || waiting[0].ClientID != entratest.DeveloperClientID || waiting[0].State != entratest.DevicePending {
		t.Errorf("waiting %+v", waiting)
	}
	if entry, _ := e.LastRequest(entratest.EndpointDeviceCode); entry.ClientID != entratest.DeveloperClientID || entry.Status != 200 {
		t.Errorf("the journal has %+v", entry)
	}
	for name, test := range map[string]struct {
		form url.Values
		code float64
	}{
		"no client":      {nativeForm("", "client_id", ""), 900144},
		"unknown client": {nativeForm("", "client_id", "20000000-bbbb-4bbb-8bbb-00000000000f"), 700016},
		"no scope":       {nativeForm("", "scope", ""), 900144},
		"bad claims":     {nativeForm("", "claims", "{"), 9002313},
	} {
		got := post(t, e.Transport(), deviceURL, test.form)
		if codes, _ := got.body["error_codes"].([]any); got.status != 400 || len(codes) != 1 || codes[0] != test.code {
			t.Errorf("%s: got %d %v, want %v", name, got.status, got.body, test.code)
		}
	}
}

func TestDeviceCodeStates(t *testing.T) {
	t.Parallel()
	clock := new(movingClock)
	e := newEmulator(t, &entratest.Config{Clock: clock.now})
	begin := func(target string) (code, user string) {
		got := post(t, e.Transport(), target, nativeForm(""))
		return got.text("device_code"), got.text("user_code")
	}
	code, user := begin(deviceURL)
	wantRefused(t, e, post(t, e.Transport(), tokenURL, deviceForm(code)), 400, "authorization_pending", 70016, "nobody has signed in")
	if err := e.ApproveDeviceCode(user, "nobody@emulator.example.com", entratest.SignIn{}); err == nil {
		t.Error("nobody approved")
	}
	if err := e.ApproveDeviceCode(strings.ToLower(user[:4]+"-"+user[4:]), entratest.DefaultUsername, entratest.SignIn{}); err != nil {
		t.Fatal(err)
	}
	if err := e.DenyDeviceCode(user); !errors.Is(err, entratest.ErrNoDeviceCode) {
		t.Errorf("denied after approval: %v", err)
	}
	wantRefused(t, e, post(t, e.Transport(), tokenURL, deviceForm(code, "client_id", entratest.DefaultClientID)), 400, "bad_verification_code", 70018, "another client's")
	got := post(t, e.Transport(), tokenURL, deviceForm(code))
	if got.status != 200 || got.text("refresh_token") == "" || got.text("foci") != "1" || claimsOf(t, got.text("id_token"))["preferred_username"] != entratest.DefaultUsername {
		t.Errorf("got %d %v", got.status, got.body)
	}
	wantRefused(t, e, post(t, e.Transport(), tokenURL, deviceForm(code)), 400, "invalid_grant", 54005, "redeemed before")
	wantRefused(t, e, post(t, e.Transport(), tokenURL, deviceForm("x")), 400, "bad_verification_code", 70018, "unknown")
	wantRefused(t, e, post(t, e.Transport(), tokenURL, deviceForm("")), 400, "invalid_request", 900144, "no device_code")

	if d, ok := e.DeviceCode(user); !ok || d.State != entratest.DeviceRedeemed || d.User != entratest.DefaultUsername || d.Polls != 4 {
		t.Errorf("got %+v", d)
	}
	if d, ok := e.DeviceCode("ABCDEFGHI"); ok {
		t.Errorf("got %+v", d)
	}

	code, user = begin(deviceURL)
	if err := e.DenyDeviceCode(user); err != nil {
		t.Fatal(err)
	}
	if got := post(t, e.Transport(), tokenURL, deviceForm(code)); got.status != 400 || got.text("error") != "authorization_declined" || len(e.DeviceCodes()) != 0 {
		t.Errorf("got %d %v", got.status, got.body)
	}

	code, user = begin(deviceURL)
	clock.advance(15 * time.Minute)
	if d, _ := e.DeviceCode(user); d.State != entratest.DeviceExpired || len(e.DeviceCodes()) != 0 {
		t.Errorf("got %+v", d)
	}
	wantRefused(t, e, post(t, e.Transport(), tokenURL, deviceForm(code)), 400, "expired_token", 70019, "expired at")
	if err := e.ApproveDeviceCode(user, entratest.DefaultUsername, entratest.SignIn{}); !errors.Is(err, entratest.ErrNoDeviceCode) {
		t.Errorf("approved after it expired: %v", err)
	}

	// The older names, of clients that do not say the scope again, and any tenant.
	anywhere := strings.Replace(deviceURL, entratest.DefaultTenantID, "organizations", 1)
	code, user = begin(anywhere)
	if err := e.ApproveDeviceCode(user, entratest.DefaultUsername, entratest.SignIn{}); err != nil {
		t.Fatal(err)
	}
	form := nativeForm("device_code", "code", code)
	form.Del("scope")
	got = post(t, e.Transport(), strings.Replace(anywhere, "devicecode", "token", 1), form)
	if claims := claimsOf(t, got.text("access_token")); claims["aud"] != "https://graph.microsoft.com" || claims["tid"] != entratest.DefaultTenantID {
		t.Errorf("got %v", claims)
	}
}

func TestDeviceCodeScripts(t *testing.T) {
	t.Parallel()
	poll := func(t *testing.T, script entratest.DeviceCodes, gap time.Duration, polls int) (answers []string) {
		t.Helper()
		clock := new(movingClock)
		e := newEmulator(t, &entratest.Config{Clock: clock.now, DeviceCodes: script})
		code := post(t, e.Transport(), deviceURL, nativeForm("")).text("device_code")
		for range polls {
			clock.advance(gap)
			got := post(t, e.Transport(), tokenURL, deviceForm(code))
			answer := got.text("error")
			if got.status == 200 {
				answer = claimsOf(t, got.text("access_token"))["preferred_username"].(string)
			}
			answers = append(answers, answer)
		}
		return answers
	}
	for _, tc := range []struct {
		name   string
		script entratest.DeviceCodes
		gap    time.Duration
		want   string
	}{
		{"approve", entratest.DeviceCodes{Outcome: "approve", PendingPolls: 2}, 5 * time.Second, "authorization_pending authorization_pending " + entratest.DefaultUsername + " invalid_grant"},
		{"deny", entratest.DeviceCodes{Outcome: "deny"}, 5 * time.Second, "authorization_declined authorization_declined"},
		{"deny an unknown user", entratest.DeviceCodes{Outcome: "approve", User: "nobody@x.example"}, 5 * time.Second, "authorization_declined"},
		{"expire", entratest.DeviceCodes{Outcome: "expire", PendingPolls: 1}, 5 * time.Second, "authorization_pending expired_token"},
		{"slow down", entratest.DeviceCodes{SlowDownAfter: 1}, 5 * time.Second, "authorization_pending slow_down authorization_pending"},
		{"too early", entratest.DeviceCodes{EnforceInterval: true}, 4 * time.Second, "authorization_pending slow_down slow_down"},
		{"in time", entratest.DeviceCodes{EnforceInterval: true}, 5 * time.Second, "authorization_pending authorization_pending"},
		{"lenient", entratest.DeviceCodes{}, 0, "authorization_pending authorization_pending"},
		{"short", entratest.DeviceCodes{Lifetime: 7 * time.Second}, 5 * time.Second, "authorization_pending expired_token"},
	} {
		if got := strings.Join(poll(t, tc.script, tc.gap, len(strings.Fields(tc.want))), " "); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
	for _, bad := range []entratest.DeviceCodes{{Outcome: "maybe"}, {PendingPolls: -1}, {SlowDownAfter: -1}, {Interval: time.Millisecond}, {Lifetime: -time.Second}} {
		if _, err := entratest.New(&entratest.Config{DeviceCodes: bad}); err == nil || !strings.Contains(err.Error(), "deviceCodes") {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
}
