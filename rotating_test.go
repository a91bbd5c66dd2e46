package azidentity_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// A proof is a secret or a certificate with its key.
type proof struct {
	secret string
	cert   *x509.Certificate
	key    *rsa.PrivateKey
}

// twoKeys are made once: that takes longer than any test here.
var twoKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = k
	}
	return keys
})

// proofNumber returns the i-th of an endless series of proofs. Neighbours have
// different keys. All secrets have one length, as Entra's.
func proofNumber(t testing.TB, i int) proof {
	t.Helper()
	key := twoKeys()[i%2]
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(i) + 100), Subject: pkix.Name{CommonName: "rotating"},
		NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return proof{fmt.Sprintf("canary~%04d~5d1f7a0c", i), cert, key}
}

func (p proof) keyPEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (p proof) pem() []byte { return append(p.keyPEM(), pemOf(p.cert)...) }

// accept makes proofs the only ones that e accepts of the default application.
func accept(t testing.TB, e *entratest.Emulator, proofs ...proof) {
	t.Helper()
	cfg := &entratest.Config{Tenants: []entratest.Tenant{entratest.DefaultTenant()}}
	app := &cfg.Tenants[0].Applications[0]
	app.Secrets, app.Certificates = nil, nil
	for _, p := range proofs {
		app.Secrets = append(app.Secrets, entratest.Secret{Value: p.secret})
		app.Certificates = append(app.Certificates, pemOf(p.cert))
	}
	if err := e.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
}

func appCred(t testing.TB, auth azidentity.ClientAuthentication, o azcore.ClientOptions) *azidentity.ApplicationCredential {
	t.Helper()
	c, err := azidentity.NewApplicationCredential(tenantID, clientID, auth, &azidentity.ApplicationCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var scopeNumber atomic.Int64

// fresh requests a token that nobody has in memory.
func fresh(t testing.TB, c azcore.TokenCredential) error {
	_, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{fmt.Sprintf("https://fresh%d.example/.default", scopeNumber.Add(1))}})
	return err
}

var mounts atomic.Int64

// mount replaces files as Kubernetes does: they are links into ..data, which is a
// link to a directory, which is replaced.
func mount(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, fmt.Sprintf("..v%d", mounts.Add(1)))
	must(os.Mkdir(data, 0o700))
	for name, content := range files {
		must(os.WriteFile(filepath.Join(data, name), content, 0o600))
	}
	old, _ := os.Readlink(filepath.Join(dir, "..data"))
	must(os.Symlink(filepath.Base(data), filepath.Join(dir, "..data_tmp")))
	must(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	for name := range files {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			must(os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
	}
	if old != "" {
		must(os.RemoveAll(filepath.Join(dir, old)))
	}
}

// A rotation is a way to authenticate, and to change what that proves by.
type rotation struct {
	auth azidentity.ClientAuthentication
	set  func(proof)
}

// rotations are all ways to rotate, each set to the first proof.
func rotations(t *testing.T, first proof) map[string]rotation {
	t.Helper()
	dir := t.TempDir()
	secretFile, certFile := filepath.Join(dir, "secret"), filepath.Join(dir, "cert.pem")
	pod, vault := filepath.Join(dir, "tls"), filepath.Join(dir, "vault")
	for _, d := range []string{pod, vault} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var secretNow, certNow atomic.Pointer[proof]
	all := map[string]rotation{
		"secret file": {azidentity.AuthenticationBySecretFile(secretFile), func(p proof) { writeFile(t, secretFile, []byte(p.secret+"\n")) }},
		"secret source": {azidentity.AuthenticationBySecretSource(func(context.Context) (string, error) { return secretNow.Load().secret, nil }),
			func(p proof) { secretNow.Store(&p) }},
		"secret in a pod": {azidentity.AuthenticationBySecretFile(filepath.Join(vault, "secret")),
			func(p proof) { mount(t, vault, map[string][]byte{"secret": []byte(p.secret)}) }},
		"certificate file": {azidentity.AuthenticationByCertificateFile(certFile, nil), func(p proof) { writeFile(t, certFile, p.pem()) }},
		"certificate in a pod": {azidentity.AuthenticationByCertificateFile(pod, &azidentity.CertificateFileOptions{SendCertificateChain: true}),
			func(p proof) {
				mount(t, pod, map[string][]byte{"tls.crt": []byte(pemOf(p.cert)), "tls.key": p.keyPEM(), "ca.crt": []byte("none")})
			}},
		"certificate source": {azidentity.AuthenticationByCertificateSource(func(context.Context) ([]*x509.Certificate, crypto.PrivateKey, error) {
			p := certNow.Load()
			return []*x509.Certificate{p.cert}, p.key, nil
		}, nil), func(p proof) { certNow.Store(&p) }},
	}
	for _, r := range all {
		r.set(first)
	}
	return all
}

// gate holds requests back until it is opened.
type gate struct {
	next    policy.Transporter
	arrived chan struct{}
	open    chan struct{}
}

func (g *gate) Do(req *http.Request) (*http.Response, error) {
	select {
	case <-g.open:
	case g.arrived <- struct{}{}:
		<-g.open
	}
	return g.next.Do(req)
}

// Pain 44: secrets and certificates rotate under load, each revoked as soon as the
// next is in place, and no call fails. Tokens from before stay in memory.
func TestPain44RotationUnderLoad(t *testing.T) {
	t.Parallel()
	const workers, calls, turns = 8, 5, 8
	proofs := make([]proof, turns+2)
	for i := range proofs {
		proofs[i] = proofNumber(t, i)
	}
	for name, r := range rotations(t, proofs[0]) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, o := emulate(t, nil)
			g := &gate{o.Transport, make(chan struct{}), make(chan struct{})}
			o.Transport = g
			accept(t, e, proofs[0])
			// Two credentials, of one value.
			creds := []azcore.TokenCredential{appCred(t, r.auth, o), appCred(t, r.auth, o)}
			rotate := func(i int) {
				accept(t, e, proofs[i], proofs[i+1])
				r.set(proofs[i+1])
				accept(t, e, proofs[i+1])
			}
			var wg sync.WaitGroup
			load := func(calls int) {
				for i := range workers {
					wg.Go(func() {
						for range calls {
							if err := fresh(t, creds[i%2]); err != nil {
								t.Error(err)
							}
						}
					})
				}
			}

			// All are under way with the first when it is revoked: each is refused, and
			// only one of them finds that there is another.
			load(1)
			for range workers {
				<-g.arrived
			}
			rotate(0)
			close(g.open)
			wg.Wait()
			if n := e.CountRequests(entratest.EndpointToken); n != 2*workers {
				t.Errorf("%d requests, want each of %d refused once and repeated once", n, workers)
			}

			before := token(t, creds[0])
			for i := range turns {
				load(calls)
				rotate(i + 1)
				wg.Wait()
			}
			n := e.CountRequests(entratest.EndpointToken)
			if after := token(t, creds[0]); after != before || e.CountRequests(entratest.EndpointToken) != n {
				t.Error("the token from before is gone")
			}
		})
	}
}

// Pain 44: a change that the file's size and time give away costs no request, one
// that nothing gives away costs one refusal; then everything goes on as before.
func TestPain44WhatARotationCosts(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	first, second, third := proofNumber(t, 1), proofNumber(t, 2), proofNumber(t, 3)
	path := filepath.Join(t.TempDir(), "secret")
	writeFile(t, path, []byte(first.secret))
	accept(t, e, first)
	c := appCred(t, azidentity.AuthenticationBySecretFile(path), o)
	cost := func(want int, when string) {
		t.Helper()
		e.ResetJournal()
		if err := fresh(t, c); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if n := e.CountRequests(entratest.EndpointToken); n != want {
			t.Errorf("%s: %d requests, want %d", when, n, want)
		}
	}
	cost(1, "at first")
	writeFile(t, path, []byte(second.secret+"\r\n"))
	accept(t, e, second)
	cost(1, "after a change of size")

	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(third.secret+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	cost(1, "while the old secret works")
	accept(t, e, third)
	cost(2, "after a change without a trace")
	cost(1, "at last")

	writeFile(t, path, []byte("\xEF\xBB\xBF"+third.secret+"\n\n"))
	cost(1, "saved by an editor")
	writeFile(t, path, []byte(third.secret))
	accept(t, e, first)
	e.ResetJournal()
	if err := fresh(t, c); err == nil || e.CountRequests(entratest.EndpointToken) != 1 {
		t.Errorf("the same secret with other white space around it was sent again: %v", err)
	}
}

// Pain 44: when the place holds nothing else, a refusal costs one request, and the
// error says where the proof came from.
func TestPain44RefusedAndUnchanged(t *testing.T) {
	t.Parallel()
	for name, r := range rotations(t, proofNumber(t, 1)) {
		e, o := emulate(t, nil)
		accept(t, e, proofNumber(t, 2))
		c := appCred(t, r.auth, o)
		err := fresh(t, c)
		var failed *azidentity.AuthenticationFailedError
		if !errors.As(err, &failed) || failed.Code != "invalid_client" {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if n := e.CountRequests(entratest.EndpointToken); n != 1 {
			t.Errorf("%s: %d requests, want 1", name, n)
		}
		if !strings.Contains(err.Error(), "which holds no other now") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Pain 56: nothing that was refused is remembered: corrected input works at once.
func TestPain56CorrectedSecretWorksAtOnce(t *testing.T) {
	t.Parallel()
	for name, r := range rotations(t, proofNumber(t, 1)) {
		e, o := emulate(t, nil)
		good := proofNumber(t, 2)
		accept(t, e, good)
		c := appCred(t, r.auth, o)
		if _, err := c.GetToken(t.Context(), armToken); err == nil {
			t.Fatalf("%s: the wrong proof works", name)
		}
		r.set(good)
		token(t, c)
	}
}

// Pain 44: a clock that is off is learnt once, not with each certificate.
func TestPain44RotationWithTheClockOff(t *testing.T) {
	t.Parallel()
	const off = time.Hour
	first, second := proofNumber(t, 1), proofNumber(t, 2)
	e, o := emulate(t, &entratest.Config{Clock: func() time.Time { return time.Now().Add(off) }})
	reconfigure := func(p proof) {
		cfg := &entratest.Config{Tenants: []entratest.Tenant{entratest.DefaultTenant()}, Clock: func() time.Time { return time.Now().Add(off) }}
		cfg.Tenants[0].Applications[0].Certificates = []string{pemOf(p.cert)}
		if err := e.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
	}
	reconfigure(first)
	var now atomic.Pointer[proof]
	now.Store(&first)
	c := appCred(t, azidentity.AuthenticationByCertificateSource(func(context.Context) ([]*x509.Certificate, crypto.PrivateKey, error) {
		p := now.Load()
		return []*x509.Certificate{p.cert}, p.key, nil
	}, nil), o)
	for _, p := range []*proof{&first, &second} {
		now.Store(p)
		reconfigure(*p)
		e.ResetJournal()
		if err := fresh(t, c); err != nil {
			t.Error(err)
		}
		if n := e.CountRequests(entratest.EndpointToken); n != 2 {
			t.Errorf("%d requests, want one refused and one", n)
		}
	}
}

// Credentials that name one file share tokens, whatever it holds; those that name
// different ones do not, nor do those with functions.
func TestPain44WhoSharesTokens(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	p := proofNumber(t, 1)
	accept(t, e, p)
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, content)
		return path
	}
	one, other := file("one", p.line()), file("other", p.line())
	cert := file("cert", p.pem())
	withPassword := func(password string) azidentity.ClientAuthentication {
		return azidentity.AuthenticationByCertificateFile(cert, &azidentity.CertificateFileOptions{Password: []byte(password)})
	}
	source := azidentity.AuthenticationBySecretSource(func(context.Context) (string, error) { return p.secret, nil })
	for _, test := range []struct {
		name string
		a, b azidentity.ClientAuthentication
		want bool
	}{
		{"one file", azidentity.AuthenticationBySecretFile(one), azidentity.AuthenticationBySecretFile(one), true},
		{"one file, by two paths", azidentity.AuthenticationBySecretFile(one), azidentity.AuthenticationBySecretFile(filepath.Join(dir, "..", filepath.Base(dir), "one")), true},
		{"two files", azidentity.AuthenticationBySecretFile(one), azidentity.AuthenticationBySecretFile(other), false},
		{"file and value", azidentity.AuthenticationBySecretFile(one), azidentity.AuthenticationBySecret(p.secret), false},
		{"one certificate file", certificateFrom(cert), certificateFrom(cert), true},
		{"two passwords", withPassword("a"), withPassword("b"), false},
		{"function", source, source, false},
	} {
		if a, b := token(t, appCred(t, test.a, o)), token(t, appCred(t, test.b, o)); (a == b) != test.want {
			t.Errorf("%s: tokens are shared: %v, want %v", test.name, a == b, test.want)
		}
	}
}

// Pain 4, for proofs that rotate: whatever the server repeats, none is in an error,
// a log entry or a formatted value.
func TestPain4RotatingProofsStayHidden(t *testing.T) {
	seen := logged(t)
	first, second := proofNumber(t, 1), proofNumber(t, 2)
	e, _ := emulate(t, nil)
	user := userToken(t, e, entratest.DefaultUsername)
	o := azcore.ClientOptions{Transport: &repeating{401, "application/json", `{"error":"invalid_client","error_description":"AADSTS7000215: %s"}`}}
	o.Retry.MaxRetries = -1
	for name, r := range rotations(t, first) {
		obo, err := azidentity.NewOnBehalfOfCredentialWithAuthentication(tenantID, clientID, user, r.auth, &azidentity.OnBehalfOfCredentialOptions{ClientOptions: o})
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range []azcore.TokenCredential{appCred(t, r.auth, o), obo} {
			if i == 1 {
				r.set(second)
			}
			err := fresh(t, c)
			var failed *azidentity.AuthenticationFailedError
			if !errors.As(err, &failed) {
				t.Fatalf("%s: got %v", name, err)
			}
			for _, v := range []any{err, c, r.auth, failed.RawResponse, errors.Unwrap(err)} {
				fmt.Fprintf(seen, "%v\n%+v\n%#v\n", v, v, v)
				b, _ := json.Marshal(v)
				seen.Write(b)
				slog.Error("formatted", "value", v)
			}
		}
	}
	for _, hidden := range []string{"5d1f7a0c", "eyJhbGciOiJQUzI1Ni", user[len(user)-40:]} {
		if at := strings.Index(seen.String(), hidden); at >= 0 {
			t.Errorf("%q is seen in\n%s", hidden, seen.String()[max(0, at-300):at+100])
		}
	}
	if seen.Len() < 1000 {
		t.Error("hardly anything was looked at")
	}
}
