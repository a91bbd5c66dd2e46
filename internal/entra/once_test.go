package entra_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
)

func redeem(ctx context.Context, c *entra.Client, auth entra.ClientAuth) (entra.TokenResponse, error) {
	return c.AuthorizationCode(ctx, entra.UserRequest{
		Tenant: entratest.DefaultTenantID, ClientID: entratest.DefaultClientID, Scopes: []string{"https://vault.azure.net/.default"}, Auth: auth,
	}, "the-code", entratest.DefaultRedirectURI, "")
}

// failing is a transport's error.
func failing(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// breaking is an answer whose body breaks off.
func breaking(r *http.Request) (*http.Response, error) {
	body := io.MultiReader(strings.NewReader(goodToken[:20]), reader(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
}

// A code is sent again only where it was certainly not redeemed.
func TestOnce(t *testing.T) {
	t.Parallel()
	type answer = func(*http.Request) (*http.Response, error)
	opError := func(op string) answer {
		return failing(&net.OpError{Op: op, Net: "tcp", Err: syscall.ECONNREFUSED})
	}
	hang := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for _, tc := range []struct {
		name       string
		answers    []answer
		requests   int
		granted    bool
		unredeemed bool
	}{
		{"granted", []answer{granted}, 1, true, false},
		{"no connection, then granted", []answer{opError("dial"), granted}, 2, true, false},
		{"no proxy, then granted", []answer{opError("proxyconnect"), granted}, 2, true, false},
		{"no name, then granted", []answer{failing(&net.DNSError{Err: "no such host", Name: "x"}), granted}, 2, true, false},
		{"untrusted, then granted", []answer{failing(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), granted}, 2, true, false},
		{"never a connection", []answer{opError("dial")}, 4, false, true},
		{"429, then granted", []answer{status(429, "", "Retry-After", "1"), granted}, 2, true, false},
		{"503, then granted", []answer{status(503, ""), granted}, 2, true, false},
		{"throttled for long", []answer{status(429, "", "Retry-After", "3600")}, 1, false, true},
		{"overloaded for good", []answer{status(503, "")}, 4, false, true},
		{"503, then a reset", []answer{status(503, ""), opError("read"), granted}, 2, false, false},
		{"no connection, then 500", []answer{opError("dial"), status(500, ""), granted}, 2, false, false},
		{"500", []answer{status(500, ""), granted}, 1, false, false},
		{"502", []answer{status(502, ""), granted}, 1, false, false},
		{"504", []answer{status(504, ""), granted}, 1, false, false},
		{"408", []answer{status(408, ""), granted}, 1, false, false},
		{"reset", []answer{opError("read"), granted}, 1, false, false},
		{"broken while it is sent", []answer{opError("write"), granted}, 1, false, false},
		{"end of file", []answer{failing(io.ErrUnexpectedEOF), granted}, 1, false, false},
		{"breaks off", []answer{breaking, granted}, 1, false, false},
		{"hangs", []answer{hang, granted}, 1, false, false},
		{"no JSON", []answer{status(200, "<html>"), granted}, 1, false, false},
		{"no answer at all", []answer{func(*http.Request) (*http.Response, error) { return nil, nil }, granted}, 1, false, false},
		{"refused grant", []answer{status(400, `{"error":"invalid_grant"}`), granted}, 1, false, false},
		{"refused request", []answer{status(400, `{"error":"invalid_request"}`), granted}, 1, false, false},
		{"refused proof", []answer{status(401, `{"error":"invalid_client"}`), granted}, 1, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				transport, requests := answering(tc.answers...)
				_, err := redeem(t.Context(), newClient(t, transport), nil)
				if requests() != tc.requests {
					t.Errorf("%d requests, want %d", requests(), tc.requests)
				}
				if (err == nil) != tc.granted || err != nil && entra.Unredeemed(err) != tc.unredeemed {
					t.Errorf("got %v (unredeemed %t), want granted %t, unredeemed %t", err, entra.Unredeemed(err), tc.granted, tc.unredeemed)
				}
				if err != nil && strings.Contains(err.Error(), "the-code") {
					t.Errorf("the error holds the code: %v", err)
				}
			})
		})
	}
}

// The caller's own rules for retries can forbid one and never allow one.
func TestOnceUnderTheCallersRules(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		retry    policy.RetryOptions
		answer   func(*http.Request) (*http.Response, error)
		requests int
	}{
		{"every status", policy.RetryOptions{StatusCodes: []int{400, 500}}, status(500, ""), 1},
		{"always", policy.RetryOptions{ShouldRetry: func(*http.Response, error) bool { return true }}, broken, 1},
		{"always, unsent", policy.RetryOptions{ShouldRetry: func(*http.Response, error) bool { return true }}, status(503, ""), 4},
		{"never", policy.RetryOptions{ShouldRetry: func(*http.Response, error) bool { return false }}, status(503, ""), 1},
		{"no retries", policy.RetryOptions{MaxRetries: -1}, status(503, ""), 1},
		{"two", policy.RetryOptions{MaxRetries: 1}, status(503, ""), 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			transport, requests := answering(tc.answer)
			c := newClient(t, transport, func(cfg *entra.Config) { cfg.Options.Retry = tc.retry })
			ctx := policy.WithRetryOptions(t.Context(), policy.RetryOptions{MaxRetries: 9, ShouldRetry: func(*http.Response, error) bool { return true }})
			if _, err := redeem(ctx, c, nil); err == nil || requests() != tc.requests {
				t.Errorf("%s: got %v after %d requests, want %d", tc.name, err, requests(), tc.requests)
			}
		})
	}
}

// What goes wrong with an answer after it has come is not before it was sent.
func TestOnceWithPoliciesInBetween(t *testing.T) {
	t.Parallel()
	transport, requests := answering(granted)
	spoilt := errors.New("spoilt")
	c := newClient(t, transport, func(cfg *entra.Config) {
		cfg.Options.PerCallPolicies = []policy.Policy{policyFunc(func(req *policy.Request) (*http.Response, error) {
			resp, err := req.Next()
			if err == nil {
				resp.Body = io.NopCloser(reader(func([]byte) (int, error) { return 0, spoilt }))
			}
			return resp, err
		})}
	})
	if _, err := redeem(t.Context(), c, nil); !errors.Is(err, spoilt) || entra.Unredeemed(err) || requests() != 1 {
		t.Errorf("got %v after %d requests, unredeemed %t", err, requests(), entra.Unredeemed(err))
	}
}

type policyFunc func(*policy.Request) (*http.Response, error)

func (f policyFunc) Do(req *policy.Request) (*http.Response, error) { return f(req) }

// A caller who leaves knows whether the code may have been redeemed.
func TestOnceWhenTheCallerLeaves(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer     func(*http.Request) (*http.Response, error)
		unredeemed bool
	}{
		"in a pause":    {status(503, "", "Retry-After", "30"), true},
		"in a request":  {func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }, false},
		"never started": {nil, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if tc.answer == nil {
				cancel()
			}
			transport, requests := answering(tc.answer)
			_, err := redeem(ctx, newClient(t, transport), &proof{secret: "x", fail: ctx.Err()})
			if ctx.Err() == nil || !errors.Is(err, ctx.Err()) || entra.Unredeemed(err) != tc.unredeemed || requests() > 1 {
				t.Errorf("%s: got %v after %d requests, unredeemed %t", name, err, requests(), entra.Unredeemed(err))
			}
		})
	}
}

// A better proof is tried, as the server has not come to the grant when it refuses the
// application, and only then.
func TestOnceMendsTheProof(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		answers  []func(*http.Request) (*http.Response, error)
		requests int
		granted  bool
	}{
		{"proof", []func(*http.Request) (*http.Response, error){status(401, `{"error":"invalid_client"}`), granted}, 2, true},
		{"proof, in vain", []func(*http.Request) (*http.Response, error){status(401, `{"error":"invalid_client"}`)}, 2, false},
		{"grant", []func(*http.Request) (*http.Response, error){status(400, `{"error":"invalid_grant"}`), granted}, 1, false},
		{"server", []func(*http.Request) (*http.Response, error){status(500, `{"error":"server_error"}`), granted}, 1, false},
	} {
		transport, requests := answering(tc.answers...)
		auth := &proof{secret: "wrong", mend: "better"}
		if _, err := redeem(t.Context(), newClient(t, transport), auth); (err == nil) != tc.granted || requests() != tc.requests {
			t.Errorf("%s: got %v after %d requests, want %d", tc.name, err, requests(), tc.requests)
		}
		if len(auth.refusals) == 0 {
			t.Errorf("%s: the proof did not hear of the refusal", tc.name)
		}
	}
	transport, requests := answering(granted)
	failed := errors.New("the vault is closed")
	if _, err := redeem(t.Context(), newClient(t, transport), &proof{fail: failed}); !errors.Is(err, failed) || !entra.Unredeemed(err) || requests() != 0 {
		t.Errorf("got %v after %d requests", err, requests())
	}
}

// What is refused on this machine is not sent.
func TestAuthorizationCodeRefusedLocally(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]entra.UserRequest{
		"two resources": {Tenant: "t", Scopes: []string{"https://a.example/x", "https://b.example/y"}},
		"claims":        {Tenant: "t", Scopes: []string{"https://a.example/x"}, Claims: "{"},
	} {
		transport, requests := answering(granted)
		_, err := newClient(t, transport).AuthorizationCode(t.Context(), r, "the-code", "https://a.example", "")
		if err == nil || !entra.Unredeemed(err) || requests() != 0 {
			t.Errorf("%s: got %v after %d requests", name, err, requests())
		}
	}
}

func TestAuthorizationCodeRequest(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{})
	code, err := e.AuthorizationCode(entratest.DefaultUsername, entratest.DefaultClientID, entratest.DefaultRedirectURI, entratest.WithCodeChallenge(strings.Repeat("v", 43), "plain"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := newClient(t, e.Transport()).AuthorizationCode(t.Context(), entra.UserRequest{
		Tenant: entratest.DefaultTenantID, ClientID: entratest.DefaultClientID, Scopes: []string{"https://vault.azure.net/.default"}, CAE: true,
		Auth: &proof{secret: entratest.DefaultClientSecret},
	}, code, entratest.DefaultRedirectURI, strings.Repeat("v", 43))
	if err != nil || token.RefreshToken == "" {
		t.Fatalf("got refresh token %t, %v", token.RefreshToken != "", err)
	}
	entry, _ := e.LastRequest(entratest.EndpointToken)
	for name, want := range map[string]string{
		"grant_type": "authorization_code", "client_id": entratest.DefaultClientID, "redirect_uri": entratest.DefaultRedirectURI,
		"scope": "https://vault.azure.net/.default openid offline_access profile", "client_info": "1", "code": "[redacted]", "code_verifier": "[redacted]",
		"claims": `{"access_token":{"xms_cc":{"values":["CP1"]}}}`,
	} {
		if got := entry.Form.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// Over TLS, with both versions of HTTP: what happens before there is a connection is
// told from what happens on it, for whatever reason.
func TestOnceOverTLS(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		var requests atomic.Int32
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/warm" {
				return
			}
			panic(http.ErrAbortHandler)
		}))
		s.EnableHTTP2 = http2
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		defer s.Close()
		fast := func(cfg *entra.Config) {
			cfg.Options.Retry = policy.RetryOptions{RetryDelay: time.Microsecond}
		}
		impatient := func(cfg *entra.Config) {
			cfg.Options.Retry = policy.RetryOptions{MaxRetries: -1, TryTimeout: time.Second}
		}
		own := s.Client()
		defer own.CloseIdleConnections()
		for range 2 { // on a connection of its own, and on one that was used before
			requests.Store(0)
			_, err := redeem(t.Context(), newClient(t, own, at(t, s.URL), skipDiscovery, fast), nil)
			if err == nil || entra.Unredeemed(err) || requests.Load() != 1 {
				t.Errorf("HTTP/2 %t: broken: got %v after %d requests", http2, err, requests.Load())
			}
			resp, err := own.Get(s.URL + "/warm")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		requests.Store(0)
		stranger := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: http2}}
		if _, err := redeem(t.Context(), newClient(t, stranger, at(t, s.URL), skipDiscovery, fast), nil); err == nil || !entra.Unredeemed(err) || requests.Load() != 0 {
			t.Errorf("HTTP/2 %t: not trusted: got %v", http2, err)
		}
		// A peer that never finishes the handshake: a timeout like any other, but before
		// there is a connection.
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		if _, err := redeem(t.Context(), newClient(t, stranger, at(t, "https://"+silent.Addr().String()), skipDiscovery, impatient), nil); err == nil || !entra.Unredeemed(err) {
			t.Errorf("HTTP/2 %t: no handshake: got %v", http2, err)
		}
	}
}
