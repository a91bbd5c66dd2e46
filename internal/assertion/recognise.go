package assertion

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
)

const foundPKCS7 = "found PKCS#7 certificates, which come without a private key: add the key to what this writes: "

var oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

// recognise says what data is that is neither PEM nor PKCS#12, and how to make
// of it what is needed.
func recognise(data []byte) string {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return "the certificate file is empty"
	case bytes.HasPrefix(data, []byte{0xFE, 0xED, 0xFE, 0xED}):
		return "found a Java keystore (JKS): convert it with: keytool -importkeystore -srckeystore file.jks -destkeystore file.p12 -deststoretype PKCS12"
	case bytes.HasPrefix(data, []byte{0xCE, 0xCE, 0xCE, 0xCE}):
		return "found a Java keystore (JCEKS): convert it with: keytool -importkeystore -srcstoretype JCEKS -srckeystore file.jceks -destkeystore file.p12 -deststoretype PKCS12"
	}
	if _, err := x509.ParseCertificate(data); err == nil {
		return "found a DER certificate and no private key: pass a PEM or PKCS#12 file that holds both"
	}
	if _, err := parseKey(data); err == nil {
		return "found a DER private key and no certificate: convert it with: openssl pkey -inform DER -in key.der -out key.pem, and add the certificate"
	}
	der, err := toDER(data)
	if err != nil {
		return unknownData
	}
	var info contentInfo
	if _, err := asn1.Unmarshal(der, &info); err == nil && info.Type.Equal(oidSignedData) {
		return foundPKCS7 + "openssl pkcs7 -inform DER -print_certs -in file.p7b -out certificates.pem"
	}
	var encrypted encryptedKey
	if _, err := asn1.Unmarshal(der, &encrypted); err == nil {
		return "found an encrypted DER private key and no certificate: convert it with: openssl pkcs8 -inform DER -in key.der -out key.pem, and add the certificate"
	}
	return unknownData
}

const unknownData = "found neither PEM nor PKCS#12: pass a PEM file that holds the certificate and its private key, or a .pfx or .p12 file"
