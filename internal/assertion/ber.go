package assertion

import "errors"

// NSS, Bouncy Castle and older Windows write PKCS#12 in BER: lengths that are
// only known at the end, octet strings in pieces. encoding/asn1 reads DER alone.

var errBER = errors.New("malformed ASN.1")

// maxDepth is above what PKCS#12 and PKCS#7 need, about ten.
const maxDepth = 32

// toDER rewrites the first element of data with definite lengths and whole octet
// strings. What an octet string contains is left as it is.
func toDER(data []byte) ([]byte, error) {
	out, _, err := convert(nil, data, 0)
	return out, err
}

// wholeSequence reports whether data is one sequence and nothing else, as noise
// of any length hardly ever is.
func wholeSequence(data []byte) bool {
	if len(data) == 0 || data[0] != 0x30 {
		return false
	}
	_, rest, err := convert(nil, data, 0)
	return err == nil && len(rest) == 0
}

// convert appends the first element of in to out and returns what follows it.
func convert(out, in []byte, depth int) (_, rest []byte, err error) {
	tag, body, rest, err := header(in)
	if err != nil || depth > maxDepth {
		return nil, nil, errBER
	}
	if tag[0]&0x20 == 0 {
		if body == nil { // a primitive cannot be of indefinite length
			return nil, nil, errBER
		}
		return append(appendHeader(out, tag, len(body)), body...), rest, nil
	}
	indefinite := body == nil
	if indefinite {
		body = rest
	}
	pieces := tag[0] == 0x24
	var children []byte
	for {
		if indefinite && len(body) >= 2 && body[0] == 0 && body[1] == 0 {
			rest = body[2:]
			break
		}
		if len(body) == 0 {
			if indefinite {
				return nil, nil, errBER
			}
			break
		}
		var child []byte
		if child, body, err = convert(nil, body, depth+1); err != nil {
			return nil, nil, err
		}
		if pieces {
			if child[0] != 0x04 {
				return nil, nil, errBER
			}
			_, child, _, _ = header(child)
		}
		children = append(children, child...)
	}
	if pieces {
		tag = []byte{0x04}
	}
	return append(appendHeader(out, tag, len(children)), children...), rest, nil
}

// header splits the first element of in. Its body is nil, and rest starts at its
// first child, when its length is indefinite.
func header(in []byte) (tag, body, rest []byte, err error) {
	n := 1
	if len(in) > 0 && in[0]&0x1F == 0x1F { // the tag's number follows, seven bits a byte
		for n < len(in) && in[n]&0x80 != 0 {
			n++
		}
		n++
	}
	if n >= len(in) {
		return nil, nil, nil, errBER
	}
	tag, first, in := in[:n], in[n], in[n+1:]
	if first == 0x80 {
		return tag, nil, in, nil
	}
	length := int(first)
	if first > 0x80 {
		size := int(first & 0x7F)
		if size > 4 || size > len(in) {
			return nil, nil, nil, errBER
		}
		length = 0
		for _, b := range in[:size] {
			length = length<<8 | int(b)
		}
		in = in[size:]
	}
	if length < 0 || length > len(in) {
		return nil, nil, nil, errBER
	}
	return tag, in[:length:length], in[length:], nil
}

func appendHeader(out, tag []byte, length int) []byte {
	out = append(out, tag...)
	switch {
	case length < 0x80:
		return append(out, byte(length))
	case length <= 0xFF:
		return append(out, 0x81, byte(length))
	case length <= 0xFFFF:
		return append(out, 0x82, byte(length>>8), byte(length))
	}
	return append(out, 0x83, byte(length>>16), byte(length>>8), byte(length))
}
