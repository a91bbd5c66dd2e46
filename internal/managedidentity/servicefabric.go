package managedidentity

import (
	"crypto/sha1" // the platform names its certificate by this hash
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/azid-go/azidentity/internal/secret"
)

func openServiceFabric(e *environment) (host, error) {
	u, err := endpoint("IDENTITY_ENDPOINT", e.get("IDENTITY_ENDPOINT"))
	if err != nil {
		return host{}, err
	}
	if u.Scheme != "https" {
		err = errors.New("IDENTITY_ENDPOINT of Service Fabric is not https")
	}
	shown := e.get("IDENTITY_HEADER")
	pin, pinErr := thumbprint(e.get("IDENTITY_SERVER_THUMBPRINT"))
	return host{
		endpoint: u, version: "2019-07-01-preview", secret: secret.New(shown), pin: pin, revokes: true,
		request: func(r *http.Request, _ url.Values) { r.Header["Secret"] = []string{shown} },
		retries: fabricRetries, verdicts: hostVerdicts,
	}, errors.Join(err, pinErr, checkHeader("IDENTITY_HEADER", shown))
}

// thumbprint reads a SHA-1 hash in hexadecimal, as certificate managers show it.
func thumbprint(s string) ([]byte, error) {
	s = strings.Map(func(r rune) rune {
		if r == ':' || unicode.IsSpace(r) || r == '\u200e' { // the mark that Windows copies along
			return -1
		}
		return r
	}, s)
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != sha1.Size {
		return nil, errors.New("IDENTITY_SERVER_THUMBPRINT is not a SHA-1 hash of 40 hexadecimal digits")
	}
	return b, nil
}

// errPin is that of a server with another certificate than the platform's.
var errPin = errors.New("the server's certificate is not the one that IDENTITY_SERVER_THUMBPRINT names: it was sent nothing")

// pinned returns a copy of base that talks to nobody but the holder of the
// certificate with this hash. The certificate is self-signed, so the hash
// takes the place of all other verification; it is compared on every
// connection, resumed ones included.
func pinned(base *http.Transport, pin []byte) (*http.Transport, error) {
	//nolint:staticcheck // the deprecated hooks would bypass the pin too
	if base.DialTLS != nil || base.DialTLSContext != nil {
		return nil, errors.New("the transport has a way of its own to dial TLS, which would get around the pinned certificate of Service Fabric")
	}
	t := base.Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	c := t.TLSClientConfig
	if c.VerifyPeerCertificate != nil || c.VerifyConnection != nil {
		return nil, errors.New("the transport verifies certificates in a way of its own, which the pinned certificate of Service Fabric would replace")
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.InsecureSkipVerify = true // VerifyConnection compares with the pin
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errPin
		}
		sum := sha1.Sum(s.PeerCertificates[0].Raw)
		if subtle.ConstantTimeCompare(sum[:], pin) != 1 {
			return errPin
		}
		return nil
	}
	// HTTP/2 has a pool of connections beside the transport's, which the copy
	// must not share.
	c.NextProtos = nil
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	t.ForceAttemptHTTP2, t.Protocols, t.Proxy = false, nil, nil
	return t, nil
}
