package assertion_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/internal/assertion"
	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"
)

// Another implementation writes what the tools of the corpus cannot, PBMAC1 above
// all, which takes OpenSSL 3.4.
func TestPain45OtherWriters(t *testing.T) {
	t.Parallel()
	certs, key := parse(t, "pfx-openssl3.pfx", "password")
	for name, encoder := range map[string]*pkcs12.Encoder{
		"RC2":    pkcs12.LegacyRC2,
		"3DES":   pkcs12.LegacyDES,
		"2023":   pkcs12.Modern2023,
		"PBMAC1": pkcs12.Modern2026,
	} {
		for _, password := range []string{"", "password", "pässwörd-日本"} {
			data, err := encoder.Encode(key, certs[0], certs[1:], password)
			if err != nil {
				t.Fatal(err)
			}
			got, gotKey, err := assertion.ParseCertificates(data, []byte(password))
			if err != nil || !key.Equal(gotKey) || outcome(got, nil) != outcome(certs, nil) {
				t.Errorf("%s, password %q: got %s", name, password, outcome(got, err))
			}
			if password != "" {
				if _, _, err := assertion.ParseCertificates(data, []byte("wrong")); !errors.Is(err, assertion.ErrWrongPassword) {
					t.Errorf("%s: with a wrong password got %v", name, err)
				}
			}
		}
	}
	opts := &pkcs8.Opts{Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.ScryptOpts{SaltSize: 8, CostParameter: 1024, BlockSize: 8, ParallelizationParameter: 2}}
	der, err := pkcs8.MarshalPrivateKey(key, []byte("password"), opts)
	if err != nil {
		t.Fatal(err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})
	data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certs[0].Raw})...)
	if _, got, err := assertion.ParseCertificates(data, []byte("password")); err != nil || !key.Equal(got) {
		t.Errorf("scrypt: %v", err)
	}
}

// TestPain45BER rewrites files as Bouncy Castle and NSS write them: no lengths in
// advance, octet strings in pieces.
func TestPain45BER(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"pfx-openssl3.pfx", "pfx-openssl-legacy.pfx", "pfx-keytool.pfx", "pfx-openssl-plain-nomac.pfx"} {
		certs, _, err := assertion.ParseCertificates(indefinite(t, read(t, file)), []byte("password"))
		if err != nil || len(certs) != 3 {
			t.Errorf("%s in BER: %s", file, outcome(certs, err))
		}
	}
}

func indefinite(t *testing.T, der []byte) []byte {
	var out []byte
	for rest := der; len(rest) > 0; {
		var element asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &element); err != nil {
			t.Fatal(err)
		}
		switch first := element.FullBytes[0]; {
		case element.IsCompound:
			out = append(append(out, first, 0x80), indefinite(t, element.Bytes)...)
			out = append(out, 0, 0)
		case element.Tag == asn1.TagOctetString && element.Class == asn1.ClassUniversal, element.Class == asn1.ClassContextSpecific && len(element.Bytes) > 64:
			out = append(out, first|0x20, 0x80)
			for piece := range slices.Chunk(element.Bytes, 100) {
				out = append(append(out, 4, byte(len(piece))), piece...)
			}
			out = append(out, 0, 0)
		default:
			out = append(out, element.FullBytes...)
		}
	}
	return out
}

// A file names the work it wants done, also in a layer that shows only after the
// first is decrypted.
func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	certs, key := parse(t, "pfx-openssl3.pfx", "password")
	iterated := func(n int) []byte {
		data, err := pkcs12.LegacyRC2.WithIterations(n).Encode(key, certs[0], nil, "password")
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	// 2,700,000 for the MAC and the certificates; the key asks for as much again, more
	// than is left.
	hidden := iterated(900_000)
	scrypt := func(n, r, p int) []byte {
		var params struct {
			Algorithm struct {
				OID    asn1.ObjectIdentifier
				Params struct {
					KDF struct {
						OID    asn1.ObjectIdentifier
						Params struct {
							Salt    []byte
							N, R, P int
						}
					}
					Cipher struct {
						OID asn1.ObjectIdentifier
						IV  []byte
					}
				}
			}
			Data []byte
		}
		params.Algorithm.OID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
		kdf := &params.Algorithm.Params.KDF
		kdf.OID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
		kdf.Params.Salt, kdf.Params.N, kdf.Params.R, kdf.Params.P = make([]byte, 8), n, r, p
		params.Algorithm.Params.Cipher.OID = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
		params.Algorithm.Params.Cipher.IV = make([]byte, 16)
		params.Data = make([]byte, 64)
		der, err := asn1.Marshal(params)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"iterations", read(t, "bad-iterations.pfx"), "takes more than 5000000 iterations"},
		{"many layers", hidden, "takes more than 5000000 iterations"},
		{"scrypt memory", scrypt(1<<22, 8, 1), "scrypt parameters that are refused (N=4194304, r=8, p=1)"},
		{"scrypt time", scrypt(1<<14, 8, 1<<20), "takes more than 5000000 iterations"},
		{"scrypt overflow", scrypt(math.MaxInt, math.MaxInt, math.MaxInt), "scrypt parameters that are refused"},
		{"scrypt zero", scrypt(0, 0, 0), "scrypt parameters that are refused"},
		{"scrypt negative", scrypt(-1, -1, -1), "scrypt parameters that are refused"},
		{"scrypt not a power of two", scrypt(1000, 8, 1), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			_, _, err := assertion.ParseCertificates(tt.data, []byte("password"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestEveryByteDamaged changes each byte of a file in turn: the result is an
// error of one line that repeats no secret, or what the file held before.
func TestEveryByteDamaged(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"pfx-openssl-legacy.pfx", "pfx-openssl-plain-nomac.pfx", "pfx-openssl3-leaf.pfx", "pem-rsa-pkcs8-aes256.pem", "pem-rsa-traditional.pem"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			data := read(t, file)
			for i := 0; i < len(data); i += 11 {
				damaged := bytes.Clone(data)
				damaged[i] ^= 0x04
				if _, _, err := assertion.ParseCertificates(damaged, []byte("password")); err != nil {
					noSecret(t, fmt.Sprintf("%s, byte %d", file, i), err, data, []byte("password"))
				}
			}
		})
	}
}
