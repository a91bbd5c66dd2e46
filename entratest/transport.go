package entratest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
)

// Transport answers requests by the emulator in this process, whatever host they
// name: nothing reaches a network. It is an [http.RoundTripper] and, by Do, the
// transport of Azure SDK pipelines. It holds no state and starts no goroutine that
// outlives its request, so one may be used in and out of testing/synctest bubbles.
// It is safe for concurrent use.
type Transport struct{ e *Emulator }

// Transport returns the in-process transport of the emulator.
func (e *Emulator) Transport() *Transport { return &Transport{e} }

// Client returns an HTTP client over the transport that does not follow redirects.
func (t *Transport) Client() *http.Client {
	return &http.Client{Transport: t, CheckRedirect: keepRedirect}
}

func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Do sends a request without following redirects.
func (t *Transport) Do(r *http.Request) (*http.Response, error) { return t.RoundTrip(r) }

// RoundTrip implements [http.RoundTripper]. A request whose context ends fails at
// once with the context's error, and so does reading the body of its response.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	if err := checkRequest(r); err != nil {
		_ = body.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	in.Body = body
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:1" // the caller is this process
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/1.1", 1, 1
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Header == nil {
		in.Header = http.Header{}
	}
	if r.URL.Scheme == "https" {
		in.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: r.URL.Hostname()}
	}
	ex := newExchange(cancel)
	go func() {
		defer ex.finish()
		defer body.Close()
		t.e.ServeHTTP(ex, in)
	}()
	select {
	case <-ex.answered:
		return ex.response(r)
	case <-r.Context().Done():
		cancel()
		return nil, r.Context().Err()
	}
}

func checkRequest(r *http.Request) error {
	switch {
	case r.URL == nil || r.URL.Host == "":
		return errors.New("entratest: the request has no host")
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return fmt.Errorf("entratest: the request has the scheme %q", r.URL.Scheme)
	}
	return r.Context().Err()
}

// exchange is the response writer of the handler and the response body of the
// client. What is written is buffered without bound, so that the handler never
// waits for the client: answers here are small.
type exchange struct {
	cancel   context.CancelFunc // of the handler's context
	header   http.Header
	answered chan struct{} // closed when the header is complete or the handler has ended

	mu     sync.Mutex // guards all below; never held while waiting
	status int        // 0 until the header is complete
	sent   http.Header
	buffer bytes.Buffer
	more   chan struct{} // closed and replaced when something below changes
	err    error         // how the handler ended; io.EOF is the good way
	closed bool          // by the client
}

func newExchange(cancel context.CancelFunc) *exchange {
	return &exchange{cancel: cancel, header: http.Header{}, answered: make(chan struct{}), more: make(chan struct{})}
}

// Header implements [http.ResponseWriter].
func (ex *exchange) Header() http.Header { return ex.header }

// WriteHeader implements [http.ResponseWriter].
func (ex *exchange) WriteHeader(status int) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.writeHeader(status)
}

func (ex *exchange) writeHeader(status int) {
	if ex.status == 0 {
		ex.status, ex.sent = status, ex.header.Clone()
		close(ex.answered)
	}
}

// Write implements [http.ResponseWriter].
func (ex *exchange) Write(p []byte) (int, error) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.writeHeader(http.StatusOK)
	if ex.closed {
		return 0, io.ErrClosedPipe
	}
	ex.changed()
	return ex.buffer.Write(p)
}

// Flush implements [http.Flusher]. There is nothing between handler and client.
func (ex *exchange) Flush() { ex.WriteHeader(http.StatusOK) }

func (ex *exchange) changed() {
	close(ex.more)
	ex.more = make(chan struct{})
}

// finish ends the exchange when the handler has returned or panicked.
func (ex *exchange) finish() {
	p := recover()
	ex.cancel()
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.err = io.EOF
	if p != nil {
		ex.err = io.ErrUnexpectedEOF
		if p != http.ErrAbortHandler {
			ex.err = fmt.Errorf("entratest: the emulator panicked: %v", p)
		}
	}
	if ex.status == 0 {
		if p == nil {
			ex.writeHeader(http.StatusOK)
		} else {
			close(ex.answered)
		}
	}
	ex.changed()
}

// errReset is what a client sees of a connection that a peer resets.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

func (ex *exchange) response(r *http.Request) (*http.Response, error) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if ex.status == 0 {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		if ex.err != io.ErrUnexpectedEOF {
			return nil, ex.err
		}
		return nil, errReset
	}
	length := int64(-1)
	if _, err := fmt.Sscan(ex.sent.Get("Content-Length"), &length); err != nil {
		length = -1
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", ex.status, http.StatusText(ex.status)),
		StatusCode:    ex.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        ex.sent,
		Body:          &responseBody{ex, r.Context(), r.Method == http.MethodHead},
		ContentLength: length,
		Request:       r,
	}, nil
}

// responseBody is the client's end of an exchange.
type responseBody struct {
	ex    *exchange
	ctx   context.Context // of the client's request
	empty bool            // the request was HEAD
}

// Read waits for the handler, but not beyond the request's context.
func (b *responseBody) Read(p []byte) (int, error) {
	if b.empty {
		return 0, io.EOF
	}
	for {
		if err := b.ctx.Err(); err != nil {
			return 0, err
		}
		n, err, more := b.ex.read(p)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-more:
		case <-b.ctx.Done():
		}
	}
}

func (ex *exchange) read(p []byte) (n int, err error, more <-chan struct{}) { //nolint:revive // err is a state here
	ex.mu.Lock()
	defer ex.mu.Unlock()
	switch {
	case ex.closed:
		return 0, http.ErrBodyReadAfterClose, nil
	case ex.buffer.Len() > 0 || len(p) == 0:
		n, _ = ex.buffer.Read(p)
		return n, nil, ex.more
	case ex.err != nil:
		return 0, ex.err, nil
	}
	return 0, nil, ex.more
}

// Close lets the handler know that nobody reads on.
func (b *responseBody) Close() error {
	b.ex.mu.Lock()
	b.ex.closed = true
	b.ex.mu.Unlock()
	b.ex.cancel()
	return nil
}
