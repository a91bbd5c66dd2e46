package assertion

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// rc2 decrypts with the cipher of RFC 2268. It is here because OpenSSL before 3
// and Windows before 2019 encrypt the certificates of a PKCS#12 file with it,
// and no public package offers it. It is broken: never encrypt with it.
type rc2 [64]uint16

// rc2Table is PITABLE of RFC 2268, a permutation made from the digits of pi.
var rc2Table, _ = hex.DecodeString("" +
	"d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2" +
	"179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82" +
	"54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626" +
	"6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7" +
	"08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec" +
	"c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731" +
	"2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9" +
	"0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad")

// newRC2 expands a key of 5 to 16 bytes, every bit of which counts: the formats
// that use RC2 here set the effective key length to that of the key.
func newRC2(key []byte) *rc2 {
	var l [128]byte
	n := copy(l[:], key)
	for i := n; i < 128; i++ {
		l[i] = rc2Table[l[i-1]+l[i-n]]
	}
	l[128-n] = rc2Table[l[128-n]]
	for i := 127 - n; i >= 0; i-- {
		l[i] = rc2Table[l[i+1]^l[i+n]]
	}
	c := new(rc2)
	for i := range c {
		c[i] = binary.LittleEndian.Uint16(l[2*i:])
	}
	return c
}

func (c *rc2) BlockSize() int { return 8 }

// Encrypt is there to satisfy cipher.Block.
func (c *rc2) Encrypt(_, _ []byte) { panic("assertion: RC2 only decrypts") }

func (c *rc2) Decrypt(dst, src []byte) {
	var r [4]uint16
	for i := range r {
		r[i] = binary.LittleEndian.Uint16(src[2*i:])
	}
	// Sixteen rounds of mixing, backwards; a round of mashing belongs after the
	// fifth and the eleventh of the forward direction.
	for round := 15; round >= 0; round-- {
		for i := 3; i >= 0; i-- {
			a, b, d := r[(i+3)%4], r[(i+2)%4], r[(i+1)%4]
			r[i] = bits.RotateLeft16(r[i], -[4]int{1, 2, 3, 5}[i]) - c[4*round+i] - a&b - ^a&d
		}
		if round == 11 || round == 5 {
			for i := 3; i >= 0; i-- {
				r[i] -= c[r[(i+3)%4]&63]
			}
		}
	}
	for i := range r {
		binary.LittleEndian.PutUint16(dst[2*i:], r[i])
	}
}
