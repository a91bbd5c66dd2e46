package entra_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
)

// userRequest is what the emulator's default user can ask for with the developers'
// application.
func userRequest() entra.UserRequest {
	return entra.UserRequest{Tenant: tenant, ClientID: entratest.DeveloperClientID, Scopes: []string{vault}}
}

// A script of the emulator, what becomes of it, and when.
func TestDeviceCode(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for _, tc := range []struct {
		name   string
		script entratest.DeviceCodes
		takes  time.Duration
		polls  int
		fails  error
	}{
		{"approved at once", entratest.DeviceCodes{Outcome: "approve"}, 5 * second, 1, nil},
		{"approved after three polls", entratest.DeviceCodes{Outcome: "approve", PendingPolls: 3}, 20 * second, 4, nil},
		{"another interval", entratest.DeviceCodes{Outcome: "approve", PendingPolls: 1, Interval: 7 * second}, 14 * second, 2, nil},
		{"slower from the second poll on", entratest.DeviceCodes{Outcome: "approve", PendingPolls: 3, SlowDownAfter: 1}, 30 * second, 4, nil},
		{"declined", entratest.DeviceCodes{Outcome: "deny", PendingPolls: 1}, 10 * second, 2, entra.ErrDeviceCodeDeclined},
		{"expired, says the server", entratest.DeviceCodes{Outcome: "expire", PendingPolls: 1}, 10 * second, 2, entra.ErrDeviceCodeExpired},
		{"expired, says the clock", entratest.DeviceCodes{Lifetime: 21 * second}, 21 * second, 4, entra.ErrDeviceCodeExpired},
		{"expired between polls", entratest.DeviceCodes{Lifetime: 3 * second}, 3 * second, 0, entra.ErrDeviceCodeExpired},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.script.EnforceInterval = true // whoever polls too early is slowed down, and takes longer
			e := newEmulator(t, entratest.Config{DeviceCodes: tc.script})
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, e.Transport())
				d, err := c.DeviceAuthorization(t.Context(), userRequest())
				if err != nil {
					t.Fatal(err)
				}
				if len(d.UserCode) != 9 || !strings.Contains(d.Message, d.UserCode) || !strings.Contains(d.Message, d.VerificationURI) || !d.ExpiresOn.After(time.Now()) {
					t.Errorf("got %+v", d)
				}
				start := time.Now()
				token, err := c.DeviceToken(t.Context(), userRequest(), d)
				if took := time.Since(start); took != tc.takes {
					t.Errorf("took %v, want %v", took, tc.takes)
				}
				if polls := e.CountRequests(entratest.EndpointToken); polls != tc.polls {
					t.Errorf("%d polls, want %d", polls, tc.polls)
				}
				if !errors.Is(err, tc.fails) || (err == nil) != (token.AccessToken != "") {
					t.Errorf("got token %t, %v; want %v", token.AccessToken != "", err, tc.fails)
				}
				if err != nil && strings.Contains(fmt.Sprintf("%+v", err), d.Code.Expose()) {
					t.Errorf("the error has the device code: %v", err)
				}
				if err == nil && (token.IDToken == "" || token.ClientInfo == "" || token.FamilyID != "1" || token.RefreshToken == "") {
					t.Errorf("the token has no account, family or refresh token")
				}
			})
		})
	}
}

// A user approves while the program polls; and one who is told to by conditions that
// the sign-in did not meet.
func TestDeviceCodeOfAPerson(t *testing.T) {
	t.Parallel()
	directory := entratest.DefaultTenant()
	directory.Users = append(directory.Users, entratest.User{Username: "strict@emulator.example.com", Conditions: entratest.Conditions{MFA: true}})
	e := newEmulator(t, entratest.Config{Tenants: []entratest.Tenant{directory}})
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, e.Transport())
		r := userRequest()
		r.Tenant = "organizations"
		signIn := func(user string, did entratest.SignIn) (entra.TokenResponse, error) {
			d, err := c.DeviceAuthorization(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				time.Sleep(42 * time.Second)
				if err := e.ApproveDeviceCode(strings.ToLower(d.UserCode), user, did); err != nil {
					t.Error(err)
				}
			}()
			return c.DeviceToken(t.Context(), r, d)
		}
		token, err := signIn(entratest.DefaultUsername, entratest.SignIn{})
		if err != nil {
			t.Fatal(err)
		}
		account, err := c.Account(t.Context(), r, token, "")
		if err != nil || account.Username != entratest.DefaultUsername || account.TenantID != tenant {
			t.Errorf("got %+v, %v", account, err)
		}
		var refused *entra.Error
		if _, err := signIn("strict@emulator.example.com", entratest.SignIn{}); !errors.As(err, &refused) || !refused.NeedsPerson() || refused.Claims == "" {
			t.Errorf("got %v, want interaction_required with claims", err)
		}
		if _, err := signIn("strict@emulator.example.com", entratest.SignIn{MFA: true}); err != nil {
			t.Error(err)
		}
	})
}

func TestDeviceCodeRefused(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{})
	c := newClient(t, e.Transport())
	r := userRequest()
	r.ClientID = "20000000-bbbb-4bbb-8bbb-00000000000f"
	var refused *entra.Error
	if _, err := c.DeviceAuthorization(t.Context(), r); !errors.As(err, &refused) || !refused.Has(700016) || !strings.HasSuffix(refused.URL, "/devicecode") {
		t.Errorf("got %v, want AADSTS700016", err)
	}
	for _, bad := range []func(*entra.UserRequest){
		func(r *entra.UserRequest) { r.Claims = "{" },
		func(r *entra.UserRequest) { r.Scopes = []string{vault, "https://storage.azure.com/.default"} },
	} {
		r := userRequest()
		bad(&r)
		before := len(e.Journal())
		if _, err := c.DeviceAuthorization(t.Context(), r); err == nil || len(e.Journal()) != before {
			t.Errorf("%+v: got %v and %d requests, want an error and none", r, err, len(e.Journal())-before)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, e.Transport())
		d, err := c.DeviceAuthorization(t.Context(), userRequest())
		if err != nil {
			t.Fatal(err)
		}
		stranger := userRequest()
		stranger.ClientID = entratest.DefaultClientID
		if _, err := c.DeviceToken(t.Context(), stranger, d); !errors.Is(err, entra.ErrDeviceCodeUnknown) {
			t.Errorf("got %v, want %v", err, entra.ErrDeviceCodeUnknown)
		}
		r := userRequest()
		r.Claims = "{"
		if _, err := c.DeviceToken(t.Context(), r, d); !errors.Is(err, entra.ErrInvalidClaims) {
			t.Errorf("got %v, want %v", err, entra.ErrInvalidClaims)
		}
	})
}

const pendingAnswer = `{"error":"authorization_pending","error_description":"AADSTS70016: pending"}`

// Who leaves does not wait for the next poll.
func TestDeviceCodeCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport, requests := answering(status(400, pendingAnswer))
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		start := time.Now()
		_, err := newClient(t, transport).DeviceToken(ctx, userRequest(), entra.DeviceCode{Interval: 5 * time.Second, ExpiresOn: start.Add(time.Hour)})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 12*time.Second || requests() != 2 {
			t.Errorf("got %v after %v and %d polls", err, time.Since(start), requests())
		}
	})
}

// RFC 8628, section 3.5: a poll without an answer makes the next one wait twice as
// long, and ends nothing. None is repeated out of turn.
func TestDeviceCodeBacksOff(t *testing.T) {
	t.Parallel()
	const second = time.Second
	pending, overloaded := status(400, pendingAnswer), status(503, "")
	for _, tc := range []struct {
		name    string
		answers []func(*http.Request) (*http.Response, error)
		gaps    []time.Duration // between requests, the first from the start
		fails   string
	}{
		{"no network for a while", []func(*http.Request) (*http.Response, error){pending, broken, broken, broken, pending, granted},
			[]time.Duration{5 * second, 5 * second, 10 * second, 20 * second, 40 * second, 5 * second}, ""},
		{"no more than a minute", []func(*http.Request) (*http.Response, error){broken, broken, broken, broken, broken, granted},
			[]time.Duration{5 * second, 10 * second, 20 * second, 40 * second, 60 * second, 60 * second}, ""},
		{"overloaded", []func(*http.Request) (*http.Response, error){overloaded, status(429, "", "Retry-After", "33"), granted},
			[]time.Duration{5 * second, 10 * second, 33 * second}, ""},
		{"slow_down stays", []func(*http.Request) (*http.Response, error){status(400, `{"error":"slow_down"}`), status(400, `{"error":"slow_down"}`), pending, granted},
			[]time.Duration{5 * second, 10 * second, 15 * second, 15 * second}, ""},
		{"a web page ends it", []func(*http.Request) (*http.Response, error){status(403, "<html>")}, []time.Duration{5 * second}, "web page"},
		{"another refusal ends it", []func(*http.Request) (*http.Response, error){pending, status(400, `{"error":"invalid_grant","error_description":"AADSTS50076: more"}`)},
			[]time.Duration{5 * second, 5 * second}, "AADSTS50076"},
		{"a redirect to another host ends it", []func(*http.Request) (*http.Response, error){func(r *http.Request) (*http.Response, error) {
			other := r.Clone(r.Context())
			other.URL.Host = "evil.example.com"
			return &http.Response{StatusCode: 200, Body: http.NoBody, Request: other}, nil
		}}, []time.Duration{5 * second}, "redirect"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				inner, _ := answering(tc.answers...)
				var gaps []time.Duration
				last := time.Now()
				counted := transporter(func(r *http.Request) (*http.Response, error) {
					gaps, last = append(gaps, time.Since(last)), time.Now()
					return inner.Do(r)
				})
				token, err := newClient(t, &counted).DeviceToken(t.Context(), userRequest(), entra.DeviceCode{Interval: 5 * second, ExpiresOn: time.Now().Add(15 * time.Minute)})
				if !slices.Equal(gaps, tc.gaps) {
					t.Errorf("polls after %v, want %v", gaps, tc.gaps)
				}
				if (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) || (err == nil) != (token.AccessToken != "") {
					t.Errorf("got token %t, %v; want error %q", token.AccessToken != "", err, tc.fails)
				}
			})
		})
	}
}

// What the last poll met is in the error of an expired code.
func TestDeviceCodeExpiresWithoutNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport, _ := answering(broken)
		_, err := newClient(t, transport).DeviceToken(t.Context(), userRequest(), entra.DeviceCode{Interval: time.Second, ExpiresOn: time.Now().Add(time.Minute)})
		if !errors.Is(err, entra.ErrDeviceCodeExpired) || !strings.Contains(err.Error(), "connection reset") {
			t.Errorf("got %v", err)
		}
	})
}

// The request for the code itself is repeated as any other, and bounded by the caller's
// options.
func TestDeviceAuthorizationRequest(t *testing.T) {
	t.Parallel()
	var body string
	answer := transporter(func(r *http.Request) (*http.Response, error) {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		return status(200, `{"device_code":"d","user_code":"u","verification_uri":"https://h/","expires_in":"60"}`)(r)
	})
	r := userRequest()
	r.CAE = true
	c := newClient(t, &answer, func(cfg *entra.Config) { cfg.Options.Retry = policy.RetryOptions{MaxRetries: -1} })
	d, err := c.DeviceAuthorization(t.Context(), r)
	const want = "client_id=" + entratest.DeveloperClientID + "&scope=https%3A%2F%2Fvault.azure.net%2F.default+openid+offline_access+profile&claims=%7B%22access_token%22%3A%7B%22xms_cc%22%3A%7B%22values%22%3A%5B%22CP1%22%5D%7D%7D%7D"
	if err != nil || body != want {
		t.Errorf("%v\n got %s\nwant %s", err, body, want)
	}
	if d.Interval != 5*time.Second || d.Code.Expose() != "d" {
		t.Errorf("got %+v", d)
	}
}

func TestDecodeDeviceCode(t *testing.T) {
	t.Parallel()
	const code, user, uri = `"device_code":"d"`, `"user_code":"ABC DEF"`, `"verification_uri":"https://microsoft.com/devicelogin"`
	for _, tc := range []struct {
		body  string
		want  func(entra.DeviceCode) bool
		fails string
	}{
		{`{` + code + `,` + user + `,` + uri + `}`, func(d entra.DeviceCode) bool {
			return d.ExpiresOn.Equal(sent.Add(15*time.Minute)) && d.Interval == 5*time.Second && d.Message == ""
		}, ""},
		{`{` + code + `,` + user + `,` + uri + `,"expires_in":900,"interval":0,"message":"a\nb\u001b[31m"}`, func(d entra.DeviceCode) bool {
			return d.Interval == time.Second && d.Message == "a b[31m"
		}, ""},
		{`{` + code + `,` + user + `,` + uri + `,"expires_in":-5,"interval":1e9}`, func(d entra.DeviceCode) bool {
			return d.ExpiresOn.Equal(sent) && d.Interval == time.Minute
		}, ""},
		{`{` + code + `,` + user + `,"verification_url":"https://adfs.example.com/adfs/oauth2/deviceauth","verification_uri_complete":"https://adfs.example.com/?user_code=x"}`, func(d entra.DeviceCode) bool {
			return d.VerificationURI == "https://adfs.example.com/adfs/oauth2/deviceauth" && d.VerificationURIComplete == "https://adfs.example.com/?user_code=x"
		}, ""},
		{`{` + code + `,` + user + `,` + uri + `,"verification_uri_complete":"javascript:alert(1)"}`, func(d entra.DeviceCode) bool { return d.VerificationURIComplete == "" }, ""},
		{`{` + user + `,` + uri + `}`, nil, "no device_code"},
		{`{` + code + `,` + uri + `}`, nil, "no user_code"},
		{`{` + code + `,` + uri + `,"user_code":"\u001b]0;x"}`, nil, "no user_code"},
		{`{` + code + `,` + user + `}`, nil, "no verification_uri"},
		{`{` + code + `,` + user + `,"verification_uri":"http://microsoft.com/devicelogin"}`, nil, "no verification_uri"},
		{`{"error":"invalid_client","error_description":"AADSTS7000218: x"}`, nil, "AADSTS7000218"},
		{`<html><title>Proxy</title>`, nil, "web page"},
		{``, nil, "empty"},
	} {
		d, err := entra.DecodeDeviceCode(200, nil, []byte(tc.body), sent)
		switch {
		case tc.fails == "" && (err != nil || !tc.want(d)):
			t.Errorf("%s: got %+v, %v", tc.body, d, err)
		case tc.fails != "" && (err == nil || !strings.Contains(err.Error(), tc.fails)):
			t.Errorf("%s: got %v, want %q", tc.body, err, tc.fails)
		}
	}
}

func FuzzDeviceCode(f *testing.F) {
	f.Add(200, []byte(`{"user_code":"FRWWJM2E8","device_code":"GAQ","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5,"message":"To sign in"}`))
	f.Add(200, []byte(`{"user_code":"a","device_code":"b","verification_url":"https://h/x","expires_in":"900"}`))
	for _, a := range answers(f) {
		f.Add(a.status, a.body)
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		d, err := entra.DecodeDeviceCode(status, http.Header{}, body, sent)
		if err != nil {
			var e *entra.Error
			if !errors.As(err, &e) {
				t.Fatalf("got a %T", err)
			}
			checkError(t, e, status, body)
			return
		}
		switch {
		case status != 200 || d.UserCode == "" || d.Code.IsZero() || !strings.HasPrefix(strings.ToLower(d.VerificationURI), "https://"):
			t.Fatalf("%d %q: got %+v", status, body, d)
		case d.Interval < time.Second || d.Interval > time.Minute || d.ExpiresOn.Before(sent) || d.ExpiresOn.After(sent.Add(24*time.Hour)):
			t.Fatalf("%q: interval %v, expires %v", body, d.Interval, d.ExpiresOn)
		case strings.ContainsAny(d.UserCode+d.VerificationURI+d.VerificationURIComplete+d.Message, "\n\r\x1b"):
			t.Fatalf("%q: got %+v, which is not fit for a terminal", body, d)
		}
	})
}
