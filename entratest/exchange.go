package entratest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
)

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
		if !errors.Is(ex.err, io.ErrUnexpectedEOF) {
			return nil, ex.err
		}
		return nil, errReset
	}
	length, err := strconv.ParseInt(ex.sent.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1 // not announced
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
		n, more, err := b.ex.read(p)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-more:
		case <-b.ctx.Done():
		}
	}
}

func (ex *exchange) read(p []byte) (n int, more <-chan struct{}, err error) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	switch {
	case ex.closed:
		return 0, nil, http.ErrBodyReadAfterClose
	case ex.buffer.Len() > 0 || len(p) == 0:
		n, _ = ex.buffer.Read(p)
		return n, ex.more, nil
	case ex.err != nil:
		return 0, nil, ex.err
	}
	return 0, ex.more, nil
}

// Close lets the handler know that nobody reads on.
func (b *responseBody) Close() error {
	b.ex.mu.Lock()
	b.ex.closed = true
	b.ex.mu.Unlock()
	b.ex.cancel()
	return nil
}
