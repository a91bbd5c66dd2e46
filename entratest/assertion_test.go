package entratest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

// signJWT signs a token as a client would; a nil member removes itself.
func signJWT(t *testing.T, key *rsa.PrivateKey, header, claims map[string]any) string {
	t.Helper()
	return encodeJWT(t, base64.RawURLEncoding, key, header, claims)
}

func encodeJWT(t *testing.T, encoding *base64.Encoding, key *rsa.PrivateKey, header, claims map[string]any) string {
	t.Helper()
	part := func(members map[string]any) string {
		kept := map[string]any{}
		for name, v := range members {
			if v != nil {
				kept[name] = v
			}
		}
		data, err := json.Marshal(kept)
		if err != nil {
			t.Fatal(err)
		}
		return encoding.EncodeToString(data)
	}
	text := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	var signature []byte
	var err error
	if header["alg"] == "PS256" {
		signature, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: 32})
	} else {
		signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	}
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encoding.EncodeToString(signature)
}

type certificateCase struct {
	name   string
	url    string         // default tokenURL
	header map[string]any // changes to the header of a good assertion
	claims map[string]any // and to its claims
	pad    bool           // pad the parts, as Python does
	broken bool           // alter the signature

	// The refusal; a zero status means that the assertion is accepted.
	status int
	oauth  string
	code   int
	reason string
}

func TestCertificateAssertions(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	chain, key := e.DefaultCertificate()
	s1, s256 := sha1.Sum(chain[0].Raw), sha256.Sum256(chain[0].Raw)
	x5c := []string{base64.StdEncoding.EncodeToString(chain[0].Raw), base64.StdEncoding.EncodeToString(chain[1].Raw)}
	const host = "https://login.microsoftonline.com/"
	adfsURL := "https://adfs.example.com/adfs/oauth2/token"
	dstsURL := "https://dsts.example.com/dstsv2/7a433bfc-2514-4697-b467-e0933190487f/oauth2/v2.0/token"
	now := time.Now()
	tests := []certificateCase{
		{name: "PS256, x5t#S256"},
		{name: "standard padded base64", header: map[string]any{"x5t#S256": base64.StdEncoding.EncodeToString(s256[:])}},
		{name: "RS256, padded x5t", header: map[string]any{"alg": "RS256", "x5t#S256": nil, "x5t": base64.URLEncoding.EncodeToString(s1[:])}, pad: true},
		{name: "x5c list", header: map[string]any{"x5c": x5c}},
		{name: "x5c string", header: map[string]any{"x5c": x5c[0]}},
		{name: "without nbf", claims: map[string]any{"nbf": nil}},
		{name: "dates as strings", claims: map[string]any{"nbf": fmt.Sprint(now.Unix()), "exp": fmt.Sprint(now.Unix() + 600)}},
		{name: "list of audiences", claims: map[string]any{"aud": []string{"x", tokenURL}}},
		{name: "audience by domain", claims: map[string]any{"aud": host + entratest.DefaultTenantDomain + "/oauth2/v2.0/token"}},
		{name: "upper-case client id", claims: map[string]any{"iss": strings.ToUpper(entratest.DefaultClientID)}},
		{name: "within the tolerance", claims: map[string]any{"exp": now.Add(-4 * time.Minute).Unix()}},
		{name: "ADFS", url: adfsURL, header: map[string]any{"alg": "RS256", "x5t#S256": nil, "x5t": base64.RawURLEncoding.EncodeToString(s1[:])}, claims: map[string]any{"aud": adfsURL}},
		{name: "dSTS", url: dstsURL, header: map[string]any{"alg": "RS256"}, claims: map[string]any{"aud": dstsURL}},

		{name: "ADFS with PS256", url: adfsURL, claims: map[string]any{"aud": adfsURL}, status: 400, oauth: "invalid_request", code: 5002730, reason: "this authority takes RS256"},
		{name: "dSTS with PS256", url: dstsURL, claims: map[string]any{"aud": dstsURL}, status: 400, oauth: "invalid_request", code: 5002730, reason: "PS256"},
		{name: "no signature algorithm", header: map[string]any{"alg": "none"}, status: 400, oauth: "invalid_request", code: 5002730, reason: "none"},
		{name: "no thumbprint", header: map[string]any{"x5t#S256": nil}, status: 400, oauth: "invalid_request", code: 5002723, reason: "neither x5t#S256 nor x5t"},
		{name: "unknown thumbprint", header: map[string]any{"x5t#S256": "q80"}, status: 401, oauth: "invalid_client", code: 700027, reason: "the thumbprint ABCD is that of none of 1"},
		{name: "broken signature", broken: true, status: 401, oauth: "invalid_client", code: 700027, reason: "does not fit"},
		{name: "other algorithm than named", header: map[string]any{"alg": "RS256"}, broken: true, status: 401, oauth: "invalid_client", code: 700027, reason: "RS256 signature does not fit"},
		{name: "unreadable x5c", header: map[string]any{"x5c": []string{"!"}}, status: 400, oauth: "invalid_request", code: 50027, reason: "entry 0 is not standard base64"},
		{name: "x5c of another type", header: map[string]any{"x5c": 1}, status: 400, oauth: "invalid_request", code: 50027, reason: "neither a list nor a string"},
		{name: "another issuer", claims: map[string]any{"iss": unknownGUID}, status: 401, oauth: "invalid_client", code: 700021, reason: "iss is \"" + unknownGUID},
		{name: "another subject", claims: map[string]any{"sub": unknownGUID}, status: 401, oauth: "invalid_client", code: 700021, reason: "sub is"},
		{name: "audience of another host", claims: map[string]any{"aud": "https://login.microsoftonline.us/" + entratest.DefaultTenantID + "/oauth2/v2.0/token"}, status: 401, oauth: "invalid_client", code: 700023, reason: "the endpoint called is " + tokenURL},
		{name: "audience of another tenant", claims: map[string]any{"aud": host + otherTenant + "/oauth2/v2.0/token"}, status: 401, oauth: "invalid_client", code: 700023, reason: otherTenant},
		{name: "audience of another version", claims: map[string]any{"aud": host + entratest.DefaultTenantID + "/oauth2/token"}, status: 401, oauth: "invalid_client", code: 700023, reason: "aud"},
		{name: "no audience", claims: map[string]any{"aud": nil}, status: 401, oauth: "invalid_client", code: 700023, reason: "aud"},
		{name: "no jti", claims: map[string]any{"jti": nil}, status: 400, oauth: "invalid_request", code: 50027, reason: "no jti"},
		{name: "no exp", claims: map[string]any{"exp": nil}, status: 400, oauth: "invalid_request", code: 50027, reason: "no exp"},
		{name: "exp is no number", claims: map[string]any{"exp": "soon"}, status: 400, oauth: "invalid_request", code: 50027, reason: "exp claim is not a number"},
		{name: "expired", claims: map[string]any{"exp": now.Add(-6 * time.Minute).Unix()}, status: 401, oauth: "invalid_client", code: 700024, reason: "Current time: "},
		{name: "not yet valid", claims: map[string]any{"nbf": now.Add(6 * time.Minute).Unix()}, status: 401, oauth: "invalid_client", code: 700024, reason: "assertion valid from " + now.Add(6*time.Minute).UTC().Format(time.RFC3339)},
	}
	for _, tt := range tests {
		header := map[string]any{"typ": "JWT", "alg": "PS256", "x5t#S256": base64.RawURLEncoding.EncodeToString(s256[:])}
		claims := map[string]any{
			"aud": tokenURL, "iss": entratest.DefaultClientID, "sub": entratest.DefaultClientID,
			"jti": rand.Text(), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		}
		for name, v := range tt.header {
			header[name] = v
		}
		for name, v := range tt.claims {
			claims[name] = v
		}
		encoding := base64.RawURLEncoding
		if tt.pad {
			encoding = base64.URLEncoding
		}
		assertion := encodeJWT(t, encoding, key, header, claims)
		if tt.broken {
			assertion = assertion[:len(assertion)-8] + "AAAAAAAA"
		}
		target := tt.url
		if target == "" {
			target = tokenURL
		}
		t.Run(tt.name, func(t *testing.T) {
			got := post(t, e.Transport(), target, assertionForm(assertion))
			entry, _ := e.LastRequest(entratest.EndpointToken)
			if entry.AssertionHeader["alg"] != header["alg"] || fmt.Sprint(entry.AssertionClaims["sub"]) != claims["sub"] {
				t.Errorf("the journal has header %v, claims %v", entry.AssertionHeader, entry.AssertionClaims)
			}
			if tt.status != 0 {
				wantRefused(t, e, got, tt.status, tt.oauth, tt.code, tt.reason)
				return
			}
			if got.status != 200 {
				t.Fatalf("got %d %v, reason %q", got.status, got.body, entry.Reason)
			}
			if acr := claimsOf(t, got.text("access_token"))["azpacr"]; acr != "2" {
				t.Errorf("azpacr is %v, want 2", acr)
			}
		})
	}
}

// issue makes a certificate; a nil parent makes a self-signed CA.
func issue(t *testing.T, name string, key *rsa.PrivateKey, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, end time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour * 24),
		NotAfter:     end,
	}
	var caKey *ecdsa.PrivateKey
	var public crypto.PublicKey
	if parent == nil {
		var err error
		if caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, parentKey, public = template, caKey, caKey.Public()
	} else {
		public = key.Public()
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, caKey
}

func toPEM(certs ...*x509.Certificate) string {
	var b strings.Builder
	for _, c := range certs {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return b.String()
}

// TestSubjectNameIssuer renews a certificate without registering the new one.
func TestSubjectNameIssuer(t *testing.T) {
	t.Parallel()
	key := signingKey()
	year := time.Now().AddDate(1, 0, 0)
	ca, caKey := issue(t, "ca", nil, nil, nil, year)
	otherCA, otherKey := issue(t, "ca", nil, nil, nil, year)
	registered, _ := issue(t, "app", key, ca, caKey, year)
	renewed, _ := issue(t, "app", key, ca, caKey, year)
	otherSubject, _ := issue(t, "another", key, ca, caKey, year)
	forged, _ := issue(t, "app", key, otherCA, otherKey, year)
	expired, _ := issue(t, "app", key, ca, caKey, time.Now().Add(-time.Hour))

	const client = "70000000-aaaa-4aaa-8aaa-000000000001"
	for _, tt := range []struct {
		name   string
		allow  bool
		cert   *x509.Certificate
		chain  []*x509.Certificate
		reason string // empty: accepted
	}{
		{"registered", true, registered, nil, ""},
		{"renewed", true, renewed, []*x509.Certificate{renewed, ca}, ""},
		{"renewed, leaf only", true, renewed, []*x509.Certificate{renewed}, ""},
		{"renewed, no chain sent", true, renewed, nil, "none of 1 certificates"},
		{"not allowed", false, renewed, []*x509.Certificate{renewed, ca}, "none of 1 certificates"},
		{"another subject", true, otherSubject, []*x509.Certificate{otherSubject, ca}, "is not registered"},
		{"issuer of the same name", true, forged, []*x509.Certificate{forged, otherCA}, "unknown authority"},
		{"expired", true, expired, []*x509.Certificate{expired, ca}, "expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEmulator(t, &entratest.Config{Tenants: []entratest.Tenant{{
				ID: entratest.DefaultTenantID,
				Applications: []entratest.Application{{
					ClientID: client, Certificates: []string{toPEM(registered, ca)}, AllowSubjectNameIssuer: tt.allow,
				}},
			}}})
			sum := sha256.Sum256(tt.cert.Raw)
			header := map[string]any{"alg": "PS256", "x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
			var x5c []string
			for _, c := range tt.chain {
				x5c = append(x5c, base64.StdEncoding.EncodeToString(c.Raw))
			}
			if x5c != nil {
				header["x5c"] = x5c
			}
			assertion := signJWT(t, key, header, map[string]any{
				"aud": tokenURL, "iss": client, "sub": client, "jti": "1", "exp": time.Now().Add(time.Minute).Unix(),
			})
			got := post(t, e.Transport(), tokenURL, assertionForm(assertion, "client_id", client))
			if tt.reason != "" {
				wantRefused(t, e, got, 401, "invalid_client", 700027, tt.reason)
			} else if got.status != 200 {
				t.Errorf("got %d %v", got.status, got.body)
			}
		})
	}
}

func TestExpiredCertificate(t *testing.T) {
	t.Parallel()
	ca, caKey := issue(t, "ca", nil, nil, nil, time.Now().AddDate(1, 0, 0))
	cert, _ := issue(t, "app", signingKey(), ca, caKey, time.Now().Add(-time.Hour))
	tenant := entratest.DefaultTenant()
	tenant.Applications[0].Certificates = []string{toPEM(cert)}
	e := newEmulator(t, &entratest.Config{Tenants: []entratest.Tenant{tenant}})
	sum := sha256.Sum256(cert.Raw)
	assertion := signJWT(t, signingKey(), map[string]any{"alg": "PS256", "x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}, map[string]any{})
	wantRefused(t, e, post(t, e.Transport(), tokenURL, assertionForm(assertion)), 401, "invalid_client", 700027, "expired at")
}

func TestDefaultCertificatePEM(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	chain, key := e.DefaultCertificate()
	text := e.DefaultCertificatePEM()
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		t.Fatal(err)
	}
	if len(pair.Certificate) != 2 || string(pair.Certificate[0]) != string(chain[0].Raw) {
		t.Errorf("the PEM has %d certificates, want the leaf and its CA", len(pair.Certificate))
	}
	if !key.Equal(pair.PrivateKey) {
		t.Error("the PEM has another key")
	}
}
