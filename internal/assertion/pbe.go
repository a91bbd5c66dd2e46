package assertion

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// Decryption with a password, as PKCS#5 (RFC 8018) and PKCS#12 (RFC 7292) define
// it. Own code, because a file decides how long it takes: the libraries decrypt
// a bag, find a second one inside, and spend whatever iterations that one names.

type blockCipher struct {
	keyLength int
	new       func(key []byte) (cipher.Block, error)
}

type hashedCipher struct {
	hash hashKind
	new  func(key []byte) (cipher.Block, error)
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
	pkcs5Ciphers = map[string]hashedCipher{
		"1.2.840.113549.1.5.3":  {md5Hash, des.NewCipher},
		"1.2.840.113549.1.5.6":  {md5Hash, rc2Block},
		"1.2.840.113549.1.5.10": {sha1Hash, des.NewCipher},
		"1.2.840.113549.1.5.11": {sha1Hash, rc2Block},
	}

	oidPBES2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
)

func unsupported(what string, oid asn1.ObjectIdentifier) error {
	return fmt.Errorf("the encryption of the file uses %s %s, which is not supported: export it again with AES-256 and SHA-256", what, oid)
}

type pbes2Params struct {
	KDF, Cipher pkix.AlgorithmIdentifier
}

// decrypt returns what data was encrypted from, or [ErrWrongPassword] when its
// padding shows that the password was another one.
func decrypt(algorithm pkix.AlgorithmIdentifier, data []byte, pw passphrase, work *budget) ([]byte, error) {
	scheme := schemeOf(algorithm.Algorithm)
	if scheme == nil {
		return nil, unsupported("the scheme", algorithm.Algorithm)
	}
	block, iv, err := scheme(algorithm.Parameters.FullBytes, pw, work)
	if err != nil {
		return nil, err
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

// scheme makes a cipher and its initialisation vector from parameters and password.
type scheme func(params []byte, pw passphrase, work *budget) (cipher.Block, []byte, error)

func schemeOf(oid asn1.ObjectIdentifier) scheme {
	if oid.Equal(oidPBES2) {
		return pbes2
	}
	if kind, ok := pkcs12Ciphers[oid.String()]; ok {
		return kind.pkcs12
	}
	if kind, ok := pkcs5Ciphers[oid.String()]; ok {
		return kind.pbes1
	}
	return nil
}

func pbes2(der []byte, pw passphrase, work *budget) (cipher.Block, []byte, error) {
	var params pbes2Params
	if err := unmarshal(der, &params); err != nil {
		return nil, nil, err
	}
	kind, ok := ciphers[params.Cipher.Algorithm.String()]
	if !ok {
		return nil, nil, unsupported("the cipher", params.Cipher.Algorithm)
	}
	var iv []byte
	if err := unmarshal(params.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, nil, err
	}
	key, err := deriveKey(params.KDF, pw.raw, kind.keyLength, work)
	if err != nil {
		return nil, nil, err
	}
	block, err := kind.new(key)
	return block, iv, err
}

func (c blockCipher) pkcs12(der []byte, pw passphrase, work *budget) (cipher.Block, []byte, error) {
	var params pbeParams
	if err := unmarshal(der, &params); err != nil {
		return nil, nil, err
	}
	key, err := pkcs12KDF(sha1Hash, 1, params, pw.bmp, c.keyLength, work)
	if err != nil {
		return nil, nil, err
	}
	iv, err := pkcs12KDF(sha1Hash, 2, params, pw.bmp, 8, work)
	if err != nil {
		return nil, nil, err
	}
	block, err := c.new(key)
	return block, iv, err
}

func (c hashedCipher) pbes1(der []byte, pw passphrase, work *budget) (cipher.Block, []byte, error) {
	var params pbeParams
	if err := unmarshal(der, &params); err != nil {
		return nil, nil, err
	}
	key, iv, err := pbkdf1(c.hash, params, pw.raw, work)
	if err != nil {
		return nil, nil, err
	}
	block, err := c.new(key)
	return block, iv, err
}

// unmarshal reads parameters and says no more than that they cannot be read.
func unmarshal(der []byte, into any) error {
	if _, err := asn1.Unmarshal(der, into); err != nil {
		return errDamagedEncryption
	}
	return nil
}

var errDamagedEncryption = errors.New("the encryption of the file cannot be read: the file is damaged")
