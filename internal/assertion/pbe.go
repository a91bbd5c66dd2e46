package assertion

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/scrypt"
)

// Decryption with a password, as PKCS#5 (RFC 8018) and PKCS#12 (RFC 7292) define
// it. Own code, because a file decides how long it takes: the libraries decrypt
// a bag, find a second one inside, and spend whatever iterations that one names.

// budget is what one file may spend on deriving keys, in iterations. A thousand
// cost from 0.1 ms (SHA-1) to 0.6 ms (SHA-512).
type budget struct{ spent int }

const (
	maxIterations = 5_000_000

	// maxScrypt bounds the memory scrypt takes. OpenSSL asks for 16 MiB.
	maxScrypt = 64 << 20
)

var errTooMuch = fmt.Errorf("deriving the keys of this file takes more than %d iterations: export it again with fewer, 100000 for example", maxIterations)

func (b *budget) spend(iterations, blocks int) error {
	if iterations < 1 {
		return fmt.Errorf("the private key's encryption names %d iterations: the file is damaged", iterations)
	}
	if iterations > maxIterations || b.spent+iterations*blocks > maxIterations {
		return errTooMuch
	}
	b.spent += iterations * blocks
	return nil
}

// passphrase is a password in the two encodings that formats ask for.
type passphrase struct {
	raw string // as given: PKCS#5
	bmp []byte // two bytes a character: PKCS#12
}

// tryForms opens a file with each form of the password until one fits. All of
// them share one budget.
func tryForms[T any](password []byte, open func(passphrase, *budget) (T, error)) (T, error) {
	var none T
	work := new(budget)
	for i, form := range passwordForms(password) {
		result, err := open(form, work)
		if i > 0 && errors.Is(err, errTooMuch) {
			break // the likelier form was wrong: say that
		}
		if !errors.Is(err, ErrWrongPassword) {
			return result, err
		}
	}
	if len(password) == 0 {
		return none, ErrPasswordNeeded
	}
	return none, ErrWrongPassword
}

// passwordForms returns the encodings to try. There is more than one where
// programs disagree: an empty password is two zero bytes to OpenSSL and nothing
// to Windows; beyond ASCII, OpenSSL 1.0 took each byte for a character. The
// empty password is tried last, since one that is not needed does no harm.
func passwordForms(password []byte) []passphrase {
	empty := []passphrase{{bmp: []byte{0, 0}}, {}}
	if len(password) == 0 {
		return empty
	}
	var forms []passphrase
	if ascii := utf8.RuneCount(password) == len(password); !ascii && utf8.Valid(password) {
		var wide []byte
		for _, unit := range utf16.Encode([]rune(string(password))) {
			wide = append(wide, byte(unit>>8), byte(unit))
		}
		forms = append(forms, passphrase{string(password), append(wide, 0, 0)})
	}
	var bytewise []byte
	for _, c := range password {
		bytewise = append(bytewise, 0, c)
	}
	forms = append(forms, passphrase{string(password), append(bytewise, 0, 0)})
	return append(forms, empty...)
}

type hashKind struct {
	new func() hash.Hash
	// length and block are u and v of RFC 7292, appendix B.2, in bytes.
	length, block int
}

var (
	md5Hash  = hashKind{md5.New, md5.Size, md5.BlockSize}
	sha1Hash = hashKind{sha1.New, sha1.Size, sha1.BlockSize}

	digests = map[string]hashKind{
		"1.3.14.3.2.26":          sha1Hash,
		"2.16.840.1.101.3.4.2.4": {sha256.New224, sha256.Size224, sha256.BlockSize},
		"2.16.840.1.101.3.4.2.1": {sha256.New, sha256.Size, sha256.BlockSize},
		"2.16.840.1.101.3.4.2.2": {sha512.New384, sha512.Size384, sha512.BlockSize},
		"2.16.840.1.101.3.4.2.3": {sha512.New, sha512.Size, sha512.BlockSize},
	}
	hmacs = map[string]hashKind{
		"":                    sha1Hash, // the default of PBKDF2
		"1.2.840.113549.2.7":  sha1Hash,
		"1.2.840.113549.2.8":  digests["2.16.840.1.101.3.4.2.4"],
		"1.2.840.113549.2.9":  digests["2.16.840.1.101.3.4.2.1"],
		"1.2.840.113549.2.10": digests["2.16.840.1.101.3.4.2.2"],
		"1.2.840.113549.2.11": digests["2.16.840.1.101.3.4.2.3"],
	}
)

type blockCipher struct {
	keyLength int
	new       func(key []byte) (cipher.Block, error)
}

func rc2Block(key []byte) (cipher.Block, error) { return newRC2(key), nil }

// des2 is triple DES with two keys, the first used again as the third.
func des2(key []byte) (cipher.Block, error) {
	return des.NewTripleDESCipher(append(bytes.Clone(key), key[:8]...))
}

var (
	// PBES2 (RFC 8018, appendix B.2; NIST).
	ciphers = map[string]blockCipher{
		"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
		"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
		"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
		"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	}
	// RFC 7292, appendix C.
	pkcs12Ciphers = map[string]blockCipher{
		"1.2.840.113549.1.12.1.3": {24, des.NewTripleDESCipher},
		"1.2.840.113549.1.12.1.4": {16, des2},
		"1.2.840.113549.1.12.1.5": {16, rc2Block},
		"1.2.840.113549.1.12.1.6": {5, rc2Block},
	}
	// PBES1 (RFC 8018, appendix A.3).
	pkcs5Ciphers = map[string]struct {
		hash hashKind
		new  func(key []byte) (cipher.Block, error)
	}{
		"1.2.840.113549.1.5.3":  {md5Hash, des.NewCipher},
		"1.2.840.113549.1.5.6":  {md5Hash, rc2Block},
		"1.2.840.113549.1.5.10": {sha1Hash, des.NewCipher},
		"1.2.840.113549.1.5.11": {sha1Hash, rc2Block},
	}

	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
)

func unsupported(what string, oid asn1.ObjectIdentifier) error {
	return fmt.Errorf("the private key's encryption uses %s %s, which is not supported: export it again with AES-256 and SHA-256", what, oid)
}

type pbeParams struct {
	Salt       []byte
	Iterations int
}

type pbes2Params struct {
	KDF, Cipher pkix.AlgorithmIdentifier
}

// decrypt returns what data was encrypted from, or [ErrWrongPassword] when its
// padding shows that the password was another one.
func decrypt(algorithm pkix.AlgorithmIdentifier, data []byte, pw passphrase, work *budget) ([]byte, error) {
	oid := algorithm.Algorithm.String()
	var (
		block cipher.Block
		iv    []byte
		err   error
	)
	if algorithm.Algorithm.Equal(oidPBES2) {
		var params pbes2Params
		if err := unmarshal(algorithm.Parameters.FullBytes, &params); err != nil {
			return nil, err
		}
		kind, ok := ciphers[params.Cipher.Algorithm.String()]
		if !ok {
			return nil, unsupported("the cipher", params.Cipher.Algorithm)
		}
		if err := unmarshal(params.Cipher.Parameters.FullBytes, &iv); err != nil {
			return nil, err
		}
		key, err := deriveKey(params.KDF, pw.raw, kind.keyLength, work)
		if err != nil {
			return nil, err
		}
		if block, err = kind.new(key); err != nil {
			return nil, err
		}
	} else {
		var params pbeParams
		if err := unmarshal(algorithm.Parameters.FullBytes, &params); err != nil {
			return nil, err
		}
		if kind, ok := pkcs12Ciphers[oid]; ok {
			var key []byte
			if key, err = pkcs12KDF(sha1Hash, 1, params, pw.bmp, kind.keyLength, work); err != nil {
				return nil, err
			}
			if iv, err = pkcs12KDF(sha1Hash, 2, params, pw.bmp, 8, work); err != nil {
				return nil, err
			}
			block, err = kind.new(key)
		} else if kind, ok := pkcs5Ciphers[oid]; ok {
			if err := work.spend(params.Iterations, 1); err != nil {
				return nil, err
			}
			sum := repeatHash(kind.hash.new(), append([]byte(pw.raw), params.Salt...), params.Iterations)
			iv = sum[8:16]
			block, err = kind.new(sum[:8])
		} else {
			return nil, unsupported("the scheme", algorithm.Algorithm)
		}
		if err != nil {
			return nil, err
		}
	}
	size := block.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errDamagedEncryption
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > size || !bytes.Equal(plain[len(plain)-padding:], bytes.Repeat([]byte{byte(padding)}, padding)) {
		return nil, ErrWrongPassword
	}
	return plain[:len(plain)-padding], nil
}

// unmarshal reads parameters and says no more than that they cannot be read.
func unmarshal(der []byte, into any) error {
	if _, err := asn1.Unmarshal(der, into); err != nil {
		return errDamagedEncryption
	}
	return nil
}

var errDamagedEncryption = errors.New("the private key's encryption cannot be read: the file is damaged")

type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

type scryptParams struct {
	Salt      []byte
	N, R, P   int
	KeyLength int `asn1:"optional"`
}

// deriveKey runs PBKDF2 or scrypt.
func deriveKey(kdf pkix.AlgorithmIdentifier, password string, length int, work *budget) ([]byte, error) {
	switch {
	case kdf.Algorithm.Equal(oidPBKDF2):
		var params pbkdf2Params
		if err := unmarshal(kdf.Parameters.FullBytes, &params); err != nil {
			return nil, err
		}
		prf, ok := hmacs[params.PRF.Algorithm.String()]
		if !ok {
			return nil, unsupported("the hash", params.PRF.Algorithm)
		}
		// An iteration of HMAC hashes twice.
		blocks := 2 * ((length + prf.length - 1) / prf.length)
		if err := work.spend(params.Iterations, blocks); err != nil {
			return nil, err
		}
		return pbkdf2.Key(prf.new, password, params.Salt, params.Iterations, length)
	case kdf.Algorithm.Equal(oidScrypt):
		var params scryptParams
		if err := unmarshal(kdf.Parameters.FullBytes, &params); err != nil {
			return nil, err
		}
		n, r, p := params.N, params.R, params.P
		if n < 2 || r < 1 || p < 1 || n > maxScrypt || r > maxScrypt || 128*n*r > maxScrypt || p > maxIterations {
			return nil, fmt.Errorf("the private key's encryption names scrypt parameters that are refused (N=%d, r=%d, p=%d): export it again with N=16384, r=8, p=1", n, r, p)
		}
		if err := work.spend(p, n*r); err != nil {
			return nil, err
		}
		return scrypt.Key([]byte(password), params.Salt, n, r, p, length)
	}
	return nil, unsupported("the key derivation", kdf.Algorithm)
}

// repeatHash hashes in, and then the result again, n times in all.
func repeatHash(h hash.Hash, in []byte, n int) []byte {
	h.Write(in)
	sum := h.Sum(nil)
	for range n - 1 {
		h.Reset()
		h.Write(sum)
		sum = h.Sum(sum[:0])
	}
	h.Reset()
	return sum
}
