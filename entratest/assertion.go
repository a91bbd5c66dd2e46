package entratest

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// clockTolerance is how far the clocks of client and service may be apart.
const clockTolerance = 5 * time.Minute

// checkAssertion checks a client assertion: one the client signed with its
// certificate, or, when the issuer is a URL and not the client, a federated one.
func (c *call) checkAssertion(app *application, text string) *refusal {
	t, err := parseJWT(text)
	if err != nil {
		return refuse(50027, "the client assertion is not a JWT: "+err.Error(), "JWT token is invalid or malformed.")
	}
	if strings.Contains(t.claim("iss"), "://") {
		return c.checkFederated(app, t)
	}
	if ref := c.checkCertificateSignature(app, t); ref != nil {
		return ref
	}
	for _, name := range []string{"iss", "sub"} {
		if !strings.EqualFold(t.claim(name), app.ClientID) {
			return refuse(700021, fmt.Sprintf("the assertion's %s is %q, not the client ID %s", name, t.claim(name), app.ClientID),
				"Client assertion application identifier doesn't match 'client_id' parameter.")
		}
	}
	if !slices.ContainsFunc(t.audiences(), c.isThisEndpoint) {
		return refuse(700023, fmt.Sprintf("the assertion's aud is %q, the endpoint called is %s", t.audiences(), c.origin+c.req.URL.Path),
			"Client assertion audience claim does not match Realm issuer.")
	}
	if t.claim("jti") == "" {
		return refuse(50027, "the assertion has no jti", "JWT token is invalid or malformed. The claim 'jti' is missing.")
	}
	return c.checkWindow(t)
}

// isThisEndpoint compares an audience with the URL that was called. The tenant
// may be given by GUID where the URL has a domain and the other way round,
// because discovery answers with the GUID.
func (c *call) isThisEndpoint(audience string) bool {
	rest, ok := cutPrefixFold(audience, c.origin+"/")
	if !ok {
		return false
	}
	rt, segment := findRoute(c.e.routes, "POST", "/"+rest)
	if rt.endpoint != EndpointToken || rt.dialect != c.route.dialect {
		return false
	}
	return strings.EqualFold(segment, c.segment) || c.tenant != nil && c.directory.tenant(segment) == c.tenant
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// checkWindow checks exp and, if present, nbf.
func (c *call) checkWindow(t *jwt) *refusal {
	exp, hasExp, err := t.date("exp")
	nbf, hasNbf, err2 := t.date("nbf")
	if err := errors.Join(err, err2); err != nil {
		return refuse(50027, "the assertion is malformed: "+err.Error(), "JWT token is invalid or malformed.")
	}
	if !hasExp {
		return refuse(50027, "the assertion has no exp", "JWT token is invalid or malformed. The claim 'exp' is missing.")
	}
	if c.now.Before(exp.Add(clockTolerance)) && (!hasNbf || !c.now.Add(clockTolerance).Before(nbf)) {
		return nil
	}
	from := "(no start)"
	if hasNbf {
		from = nbf.UTC().Format(time.RFC3339)
	}
	window := fmt.Sprintf("Current time: %s, assertion valid from %s, expiry time of assertion %s.",
		c.now.UTC().Format(time.RFC3339), from, exp.UTC().Format(time.RFC3339))
	return refuse(700024, "the assertion is outside its validity window: "+window,
		"Client assertion is not within its valid time range. %s", window)
}

// checkCertificateSignature finds the certificate the assertion names and checks
// that its key signed.
func (c *call) checkCertificateSignature(app *application, t *jwt) *refusal {
	legacy := c.route.dialect == adfs || c.route.dialect == dsts
	if alg := t.alg(); alg != "RS256" && (alg != "PS256" || legacy) {
		allowed := "PS256 or RS256"
		if legacy {
			allowed = "RS256"
		}
		return refuse(5002730, fmt.Sprintf("the assertion's alg is %q, this authority takes %s", alg, allowed),
			"Invalid JWT token. Unsupported key for the signing algorithm.")
	}
	thumbprint := t.thumbprint()
	chain, err := t.chain()
	if err != nil {
		return refuse(50027, "the assertion's x5c is unusable: "+err.Error(), "JWT token is invalid or malformed. The header 'x5c' cannot be read.")
	}
	if thumbprint == nil && len(chain) == 0 {
		return refuse(5002723, "the assertion's header has neither x5t#S256 nor x5t (nor x5c)",
			"Invalid JWT token. No certificate thumbprint specified in token header.")
	}
	certs, anchors := c.e.certificatesOf(app)
	display := strings.ToUpper(hex.EncodeToString(thumbprint))
	var cert *x509.Certificate
	for _, registered := range certs {
		if thumbprint != nil && isThumbprint(thumbprint, registered) {
			cert = registered
		}
	}
	why := "The key was not found."
	reason := fmt.Sprintf("the thumbprint %s is that of none of %d certificates of application %s", display, len(certs), app.ClientID)
	if cert == nil && app.AllowSubjectNameIssuer && len(chain) > 0 {
		if err := c.checkSubjectNameIssuer(chain, certs, anchors); err == nil {
			cert = chain[0]
		} else {
			reason += ", and its x5c chain is not accepted by subject name and issuer: " + err.Error()
		}
	}
	if cert != nil {
		key, ok := cert.PublicKey.(*rsa.PublicKey)
		switch {
		case !ok:
			reason = "the certificate's key is not an RSA key"
		case c.now.After(cert.NotAfter):
			why = "The key used is expired."
			reason = fmt.Sprintf("the certificate %s expired at %s", display, cert.NotAfter.UTC().Format(time.RFC3339))
		case t.verify(key) != nil:
			why = "The provided signature value did not match the expected signature value."
			reason = fmt.Sprintf("the %s signature does not fit the certificate with thumbprint %s", t.alg(), display)
		default:
			return nil
		}
	}
	return refuse(700027, reason,
		"The certificate with identifier used to sign the client assertion is not registered on application. [Reason - %s, Thumbprint of key used by client: '%s', Configured keys of app '%s': %d]", why, display, app.ClientID, len(certs))
}

// certificatesOf returns the certificates registered on an application and those
// of their issuers.
func (e *Emulator) certificatesOf(app *application) (certs, anchors []*x509.Certificate) {
	certs, anchors = slices.Clone(app.certificates), slices.Clone(app.anchors)
	if app.ClientID == DefaultClientID {
		d := e.defaults()
		certs, anchors = append(certs, d.chain[0]), append(anchors, d.chain[1:]...)
	}
	return certs, anchors
}

// checkSubjectNameIssuer accepts a chain that leads to a configured issuer and
// whose leaf has the subject of a registered certificate.
func (c *call) checkSubjectNameIssuer(chain, certs, anchors []*x509.Certificate) error {
	leaf := chain[0]
	if !slices.ContainsFunc(certs, func(r *x509.Certificate) bool { return bytes.Equal(r.RawSubject, leaf.RawSubject) }) {
		return fmt.Errorf("the subject %q is not registered", leaf.Subject)
	}
	options := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		CurrentTime:   c.now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, a := range anchors {
		options.Roots.AddCert(a)
	}
	for _, i := range chain[1:] {
		options.Intermediates.AddCert(i)
	}
	_, err := leaf.Verify(options)
	return err
}

// thumbprint returns what x5t#S256 or x5t says, nil when neither is usable.
func (t *jwt) thumbprint() []byte {
	for _, name := range []string{"x5t#S256", "x5t"} {
		if b, err := decodeBase64(t.headerString(name)); err == nil && len(b) > 0 {
			return b
		}
	}
	return nil
}

func isThumbprint(thumbprint []byte, cert *x509.Certificate) bool {
	sum := sha256.Sum256(cert.Raw)
	return bytes.Equal(thumbprint, sum[:]) || bytes.Equal(thumbprint, sha1Sum(cert.Raw))
}

// chain reads x5c, leaf first. RFC 7515 wants a list; MSAL.NET sends the leaf as
// a single string.
func (t *jwt) chain() ([]*x509.Certificate, error) {
	var texts []any
	switch x5c := t.header["x5c"].(type) {
	case nil:
		return nil, nil
	case string:
		texts = []any{x5c}
	case []any:
		texts = x5c
	default:
		return nil, errors.New("it is neither a list nor a string")
	}
	var chain []*x509.Certificate
	for i, text := range texts {
		s, _ := text.(string)
		der, err := base64.StdEncoding.DecodeString(s)
		if err != nil || s == "" {
			return nil, fmt.Errorf("entry %d is not standard base64", i)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		chain = append(chain, cert)
	}
	return chain, nil
}
