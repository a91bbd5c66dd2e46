package entra

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// SharedTransport carries the requests of all credentials that bring no
// transport of their own. It keeps no connection, and with it no goroutine,
// for long: tokens are asked for in bursts, then not for an hour.
var SharedTransport = &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
	ForceAttemptHTTP2:     true,
	MaxIdleConns:          100,
	MaxIdleConnsPerHost:   10,
	IdleConnTimeout:       20 * time.Second,
	TLSHandshakeTimeout:   10 * time.Second,
	ExpectContinueTimeout: time.Second,
	TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
}

// sharedClient follows no redirects: a request for a token carries secrets
// and goes where it was addressed to, or nowhere.
var sharedClient = &http.Client{Transport: SharedTransport, CheckRedirect: stay}

// DirectTransport is for endpoints of this machine, which no proxy can reach.
var DirectTransport = &http.Transport{
	DialContext:     (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	IdleConnTimeout: 20 * time.Second,
}

var directClient = &http.Client{Transport: DirectTransport, CheckRedirect: stay}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// maxBody bounds an answer. Real ones have a few kilobytes.
const maxBody = 1 << 20

// ErrOversized is in the tree of the error for an answer that is too long.
var ErrOversized = errors.New("the answer is longer than any answer of a token endpoint")

// ErrRedirected is in the tree of the error for a transport that followed a
// redirect to another host, or away from TLS.
var ErrRedirected = errors.New("the transport followed a redirect to another host: give it a CheckRedirect that returns http.ErrUseLastResponse")

// guarded is the transport of every pipeline: it bounds bodies and notices
// redirects, whoever made the transport inside. It reads the body whole, so
// that an answer that breaks off is asked for again: azcore would not do that
// for a POST.
type guarded struct{ inner policy.Transporter }

func (g guarded) Do(req *http.Request) (*http.Response, error) {
	asked := *req.URL
	resp, err := g.inner.Do(req)
	if err != nil {
		return nil, err
	}
	if resp == nil {
		return nil, &final{errors.New("the transport returned neither a response nor an error")}
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	inner := resp.Body
	defer inner.Close()
	if r := resp.Request; r != nil && r.URL != nil && (r.URL.Host != asked.Host || r.URL.Scheme != asked.Scheme) {
		return nil, &final{fmt.Errorf("%w: %s://%s, not %s://%s", ErrRedirected, r.URL.Scheme, r.URL.Host, asked.Scheme, asked.Host)}
	}
	body, err := readWhole(inner, resp.ContentLength)
	if err != nil {
		return nil, err
	}
	resp.Body = body
	return resp, nil
}

// A wholeBody is a response body in memory.
type wholeBody struct {
	bytes.Reader
	all []byte
}

// Close implements [io.Closer].
func (*wholeBody) Close() error { return nil }

// readWhole reads a body of the announced length, which may be wrong or -1.
func readWhole(r io.Reader, length int64) (*wholeBody, error) {
	all := make([]byte, 0, max(512, min(length+1, maxBody+1)))
	for {
		n, err := r.Read(all[len(all):cap(all)])
		all = all[:len(all)+n]
		switch {
		case len(all) > maxBody:
			return nil, &final{ErrOversized}
		case errors.Is(err, io.EOF):
			w := &wholeBody{all: all}
			w.Reset(all)
			return w, nil
		case err != nil:
			return nil, fmt.Errorf("the answer broke off: %w", err)
		}
		if len(all) == cap(all) {
			all = slices.Grow(all, len(all))
		}
	}
}

// A final error would be the same at a second try.
type final struct{ error }

// NonRetriable marks the error for azcore's retry policy.
func (*final) NonRetriable() {}

func (e *final) Unwrap() error { return e.error }
