package azidentity

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/holdoff"
)

// AuthenticationFailedError says that a request for a token failed: refused by
// the authority, or without an answer from it. Its message begins with the
// name of the credential; the text may change.
type AuthenticationFailedError struct {
	// RawResponse is the answer, or nil if there was none. Its body can be
	// read once; its Request has neither body nor credentials.
	RawResponse *http.Response

	// Code is the OAuth error code, such as "invalid_client", or empty.
	Code string
	// SubError refines Code, for example "basic_action".
	SubError string
	// Claims is a challenge, as JSON, for whoever can sign the user in again.
	Claims string
	// CorrelationID, TraceID and Timestamp identify the request to Microsoft.
	CorrelationID, TraceID string
	Timestamp              time.Time
	// RetryAfter is how long the authority asks to wait, or 0.
	RetryAfter time.Duration

	message string
	cause   error
	refusal *entra.Error // nil if there was no answer
}

// AADSTSCodes returns Entra's own numbers, the most specific first. They explain;
// programs had better decide on Code.
func (e *AuthenticationFailedError) AADSTSCodes() []int {
	if e.refusal == nil {
		return nil
	}
	return slices.Clone(e.refusal.Codes)
}

// Error says in its first line which credential failed and why, and in the
// lines after it what to do and how to find the request again.
func (e *AuthenticationFailedError) Error() string { return e.message }

// NonRetriable marks the error for the Azure SDK: the request that needed the
// token is not to be repeated because of it.
func (*AuthenticationFailedError) NonRetriable() {}

// Unwrap returns what caused the error, such as a context's end or the errors
// of a chain's members, or nil.
func (e *AuthenticationFailedError) Unwrap() error { return e.cause }

// AuthenticationRequiredError says that a user has to sign in, and that the
// credential was told not to ask. A chain takes it as unavailable.
type AuthenticationRequiredError struct {
	credentialUnavailableError

	// TokenRequestOptions are to be passed to the credential's Authenticate.
	TokenRequestOptions policy.TokenRequestOptions
}

// credentialUnavailable marks the errors on which a chain goes on.
type credentialUnavailable interface {
	error
	credentialUnavailable()
}

type credentialUnavailableError struct{ message string }

// NewCredentialUnavailableError returns an error for a credential of one's own
// that cannot try to authenticate, for want of configuration or of something
// on the machine. [ChainedTokenCredential] goes on to the next credential on
// it, also when it is wrapped.
func NewCredentialUnavailableError(message string) error {
	return &credentialUnavailableError{message}
}

// Error implements the error interface.
func (e *credentialUnavailableError) Error() string { return e.message }

// NonRetriable marks the error for the Azure SDK.
func (*credentialUnavailableError) NonRetriable() {}

func (*credentialUnavailableError) credentialUnavailable() {}

// IsCredentialUnavailable reports whether err says that a credential could not
// try to authenticate, which is when a chain goes on to its next one. The failure
// of a chain is none, although its tree holds the errors of members that were
// unavailable.
func IsCredentialUnavailable(err error) bool {
	var failed *AuthenticationFailedError
	var unavailable credentialUnavailable
	return !errors.As(err, &failed) && errors.As(err, &unavailable)
}

// newFailure makes the error of one caller. err may be shared among callers
// and is not changed.
func (a *application) newFailure(err error, tenant string, scopes []string) error {
	var failed *AuthenticationFailedError
	var refused *entra.Error
	var source *sourceError
	switch {
	case IsCredentialUnavailable(err), errors.As(err, &failed):
		return err // from an assertion callback that is a credential itself
	case errors.As(err, &source):
		return source.failure(a.name, err)
	case errors.As(err, &refused):
		return a.refusal(refused, err, tenant, scopes)
	}
	f := &AuthenticationFailedError{cause: err}
	var again *holdoff.Remembered
	if errors.As(err, &again) {
		err, f.RetryAfter = again.Err, max(time.Until(again.Until), 0)
	}
	f.message = a.name + ": " + err.Error()
	if next := networkAdvice(err); next != "" {
		f.message += "\n  Next: " + next
	}
	return f
}

// networkAdvice says what to do about a request that found no answer.
func networkAdvice(err error) string {
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &verification) && errors.As(err, &unknown):
		seen := "somebody"
		if len(verification.UnverifiedCertificates) > 0 {
			issuer := verification.UnverifiedCertificates[0].Issuer
			seen = fmt.Sprintf("%q", cmp.Or(issuer.CommonName, issuer.String()))
		}
		return "the server's certificate is issued by " + seen + ", whom this machine does not trust: if that is a proxy of yours, add its certificate to the system's, or name it in SSL_CERT_FILE"
	case errors.As(err, &dns):
		return "check the name of the authority (AZURE_AUTHORITY_HOST) and this machine's name resolution"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "check AZURE_AUTHORITY_HOST, and that this machine may reach it, directly or through HTTPS_PROXY"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the authority did not answer in time: check that this machine may reach it, directly or through HTTPS_PROXY"
	}
	return ""
}

// refusal explains an answer of the authority.
func (a *application) refusal(e *entra.Error, cause error, tenant string, scopes []string) *AuthenticationFailedError {
	fill := strings.NewReplacer("{app}", a.clientID, "{tenant}", tenant, "{scope}", strings.Join(scopes, " "))
	var b strings.Builder
	b.WriteString(a.name + ": ")
	advice, known := e.AdviceFor()
	switch {
	case known:
		fmt.Fprintf(&b, "Entra ID %s (%s)", fill.Replace(advice.Means), codes(e))
		fmt.Fprintf(&b, "\n  Entra ID said: %s", e.FirstLine())
	case e.Code != "":
		fmt.Fprintf(&b, "Entra ID refused the request (%s): %s", codes(e), e.FirstLine())
	default:
		b.WriteString(e.Error())
	}
	if e.Presented != "" {
		fmt.Fprintf(&b, "\n  The assertion has %s", e.Presented)
	}
	if e.ProofFrom != "" {
		fmt.Fprintf(&b, "\n  The proof came from %s", e.ProofFrom)
	}
	if e.Has(700024) && e.Offset.Abs() > time.Minute {
		fmt.Fprintf(&b, "\n  This machine's clock is %s the authority's", ahead(-e.Offset))
	}
	if next := cmp.Or(e.Next, fill.Replace(advice.Next)); next != "" {
		fmt.Fprintf(&b, "\n  Next: %s", next)
	} else if e.Status == http.StatusTooManyRequests {
		fmt.Fprintf(&b, "\n  Next: %s", a.throttleAdvice())
	}
	var again *holdoff.Remembered
	errors.As(cause, &again)
	b.WriteString(heldOff(again, e.ThrottledFor() > 0, e.Received, e.ThrottledFor()))
	until := e.Received.Add(e.RetryAfter)
	f := &AuthenticationFailedError{
		RawResponse: rawResponse(e), Code: e.Code, SubError: e.SubError, Claims: e.Claims,
		CorrelationID: e.Correlation, TraceID: e.TraceID, cause: cause, refusal: e,
	}
	if e.RetryAfter > 0 {
		f.RetryAfter = max(time.Until(until), 0) // less each time while the refusal is remembered
	}
	f.Timestamp, _ = time.Parse("2006-01-02 15:04:05Z", e.Timestamp)
	if e.Correlation != "" {
		fmt.Fprintf(&b, "\n  Correlation ID %s, trace ID %s, %s", e.Correlation, e.TraceID, e.Timestamp)
	}
	f.message = b.String()
	return f
}

// heldOff is a line about when the same request will be sent again: on every error about
// being throttled, and on others that are repeated from memory.
func heldOff(again *holdoff.Remembered, throttled bool, received time.Time, d time.Duration) string {
	switch {
	case throttled:
		return "\n  Throttled until " + holdoff.Time(received.Add(d))
	case again != nil:
		return "\n  Not asked again until " + holdoff.Time(again.Until) + ": the same was refused at " + holdoff.Time(received)
	}
	return ""
}

// codes is "AADSTS7000215, invalid_client".
func codes(e *entra.Error) string {
	if len(e.Codes) == 0 {
		return e.Code
	}
	return fmt.Sprintf("AADSTS%d, %s", e.Codes[0], e.Code)
}

func ahead(d time.Duration) string {
	if d < 0 {
		return (-d).String() + " behind"
	}
	return d.String() + " ahead of"
}

// rawResponse rebuilds the answer for one caller, with a body of its own and a
// request that holds no secret.
func rawResponse(e *entra.Error) *http.Response {
	resp := &http.Response{
		Status:     fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)),
		StatusCode: e.Status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        e.Header.Clone(),
		Body:          io.NopCloser(bytes.NewReader(e.Body)),
		ContentLength: int64(len(e.Body)),
	}
	if u, err := url.Parse(e.URL); err == nil {
		resp.Request = &http.Request{Method: e.Method, URL: u, Host: u.Host, Header: http.Header{}}
	}
	return resp
}
