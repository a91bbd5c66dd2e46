package assertion

import (
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"hash"

	"golang.org/x/crypto/scrypt"
)

// budget is what one file may spend on deriving keys, in iterations. A thousand
// cost from 0.1 ms (SHA-1) to 0.6 ms (SHA-512).
type budget struct{ spent int64 }

const (
	maxIterations = 5_000_000

	// maxScrypt bounds the memory scrypt takes. OpenSSL asks for 16 MiB.
	maxScrypt = 64 << 20
)

var errTooMuch = fmt.Errorf("deriving the keys of this file takes more than %d iterations: export it again with fewer, 100000 for example", maxIterations)

func (b *budget) spend(iterations, blocks int) error {
	if iterations < 1 {
		return fmt.Errorf("the encryption of the file names %d iterations: the file is damaged", iterations)
	}
	cost := int64(iterations) * int64(blocks)
	if iterations > maxIterations || b.spent+cost > maxIterations {
		return errTooMuch
	}
	b.spent += cost
	return nil
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

var (
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
)

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
		if n < 2 || r < 1 || p < 1 || n > maxScrypt/128/r {
			return nil, fmt.Errorf("the encryption of the file names scrypt parameters that are refused (N=%d, r=%d, p=%d): export it again with N=16384, r=8, p=1", n, r, p)
		}
		if err := work.spend(p, n*r); err != nil {
			return nil, err
		}
		return scrypt.Key([]byte(password), params.Salt, n, r, p, length)
	}
	return nil, unsupported("the key derivation", kdf.Algorithm)
}

type pbeParams struct {
	Salt       []byte
	Iterations int
}

// pbkdf1 returns a key of eight bytes and an initialisation vector, as PBES1 uses
// them (RFC 8018, section 6.1).
func pbkdf1(kind hashKind, params pbeParams, password string, work *budget) (key, iv []byte, err error) {
	if err := work.spend(params.Iterations, 1); err != nil {
		return nil, nil, err
	}
	sum := repeatHash(kind.new(), append([]byte(password), params.Salt...), params.Iterations)
	return sum[:8], sum[8:16], nil
}

// pkcs12KDF is the derivation of RFC 7292, appendix B.2: purpose 1 makes keys,
// 2 initialisation vectors, 3 keys of the MAC.
func pkcs12KDF(kind hashKind, purpose byte, params pbeParams, password []byte, length int, work *budget) ([]byte, error) {
	blocks := (length + kind.length - 1) / kind.length
	if err := work.spend(params.Iterations, blocks); err != nil {
		return nil, err
	}
	v := kind.block
	input := append(fill(params.Salt, v), fill(password, v)...)
	h := kind.new()
	var out []byte
	for range blocks {
		first := make([]byte, v, v+len(input))
		for i := range first {
			first[i] = purpose
		}
		sum := repeatHash(h, append(first, input...), params.Iterations)
		out = append(out, sum...)
		// Each v bytes of the input grow by the sum, repeated to v bytes, plus one.
		increment := fill(sum, v)[:v]
		for start := 0; start < len(input); start += v {
			carry := 1
			for i := v - 1; i >= 0; i-- {
				carry += int(input[start+i]) + int(increment[i])
				input[start+i] = byte(carry)
				carry >>= 8
			}
		}
	}
	return out[:length], nil
}

// fill repeats pattern up to a multiple of v bytes, nothing to nothing.
func fill(pattern []byte, v int) []byte {
	out := make([]byte, (len(pattern)+v-1)/v*v)
	for i := range out {
		out[i] = pattern[i%len(pattern)]
	}
	return out
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
