package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of the receiver. They are the patience with one connection; how long a
// person may take is up to the context.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second
	// maxHeader leaves room for cookies: browsers send those of localhost to
	// all its ports.
	maxHeader = 256 << 10
	// endTimeout is how long the end waits for pages that are being sent.
	endTimeout = time.Second
	// portTries is how often a port is drawn that is free for one IP family and
	// taken for the other.
	portTries = 10
)

// A Receiver waits on loopback for the redirect at the end of a sign-in. Its
// methods are safe for concurrent use; [Receiver.Wait] works once.
type Receiver struct {
	port      int
	listeners []net.Listener
	pages     Pages
	waited    atomic.Bool
}

// Listen binds the port of redirectURI on 127.0.0.1 and, where there is IPv6, on
// [::1], because a browser may try either for localhost. It never binds anything
// else, also not in a container.
//
// redirectURI is http://localhost:{port}. Without a port, or empty, the system
// picks a free one, which suits applications that are registered as public client
// with http://localhost: Entra ID ignores the port there. Only the port is used,
// as in the libraries for other languages; a path is dropped.
//
// The port is held until Wait returns or Close is called.
func Listen(redirectURI string, pages Pages) (*Receiver, error) {
	port, err := portOf(redirectURI)
	if err != nil {
		return nil, err
	}
	for range portTries {
		var r *Receiver
		if r, err = listen(port, pages); err == nil {
			return r, nil
		}
		if port != 0 {
			return nil, fmt.Errorf("listen for the browser's redirect: %w: free the port, or use a redirect URI without a port", err)
		}
	}
	return nil, fmt.Errorf("listen for the browser's redirect: %w", err)
}

// portOf returns the port of a redirect URI, 0 for any.
func portOf(redirectURI string) (int, error) {
	if redirectURI == "" {
		return 0, nil
	}
	fail := func(why string) (int, error) {
		return 0, fmt.Errorf("redirect URI: %s: use one like http://localhost:8400, or none", why)
	}
	u, err := url.Parse(redirectURI)
	switch {
	case err != nil:
		return fail("it cannot be parsed")
	case u.Scheme != "http":
		return fail("it does not begin with http://, and a browser's answer to this machine comes without TLS")
	case !loopback(u.Hostname()):
		return fail(fmt.Sprintf("its host %q is not this machine's loopback", u.Hostname()))
	case u.Port() == "":
		return 0, nil
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return fail("its port is not between 1 and 65535")
	}
	return int(port), nil
}

func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

func listen(port int, pages Pages) (*Receiver, error) {
	v4, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	port = v4.Addr().(*net.TCPAddr).Port
	v6, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(port)))
	if err == nil {
		return newReceiver(port, pages, v4, v6), nil
	}
	// Without IPv6 the other family is enough. With it, another program has the
	// port there, and a browser could give it the answer.
	if any6, none := net.Listen("tcp6", "[::1]:0"); none == nil {
		_ = any6.Close()
		_ = v4.Close()
		return nil, err
	}
	return newReceiver(port, pages, v4), nil
}

func newReceiver(port int, pages Pages, l ...net.Listener) *Receiver {
	return &Receiver{port: port, pages: pages, listeners: l}
}

// RedirectURI is the redirect URI of the authorize request and of the redemption.
func (r *Receiver) RedirectURI() string { return "http://localhost:" + strconv.Itoa(r.port) }

// Close frees the port and ends Wait. It is not needed after Wait.
func (r *Receiver) Close() error {
	var all []error
	for _, l := range r.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// Wait returns the answer that has the given state, once the page that ends the
// sign-in has been sent. That the service refused is no error, but a [Response]
// with Error. Anything else that arrives (icons, probes, answers of other
// sign-ins) is answered and does not end the wait.
//
// When ctx ends, Wait returns at once with an error that wraps its error. In any
// case the port is free when Wait returns. state must not be empty; use at least
// 128 random bits.
func (r *Receiver) Wait(ctx context.Context, state string) (Response, error) {
	if r.waited.Swap(true) {
		return Response{}, errors.New("wait for the browser: this receiver has been used: listen anew")
	}
	defer r.Close()
	if state == "" {
		return Response{}, errors.New("wait for the browser: the state is empty, so that anyone could answer")
	}

	h := newHandler(state, r.pages)
	var fresh connections
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         fresh.track,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	// One request for each connection, so that at the end no browser holds one.
	srv.SetKeepAlivesEnabled(false)
	var serving sync.WaitGroup
	failed := make(chan error, len(r.listeners))
	for _, l := range r.listeners {
		serving.Go(func() { failed <- srv.Serve(l) })
	}
	defer func() {
		_ = srv.Close()
		serving.Wait()
	}()

	select {
	case answer := <-h.answered:
		// A redirect that came twice gets its page too. Connections that a
		// browser opened in advance would hold that up.
		_ = r.Close()
		serving.Wait()
		fresh.close()
		end, cancel := context.WithTimeout(ctx, endTimeout)
		defer cancel()
		_ = srv.Shutdown(end)
		return answer, nil
	case <-ctx.Done():
		return Response{}, fmt.Errorf("wait for the browser: no answer came to %s%s: %w", r.RedirectURI(), h.ignored(), ctx.Err())
	case err := <-failed:
		return Response{}, fmt.Errorf("wait for the browser at %s: %w", r.RedirectURI(), err)
	}
}

// connections are those on which nothing has been received yet.
type connections struct {
	mu  sync.Mutex
	all map[net.Conn]struct{}
}

func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state != http.StateNew {
		delete(c.all, conn)
		return
	}
	if c.all == nil {
		c.all = map[net.Conn]struct{}{}
	}
	c.all[conn] = struct{}{}
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.all {
		_ = conn.Close()
	}
}
