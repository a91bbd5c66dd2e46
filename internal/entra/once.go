package entra

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// errMayBeRedeemed marks the error of a request that was for once and found no
// answer, although the server may have acted on it.
var errMayBeRedeemed = errors.New("the grant may have been redeemed")

// A lostAnswer is an error without an answer, unchanged but for the mark.
type lostAnswer struct{ err error }

func (e *lostAnswer) Error() string   { return e.err.Error() }
func (e *lostAnswer) Unwrap() []error { return []error{e.err, errMayBeRedeemed} }

// Unredeemed reports whether err, of a grant that the server spends, proves that it
// has not: nothing was sent, the server turned the request away unread, or it refused
// the application and did not come to the grant.
func Unredeemed(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return turnsAway(e.Status) || e.proofRefused()
	}
	return !errors.Is(err, errMayBeRedeemed)
}

// turnsAway reports whether a server with this status has not looked at the request.
// What 500, 502 and 504 say may come after the grant was redeemed.
func turnsAway(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// proofRefused reports whether e is about the application's proof. A server
// authenticates the client before it looks at the grant (RFC 6749, sections 3.2.1 and
// 4.1.3): whose grant it is cannot be decided otherwise.
func (e *Error) proofRefused() bool { return e.Code == "invalid_client" }

// onceOptions are the caller's options for retries, for a request that is for once.
func onceOptions(o policy.RetryOptions, n *notice) policy.RetryOptions {
	callers := o.ShouldRetry
	o.ShouldRetry = func(resp *http.Response, err error) bool {
		return !n.mayBeRedeemed && (callers == nil || callers(resp, err))
	}
	return o
}

// once sends a request that is for once, and takes note of whether the server may
// have acted on it.
func (n *notice) once(req *policy.Request) (*http.Response, error) {
	var asked, connected atomic.Bool
	n.mayBeRedeemed = true // stays if a policy or the transport panics
	traced := req.WithContext(httptrace.WithClientTrace(req.Raw().Context(), &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}))
	resp, err := traced.Next()
	switch {
	case err == nil && resp != nil:
		n.mayBeRedeemed = !turnsAway(resp.StatusCode)
	case connected.Load():
	case asked.Load():
		// The transport tells what it does, and had no connection to send on.
		n.mayBeRedeemed = false
	default:
		n.mayBeRedeemed = !beforeConnection(err)
	}
	return resp, err
}

// beforeConnection reports whether err, of a transport that does not tell what it
// does, can only come before there is a connection.
func beforeConnection(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &dns) || errors.As(err, &certificate) ||
		errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}
