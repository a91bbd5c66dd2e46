package azidentity

import (
	"cmp"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/managedidentity"
)

// TokenHostAnswer is what a host that hands out tokens, as the metadata service
// of virtual machines does, answered to a credential of one's own. Its Judge says
// what that means, by the tables that [ManagedIdentityCredential] goes by. They
// know statuses and the structure of bodies, and look at no text.
type TokenHostAnswer struct {
	// Credential is the name that errors begin with. Default: "credential".
	Credential string
	// WellKnown says that the address is the same on every machine, so that
	// nobody may be there, or somebody else: a proxy, a captive portal, a container's
	// network. Then only the host's own JSON counts as the host, and anything else
	// makes the credential unavailable. False: somebody configured the address, so
	// that a chain has to stop at what goes wrong there.
	WellKnown bool
	// StatusCode of the answer. Zero: there was none.
	StatusCode int
	// Header of the answer: Retry-After and its kin, and WWW-Authenticate are read.
	Header http.Header
	// Body of the answer. More than 1 MiB is no answer of a token host.
	Body []byte
	// Asked is when the request was sent, from which expires_in counts. Default:
	// now.
	Asked time.Time
}

// TokenHostVerdict is what a [TokenHostAnswer] means.
type TokenHostVerdict struct {
	// Token is the one that was granted, if Err is nil. Its expiry is read as
	// ManagedIdentityCredential reads it; RefreshOn is set from two hours on.
	Token azcore.AccessToken
	// Err is the error for GetToken to return: one on which a chain goes on (see
	// [IsCredentialUnavailable]), or an [*AuthenticationFailedError] with code,
	// claims and answer. It never holds a token.
	Err error
	// Retry says that the same request may succeed later: after RetryAfter, or if
	// that is zero, at the caller's own pace. Err is for when there are no more
	// repetitions.
	Retry      bool
	RetryAfter time.Duration
	// Claims is a challenge, as JSON: the client has to be shown it, or to ask with
	// it. Empty: there is none.
	Claims string
}

// Judge reads the answer. It sends nothing and keeps nothing.
func (a TokenHostAnswer) Judge() TokenHostVerdict {
	if a.Asked.IsZero() {
		a.Asked = time.Now()
	}
	t, e, again := managedidentity.Read(a.WellKnown, a.StatusCode, a.Header, a.Body, a.Asked)
	if e == nil {
		return TokenHostVerdict{Token: azcore.AccessToken{Token: t.Value, ExpiresOn: t.ExpiresOn, RefreshOn: t.RefreshOn}}
	}
	v := TokenHostVerdict{Retry: again, RetryAfter: e.RetryAfter, Claims: e.Claims}
	message := cmp.Or(a.Credential, "credential") + ": " + e.Error()
	if e.Verdict == managedidentity.Unavailable {
		v.Err = NewCredentialUnavailableError(message)
		return v
	}
	failed := &AuthenticationFailedError{message: message, cause: e, Code: e.Code, Claims: e.Claims, RetryAfter: e.RetryAfter}
	if e.Status != 0 {
		failed.RawResponse = rawResponse(&entra.Error{Status: e.Status, Header: e.Header, Body: e.Body})
	}
	v.Err = failed
	return v
}
