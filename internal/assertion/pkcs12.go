package assertion

import (
	"crypto/hmac"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// The structures of RFC 7292, section 4 and 5.

type pfx struct {
	Version  int
	AuthSafe contentInfo
	MAC      macData `asn1:"optional"`
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
}

type macData struct {
	Digest struct {
		Algorithm pkix.AlgorithmIdentifier
		Sum       []byte
	}
	Salt       []byte
	Iterations int `asn1:"optional,default:1"`
}

type encryptedData struct {
	Version int
	Content struct {
		Type      asn1.ObjectIdentifier
		Algorithm pkix.AlgorithmIdentifier
		Data      asn1.RawValue `asn1:"tag:0,optional"`
	}
}

type safeBag struct {
	Type       asn1.ObjectIdentifier
	Value      asn1.RawValue `asn1:"tag:0,explicit"`
	Attributes asn1.RawValue `asn1:"optional"`
}

type certBag struct {
	Type  asn1.ObjectIdentifier
	Value []byte `asn1:"tag:0,explicit"`
}

// pbmac1Params is of RFC 8018, appendix A.5.
type pbmac1Params struct {
	KDF, MAC pkix.AlgorithmIdentifier
}

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}

	oidKeyBag       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedBag  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidCertBag      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidSafeContents = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 6}
	oidX509         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}

	oidPBMAC1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
)

var errDamagedPFX = errors.New("the PKCS#12 file cannot be read: it is damaged")

// openPFX reports whether data is a PKCS#12 file.
func openPFX(data []byte) (*pfx, bool) {
	der, err := toDER(data)
	if err != nil {
		return nil, false
	}
	p := new(pfx)
	_, err = asn1.Unmarshal(der, p)
	return p, err == nil && p.Version == 3
}

func (p *pfx) read(password []byte) (contents, error) {
	if !p.AuthSafe.Type.Equal(oidData) {
		return contents{}, errors.New("found a PKCS#12 file that is protected by a public key, not a password: export it again with a password")
	}
	safe, err := octets(p.AuthSafe.Content.Bytes)
	if err != nil {
		return contents{}, err
	}
	return tryForms(password, func(pw passphrase, work *budget) (contents, error) {
		return p.open(safe, pw, work)
	})
}

// open reads the file with one form of the password. A file without a MAC is
// read as well: it is the key that matters, and Entra ID knows its certificate.
func (p *pfx) open(safe []byte, pw passphrase, work *budget) (contents, error) {
	checked := len(p.MAC.Digest.Algorithm.Algorithm) > 0
	if checked {
		if err := p.MAC.verify(safe, pw, work); err != nil {
			return contents{}, err
		}
	}
	bags := bagReader{pw: pw, work: work}
	if err := bags.safes(safe); err != nil {
		return contents{}, err
	}
	if len(bags.keys) > 1 {
		return contents{}, severalKeys(len(bags.keys))
	}
	found := contents{certs: bags.certs}
	for _, open := range bags.keys { // one, or none
		var err error
		if found.key, err = open(); checked && errors.Is(err, ErrWrongPassword) {
			return contents{}, errors.New("the password opens the PKCS#12 file and not the private key in it: export the file again with one password for both")
		} else if err != nil {
			return contents{}, err
		}
	}
	return found, nil
}

// bagReader collects certificates, and keys still locked: one is opened only
// when it is known that there is no other.
type bagReader struct {
	pw    passphrase
	work  *budget
	certs [][]byte
	keys  []func() (any, error)
}

func (r *bagReader) safes(data []byte) error {
	var infos []contentInfo
	if err := sequence(data, &infos); err != nil {
		return err
	}
	for _, info := range infos {
		var (
			bags []byte
			err  error
		)
		switch {
		case info.Type.Equal(oidData):
			bags, err = octets(info.Content.Bytes)
		case info.Type.Equal(oidEncryptedData):
			bags, err = r.decrypt(info.Content.Bytes)
		default:
			err = fmt.Errorf("the PKCS#12 file has a part of type %s, which is not supported: export it again with a password", info.Type)
		}
		if err != nil {
			return err
		}
		if err := r.bags(bags, 0); err != nil {
			return err
		}
	}
	return nil
}

func (r *bagReader) decrypt(der []byte) ([]byte, error) {
	var encrypted encryptedData
	if _, err := asn1.Unmarshal(der, &encrypted); err != nil {
		return nil, errDamagedPFX
	}
	data := encrypted.Content.Data.Bytes
	if encrypted.Content.Data.IsCompound { // BER: in pieces
		var pieces []byte
		for rest := data; len(rest) > 0; {
			var piece []byte
			var err error
			if rest, err = asn1.Unmarshal(rest, &piece); err != nil {
				return nil, errDamagedPFX
			}
			pieces = append(pieces, piece...)
		}
		data = pieces
	}
	plain, err := decrypt(encrypted.Content.Algorithm, data, r.pw, r.work)
	if err != nil {
		return nil, err
	}
	if !wholeSequence(plain) { // see parseDecrypted
		return nil, ErrWrongPassword
	}
	return plain, nil
}

func (r *bagReader) bags(data []byte, depth int) error {
	var bags []safeBag
	if err := sequence(data, &bags); err != nil || depth > 4 {
		return errDamagedPFX
	}
	for _, bag := range bags {
		value := bag.Value.Bytes
		switch {
		case bag.Type.Equal(oidCertBag):
			var cert certBag
			if _, err := asn1.Unmarshal(value, &cert); err != nil {
				return errDamagedPFX
			}
			if cert.Type.Equal(oidX509) {
				r.certs = append(r.certs, cert.Value)
			}
		case bag.Type.Equal(oidKeyBag):
			r.keys = append(r.keys, func() (any, error) { return parseKey(value) })
		case bag.Type.Equal(oidShroudedBag):
			var info encryptedKey
			if _, err := asn1.Unmarshal(value, &info); err != nil {
				return errDamagedPFX
			}
			r.keys = append(r.keys, func() (any, error) { return info.open(r.pw, r.work) })
		case bag.Type.Equal(oidSafeContents):
			if err := r.bags(value, depth+1); err != nil {
				return err
			}
		} // else: revocation lists and secrets
	}
	return nil
}

// sequence reads a list that may be in BER.
func sequence(data []byte, into any) error {
	der, err := toDER(data)
	if err == nil {
		_, err = asn1.Unmarshal(der, into)
	}
	if err != nil {
		return errDamagedPFX
	}
	return nil
}

func octets(der []byte) ([]byte, error) {
	var content []byte
	if _, err := asn1.Unmarshal(der, &content); err != nil {
		return nil, errDamagedPFX
	}
	return content, nil
}

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
	// RFC 9579, section 5: a short key lets every password pass for the right one.
	if kdf.KeyLength < 20 || kdf.KeyLength > 64 {
		return nil, nil, errDamagedEncryption
	}
	key, err := deriveKey(params.KDF, pw.raw, kdf.KeyLength, work)
	return mac.new, key, err
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
