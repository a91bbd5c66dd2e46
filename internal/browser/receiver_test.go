package browser_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/azid-go/azidentity/internal/browser"
	"github.com/azid-go/azidentity/internal/loopback"
	"github.com/azid-go/azidentity/internal/secret"
)

// A signIn is a receiver that waits.
type signIn struct {
	*browser.Receiver
	result <-chan result
}

type result struct {
	browser.Response
	err error
}

func wait(ctx context.Context, r *browser.Receiver) signIn {
	c := make(chan result, 1)
	go func() {
		got, err := r.Wait(ctx, state)
		c <- result{got, err}
	}()
	return signIn{r, c}
}

func listen(t testing.TB, redirectURI string) *browser.Receiver {
	t.Helper()
	r, err := browser.Listen(redirectURI, browser.Pages{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// still fails the test if the wait has ended.
func (s signIn) still(t testing.TB) {
	t.Helper()
	select {
	case got := <-s.result:
		t.Fatalf("the wait has ended: %+v", got)
	default:
	}
}

// client talks to one address, whatever the URL says.
func client(t testing.TB, addr net.Addr) *http.Client {
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return loopback.Dial(ctx, "tcp", addr.String())
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// A request that a browser could send.
type request struct {
	method, path string
	host         string   // if not the receiver's
	header       []string // names and values
	body         string
	status       int
}

var form = []string{"Content-Type", "application/x-www-form-urlencoded"}

// fromForm is the header of an identity provider's form_post in Chromium.
var fromForm = append([]string{"Origin", "https://login.microsoftonline.com", "Sec-Fetch-Site", "cross-site",
	"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, form...)

func (r request) do(ctx context.Context, c *http.Client, uri string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, uri+r.path, strings.NewReader(r.body))
	if err != nil {
		return nil, "", err
	}
	for i := 0; i < len(r.header); i += 2 {
		req.Header.Set(r.header[i], r.header[i+1])
	}
	if r.host != "" {
		req.Host = r.host
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// checkPage holds what is true of every page.
func checkPage(t testing.TB, resp *http.Response, body string) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type":           "text/html; charset=utf-8",
		"Cache-Control":          "no-store",
		"Referrer-Policy":        "no-referrer",
		"X-Content-Type-Options": "nosniff",
		"Content-Length":         fmt.Sprint(len(body)),
	} {
		if got := resp.Header.Get(name); got != want && resp.Request.Method != http.MethodHead {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q has no %s", policy, want)
		}
	}
	if strings.Contains(policy, "script-src") || resp.Header.Get("Access-Control-Allow-Origin") != "" || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("the header allows too much: %v", resp.Header)
	}
	if strings.Contains(body, "canary") {
		t.Errorf("the page has the code or the state in it:\n%s", body)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	good := answer("code", code, "client_info", "eyJ1aWQi", "state", state)
	description := `AADSTS50020: "<script>alert(1)</script>" & co. Trace ID: 1 Correlation ID: 2 Timestamp: 3`
	refused := answer("error", "invalid_request", "suberror", "sub", "error_description", description, "error_uri", "https://login.example/e?a=1&b=2", "state", state)
	for name, tt := range map[string]struct {
		request
		want browser.Response
		page []string
	}{
		"form_post":            {request{method: "POST", path: "/", header: fromForm, body: good}, browser.Response{ClientInfo: "eyJ1aWQi"}, []string{"You are signed in", "Close this window"}},
		"form_post, no origin": {request{method: "POST", path: "/", header: append([]string{"Origin", "null"}, form...), body: good}, browser.Response{ClientInfo: "eyJ1aWQi"}, []string{"You are signed in"}},
		"form_post, emulator":  {request{method: "POST", path: "/", header: append([]string{"Origin", "http://localhost:1"}, form...), body: good}, browser.Response{ClientInfo: "eyJ1aWQi"}, nil},
		"form_post, charset":   {request{method: "POST", path: "/", header: []string{"Content-Type", "Application/X-WWW-form-urlencoded; charset=utf-8"}, body: good}, browser.Response{ClientInfo: "eyJ1aWQi"}, nil},
		"form_post, a query":   {request{method: "POST", path: "/?state=wrong", header: form, body: good}, browser.Response{ClientInfo: "eyJ1aWQi"}, nil},
		"query":                {request{method: "GET", path: "/?" + good}, browser.Response{ClientInfo: "eyJ1aWQi"}, []string{"You are signed in"}},
		"query, no slash":      {request{method: "GET", path: "?" + good}, browser.Response{ClientInfo: "eyJ1aWQi"}, nil},
		"query, by address":    {request{method: "GET", path: "/?" + good, host: "127.0.0.1:1"}, browser.Response{ClientInfo: "eyJ1aWQi"}, nil},
		"query, by IPv6":       {request{method: "GET", path: "/?" + good, host: "[::1]:1"}, browser.Response{ClientInfo: "eyJ1aWQi"}, nil},
		"query, many cookies":  {request{method: "GET", path: "/?" + good, header: []string{"Cookie", strings.Repeat("a=b;", 25_000)}}, browser.Response{ClientInfo: "eyJ1aWQi"}, nil},
		"refused": {request{method: "POST", path: "/", header: fromForm, body: refused},
			browser.Response{Error: "invalid_request", SubError: "sub", ErrorDescription: description, ErrorURI: "https://login.example/e?a=1&b=2"},
			[]string{"You are not signed in", "&lt;script&gt;alert(1)", "\nTrace ID: 1\nCorrelation ID: 2\nTimestamp: 3", "<code>invalid_request</code> <code>sub</code>", `href="https://login.example/e?a=1&amp;b=2"`, "Close this window"}},
		"refused, query, no reason": {request{method: "GET", path: "/?" + answer("error", "server_error", "state", state)},
			browser.Response{Error: "server_error"}, []string{"You are not signed in", "No reason was given.", "server_error"}},
		"cancelled": {request{method: "POST", path: "/", header: fromForm, body: answer("error", "access_denied", "error_subcode", "cancel", "state", state)},
			browser.Response{Error: "access_denied", SubError: "cancel"}, []string{"Sign-in was cancelled", "You can start again"}},
	} {
		for _, family := range []string{"127.0.0.1", "::1"} {
			t.Run(name+" "+family, func(t *testing.T) {
				t.Parallel()
				s := wait(t.Context(), listen(t, ""))
				addr := s.Addrs()[0]
				if family == "::1" {
					if addr = v6(t, s.Receiver); addr == nil {
						return // this machine has no IPv6
					}
				}
				resp, body, err := tt.do(t.Context(), client(t, addr), s.RedirectURI())
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != http.StatusOK {
					t.Errorf("got status %d, want 200", resp.StatusCode)
				}
				checkPage(t, resp, body)
				for _, want := range append(tt.page, `<html lang="en">`) {
					if !strings.Contains(body, want) {
						t.Errorf("the page has no %q:\n%s", want, body)
					}
				}
				got := <-s.result
				if got.err != nil {
					t.Fatal(got.err)
				}
				if want := map[bool]string{true: code}[tt.want.Error == ""]; got.Code.Expose() != want {
					t.Errorf("got code %q, want %q", got.Code.Expose(), want)
				}
				if got.Code = (secret.Value{}); got.Response != tt.want {
					t.Errorf("got %+v, want %+v", got.Response, tt.want)
				}
			})
		}
	}
}

// v6 returns the receiver's address on ::1, or nil if there is no IPv6.
func v6(t testing.TB, r *browser.Receiver) net.Addr {
	t.Helper()
	for _, a := range r.Addrs() {
		if a.(*net.TCPAddr).IP.To4() == nil {
			return a
		}
	}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		l.Close()
		t.Fatal("there is IPv6, and the receiver does not listen on it")
	}
	return nil
}

// Pain 71: icon requests, probes and answers of other sign-ins neither end the
// sign-in nor break it.
func TestPain71StraysNeverEndTheSignIn(t *testing.T) {
	t.Parallel()
	good := answer("code", code, "state", state)
	with := func(h ...string) []string { return append(h, form...) }
	strays := map[string]request{
		"icon":                      {method: "GET", path: "/favicon.ico", header: []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, status: 404},
		"icon of a phone":           {method: "GET", path: "/apple-touch-icon.png", status: 404},
		"probe":                     {method: "GET", path: "/", status: 200},
		"probe with a query":        {method: "GET", path: "/?x=1", status: 200},
		"only the state":            {method: "GET", path: "/?state=" + state, status: 200},
		"HEAD":                      {method: "HEAD", path: "/?" + good, status: 405},
		"preflight":                 {method: "OPTIONS", path: "/", header: []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Private-Network", "true"}, status: 405},
		"PUT":                       {method: "PUT", path: "/", header: form, body: good, status: 405},
		"DELETE":                    {method: "DELETE", path: "/?" + good, status: 405},
		"wrong state":               {method: "GET", path: "/?" + answer("code", "x", "state", "wrong"), status: 400},
		"wrong state by form":       {method: "POST", path: "/", header: fromForm, body: answer("code", "x", "state", "wrong"), status: 400},
		"no state":                  {method: "GET", path: "/?code=x", status: 400},
		"error without state":       {method: "POST", path: "/", header: form, body: "error=access_denied", status: 400},
		"two states":                {method: "GET", path: "/?" + good + "&state=wrong", status: 400},
		"the state twice":           {method: "POST", path: "/", header: form, body: good + "&state=" + state, status: 400},
		"code and error":            {method: "POST", path: "/", header: form, body: good + "&error=e", status: 400},
		"broken escapes":            {method: "GET", path: "/?" + good + "&x=%zz", status: 400},
		"form in the query":         {method: "POST", path: "/?" + good, header: form, status: 400},
		"JSON":                      {method: "POST", path: "/", header: []string{"Content-Type", "application/json"}, body: `{"code":"x"}`, status: 415},
		"no type":                   {method: "POST", path: "/", body: good, status: 415},
		"other form":                {method: "POST", path: "/", header: []string{"Content-Type", "multipart/form-data; boundary=b"}, body: good, status: 415},
		"text form":                 {method: "POST", path: "/", header: []string{"Content-Type", "text/plain"}, body: good, status: 415},
		"huge":                      {method: "POST", path: "/", header: form, body: good + "&x=" + strings.Repeat("x", browser.MaxAnswer), status: 413},
		"other path":                {method: "GET", path: "/callback?" + good, status: 404},
		"path that is cleaned":      {method: "GET", path: "//?" + good, status: 404},
		"rebound name":              {method: "POST", path: "/", host: "evil.example", header: form, body: good, status: 403},
		"rebound name with a port":  {method: "GET", path: "/?" + good, host: "localhost.evil.example:80", status: 403},
		"script of another page":    {method: "POST", path: "/", header: with("Origin", "https://evil.example", "Sec-Fetch-Mode", "cors"), body: good, status: 403},
		"image of another page":     {method: "GET", path: "/?" + good, header: []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, status: 403},
		"frame of another page":     {method: "GET", path: "/?" + good, header: []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, status: 403},
		"form of a page in clear":   {method: "POST", path: "/", header: with("Origin", "http://evil.example"), body: good, status: 403},
		"form of another scheme":    {method: "POST", path: "/", header: with("Origin", "chrome-extension://x"), body: good, status: 403},
		"request with two origins":  {method: "POST", path: "/", header: with("Origin", "http://localhost@evil.example"), body: good, status: 403},
		"body that nobody wants":    {method: "GET", path: "/", header: form, body: good, status: 200},
		"socket of another program": {method: "GET", path: "/", header: []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-Fetch-Mode", "websocket"}, status: 403},
	}
	s := wait(t.Context(), listen(t, ""))
	c := client(t, s.Addrs()[0])
	for name, stray := range strays {
		resp, body, err := stray.do(t.Context(), c, s.RedirectURI())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if resp.StatusCode != stray.status {
			t.Errorf("%s: got status %d, want %d", name, resp.StatusCode, stray.status)
		}
		if allow := resp.Header.Get("Allow"); (allow == "GET, POST") != (resp.StatusCode == 405) {
			t.Errorf("%s: got Allow %q", name, allow)
		}
		checkPage(t, resp, body)
		s.still(t)
	}
	if _, _, err := (request{method: "POST", path: "/", header: fromForm, body: good}).do(t.Context(), c, s.RedirectURI()); err != nil {
		t.Fatal(err)
	}
	if got := <-s.result; got.err != nil || got.Code.Expose() != code {
		t.Errorf("got %+v, %v", got.Response, got.err)
	}
}

func TestPain71ManyStraysAtOnce(t *testing.T) {
	t.Parallel()
	s := wait(t.Context(), listen(t, ""))
	c := client(t, s.Addrs()[0])
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			stray := request{method: "GET", path: "/favicon.ico", status: 404}
			if i%2 == 0 {
				stray = request{method: "POST", path: "/", header: form, body: answer("code", "x", "state", fmt.Sprint(i)), status: 400}
			}
			resp, _, err := stray.do(t.Context(), c, s.RedirectURI())
			if err != nil || resp.StatusCode != stray.status {
				t.Errorf("stray %d: %v", i, err)
			}
		})
	}
	all.Wait()
	s.still(t)
	if _, _, err := (request{method: "GET", path: "/?" + answer("code", code, "state", state)}).do(t.Context(), c, s.RedirectURI()); err != nil {
		t.Fatal(err)
	}
	if got := <-s.result; got.err != nil || got.Code.Expose() != code {
		t.Errorf("got %+v, %v", got.Response, got.err)
	}
}

// Pain 71: what comes after the end finds nobody, and nothing waits twice.
func TestPain71LateRedirect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		s := wait(t.Context(), browser.NewReceiver(browser.Pages{}, p))
		redirect := post(answer("code", code, "state", state))
		synctest.Wait()
		if got, err := s.Wait(t.Context(), state); err == nil {
			t.Errorf("the second Wait returned %+v beside the first", got)
		}
		s.still(t)
		conn := p.dial(t, redirect)
		read(t, conn)
		if got := <-s.result; got.err != nil {
			t.Fatal(got.err)
		}
		if !p.isClosed() {
			t.Error("Wait returned and the listener is open")
		}
		if _, err := io.WriteString(conn, redirect); err == nil {
			t.Error("the connection is open")
		}
		if got, err := s.Wait(t.Context(), state); err == nil {
			t.Errorf("the third Wait returned %+v", got)
		}
	})
}

// Pain 71: the port is free when Wait returns. Others draw ports as well, and may
// get the one that was freed, but hardly each time.
func TestPain71ContextFreesThePort(t *testing.T) {
	t.Parallel()
	var err error
	for range 5 {
		uri := cancelled(t)
		var r *browser.Receiver
		if r, err = browser.Listen(uri, browser.Pages{}); err == nil {
			if r.RedirectURI() != uri {
				t.Errorf("got %s, want %s", r.RedirectURI(), uri)
			}
			r.Close()
			return
		}
	}
	t.Errorf("the port is not free: %v", err)
}

// cancelled waits, with connections in all states, until its context ends. It
// returns the redirect URI.
func cancelled(t *testing.T) string {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := wait(ctx, listen(t, ""))
	for _, sent := range []string{"", "GET / HTTP/1.1\r\nHo", post(answer("code", code, "state", state))[:150]} {
		conn, err := net.Dial("tcp", s.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, sent)
	}
	resp, _, err := (request{method: "GET", path: "/?" + answer("code", "x", "state", "wrong")}).do(t.Context(), client(t, s.Addrs()[0]), s.RedirectURI())
	if err != nil || resp.StatusCode != 400 {
		t.Fatal(err)
	}
	cancel()
	got := <-s.result
	if !errors.Is(got.err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", got.err)
	}
	if want := "wait for the browser: no answer came to " + s.RedirectURI() + " but 1 of other sign-ins: context canceled"; got.err.Error() != want {
		t.Errorf("got  %v\nwant %s", got.err, want)
	}
	return s.RedirectURI()
}

func TestCloseEndsTheWait(t *testing.T) {
	t.Parallel()
	s := wait(t.Context(), listen(t, ""))
	if _, _, err := (request{method: "GET", path: "/"}).do(t.Context(), client(t, s.Addrs()[0]), s.RedirectURI()); err != nil {
		t.Fatal(err) // it waits
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := <-s.result; !errors.Is(got.err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", got.err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

func TestWaitNeedsAState(t *testing.T) {
	t.Parallel()
	p := newPipe()
	if got, err := browser.NewReceiver(browser.Pages{}, p).Wait(t.Context(), ""); err == nil {
		t.Errorf("got %+v", got)
	}
	if !p.isClosed() {
		t.Error("Wait returned and the listener is open")
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ uri, err string }{
		{"", ""},
		{"http://localhost", ""},
		{"http://localhost/", ""},
		{"http://localhost:0", ""},
		{"http://127.0.0.1", ""},
		{"http://[::1]/path", ""},
		{"https://localhost:8400", "does not begin with http://"},
		{"localhost:8400", "does not begin with http://"},
		{"8400", "does not begin with http://"},
		{"urn:ietf:wg:oauth:2.0:oob", "does not begin with http://"},
		{"http://0.0.0.0:8400", `host "0.0.0.0" is not this machine's loopback`},
		{"http://example.com:8400", `host "example.com" is not this machine's loopback`},
		{"http://localhost.example:8400", "not this machine's loopback"},
		{"http://:8400", "not this machine's loopback"},
		{"http://localhost:65536", "not between 1 and 65535"},
		{"http://localhost:x", "cannot be parsed"},
	} {
		r, err := browser.Listen(tt.uri, browser.Pages{})
		if err != nil {
			if tt.err == "" || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), "http://localhost:8400") {
				t.Errorf("%q: got %v, want %q", tt.uri, err, tt.err)
			}
			continue
		}
		if tt.err != "" {
			t.Errorf("%q: no error", tt.uri)
		}
		for _, a := range r.Addrs() {
			tcp := a.(*net.TCPAddr)
			if !tcp.IP.IsLoopback() || r.RedirectURI() != fmt.Sprintf("http://localhost:%d", tcp.Port) {
				t.Errorf("%q: bound %v for %s", tt.uri, a, r.RedirectURI())
			}
		}
		r.Close()
	}
}

// Another program on either IP family could get the answer.
func TestListenBusy(t *testing.T) {
	t.Parallel()
	first := listen(t, "")
	for _, busy := range []string{"127.0.0.1:0", "[::1]:0"} {
		if strings.HasPrefix(busy, "[") && v6(t, first) == nil {
			continue
		}
		l, err := net.Listen("tcp", busy)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		uri := fmt.Sprintf("http://localhost:%d", l.Addr().(*net.TCPAddr).Port)
		r, err := browser.Listen(uri, browser.Pages{})
		if err == nil {
			r.Close()
			t.Errorf("%s is taken, and Listen bound %v", busy, r.Addrs())
			continue
		}
		if op := (*net.OpError)(nil); !errors.As(err, &op) || !strings.Contains(err.Error(), "free the port, or use a redirect URI without a port") {
			t.Errorf("got %v", err)
		}
	}
}

// A pipe is a listener inside the process, for tests with time.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipe() *pipe { return &pipe{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipe) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipe) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8400} }

func (p *pipe) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// dial connects and sends what is given.
func (p *pipe) dial(t testing.TB, sent string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
	case <-p.closed:
		t.Fatal("nobody listens")
	}
	if _, err := io.WriteString(ours, sent); err != nil {
		t.Fatal(err)
	}
	return ours
}

func post(body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost:8400\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func read(t testing.TB, r io.Reader) (int, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(r), nil)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(b)
}

// Pain 18, 71: the end of the context is the end of the wait, at that moment,
// whatever the connections are doing.
func TestPain18WaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		start := time.Now()
		s := wait(ctx, browser.NewReceiver(browser.Pages{}, p))
		time.Sleep(5*time.Minute - 10*time.Millisecond)
		for _, sent := range []string{"", "GET /", post(answer("code", code, "state", state))[:150]} {
			defer p.dial(t, sent).Close()
		}
		got := <-s.result
		if !errors.Is(got.err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", got.err)
		}
		if after := time.Since(start); after != 5*time.Minute {
			t.Errorf("the wait ended after %v", after)
		}
	})
}

// Pain 71: who is slow is cut off, and keeps nobody else waiting.
func TestPain71SlowRequests(t *testing.T) {
	t.Parallel()
	good := post(answer("code", code, "state", state))
	for name, tt := range map[string]struct {
		sent string
		end  time.Duration
	}{
		"silent": {"", browser.HeaderTimeout},
		"header": {"GET / HTTP/1.1\r\nHost: loc", browser.HeaderTimeout},
		"body":   {good[:len(good)-10], browser.RequestTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPipe()
				s := wait(t.Context(), browser.NewReceiver(browser.Pages{}, p))
				start := time.Now()
				slow := p.dial(t, tt.sent)
				_, _ = io.Copy(io.Discard, slow)
				if after := time.Since(start); after < tt.end || after > tt.end+time.Second {
					t.Errorf("cut off after %v, want %v", after, tt.end)
				}
				s.still(t)
				// And one that is slow at the end.
				defer p.dial(t, tt.sent).Close()
				synctest.Wait()
				start = time.Now()
				if status, _ := read(t, p.dial(t, good)); status != 200 {
					t.Errorf("got status %d", status)
				}
				if got := <-s.result; got.err != nil {
					t.Error(got.err)
				}
				if after := time.Since(start); after > browser.EndTimeout {
					t.Errorf("the end took %v", after)
				}
			})
		})
	}
}

// A browser opens connections in advance; they do not hold up the end.
func TestConnectionsInAdvance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		s := wait(t.Context(), browser.NewReceiver(browser.Pages{}, p))
		for range 5 {
			defer p.dial(t, "").Close()
		}
		start := time.Now()
		conn := p.dial(t, post(answer("code", code, "state", state)))
		read(t, conn)
		if got := <-s.result; got.err != nil {
			t.Error(got.err)
		}
		if after := time.Since(start); after > 20*time.Millisecond {
			t.Errorf("the end took %v", after)
		}
	})
}

// The page is sent completely, however slowly it is taken, and only then does
// Wait return.
func TestPageIsSentCompletely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		s := wait(t.Context(), browser.NewReceiver(browser.Pages{}, p))
		conn := p.dial(t, post(answer("code", code, "state", state)))
		var got strings.Builder
		for b := make([]byte, 10); ; {
			n, err := conn.Read(b)
			got.Write(b[:n])
			if err != nil {
				break
			}
			if !strings.Contains(got.String(), "</html>") {
				s.still(t)
			}
			time.Sleep(time.Millisecond)
		}
		if status, body := read(t, strings.NewReader(got.String())); status != 200 || !strings.HasSuffix(body, "</html>\n") {
			t.Errorf("got %d and\n%s", status, body)
		}
		if r := <-s.result; r.err != nil {
			t.Error(r.err)
		}
	})
}

// Who clicks twice has a browser that drops the first request and shows the
// answer to the second.
func TestPain71DoubleRedirect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		s := wait(t.Context(), browser.NewReceiver(browser.Pages{}, p))
		first := post(answer("code", code, "state", state))
		second := post(answer("error", "invalid_grant", "state", state))
		double := p.dial(t, second[:len(second)-1])
		synctest.Wait()
		if status, body := read(t, p.dial(t, first)); status != 200 || !strings.Contains(body, "You are signed in") {
			t.Errorf("got %d and\n%s", status, body)
		}
		if _, err := io.WriteString(double, second[len(second)-1:]); err != nil {
			t.Fatal(err)
		}
		if status, body := read(t, double); status != 200 || !strings.Contains(body, "You are signed in") {
			t.Errorf("got %d and\n%s", status, body)
		}
		if got := <-s.result; got.err != nil || got.Code.Expose() != code {
			t.Errorf("got %+v, %v", got.Response, got.err)
		}
	})
}

// A browser that goes away without its page has answered all the same.
func TestBrowserGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		s := wait(t.Context(), browser.NewReceiver(browser.Pages{}, p))
		p.dial(t, post(answer("code", code, "state", state))).Close()
		if got := <-s.result; got.err != nil || got.Code.Expose() != code {
			t.Errorf("got %+v, %v", got.Response, got.err)
		}
	})
}

func TestOwnPages(t *testing.T) {
	t.Parallel()
	s := wait(t.Context(), listen(t, ""))
	resp, body, err := (request{method: "GET", path: "/?" + answer("error", "e", "error_description", "d", "state", state)}).do(t.Context(), client(t, s.Addrs()[0]), s.RedirectURI())
	if err != nil {
		t.Fatal(err)
	}
	<-s.result
	for _, want := range []string{"<!DOCTYPE html>", `<meta charset="utf-8">`, `content="width=device-width, initial-scale=1"`, "<title>You are not signed in</title>", "<h1>You are not signed in</h1>", "<main", "prefers-color-scheme: dark", `aria-hidden="true"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if bad := regexp.MustCompile(`(?i)<script|<iframe|<img|@import|url\(|src=|\son\w+=|\sstyle=`).FindString(body); bad != "" {
		t.Errorf("the page has %q", bad)
	}
	// The policy names the style by its hash. Were it another, the page would be bare.
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(body)
	if style == nil {
		t.Fatal("the page has no style")
	}
	sum := sha256.Sum256([]byte(style[1]))
	if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(resp.Header.Get("Content-Security-Policy"), want) {
		t.Errorf("the policy has no %s", want)
	}
}

// The colours have the contrast of WCAG 2.2, level AA, light and dark.
func TestContrast(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("page.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, found := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("there is no dark scheme")
	}
	colour := regexp.MustCompile(`--(\w+): #([0-9a-f]{6}|[0-9a-f]{3});`)
	for scheme, block := range map[string]string{"light": light, "dark": dark} {
		found := map[string][]float64{} // names and luminances
		for _, m := range colour.FindAllStringSubmatch(block, -1) {
			found[m[1]] = append(found[m[1]], luminance(t, m[2]))
		}
		for _, pair := range []struct {
			front, back string
			least       float64
			colours     int
		}{{"text", "card", 4.5, 1}, {"text", "ground", 4.5, 1}, {"quiet", "card", 4.5, 1}, {"link", "card", 4.5, 1}, {"sign", "card", 3, 3}} {
			if len(found[pair.front]) != pair.colours || len(found[pair.back]) != 1 {
				t.Fatalf("%s: %s has %d colours, %s %d", scheme, pair.front, len(found[pair.front]), pair.back, len(found[pair.back]))
			}
			for _, front := range found[pair.front] {
				back := found[pair.back][0]
				if got := (max(front, back) + .05) / (min(front, back) + .05); got < pair.least {
					t.Errorf("%s: %s on %s has the contrast %.2f, want %.1f", scheme, pair.front, pair.back, got, pair.least)
				}
			}
		}
	}
}

// luminance is the relative luminance of a colour, as WCAG defines it.
func luminance(t *testing.T, hex string) float64 {
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	var sum float64
	for i, weight := range []float64{.2126, .7152, .0722} {
		v, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(v) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func TestPages(t *testing.T) {
	t.Parallel()
	bad := []string{"error", "e<b>", "error_description", `"$error" & '<script>'`, "error_uri", "https://login.example/?a=1&b=2", "state", state}
	for name, tt := range map[string]struct {
		pages  browser.Pages
		answer []string
		want   string // in the page, or all of it if it begins with <
		not    string
	}{
		"success document":   {browser.Pages{Success: " \n<p>Hi, $error costs $5, ${name}"}, []string{"code", code, "state", state}, "<p>Hi, $error costs $5, ${name}", ""},
		"success sentence":   {browser.Pages{Success: "Back to <Contoso>!\nBye"}, []string{"code", code, "state", state}, "<p>Back to &lt;Contoso&gt;!</p>\n<p>Bye</p>", "Close this window"},
		"failure is another": {browser.Pages{Failure: "<p>No"}, []string{"code", code, "state", state}, "You are signed in", "<p>No"},
		"failure document": {browser.Pages{Failure: `<p>$error: ${error_description}</p><a href="$error_uri">$$error $x ${error</a>`}, bad,
			`<p>e&lt;b&gt;: &#34;$error&#34; &amp; &#39;&lt;script&gt;&#39;</p><a href="https://login.example/?a=1&amp;b=2">$error $x ${error</a>`, ""},
		"failure sentence":   {browser.Pages{Failure: "Contoso says: $error_description"}, bad, "<p>Contoso says: &#34;$error&#34; &amp; &#39;&lt;script&gt;&#39;</p>", "What the service said"},
		"cancelled document": {browser.Pages{Failure: "<p>$error"}, []string{"error", "access_denied", "state", state}, "<p>access_denied", ""},
		"cancelled sentence": {browser.Pages{Failure: "Oh"}, []string{"error", "access_denied", "state", state}, "<h1>Sign-in was cancelled</h1>\n<p>Oh</p>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := browser.Listen("", tt.pages)
			if err != nil {
				t.Fatal(err)
			}
			s := wait(t.Context(), r)
			resp, body, err := (request{method: "POST", path: "/", header: fromForm, body: answer(tt.answer...)}).do(t.Context(), client(t, s.Addrs()[0]), s.RedirectURI())
			if err != nil {
				t.Fatal(err)
			}
			checkPage(t, resp, body)
			custom := strings.HasPrefix(strings.TrimSpace(tt.pages.Success+tt.pages.Failure), "<") && tt.not == ""
			if custom && body != tt.want || !strings.Contains(body, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", body, tt.want)
			}
			if tt.not != "" && strings.Contains(body, tt.not) {
				t.Errorf("the page has %q:\n%s", tt.not, body)
			}
			if got := <-s.result; got.err != nil {
				t.Error(got.err)
			}
		})
	}
}
