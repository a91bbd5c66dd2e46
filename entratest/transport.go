package entratest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
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
