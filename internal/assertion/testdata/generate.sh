#!/bin/bash
# Writes the certificate files that the tests read, each with the tool that users
# would have used. Needs openssl 3, keytool, pk12util and certutil (NSS),
# certtool (GnuTLS), python3 with cryptography.
set -euo pipefail
cd "$(dirname "$0")"
rm -f *.pem *.pfx *.der *.p7b *.jks *.b64
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
P=password
q() { "$@" 2>>"$work/log" || { tail -5 "$work/log" >&2; echo "failed: $*" >&2; exit 1; }; }

# A chain: root, issuer, leaf. And keys of other kinds, each with a certificate.
q openssl req -x509 -newkey rsa:2048 -noenc -keyout "$work/root.key" -out "$work/root.crt" -days 36500 -subj '/CN=Test Root' -addext basicConstraints=critical,CA:TRUE
q openssl req -x509 -newkey rsa:2048 -noenc -keyout "$work/issuer.key" -out "$work/issuer.crt" -days 36500 -subj '/CN=Test Issuer' -CA "$work/root.crt" -CAkey "$work/root.key" -addext basicConstraints=critical,CA:TRUE
q openssl req -x509 -newkey rsa:2048 -noenc -keyout "$work/rsa.key" -out "$work/rsa.crt" -days 36500 -subj '/CN=leaf.example' -CA "$work/issuer.crt" -CAkey "$work/issuer.key"
cat "$work/issuer.crt" "$work/root.crt" > "$work/chain.crt"
self() { q openssl req -x509 -newkey "$2" ${3:+-pkeyopt "$3"} -noenc -keyout "$work/$1.key" -out "$work/$1.crt" -days 36500 -subj "/CN=$1.example"; }
self other rsa:2048
self rsa1024 rsa:1024
self p256 ec ec_paramgen_curve:P-256
self p384 ec ec_paramgen_curve:P-384
self p521 ec ec_paramgen_curve:P-521
self secp256k1 ec ec_paramgen_curve:secp256k1
self ed25519 ed25519

# PEM: key type x encoding of the key.
for k in rsa p256 p384 p521 secp256k1 ed25519 rsa1024; do
	pkcs8=(openssl pkcs8 -topk8 -in "$work/$k.key" -passout "pass:$P")
	{ q openssl pkcs8 -topk8 -nocrypt -in "$work/$k.key"; cat "$work/$k.crt"; } > "pem-$k-pkcs8.pem"
	{ q "${pkcs8[@]}" -v2 aes-256-cbc -v2prf hmacWithSHA256; cat "$work/$k.crt"; } > "pem-$k-pkcs8-aes256.pem"
	[ $k = ed25519 ] || { q openssl pkey -traditional -in "$work/$k.key" -aes256 -passout "pass:$P"; cat "$work/$k.crt"; } > "pem-$k-dek-aes256.pem"
	[ $k = ed25519 ] || { q openssl pkey -traditional -in "$work/$k.key"; cat "$work/$k.crt"; } > "pem-$k-traditional.pem"
	rm -f "pem-ed25519-dek-aes256.pem" "pem-ed25519-traditional.pem"
done
pkcs8=(openssl pkcs8 -topk8 -in "$work/rsa.key" -passout "pass:$P")
enc() { local name=$1; shift; { q "${pkcs8[@]}" "$@"; cat "$work/rsa.crt"; } > "pem-rsa-pkcs8-$name.pem"; }
enc aes128-sha1 -v2 aes-128-cbc -v2prf hmacWithSHA1
enc aes192-sha384 -v2 aes-192-cbc -v2prf hmacWithSHA384
enc aes256-sha512 -v2 aes-256-cbc -v2prf hmacWithSHA512
enc des3 -v2 des3
enc scrypt -scrypt
enc pbe-md5-des -v1 PBE-MD5-DES -provider legacy -provider default
enc pbe-sha1-des -v1 PBE-SHA1-DES -provider legacy -provider default
enc pbe-sha1-rc2-64 -v1 PBE-SHA1-RC2-64 -provider legacy -provider default
enc pbe-sha1-3des -v1 PBE-SHA1-3DES
enc pbe-sha1-2des -v1 PBE-SHA1-2DES
enc pbe-sha1-rc2-128 -v1 PBE-SHA1-RC2-128 -provider legacy -provider default
enc pbe-sha1-rc2-40 -v1 PBE-SHA1-RC2-40 -provider legacy -provider default
for cipher in des3 aes128; do
	{ q openssl rsa -traditional -in "$work/rsa.key" -$cipher -passout "pass:$P"; cat "$work/rsa.crt"; } > "pem-rsa-dek-$cipher.pem"
done
{ q openssl pkcs8 -topk8 -in "$work/rsa.key" -passout pass:; cat "$work/rsa.crt"; } > pem-rsa-pkcs8-empty.pem

# PEM: order, company and what surrounds the blocks.
cat "$work/rsa.crt" "$work/rsa.key" > pem-order-cert-first.pem
cat "$work/root.crt" "$work/rsa.key" "$work/issuer.crt" "$work/rsa.crt" > pem-order-mixed.pem
cat "$work/rsa.key" "$work/rsa.crt" "$work/chain.crt" > pem-order-chain.pem
q openssl pkcs12 -export -inkey "$work/rsa.key" -in "$work/rsa.crt" -certfile "$work/chain.crt" -name 'my key' -passout "pass:$P" -out "$work/bag.pfx"
q openssl pkcs12 -in "$work/bag.pfx" -passin "pass:$P" -noenc > pem-text-bag-attributes.pem
sed 's/$/\r/' pem-text-bag-attributes.pem > pem-text-crlf.pem
{ printf '\xef\xbb\xbf'; cat pem-order-cert-first.pem; } > pem-text-bom.pem
{ printf '\xff\xfe'; iconv -t UTF-16LE pem-order-cert-first.pem; } > pem-text-utf16.pem
q openssl x509 -in "$work/rsa.crt" -text > "$work/text"; cat "$work/text" "$work/rsa.key" > pem-text-x509.pem
{ q openssl x509 -in "$work/rsa.crt" -trustout -addtrust clientAuth; cat "$work/rsa.key"; } > pem-text-trusted.pem
{ q openssl ecparam -name prime256v1; cat "$work/rsa.key" "$work/rsa.crt"; } > pem-text-ec-parameters.pem

# PEM that cannot be used.
cat "$work/other.key" "$work/rsa.crt" "$work/issuer.crt" > bad-mismatch.pem
cat "$work/rsa.key" "$work/other.key" "$work/rsa.crt" > bad-two-keys.pem
cat "$work/rsa.crt" "$work/chain.crt" > bad-no-key.pem
cp "$work/rsa.key" bad-no-cert.pem
{ q openssl pkey -in "$work/rsa.key" -pubout; cat "$work/rsa.crt"; } > bad-public-key.pem
head -c 1500 "$work/rsa.key" > "$work/cut"; { cat "$work/rsa.crt"; cat "$work/cut"; } > bad-truncated.pem
q openssl x509 -in "$work/rsa.crt" -outform DER -out bad-certificate.der
q openssl pkey -in "$work/rsa.key" -outform DER -out bad-key.der
q openssl pkcs8 -topk8 -in "$work/rsa.key" -outform DER -passout "pass:$P" -out bad-encrypted-key.der
q openssl crl2pkcs7 -nocrl -certfile "$work/rsa.crt" -outform DER -out bad-pkcs7.p7b
q openssl crl2pkcs7 -nocrl -certfile "$work/rsa.crt" -out bad-pkcs7.pem
ssh-keygen -q -t rsa -b 2048 -N '' -C test -f "$work/ssh" && mv "$work/ssh" bad-openssh.pem

# PKCS#12 by OpenSSL.
p12() { local name=$1; shift; q openssl pkcs12 -export -inkey "$work/rsa.key" -in "$work/rsa.crt" -passout "pass:${PASS-$P}" -out "pfx-$name.pfx" "$@"; }
chain=(-certfile "$work/chain.crt")
p12 openssl3 "${chain[@]}"
p12 openssl3-leaf
p12 openssl-legacy -legacy "${chain[@]}"                 # what OpenSSL 1.1 writes: RC2-40, 3DES, SHA-1
p12 openssl-3des-sha1 -legacy -descert -macalg sha1 "${chain[@]}"
p12 openssl-rc2-128 -legacy -certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-RC2-128
p12 openssl-2des -legacy -certpbe PBE-SHA1-2DES -keypbe PBE-SHA1-2DES
p12 openssl-aes128-sha384 -certpbe AES-128-CBC -keypbe AES-128-CBC -macalg sha384
p12 openssl-aes192-sha512 -certpbe AES-192-CBC -keypbe AES-192-CBC -macalg sha512
p12 openssl-certs-plain -certpbe NONE
p12 openssl-key-plain -keypbe NONE
p12 openssl-nomac -nomac "${chain[@]}"
PASS= p12 openssl3-empty "${chain[@]}"
PASS= p12 openssl-legacy-empty -legacy
PASS= p12 openssl-nomac-empty -nomac -legacy
PASS= p12 openssl-plain-nomac -nomac -keypbe NONE -certpbe NONE "${chain[@]}"
p12 openssl-attributes -name 'a friendly name' -caname 'the issuer' -CSP 'Microsoft Enhanced RSA and AES Cryptographic Provider' -LMK -keysig "${chain[@]}"
p12 openssl-iterations -iter 100000 -maciter
PASS= p12 keyvault-style -legacy -descert -macalg sha1 -iter 2000 -name 'aaaa' -CSP 'Microsoft Enhanced RSA and AES Cryptographic Provider' -LMK "${chain[@]}"
PASS=pässwörd-日本 p12 openssl3-unicode
PASS=pässwörd-日本 p12 openssl-legacy-unicode -legacy
for k in p256 p384 p521 ed25519 rsa1024; do
	q openssl pkcs12 -export -inkey "$work/$k.key" -in "$work/$k.crt" -passout "pass:$P" -out "pfx-$k.pfx"
done
q openssl pkcs12 -export -nokeys -in "$work/rsa.crt" -passout "pass:$P" -out bad-no-key.pfx
q openssl pkcs12 -export -nocerts -inkey "$work/rsa.key" -passout "pass:$P" -out bad-no-cert.pfx
q openssl pkcs12 -export -inkey "$work/rsa.key" -in "$work/rsa.crt" -passout "pass:$P" -iter 10000000 -out bad-iterations.pfx
base64 pfx-openssl3.pfx > pfx-base64.b64

# PKCS#12 by keytool: with an alias, a chain, and two keys.
q keytool -importkeystore -srckeystore pfx-openssl3.pfx -srcstoretype PKCS12 -srcstorepass $P -destkeystore pfx-keytool.pfx -deststoretype PKCS12 -deststorepass $P
q keytool -importkeystore -srckeystore pfx-openssl3.pfx -srcstoretype PKCS12 -srcstorepass $P -destkeystore pfx-keytool-legacy.pfx -deststoretype PKCS12 -deststorepass $P -J-Dkeystore.pkcs12.legacy
cp pfx-keytool.pfx bad-two-keys.pfx
q keytool -genkeypair -keyalg RSA -keysize 2048 -alias second -dname CN=second -keystore bad-two-keys.pfx -storepass $P
q keytool -importkeystore -srckeystore pfx-openssl3.pfx -srcstoretype PKCS12 -srcstorepass $P -destkeystore bad-keystore.jks -deststoretype JKS -deststorepass $P
q keytool -importkeystore -srckeystore pfx-openssl3.pfx -srcstoretype PKCS12 -srcstorepass $P -destkeystore bad-keystore-jceks.jks -deststoretype JCEKS -deststorepass $P

# PKCS#12 by NSS, in BER.
mkdir "$work/nss"
q certutil -N -d "$work/nss" --empty-password
q pk12util -i "$work/bag.pfx" -d "$work/nss" -W $P
q pk12util -o pfx-nss.pfx -n 'my key' -d "$work/nss" -W $P
q pk12util -o pfx-nss-3des.pfx -n 'my key' -d "$work/nss" -W $P -c 'PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC' -C 'PKCS #12 V2 PBE With SHA-1 And 40 Bit RC2 CBC'

# PKCS#12 by GnuTLS, in DER and in PEM.
gnutls=(certtool --to-p12 --load-privkey "$work/rsa.key" --load-certificate "$work/rsa.crt" --p12-name gnutls --password $P)
q "${gnutls[@]}" --outder --outfile pfx-gnutls.pfx
q "${gnutls[@]}" --outfile pfx-gnutls.pem
q "${gnutls[@]}" --outder --pkcs-cipher 3des-pkcs12 --hash SHA1 --outfile pfx-gnutls-3des.pfx

# PKCS#12 by Python's cryptography.
python3 - "$work" <<'PY'
import sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as s
from cryptography.hazmat.primitives.serialization import pkcs12
d = sys.argv[1]
key = s.load_pem_private_key(open(d + "/rsa.key", "rb").read(), None)
leaf = x509.load_pem_x509_certificate(open(d + "/rsa.crt", "rb").read())
chain = x509.load_pem_x509_certificates(open(d + "/chain.crt", "rb").read())
def write(name, enc):
    open(name, "wb").write(pkcs12.serialize_key_and_certificates(b"python", key, leaf, chain, enc))
write("pfx-python-best.pfx", s.BestAvailableEncryption(b"password"))
write("pfx-python-plain.pfx", s.NoEncryption())
b = s.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(50000)
write("pfx-python-3des.pfx", b.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1()).build(b"password"))
PY

# PKCS#12 with no password where others have an empty one, which is not the same
# to PKCS#12: Windows writes this, the openssl command cannot.
q openssl pkey -in "$work/rsa.key" -outform DER -out "$work/rsa.key.der"
q openssl x509 -in "$work/rsa.crt" -outform DER -out "$work/rsa.crt.der"
python3 - "$work" <<'PY'
import ctypes, sys
c = ctypes.CDLL("libcrypto.so.3")
P = ctypes.c_void_p
for f in ("d2i_AutoPrivateKey", "d2i_X509", "PKCS12_create"):
    getattr(c, f).restype = P
def der(function, name):
    data = open(sys.argv[1] + name, "rb").read()
    return P(function(None, ctypes.byref(ctypes.c_char_p(data)), ctypes.c_long(len(data))))
key, cert = der(c.d2i_AutoPrivateKey, "/rsa.key.der"), der(c.d2i_X509, "/rsa.crt.der")
triple_des = 146
p12 = P(c.PKCS12_create(None, None, key, cert, None, triple_des, triple_des, 2000, 2000, 0))
out = ctypes.create_string_buffer(100000)
size = c.i2d_PKCS12(p12, ctypes.byref(ctypes.c_char_p(ctypes.addressof(out))))
open("pfx-null-password.pfx", "wb").write(out.raw[:size])
PY
