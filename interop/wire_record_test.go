//go:build interop

package interop_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

// A recorder writes down the requests that go through it to the emulator.
type recorder struct {
	emulator    http.Handler
	certificate *x509.Certificate // of the server with TLS

	mu       sync.Mutex // guards requests
	requests []request
}

// A request is one HTTP request as the server got it, flattened to named
// fields, so that requests can be compared field by field. Values that differ
// from one time to the next are replaced by what they have in common.
type request struct {
	kind   string // of endpoint
	fields map[string]string
}

// newRecorder starts servers in front of the emulator, one with TLS and one without,
// and returns a client that takes every host to them.
func newRecorder(t *testing.T, emulator *entratest.Emulator) (*recorder, *http.Client) {
	t.Helper()
	r := &recorder{emulator: emulator}
	secure, plain := httptest.NewTLSServer(r), httptest.NewServer(r)
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	r.certificate = secure.Certificate()
	roots := x509.NewCertPool()
	roots.AddCert(r.certificate)
	dial := func(s *httptest.Server) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
		}
	}
	transport := &http.Transport{
		// The server's certificate is for example.com, whatever is asked of it.
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12},
		DialContext:     dial(secure),
	}
	withoutTLS := &http.Transport{DialContext: dial(plain)}
	transport.RegisterProtocol("http", withoutTLS)
	t.Cleanup(transport.CloseIdleConnections)
	t.Cleanup(withoutTLS.CloseIdleConnections)
	return r, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if err := r.record(req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.emulator.ServeHTTP(w, req)
}

func (r *recorder) record(req *http.Request) error {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, newRequest(req, form, time.Now()))
	return nil
}

// A recordingTransport writes down the requests that go through it to the emulator
// in this process, without sockets: time in a testing/synctest bubble goes on.
type recordingTransport struct {
	recorder *recorder
	emulator *entratest.Transport
}

func (r recordingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if err := r.recorder.record(req); err != nil {
		return nil, err
	}
	return r.emulator.RoundTrip(req)
}

// take returns the requests since the last time. IDs of assertions become
// ordinals, which tell whether one was sent twice.
func (r *recorder) take() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.requests
	r.requests = nil
	const id = "assertion.claims.jti"
	ordinals := map[string]string{}
	for _, q := range all {
		jti, ok := q.fields[id]
		if !ok {
			continue
		}
		if ordinals[jti] == "" {
			ordinals[jti] = fmt.Sprintf("UUID %d", len(ordinals)+1)
		}
		q.fields[id] = ordinals[jti]
	}
	return all
}

func newRequest(r *http.Request, form url.Values, now time.Time) request {
	scheme := cmp.Or(r.URL.Scheme, "http")
	if r.TLS != nil {
		scheme = "https"
	}
	f := map[string]string{"method": r.Method, "scheme": scheme, "host": cmp.Or(r.Host, r.URL.Host), "path": r.URL.Path}
	for name, v := range r.URL.Query() {
		f["query."+name] = value(name, strings.Join(v, " and "))
	}
	for name, v := range r.Header {
		f["header."+name] = headerValue(name, strings.Join(v, " and "))
	}
	for name, v := range form {
		text := strings.Join(v, " and ")
		switch name {
		case "client_assertion":
			f["form."+name] = "present"
			maps.Copy(f, assertionFields(text, now))
		case "client_secret", "assertion", "password":
			f["form."+name] = digest(text)
		case "refresh_token", "device_code", "code", "code_verifier":
			f["form."+name] = "present"
		default:
			f["form."+name] = value(name, text)
		}
	}
	return request{kind: kindOf(r.URL.Path), fields: f}
}

// redirectPort is the port of a redirect URI, which is another each time.
var redirectPort = regexp.MustCompile(`^(http://localhost):[0-9]+`)

// value returns what is to be compared of a parameter's value.
func value(name, text string) string {
	switch name {
	case "state", "nonce", "code_challenge":
		text = "present"
	case "redirect_uri":
		text = redirectPort.ReplaceAllString(text, "$1:PORT")
	}
	return cmp.Or(text, "(empty)")
}

// machinePaths are those of the managed identity endpoints.
var machinePaths = func() (all []string) {
	for _, host := range machineEndpoints {
		for _, value := range (*entratest.Emulator)(nil).Environment(host) {
			if u, err := url.Parse(value); err == nil && len(u.Path) > 1 {
				all = append(all, u.Path)
			}
		}
	}
	return append(all, "/metadata/identity/oauth2/token")
}()

func kindOf(path string) string {
	switch {
	case strings.HasSuffix(path, "/oidctoken"):
		return "pipelines"
	case slices.Contains(machinePaths, path):
		return "managed-identity"
	case strings.HasSuffix(path, "/token"):
		return "token"
	case strings.HasSuffix(path, "/.well-known/openid-configuration"):
		return "openid-configuration"
	case strings.HasSuffix(path, "/discovery/instance"):
		return "instance-discovery"
	case strings.HasPrefix(strings.ToLower(path), "/common/userrealm/"):
		return "user-realm"
	case strings.HasSuffix(path, "/devicecode"):
		return "device-code"
	case strings.HasSuffix(path, "/authorize"):
		return "authorize"
	}
	return path
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// headerValue returns what is to be compared of a header: for those that name
// the product, the machine or the request, their form.
func headerValue(name, value string) string {
	switch name {
	case "Client-Request-Id", "X-Ms-Client-Request-Id":
		// Now and then Microsoft's library for Go writes two, in two spellings of the name.
		if first, second, two := strings.Cut(value, " and "); uuid.MatchString(first) && (!two || uuid.MatchString(second)) {
			return "a UUID"
		}
	case "X-Client-Ver", "Content-Length":
		return "present"
	case "Authorization", "Secret", "X-Identity-Header":
		scheme, key, _ := strings.Cut(value, " ")
		if scheme == "Basic" {
			return "Basic, " + fmt.Sprintf("%d bytes", len(key)) // a new one each time
		}
		return digest(value)
	case "User-Agent":
		product, _, _ := strings.Cut(value, "/")
		return product
	}
	return value
}

// assertionFields describes a client assertion. An assertion is a credential:
// it is not to be found in what it returns.
func assertionFields(jwt string, now time.Time) map[string]string {
	f := map[string]string{}
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		f["assertion"] = "not a JWT"
		return f
	}
	for i, part := range []string{"header", "claims"} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		var all map[string]any
		if err == nil {
			err = json.Unmarshal(raw, &all)
		}
		if err != nil {
			f["assertion."+part] = "not base64url of JSON"
			continue
		}
		for name, v := range all {
			f["assertion."+part+"."+name] = assertionValue(name, v, now)
		}
	}
	return f
}

func assertionValue(name string, v any, now time.Time) string {
	switch v := v.(type) {
	case float64:
		if name == "exp" || name == "nbf" || name == "iat" {
			d := time.Unix(int64(v), 0).Sub(now).Round(10 * time.Second)
			return fmt.Sprintf("now%+d s", int(d.Seconds()))
		}
	case string:
		if name == "jti" && !uuid.MatchString(v) {
			return "not a UUID"
		}
		return v
	case []any:
		if name == "x5c" {
			return fmt.Sprintf("%d certificates, %s", len(v), digest(fmt.Sprint(v...)))
		}
	}
	return fmt.Sprint(v)
}

// digest stands for a value that is not to be printed.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return fmt.Sprintf("%d bytes, digest %x", len(s), sum[:4])
}
