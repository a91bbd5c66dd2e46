package assertion

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
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

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}

	oidKeyBag       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedBag  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidCertBag      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidSafeContents = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 6}
	oidX509         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
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
