package assertion

import (
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

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
