package assertion_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/internal/assertion"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPain45PKCS12Corpus(t *testing.T) {
	t.Parallel()
	golden(t, "pkcs12.golden", "*.pfx", "*.b64", "*.jks", "*.p7b", "*.der", "pfx-*.pem")
}

func TestPain46KeyMatrix(t *testing.T) {
	t.Parallel()
	golden(t, "pem.golden", "pem-*.pem", "bad-*.pem")
}

// golden opens every file with every password and compares what comes of it.
func golden(t *testing.T, name string, patterns ...string) {
	t.Helper()
	passwords := []struct{ name, value string }{
		{"none", ""},
		{"right", "password"},
		{"wrong", "Password"},
		{"unicode", "pässwörd-日本"},
	}
	var got strings.Builder
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no file matches %s (%v)", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, pw := range passwords {
				if pw.name == "unicode" && !strings.Contains(file, "unicode") {
					continue
				}
				certs, key, err := assertion.ParseCertificates(data, []byte(pw.value))
				fmt.Fprintf(&got, "%-34s %-8s %s\n", filepath.Base(file), pw.name, outcome(certs, err))
				if err != nil {
					noSecret(t, file, err, data, []byte(pw.value))
					continue
				}
				if !key.(*rsa.PrivateKey).PublicKey.Equal(certs[0].PublicKey) {
					t.Errorf("%s: the first certificate does not belong to the key", file)
				}
				if _, err := assertion.NewSigner(certs, key); err != nil {
					t.Errorf("%s: NewSigner: %v", file, err)
				}
			}
		}
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("%s line %d:\n got %s\nwant %s", name, i+1, g, w)
		}
	}
}

func outcome(certs []*x509.Certificate, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	var names []string
	for _, cert := range certs {
		names = append(names, cert.Subject.CommonName)
	}
	return "ok: " + strings.Join(names, ", ")
}

// noSecret fails if an error is more than a line, or repeats the password or 16
// bytes in a row of the file.
func noSecret(t *testing.T, name string, err error, data, password []byte) {
	t.Helper()
	text := err.Error()
	if strings.ContainsAny(text, "\r\n") {
		t.Errorf("%s: the error has several lines: %q", name, text)
	}
	if len(password) > 8 && strings.Contains(text, string(password)) {
		t.Errorf("%s: the error repeats the password: %s", name, text)
	}
	for i := 0; i+16 <= len(text); i++ {
		if j := bytes.Index(data, []byte(text[i:i+16])); j >= 0 {
			t.Errorf("%s: the error repeats %q of the file", name, text[i:i+16])
			return
		}
	}
}

func TestParseCertificatesRefuses(t *testing.T) {
	t.Parallel()
	key := read(t, "bad-no-cert.pem")
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "the certificate file is empty"},
		{"white space", []byte(" \r\n"), "the certificate file is empty"},
		{"too much", make([]byte, 1<<20+1), "the certificate file has 1048577 bytes, more than the 1048576 that are read"},
		{"text", []byte("hello"), "found neither PEM nor PKCS#12"},
		{"binary", bytes.Repeat([]byte{0x30, 0x80}, 1000), "found neither PEM nor PKCS#12"},
		{"other PEM", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL"}), "found neither a certificate nor a private key"},
		{"broken certificate", append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), key...), "certificate 1 of 1 cannot be read: "},
		{"broken key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), "the private key cannot be read: it is damaged, or of a kind other than RSA"},
		{"huge key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: make([]byte, 20000)}), "the private key has 20000 bytes, more than the 10240 that are read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := assertion.ParseCertificates(tt.data, nil)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestPasswordErrorsAreTyped(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"pfx-openssl3.pfx", "pfx-openssl-nomac.pfx", "pfx-keytool.pfx", "pem-rsa-pkcs8-aes256.pem", "pem-rsa-dek-aes256.pem"} {
		for password, want := range map[string]error{"": assertion.ErrPasswordNeeded, "Password": assertion.ErrWrongPassword} {
			if _, _, err := assertion.ParseCertificates(read(t, file), []byte(password)); !errors.Is(err, want) {
				t.Errorf("%s with %q: got %v, want %v", file, password, err, want)
			}
		}
	}
}

// Without a MAC, a wrong password shows only in the padding and in what follows;
// one in 256 has good padding.
func TestWrongPasswordIsNeverDamage(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"pfx-openssl-nomac.pfx", "pem-rsa-pkcs8-aes128-sha1.pem", "pem-rsa-dek-aes256.pem", "pem-rsa-dek-des3.pem"} {
		data := read(t, file)
		for i := range 300 {
			if _, _, err := assertion.ParseCertificates(data, fmt.Appendf(nil, "wrong %d", i)); !errors.Is(err, assertion.ErrWrongPassword) {
				t.Fatalf("%s, password %d: got %v, want %v", file, i, err, assertion.ErrWrongPassword)
			}
		}
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t testing.TB, file, password string) ([]*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	certs, key, err := assertion.ParseCertificates(read(t, file), []byte(password))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return certs, key.(*rsa.PrivateKey)
}
