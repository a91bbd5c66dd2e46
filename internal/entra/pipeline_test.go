package entra_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
)

func TestRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body string
	transport, _ := answering(granted)
	inner := transporter(func(r *http.Request) (*http.Response, error) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		return transport.Do(r)
	})
	r := request()
	r.Auth, r.Claims, r.Scopes = &proof{secret: "s p+c&=%"}, `{"x":1}`, []string{vault, "openid"}
	c := newClient(t, &inner, func(cfg *entra.Config) { cfg.Options.APIVersion = "2020-01-01" })
	if _, err := c.ClientCredentials(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	const want = "client_id=" + entratest.DefaultClientID + "&grant_type=client_credentials&scope=https%3A%2F%2Fvault.azure.net%2F.default+openid&claims=%7B%22x%22%3A1%7D&client_secret=s+p%2Bc%26%3D%25"
	if body != want {
		t.Errorf("\n got %s\nwant %s", body, want)
	}
	if url := "https://login.microsoftonline.com/" + tenant + "/oauth2/v2.0/token"; got.Method != http.MethodPost || got.URL.String() != url {
		t.Errorf("got %s %s, want POST %s", got.Method, got.URL, url)
	}
	for name, want := range map[string]string{
		"Content-Type": `^application/x-www-form-urlencoded$`, "Accept": `^application/json$`, "X-Client-Sku": `^azid\.Go$`, "X-Client-Ver": `^v1\.2\.3$`,
		"Client-Request-Id": `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, "User-Agent": `^azsdk-go-azidentity/v1\.2\.3 `,
		"Authorization": `^$`,
	} {
		if v := got.Header.Get(name); !regexp.MustCompile(want).MatchString(v) {
			t.Errorf("%s: got %q, want %s", name, v, want)
		}
	}
}

// A step is the answers of a server, and what becomes of them.
func TestRetries(t *testing.T) {
	t.Parallel()
	refusal := func(code int) func(*http.Request) (*http.Response, error) {
		return status(code, `{"error":"invalid_client","error_description":"AADSTS7000215: no"}`, "Retry-After", "1")
	}
	const second = time.Second
	for _, tc := range []struct {
		name      string
		answers   []func(*http.Request) (*http.Response, error)
		requests  int
		least     time.Duration // that passes
		most      time.Duration
		fails     string
		throttled time.Duration
	}{
		{"503, then granted", []func(*http.Request) (*http.Response, error){status(503, ""), granted}, 2, second / 2, 2 * second, "", 0},
		{"reset, then granted", []func(*http.Request) (*http.Response, error){broken, granted}, 2, second / 2, 2 * second, "", 0},
		{"Retry-After is kept to the second", []func(*http.Request) (*http.Response, error){status(429, "", "Retry-After", "17"), granted}, 2, 17 * second, 17 * second, "", 0},
		{"Retry-After of 503", []func(*http.Request) (*http.Response, error){status(503, "", "Retry-After", "3"), granted}, 2, 3 * second, 3 * second, "", 0},
		{"Retry-After-Ms", []func(*http.Request) (*http.Response, error){status(429, "", "Retry-After-Ms", "1500"), granted}, 2, 1500 * time.Millisecond, 1500 * time.Millisecond, "", 0},
		{"more than the cap", []func(*http.Request) (*http.Response, error){status(429, "", "Retry-After", "61")}, 1, 0, 0, "too many requests", 61 * second},
		{"an hour", []func(*http.Request) (*http.Response, error){status(503, "<html>", "Retry-After", "3600")}, 1, 0, 0, "overloaded or failing", time.Hour},
		{"overloaded for good", []func(*http.Request) (*http.Response, error){status(500, "")}, 4, 5 * second, 20 * second, "overloaded or failing", 0},
		{"gone for good", []func(*http.Request) (*http.Response, error){broken}, 4, 5 * second, 20 * second, "connection reset by peer", 0},
		{"400 is final", []func(*http.Request) (*http.Response, error){refusal(400)}, 1, 0, 0, "invalid_client", 0},
		{"401 is final", []func(*http.Request) (*http.Response, error){refusal(401)}, 1, 0, 0, "invalid_client", 0},
		{"403 is final", []func(*http.Request) (*http.Response, error){status(403, "<html>")}, 1, 0, 0, "web page", 0},
		{"a redirect is final", []func(*http.Request) (*http.Response, error){status(307, "", "Location", "https://evil.example.com/")}, 1, 0, 0, "the answer is a redirect, which is not followed", 0},
		{"no answer and no error", []func(*http.Request) (*http.Response, error){func(*http.Request) (*http.Response, error) { return nil, nil }}, 1, 0, 0, "neither a response nor an error", 0},
		{"no body", []func(*http.Request) (*http.Response, error){func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil }}, 1, 0, 0, "the answer is empty", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				transport, requests := answering(tc.answers...)
				start := time.Now()
				token, err := newClient(t, transport).ClientCredentials(t.Context(), request())
				if d := time.Since(start); d < tc.least || d > tc.most {
					t.Errorf("took %v, want %v to %v", d, tc.least, tc.most)
				}
				if requests() != tc.requests {
					t.Errorf("%d requests, want %d", requests(), tc.requests)
				}
				if (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) || (err == nil) != (token.AccessToken != "") {
					t.Errorf("got token %t, %v; want error %q", token.AccessToken != "", err, tc.fails)
				}
				if d := throttledFor(err); d != tc.throttled {
					t.Errorf("throttled for %v, want %v", d, tc.throttled)
				}
			})
		})
	}
}

// A caller who leaves while the pipeline waits learns how much of it is left.
func TestThrottledWhenTheCallerLeaves(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{"seconds": "30", "date": "date"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if header == "date" {
					header = time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat)
				}
				transport, requests := answering(status(429, "", "Retry-After", header))
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, err := newClient(t, transport).ClientCredentials(ctx, request())
				if !errors.Is(err, context.DeadlineExceeded) || throttledFor(err) != 20*time.Second || requests() != 1 {
					t.Errorf("got %v, throttled for %v, after %d requests; want the deadline and 20s", err, throttledFor(err), requests())
				}
				if want := "the authority asks to be left alone until 2000-01-01 00:00:30Z: context deadline exceeded"; err.Error() != want {
					t.Errorf("got %v, want %s", err, want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t, entratest.Config{})
		e.Inject(entratest.Fault{RetryAfter: time.Second, Times: 1})
		e.Inject(entratest.Fault{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := newClient(t, e.Transport()).ClientCredentials(ctx, request())
		if !errors.Is(err, context.DeadlineExceeded) || throttledFor(err) != 0 {
			t.Errorf("got %v, throttled for %v; want the deadline alone, the wait was over", err, throttledFor(err))
		}
	})
}

// One try takes 30 seconds at most, or what the caller says.
func TestTryTimeout(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ given, want time.Duration }{
		"default": {0, entra.DefaultTry}, "the caller's": {3 * time.Second, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, fault := range []entratest.Fault{{Hang: true}, {SlowBody: 10 * time.Hour}} {
				synctest.Test(t, func(t *testing.T) {
					e := newEmulator(t, entratest.Config{})
					e.Inject(fault)
					c := newClient(t, e.Transport(), func(cfg *entra.Config) {
						cfg.Options.Retry = policy.RetryOptions{MaxRetries: 1, MaxRetryDelay: 1, TryTimeout: tc.given}
					})
					start := time.Now()
					_, err := c.ClientCredentials(t.Context(), request())
					if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || d.Round(time.Microsecond) != 2*tc.want || len(e.Journal()) != 2 {
						t.Errorf("got %v after %v and %d requests, want two tries of %v", err, d, len(e.Journal()), tc.want)
					}
				})
			}
		})
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	big := strings.Repeat(" ", entra.MaxBody+1)
	for _, code := range []int{200, 401, 503} {
		transport, requests := answering(status(code, big))
		_, err := newClient(t, transport).ClientCredentials(t.Context(), request())
		if !errors.Is(err, entra.ErrOversized) || requests() != 1 {
			t.Errorf("%d: got %v after %d requests, want ErrOversized after one", code, err, requests())
		}
	}
	transport, _ := answering(status(200, goodToken+strings.Repeat(" ", entra.MaxBody-len(goodToken))))
	if _, err := newClient(t, transport).ClientCredentials(t.Context(), request()); err != nil {
		t.Errorf("1 MiB: %v", err)
	}
	// Metadata, a GET, which azcore would ask for again.
	transport, requests := answering(status(200, big))
	_, err := newClient(t, transport, at(t, private)).ClientCredentials(t.Context(), request())
	if !errors.Is(err, entra.ErrOversized) || requests() != 2 {
		t.Errorf("metadata: got %v after %d requests, want ErrOversized after two", err, requests())
	}
}

// An answer that breaks off is asked for again, as if it had not begun.
func TestAnswerBreaksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEmulator(t, entratest.Config{})
		e.Inject(entratest.Fault{Truncate: true, Times: 2})
		if _, err := newClient(t, e.Transport()).ClientCredentials(t.Context(), request()); err != nil || len(e.Journal()) != 3 {
			t.Errorf("%d requests; %v", len(e.Journal()), err)
		}
		e.Inject(entratest.Fault{Truncate: true})
		_, err := newClient(t, e.Transport()).ClientCredentials(t.Context(), request())
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "the answer broke off") {
			t.Errorf("got %v, want that the answer broke off", err)
		}
	})
}

// The same over real connections.
func TestOverTLS(t *testing.T) {
	t.Parallel()
	s := entratest.NewServer(&entratest.Config{SigningKey: signingKey()})
	defer s.Close()
	quick := func(cfg *entra.Config) {
		cfg.Options.Retry = policy.RetryOptions{RetryDelay: time.Millisecond, MaxRetryDelay: 5 * time.Millisecond}
	}
	for name, fault := range map[string]entratest.Fault{
		"sound": {}, "reset": {Reset: true, Times: 2}, "truncated": {Truncate: true, Times: 2}, "503": {Status: 503, Times: 3},
	} {
		cancel := s.Inject(fault)
		if _, err := newClient(t, s.Client(), quick).ClientCredentials(t.Context(), request()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

// A redirect is not followed. A transport that follows it to another host is
// told so, and not asked a second time.
func TestRedirects(t *testing.T) {
	t.Parallel()
	elsewhere := 0
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere++
		_, _ = io.WriteString(w, goodToken)
	}))
	defer other.Close()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/here") {
			_, _ = io.WriteString(w, goodToken)
			return
		}
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	home := at(t, s.URL)
	follow := s.Client()
	if _, err := newClient(t, follow, home, skipDiscovery).ClientCredentials(t.Context(), request()); !errors.Is(err, entra.ErrRedirected) {
		t.Errorf("got %v, want ErrRedirected", err)
	}
	if elsewhere != 1 {
		t.Errorf("%d requests went elsewhere, want the one that cannot be helped", elsewhere)
	}
	// The same host without TLS is another one.
	downgraded := transporter(func(r *http.Request) (*http.Response, error) {
		resp, err := granted(r)
		resp.Request = r.Clone(r.Context())
		resp.Request.URL.Scheme = "http"
		return resp, err
	})
	if _, err := newClient(t, &downgraded).ClientCredentials(t.Context(), request()); !errors.Is(err, entra.ErrRedirected) {
		t.Errorf("got %v, want ErrRedirected", err)
	}
	stay := &http.Client{Transport: follow.Transport, CheckRedirect: entra.SharedClient.CheckRedirect}
	if _, err := newClient(t, stay, home, skipDiscovery).ClientCredentials(t.Context(), request()); err == nil || !strings.Contains(err.Error(), "the answer is a redirect") || elsewhere != 1 {
		t.Errorf("got %v and %d requests elsewhere", err, elsewhere)
	}
	if entra.SharedClient.Transport != entra.SharedTransport {
		t.Error("the default client does not use the shared transport")
	}
	follow.CheckRedirect = nil
	resp, err := entra.SharedClient.Get("http" + strings.TrimPrefix(redirector(t, s.URL), "http"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		t.Errorf("the default client followed a redirect, to status %d", resp.StatusCode)
	}
}

func redirector(t *testing.T, to string) string {
	s := httptest.NewServer(http.RedirectHandler(to, http.StatusFound))
	t.Cleanup(s.Close)
	return s.URL
}

// Pain 18: whenever the caller leaves, the call ends at once, with the
// context's error and with no goroutine left (synctest fails on one).
func TestPain18CancelAtEveryStep(t *testing.T) {
	t.Setenv("REGION_NAME", "")
	pass := entratest.Fault{Skip: 1000}
	for _, tc := range []struct {
		name  string
		fault entratest.Fault
		after time.Duration
	}{
		{"before the request", pass, 0},
		{"in detection", entratest.Fault{Endpoint: entratest.EndpointRegion, Hang: true}, time.Second / 2},
		{"in instance discovery", entratest.Fault{Endpoint: entratest.EndpointInstanceDiscovery, Hang: true}, 2 * time.Second},
		{"between tries of instance discovery", entratest.Fault{Endpoint: entratest.EndpointInstanceDiscovery, Reset: true}, time.Second / 4},
		{"in metadata", entratest.Fault{Endpoint: entratest.EndpointOpenIDConfiguration, Latency: time.Minute}, 2 * time.Second},
		{"in the body of metadata", entratest.Fault{Endpoint: entratest.EndpointOpenIDConfiguration, SlowBody: time.Minute}, 2 * time.Second},
		{"at the token endpoint", entratest.Fault{Endpoint: entratest.EndpointToken, Hang: true}, 2 * time.Second},
		{"at the global endpoint after the regional one", entratest.Fault{Endpoint: entratest.EndpointToken, Hang: true}, 15 * time.Second},
		{"in the body", entratest.Fault{Endpoint: entratest.EndpointToken, SlowBody: time.Minute}, 15 * time.Second},
		{"between tries", entratest.Fault{Endpoint: entratest.EndpointToken, RetryAfter: time.Minute}, 15 * time.Second},
	} {
		for _, how := range []error{context.Canceled, context.DeadlineExceeded} {
			t.Run(tc.name+", "+how.Error(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEmulator(t, entratest.Config{Region: "westeurope"})
					e.Inject(tc.fault)
					ctx, cancel := context.WithTimeout(t.Context(), tc.after)
					if errors.Is(how, context.Canceled) {
						ctx, cancel = context.WithCancel(t.Context())
						defer time.AfterFunc(tc.after, cancel).Stop()
						synctest.Wait()
					}
					defer cancel()
					start := time.Now()
					token, err := newClient(t, e.Transport(), at(t, private), in(entra.AutoDetect)).ClientCredentials(ctx, request())
					if !errors.Is(err, how) || token.AccessToken != "" {
						t.Errorf("got %v, want %v", err, how)
					}
					if d := time.Since(start); d > tc.after {
						t.Errorf("took %v after the end of the context", d-tc.after)
					}
					if tc.after > 0 && len(e.Journal()) == 0 {
						t.Error("no request was sent")
					}
				})
			})
		}
	}
}

// Pain 18: the same when the transport cancels between sending and answering.
func TestPain18CancelInTheTransport(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]func(*http.Request, context.CancelFunc) (*http.Response, error){
		"before it sends": func(r *http.Request, cancel context.CancelFunc) (*http.Response, error) {
			cancel()
			return nil, r.Context().Err()
		},
		"with an error of its own": func(_ *http.Request, cancel context.CancelFunc) (*http.Response, error) { cancel(); return nil, io.EOF },
		"with an answer":           func(r *http.Request, cancel context.CancelFunc) (*http.Response, error) { cancel(); return granted(r) },
		"in the body": func(r *http.Request, cancel context.CancelFunc) (*http.Response, error) {
			body := io.MultiReader(bytes.NewReader([]byte("{")), reader(func([]byte) (int, error) { cancel(); return 0, r.Context().Err() }))
			return &http.Response{StatusCode: 200, Body: io.NopCloser(body), Request: r}, nil
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		transport, requests := answering(func(r *http.Request) (*http.Response, error) { return step(r, cancel) })
		start := time.Now()
		token, err := newClient(t, transport).ClientCredentials(ctx, request())
		if !errors.Is(err, context.Canceled) || token.AccessToken != "" || requests() != 1 || time.Since(start) > time.Second/2 {
			t.Errorf("%s: got %v after %d requests and %v, want context.Canceled", name, err, requests(), time.Since(start))
		}
	}
}

type reader func([]byte) (int, error)

func (f reader) Read(p []byte) (int, error) { return f(p) }

// A better proof is sent once.
func TestRefusedProof(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		proof    *proof
		requests int
		granted  bool
	}{
		{"mended", &proof{secret: "wrong", mend: entratest.DefaultClientSecret}, 2, true},
		{"mended in vain", &proof{secret: "wrong", mend: "wrong again"}, 2, false},
		{"not mended", &proof{secret: "wrong"}, 1, false},
	} {
		e := newEmulator(t, entratest.Config{})
		r := request()
		r.Auth = tc.proof
		_, err := newClient(t, e.Transport()).ClientCredentials(t.Context(), r)
		if (err == nil) != tc.granted || len(e.Journal()) != tc.requests {
			t.Errorf("%s: got %v after %d requests, want %d", tc.name, err, len(e.Journal()), tc.requests)
		}
		if n := len(tc.proof.refusals); n == 0 || !tc.proof.refusals[0].Has(7000215) {
			t.Errorf("%s: %d refusals were heard", tc.name, n)
		}
	}
	// No proof at all, and a refusal without a code.
	e := newEmulator(t, entratest.Config{})
	r := request()
	r.Auth = nil
	var refused *entra.Error
	if _, err := newClient(t, e.Transport()).ClientCredentials(t.Context(), r); !errors.As(err, &refused) || !refused.Has(7000218) {
		t.Errorf("got %v, want AADSTS7000218", err)
	}
}

// The server's clock is learnt from its Date header.
func TestOffset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, want := range []time.Duration{0, time.Hour, -time.Hour} {
			transport, _ := answering(status(401, `{"error":"invalid_client"}`, "Date", time.Now().Add(want).UTC().Format(http.TimeFormat)))
			_, err := newClient(t, transport).ClientCredentials(t.Context(), request())
			var e *entra.Error
			if !errors.As(err, &e) || e.Offset != want {
				t.Errorf("got %v, want %v", e.Offset, want)
			}
		}
	})
}

// Clients of many transports stay within bounds, and what is known through one
// of them that is in use is not forgotten. It is not parallel: the others'
// knowledge goes.
func TestManyTransports(t *testing.T) {
	e := newEmulator(t, entratest.Config{})
	e.Inject(entratest.Fault{Host: regional, Reset: true})
	inUse := e.Transport()
	for range 3 * entra.MaxStates {
		if _, err := newClient(t, inUse, in("westeurope")).ClientCredentials(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
		transport, _ := answering(granted)
		if _, err := newClient(t, transport).ClientCredentials(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
	}
	asked := slices.DeleteFunc(hosts(e), func(host string) bool { return host != regional })
	if len(asked) != 1 {
		t.Errorf("%d requests to the regional endpoint that is down, want 1", len(asked))
	}
	// A transport that cannot be a key has a state of its own.
	c := newClient(t, incomparable{func(r *http.Request) (*http.Response, error) { return granted(r) }})
	if _, err := c.ClientCredentials(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
}

type incomparable struct {
	do func(*http.Request) (*http.Response, error)
}

func (i incomparable) Do(r *http.Request) (*http.Response, error) { return i.do(r) }

// Clients of one transport share a pipeline only if their options say nothing of it:
// nobody gets another one's retries, policies or telemetry.
func TestSharedPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var agents []string
		n := 0
		transport := transporter(func(r *http.Request) (*http.Response, error) {
			agents = append(agents, r.Header.Get("User-Agent"))
			if n++; r.Header.Get("Mine") == "" && n%2 == 1 {
				return status(503, "")(r)
			}
			return granted(r)
		})
		plain := func(*entra.Config) {}
		for _, tc := range []struct {
			name     string
			change   func(*entra.Config)
			requests int
			fails    bool
		}{
			{"plain", plain, 2, false},
			{"plain, at another authority", at(t, "login.microsoftonline.us"), 2, false},
			{"no retries", func(cfg *entra.Config) { cfg.Options.Retry.MaxRetries = -1 }, 1, true},
			{"a policy", func(cfg *entra.Config) { cfg.Options.PerCallPolicies = []policy.Policy{marking{}} }, 1, false},
			{"an application's name", func(cfg *entra.Config) { cfg.Options.Telemetry.ApplicationID = "mine" }, 2, false},
			{"plain again", plain, 2, false},
		} {
			n, agents = 0, nil
			_, err := newClient(t, &transport, tc.change).ClientCredentials(t.Context(), request())
			if n != tc.requests || (err != nil) != tc.fails {
				t.Errorf("%s: %d requests and %v, want %d", tc.name, n, err, tc.requests)
			}
			if named := strings.HasPrefix(agents[0], "mine "); named != strings.Contains(tc.name, "name") {
				t.Errorf("%s: User-Agent %s", tc.name, agents[0])
			}
		}
	})
}

// marking is a caller's policy.
type marking struct{}

func (marking) Do(r *policy.Request) (*http.Response, error) {
	r.Raw().Header.Set("Mine", "yes")
	return r.Next()
}
