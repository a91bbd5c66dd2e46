package entratest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" // the platform names its certificate by this hash
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"time"
)

// serveServiceFabric is the managed identity endpoint of a Service Fabric node.
func serveServiceFabric(c *call) reply {
	fail := func(status int, code, message string) reply {
		return c.refuseWith(status, map[string]any{"error": map[string]string{
			"code": code, "message": message, "correlationId": c.correlationID,
		}}, code)
	}
	switch {
	case c.req.TLS == nil:
		c.entry.Reason = "the request came without TLS"
		return fail(http.StatusBadRequest, "InternalServerError", "TLS is required")
	case c.req.Header.Get("Secret") != identityHeader:
		c.entry.Reason = "the header Secret is missing or wrong"
		return fail(http.StatusNotFound, "SecretHeaderNotFound", "Secret is not found in the request headers.")
	case !c.hasVersion("2019-07-01-preview"):
		return fail(http.StatusBadRequest, "InvalidApiVersion", "The api-version is not supported.")
	}
	token, missing := c.issue(c.req.URL.Query(), nil)
	switch missing {
	case "resource":
		return fail(http.StatusBadRequest, "ArgumentNullOrEmpty", "The parameter 'resource' should not be null or empty string.")
	case "identity":
		return fail(http.StatusNotFound, "ManagedIdentityNotFound", "Managed identity is not found.")
	}
	body := token.numbers()
	body["expires_on"] = token.expires.Unix()
	return jsonReply(http.StatusOK, body)
}

// newFabricCertificate makes a certificate as a node has it: signed by itself, so
// that nothing but the SHA-1 thumbprint in its environment vouches for it.
func newFabricCertificate() (cert *tls.Certificate, thumbprint string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", fmt.Errorf("entratest: generating a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "Emulated Service Fabric node"},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leaf := mustCertificate(template, template, key.Public(), key)
	sum := sha1.Sum(leaf.Raw)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, hex.EncodeToString(sum[:]), nil
}
