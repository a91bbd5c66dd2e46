package managedidentity_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/managedidentity"
)

const goodAnswer = `{"access_token":"t","expires_in":"3599","token_type":"Bearer"}`

// Pain 13: what answered at the metadata address, and whether a chain goes on.
// The texts are in whatever language the machine speaks; none is looked at.
func TestPain13Verdicts(t *testing.T) {
	t.Parallel()
	const (
		granted     = managedidentity.Granted
		unavailable = managedidentity.Unavailable
		fatal       = managedidentity.Fatal

		html = "text/html"
		js   = "application/json; charset=utf-8"
		text = "text/plain"
	)
	for _, tt := range []struct {
		name   string
		status int // 0: err
		kind   string
		body   string
		want   managedidentity.Verdict
		tries  int
	}{
		{"token", 200, js, goodAnswer, granted, 1},
		{"token with a byte order mark", 200, js, "\ufeff" + goodAnswer, granted, 1},
		{"token as text", 200, text, goodAnswer, granted, 1},
		{"no identity", 400, js, `{"error":"invalid_request","error_description":"Identity not found"}`, unavailable, 1},
		{"no identity, Norwegian", 400, js, `{"error":"invalid_request","error_description":"Identiteten ble ikke funnet"}`, unavailable, 1},
		{"no metadata header", 400, js, `{"error":"bad_request_102","error_description":"Required metadata header not specified"}`, unavailable, 1},
		{"container instance", 400, text, "Bad Request", unavailable, 1},
		{"proxy wants less", 400, html, "<html><h1>400 Bad Request</h1></html>", unavailable, 1},
		{"unknown source", 401, js, `{"error":"unknown_source"}`, fatal, 1},
		{"sign in to the network", 401, html, "<html>Anmelden</html>", unavailable, 1},
		{"access denied", 403, js, `{"error":"access_denied"}`, fatal, 1},
		{"Docker Desktop", 403, text, "connecting to 169.254.169.254:80: connecting to 169.254.169.254:80: dial tcp 169.254.169.254:80: connectex: A socket operation was attempted to an unreachable network.", unavailable, 1},
		{"Docker Desktop, Norwegian", 403, text, "connectex: En socketoperasjon ble forsøkt mot et nettverk som ikke kan nås.", unavailable, 1},
		{"Docker Desktop, German", 403, text, "connectex: Ein Socketvorgang bezog sich auf ein nicht verfügbares Netzwerk.", unavailable, 1},
		{"Docker Desktop, Japanese", 403, text, "到達できないネットワークに対してソケット操作を実行しようとしました。", unavailable, 1},
		{"Docker Desktop, JSON string", 403, js, `"unreachable host"`, unavailable, 1},
		{"Zscaler", 403, html, "<html><title>Zscaler</title>blocked</html>", unavailable, 1},
		{"empty 403", 403, "", "", unavailable, 1},
		{"another cloud", 404, html, "<?xml version=\"1.0\"?><html><title>404 - Not Found</title></html>", unavailable, 1},
		{"another cloud, text", 404, text, "404 page not found", unavailable, 1},
		{"another cloud, empty", 404, "", "", fatal, 7},
		{"being updated", 404, js, `{"error":"not_found"}`, fatal, 7},
		{"method not allowed", 405, html, "<html>", unavailable, 1},
		{"proxy authentication", 407, html, "<html>Proxy</html>", unavailable, 1},
		{"gone", 410, js, `{"error":"gone"}`, fatal, 8},
		{"gone, page", 410, html, "<html>", unavailable, 8},
		{"too often", 429, js, `{"error":"too_many_requests"}`, fatal, 7},
		{"too often, empty", 429, "", "", fatal, 7},
		{"too often, page", 429, html, "<html>slow down</html>", unavailable, 7},
		{"legal", 451, html, "<html>", unavailable, 1},
		{"problem", 500, js, `{"error":"unknown","error_description":"Failed to retrieve token"}`, fatal, 7},
		{"problem, page", 500, html, "<html>", unavailable, 7},
		{"bad gateway", 502, html, "<html>502 Bad Gateway</html>", unavailable, 1},
		{"http.sys", 503, html, "<HTML><TITLE>Service Unavailable</TITLE></HTML>", unavailable, 7},
		{"busy", 503, js, `{"error":"busy"}`, fatal, 7},
		{"gateway timeout", 504, html, "<html>504</html>", unavailable, 1},
		{"captive portal", 200, html, "<html>Accept our terms</html>", unavailable, 1},
		{"captive portal as JSON", 200, js, `{"status":"login"}`, unavailable, 1},
		{"empty", 200, "", "", unavailable, 1},
		{"cut off", 200, js, `{"access_token":"t","expires`, unavailable, 1},
		{"token without expiry", 200, js, `{"access_token":"t"}`, unavailable, 1},
		{"empty token", 200, js, `{"access_token":"","expires_in":"3599"}`, unavailable, 1},
		{"list", 200, js, `[]`, unavailable, 1},
		{"no content", 204, "", "", unavailable, 1},
		{"redirect to a portal", 302, html, "", unavailable, 1},
		{"redirect for good", 308, html, "<html>", unavailable, 1},
		{"oversized", 200, js, `{"access_token":"` + strings.Repeat("x", 2<<20) + `","expires_in":1}`, unavailable, 1},
		{"nothing listens", 0, "", "", unavailable, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				c := mustClient(t, nil, managedidentity.Identity{}, policy.ClientOptions{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
					if tries++; tt.status == 0 {
						return nil, os.NewSyscallError("connect", syscall.EHOSTUNREACH)
					}
					return reply(r, tt.status, tt.body, "Content-Type", tt.kind, "Location", "http://portal.example.com/"), nil
				})}, "")
				_, err := c.Token(context.Background(), managedidentity.Request{Resource: resource})
				got := managedidentity.Granted
				var e *managedidentity.Error
				if errors.As(err, &e) {
					got = e.Verdict
				}
				if got != tt.want || (err != nil) != (tt.want != granted) || tries != tt.tries {
					t.Errorf("got %v after %d tries (%v), want %v after %d", got, tries, err, tt.want, tt.tries)
				}
			})
		})
	}
}

// A host that the environment names was meant to be used: whatever it answers,
// a chain does not go on to another identity.
func TestNamedHostsAreNeverPassedOver(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 200, 204, 302, 400, 401, 403, 404, 429, 500, 502} {
		for _, body := range []string{"", "<html>", `{"statusCode":500,"message":"no"}`} {
			synctest.Test(t, func(t *testing.T) {
				c := mustClient(t, appService, managedidentity.Identity{}, policy.ClientOptions{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
					if status == 0 {
						return nil, syscall.ECONNREFUSED
					}
					return reply(r, status, body), nil
				})}, "")
				_, err := c.Token(context.Background(), managedidentity.Request{Resource: resource})
				var e *managedidentity.Error
				if !errors.As(err, &e) || e.Verdict != managedidentity.Fatal || e.Status != status {
					t.Errorf("%d %q: got %v", status, body, err)
				}
			})
		}
	}
}

var appService = (*entratest.Emulator)(nil).Environment(entratest.EndpointAppService)
