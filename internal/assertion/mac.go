package assertion

import (
	"crypto/hmac"
	"crypto/x509/pkix"
	"encoding/asn1"
	"hash"
)

// macData is the checksum of a PKCS#12 file: RFC 7292, section 4.
type macData struct {
	Digest struct {
		Algorithm pkix.AlgorithmIdentifier
		Sum       []byte
	}
	Salt       []byte
	Iterations int `asn1:"optional,default:1"`
}

// pbmac1Params is of RFC 8018, appendix A.5.
type pbmac1Params struct {
	KDF, MAC pkix.AlgorithmIdentifier
}

var oidPBMAC1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}

func (m *macData) verify(content []byte, pw passphrase, work *budget) error {
	var (
		newHash func() hash.Hash
		key     []byte
		err     error
	)
	algorithm := m.Digest.Algorithm
	if algorithm.Algorithm.Equal(oidPBMAC1) {
		newHash, key, err = pbmac1Key(algorithm, pw, work)
	} else if digest, ok := digests[algorithm.Algorithm.String()]; ok {
		newHash = digest.new
		key, err = pkcs12KDF(digest, 3, pbeParams{m.Salt, m.Iterations}, pw.bmp, digest.length, work)
	} else {
		err = unsupported("the checksum", algorithm.Algorithm)
	}
	if err != nil {
		return err
	}
	mac := hmac.New(newHash, key)
	mac.Write(content)
	if !hmac.Equal(mac.Sum(nil), m.Digest.Sum) {
		return ErrWrongPassword
	}
	return nil
}

// pbmac1Key follows RFC 9579, which OpenSSL 3.4 and Java 26 write.
func pbmac1Key(algorithm pkix.AlgorithmIdentifier, pw passphrase, work *budget) (func() hash.Hash, []byte, error) {
	var params pbmac1Params
	if err := unmarshal(algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, nil, err
	}
	mac, ok := hmacs[params.MAC.Algorithm.String()]
	if !ok {
		return nil, nil, unsupported("the checksum", params.MAC.Algorithm)
	}
	if !params.KDF.Algorithm.Equal(oidPBKDF2) {
		return nil, nil, unsupported("the key derivation", params.KDF.Algorithm)
	}
	var kdf pbkdf2Params
	if err := unmarshal(params.KDF.Parameters.FullBytes, &kdf); err != nil {
		return nil, nil, err
	}
	// RFC 9579 recommends to refuse keys under 20 bytes, which are easily guessed;
	// the longest that HMAC makes use of here has 64.
	if kdf.KeyLength < 20 || kdf.KeyLength > 64 {
		return nil, nil, errDamagedEncryption
	}
	key, err := deriveKey(params.KDF, pw.raw, kdf.KeyLength, work)
	return mac.new, key, err
}
