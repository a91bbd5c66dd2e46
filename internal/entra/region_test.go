package entra_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/assertion"
	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/events"
)

func TestParseRegion(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"": "", "westeurope": "westeurope", " West Europe ": "westeurope", "WESTEUROPE": "westeurope",
		"TryAutoDetect": entra.AutoDetect, "tryautodetect": entra.AutoDetect, "AutoDiscoverRegion": entra.AutoDetect, "True": entra.AutoDetect,
	} {
		if got := entra.ParseRegion(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
	for _, region := range []string{"West", "1west", "west.europe", "west/europe", "west europe", "-", "west-", "ü", "a\n", strings.Repeat("a", 64), "west@evil.example.com"} {
		_, err := entra.NewClient(entra.Config{Authority: authority(t, entra.PublicCloudHost), Region: region})
		if err == nil || !strings.Contains(err.Error(), "a region is a name such as westeurope, or TryAutoDetect") {
			t.Errorf("%q: got %v, want an error", region, err)
		}
	}
}

func TestPain79RegionalHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"login.microsoftonline.com":  "westeurope.login.microsoft.com",
		"login.windows.net":          "westeurope.login.microsoft.com",
		"sts.windows.net":            "westeurope.login.microsoft.com",
		"login.microsoftonline.us":   "westeurope.login.microsoftonline.us",
		"login.usgovcloudapi.net":    "westeurope.login.microsoftonline.us",
		"login.chinacloudapi.cn":     "westeurope.login.partner.microsoftonline.cn",
		"login.sovcloud-identity.fr": "westeurope.login.sovcloud-identity.fr",
		"localhost:8443":             "localhost:8443", // unknown, and nobody was asked about it
	} {
		e := newEmulator(t, entratest.Config{})
		r, p := request(), &proof{secret: entratest.DefaultClientSecret}
		r.Auth = p
		if _, err := newClient(t, e.Transport(), at(t, host), skipDiscovery, in("westeurope")).ClientCredentials(t.Context(), r); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if got := hosts(e); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: requests to %q, want one to %s", host, got, want)
		}
		if got := "https://" + want + "/" + tenant + "/oauth2/v2.0/token"; p.endpoints[0] != got || p.legacy[0] {
			t.Errorf("%s: the proof is for %s, want %s", host, p.endpoints[0], got)
		}
	}
}

// The audience of a signed assertion is the endpoint that is called, also
// after the regional one failed.
func TestPain79AssertionAudience(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{})
	certs, key := e.DefaultCertificate()
	signer, err := assertion.NewSigner(certs, key)
	if err != nil {
		t.Fatal(err)
	}
	r := request()
	r.Auth = signed{assertion.NewCached(signer, entratest.DefaultClientID)}
	c := newClient(t, e.Transport(), in("westeurope"))
	if _, err := c.ClientCredentials(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	e.Inject(entratest.Fault{Host: "westeurope.login.microsoft.com", Reset: true})
	if _, err := c.ClientCredentials(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, entry := range e.Journal() {
		if got, want := entry.AssertionClaims["aud"], "https://"+entry.Host+entry.Path; got != want {
			t.Errorf("got aud %v, want %s", got, want)
		}
	}
	if got := hosts(e); !slices.Equal(got, []string{"westeurope.login.microsoft.com", "westeurope.login.microsoft.com", entra.PublicCloudHost}) {
		t.Errorf("requests to %q", got)
	}
}

// signed proves by assertions that a certificate's key signs.
type signed struct{ *assertion.Cached }

func (s signed) Authenticate(ctx context.Context, f *entra.Form, endpoint string, legacy bool) error {
	jwt, err := s.Assertion(ctx, endpoint, assertion.Profile{Legacy: legacy})
	f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	f.SetSecret("client_assertion", jwt)
	return err
}

func (signed) Refused(context.Context, *entra.Error, *entra.Form) bool { return false }

const regional = "westeurope.login.microsoft.com"

// Pain 79: a regional endpoint that is down costs little time, once in five
// minutes.
func TestPain79RegionDown(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault entratest.Fault
		bound time.Duration
	}{
		"reset":      {entratest.Fault{Reset: true}, 0},
		"hang":       {entratest.Fault{Hang: true}, entra.RegionTry},
		"slow body":  {entratest.Fault{SlowBody: time.Hour}, entra.RegionTry},
		"truncated":  {entratest.Fault{Truncate: true}, 0},
		"status 503": {entratest.Fault{Status: 503}, 0},
		"web page":   {entratest.Fault{Status: 403, Body: "<html></html>"}, 0},
		"empty":      {entratest.Fault{Status: 204}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newEmulator(t, entratest.Config{})
				tc.fault.Host = regional
				heal := e.Inject(tc.fault)
				transport := e.Transport()
				get := func(want ...string) {
					t.Helper()
					e.ResetJournal()
					if _, err := newClient(t, transport, in("westeurope")).ClientCredentials(t.Context(), request()); err != nil {
						t.Error(err)
					}
					if got := hosts(e); !slices.Equal(got, want) {
						t.Errorf("requests to %q, want %q", got, want)
					}
				}
				start := time.Now()
				get(regional, entra.PublicCloudHost)
				if d := time.Since(start); d != tc.bound {
					t.Errorf("took %v, want %v", d, tc.bound)
				}
				get(entra.PublicCloudHost)
				heal()
				time.Sleep(entra.RegionPause - time.Since(start) - time.Second)
				get(entra.PublicCloudHost)
				time.Sleep(entra.RegionPause)
				get(regional)
			})
		})
	}
}

// Pain 79: the caller's deadline leaves time for the global endpoint.
func TestPain79RegionHangsWithinDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t, entratest.Config{})
		e.Inject(entratest.Fault{Host: regional, Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := newClient(t, e.Transport(), in("westeurope")).ClientCredentials(ctx, request()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 1500*time.Millisecond {
			t.Errorf("took %v, want half of the deadline", d)
		}
	})
}

// What a regional endpoint refuses, the global one is not asked for.
func TestPain79RegionalRefusalIsFinal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t, entratest.Config{})
		c := newClient(t, e.Transport(), in("westeurope"))
		r := request()
		r.Auth = &proof{secret: "wrong"}
		_, err := c.ClientCredentials(t.Context(), r)
		var refused *entra.Error
		if !errors.As(err, &refused) || refused.Code != "invalid_client" || refused.URL != "https://"+regional+"/"+tenant+"/oauth2/v2.0/token" {
			t.Errorf("got %v, want invalid_client from the region", err)
		}
		if got := hosts(e); !slices.Equal(got, []string{regional}) {
			t.Errorf("requests to %q, want one", got)
		}

		// A region that asks to wait is up, and is waited for.
		e.ResetJournal()
		e.Inject(entratest.Fault{Host: regional, RetryAfter: 20 * time.Second, Times: 1})
		start := time.Now()
		if _, err := c.ClientCredentials(t.Context(), request()); err != nil || time.Since(start) != 20*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if got := hosts(e); !slices.Equal(got, []string{regional, regional}) {
			t.Errorf("requests to %q, want two to the region", got)
		}

		// Nor is the global one asked when there is no proof, or no caller.
		e.ResetJournal()
		cause := errors.New("no assertion")
		r.Auth = &proof{fail: cause}
		if _, err := c.ClientCredentials(t.Context(), r); !errors.Is(err, cause) || err.Error() != "no assertion" || len(e.Journal()) != 0 {
			t.Errorf("got %v and requests to %q, want the proof's error", err, hosts(e))
		}
		// The proof may itself come from a token service that is down.
		r.Auth = &proof{fail: &entra.Error{Status: 503, Problem: "another server is down"}}
		if _, err := c.ClientCredentials(t.Context(), r); err == nil || len(e.Journal()) != 0 {
			t.Errorf("got %v and requests to %q, want the proof's error", err, hosts(e))
		}
		r.Auth = &proof{secret: entratest.DefaultClientSecret}
		if _, err := c.ClientCredentials(t.Context(), r); err != nil || !slices.Equal(hosts(e), []string{regional}) {
			t.Errorf("got %v and requests to %q, want the region still in use", err, hosts(e))
		}
		e.ResetJournal()
		e.Inject(entratest.Fault{Host: regional, Hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := c.ClientCredentials(ctx, request()); !errors.Is(err, context.Canceled) || len(e.Journal()) != 1 {
			t.Errorf("got %v and requests to %q, want context.Canceled", err, hosts(e))
		}
	})
}

// TestPain79Detection and the next ones read the environment.
func TestPain79Detection(t *testing.T) {
	t.Setenv("REGION_NAME", "")
	e := newEmulator(t, entratest.Config{Region: "West Europe"})
	transport := e.Transport()
	for range 3 {
		if _, err := newClient(t, transport, in(entra.AutoDetect)).ClientCredentials(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
	}
	if got := hosts(e); !slices.Equal(got, []string{"169.254.169.254", regional, regional, regional}) {
		t.Errorf("requests to %q, want one to the metadata", got)
	}
	entry, _ := e.LastRequest(entratest.EndpointRegion)
	if entry.Path != "/metadata/instance/compute" || entry.Query.Get("api-version") != "2021-02-01" || entry.Method != http.MethodGet {
		t.Errorf("got %s %s %v", entry.Method, entry.Path, entry.Query)
	}
}

func TestPain79DetectionByEnvironment(t *testing.T) {
	t.Setenv("REGION_NAME", "West Europe")
	e := newEmulator(t, entratest.Config{Region: "eastus"})
	if _, err := newClient(t, e.Transport(), in(entra.AutoDetect)).ClientCredentials(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	if got := hosts(e); !slices.Equal(got, []string{regional}) {
		t.Errorf("requests to %q, want none to the metadata", got)
	}

	t.Setenv("REGION_NAME", "no region!")
	t.Setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://metadata.example.com/")
	e = newEmulator(t, entratest.Config{Region: "westeurope"})
	if _, err := newClient(t, e.Transport(), in(entra.AutoDetect)).ClientCredentials(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	if got := hosts(e); !slices.Equal(got, []string{"metadata.example.com", regional}) {
		t.Errorf("requests to %q, want the other metadata host", got)
	}
}

// Without an answer there is no region, after a second, and that is
// remembered.
func TestPain79NoDetection(t *testing.T) {
	t.Setenv("REGION_NAME", "")
	for name, tc := range map[string]struct {
		fault entratest.Fault
		bound time.Duration
	}{
		"none":      {entratest.Fault{Times: 1, Skip: 1000}, 0},
		"hang":      {entratest.Fault{Hang: true}, entra.Detection},
		"slow":      {entratest.Fault{SlowBody: time.Minute}, entra.Detection},
		"reset":     {entratest.Fault{Reset: true}, 0},
		"status":    {entratest.Fault{Status: 500}, 0},
		"throttled": {entratest.Fault{RetryAfter: time.Second}, 0},
		"page":      {entratest.Fault{Body: "<html>"}, 0},
		"type":      {entratest.Fault{Body: `{"location":5}`}, 0},
		"garbage":   {entratest.Fault{Body: `{"location":"evil.example.com/"}`}, 0},
		"keyword":   {entratest.Fault{Body: `{"location":"true"}`}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEmulator(t, entratest.Config{})
				tc.fault.Endpoint = entratest.EndpointRegion
				e.Inject(tc.fault)
				transport := e.Transport()
				start := time.Now()
				for range 3 {
					if _, err := newClient(t, transport, in(entra.AutoDetect)).ClientCredentials(t.Context(), request()); err != nil {
						t.Error(err)
					}
				}
				if d := time.Since(start); d != tc.bound {
					t.Errorf("took %v, want %v", d, tc.bound)
				}
				if got := hosts(e); !slices.Equal(got, []string{"169.254.169.254", entra.PublicCloudHost, entra.PublicCloudHost, entra.PublicCloudHost}) {
					t.Errorf("requests to %q", got)
				}
			})
		})
	}
}

// A caller who leaves during detection leaves no wrong answer behind.
func TestPain79DetectionCancelled(t *testing.T) {
	t.Setenv("REGION_NAME", "")
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t, entratest.Config{Region: "westeurope"})
		e.Inject(entratest.Fault{Endpoint: entratest.EndpointRegion, Hang: true, Times: 1})
		c := newClient(t, e.Transport(), in(entra.AutoDetect))
		ctx, cancel := context.WithTimeout(t.Context(), entra.Detection/2)
		defer cancel()
		if _, err := c.ClientCredentials(ctx, request()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		synctest.Wait()
		if _, err := c.ClientCredentials(t.Context(), request()); err != nil {
			t.Error(err)
		}
		if got := hosts(e); !slices.Equal(got, []string{"169.254.169.254", "169.254.169.254", regional}) {
			t.Errorf("requests to %q", got)
		}
	})
}

// A regional endpoint that is down is one event, with its host and no secret.
func TestPain79RegionDownIsOneEvent(t *testing.T) {
	old := slog.Default()
	defer slog.SetDefault(old)
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	e := newEmulator(t, entratest.Config{})
	e.Inject(entratest.Fault{Host: regional, Status: 503})
	c := newClient(t, e.Transport(), in("westeurope"))
	for range 3 {
		if _, err := c.ClientCredentials(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), events.RegionDown); n != 1 || !strings.Contains(log.String(), `"host":"`+regional+`"`) {
		t.Errorf("%d events, want one: %s", n, &log)
	}
	if strings.Contains(log.String(), entratest.DefaultClientSecret) {
		t.Errorf("the log has the secret: %s", &log)
	}
}
