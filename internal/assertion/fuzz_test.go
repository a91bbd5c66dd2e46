package assertion_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/internal/assertion"
)

func FuzzParseCertificates(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if strings.Contains(file, "nss") {
			continue // 600,000 iterations a layer: right for NSS, slow for fuzzing
		}
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, []byte("password"))
		f.Add(data, []byte(nil))
	}
	f.Fuzz(func(t *testing.T, data, password []byte) {
		start := time.Now()
		certs, key, err := assertion.ParseCertificates(data, password)
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
		if err != nil {
			if certs != nil || key != nil {
				t.Error("an error, and a result with it")
			}
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("the error has several lines: %q", err)
			}
			if len(password) > 20 && strings.Contains(err.Error(), string(password)) {
				t.Error("the error repeats the password")
			}
			return
		}
		signer, err := assertion.NewSigner(certs, key)
		if err != nil {
			t.Fatalf("parsed, and cannot sign: %v", err)
		}
		if _, err := signer.Sign(t.Context(), assertion.Claims{}); err != nil {
			t.Errorf("parsed, and cannot sign: %v", err)
		}
	})
}

func FuzzDescribe(f *testing.F) {
	f.Add(token(`{"iss":"i","sub":"s","aud":["a","b"],"exp":1700000000,"nbf":"1"}`))
	f.Add(token(`{"iss":1,"sub":[],"aud":{},"exp":1e300}`) + "==")
	f.Add("a.b.c.d.e")
	f.Add("..")
	f.Fuzz(func(t *testing.T, jwt string) {
		d, err := assertion.Describe(jwt)
		if err != nil {
			for i := 0; i+16 <= len(jwt); i++ {
				if strings.Contains(err.Error(), jwt[i:i+16]) && !strings.Contains("the assertion is not a JSON web token: it has its second part not base64 a JSON object empty encrypted (JWE) a signed token (JWS) is needed parts separated by dots", jwt[i:i+16]) {
					t.Errorf("the error repeats %q", jwt[i:i+16])
				}
			}
			return
		}
		if text := d.String(); bytes.ContainsAny([]byte(text), "\r\n\x00\x1b") || len(text) > 8000 {
			t.Errorf("not fit for a terminal: %q", text)
		}
	})
}
