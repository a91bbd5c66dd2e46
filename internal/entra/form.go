package entra

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/azid-go/azidentity/internal/secret"
)

// A Form is the body of a request. It knows which of its values are secret,
// so that an answer that echoes one can be cleaned.
type Form struct {
	// By is for the [ClientAuth] that fills in the form: what it proved by, to be
	// found again when it is refused.
	By any

	body    strings.Builder
	secrets []namedSecret
	one     [1]namedSecret // where secrets begins: most forms have one
	forOnce bool
	media   string // of the body, if it is none of a form

	// signed is a value that is made anew for each form, and signer what it stands for.
	signed string
	signer []byte
}

type namedSecret struct {
	name  string
	value secret.Value
}

// Set adds a parameter. Parameters keep their order; each is added once.
func (f *Form) Set(name, value string) {
	if f.body.Len() > 0 {
		f.body.WriteByte('&')
	} else {
		f.body.Grow(512)
	}
	f.body.WriteString(name)
	f.body.WriteByte('=')
	f.body.WriteString(url.QueryEscape(value))
}

// SetSecret adds a parameter that must appear nowhere else.
func (f *Form) SetSecret(name, value string) {
	f.Set(name, value)
	if value != "" {
		if f.secrets == nil {
			f.secrets = f.one[:0]
		}
		f.secrets = append(f.secrets, namedSecret{name, secret.New(value)})
	}
}

// ForOnce says that the server spends what the form holds, such as an authorization
// code. It is sent again only after a try of which the server has certainly made
// nothing: no connection came about, or it answered 429 or 503.
func (f *Form) ForOnce() { f.forOnce = true }

// SetSigned adds a secret parameter that is made anew for each form. In comparisons of
// forms, signer stands for it.
func (f *Form) SetSigned(name, value string, signer []byte) {
	f.SetSecret(name, value)
	f.signed, f.signer = url.QueryEscape(value), signer
}

// digestKey makes digests of forms worthless outside this process.
var digestKey = func() (k [32]byte) { _, _ = rand.Read(k[:]); return k }()

// digest is that of a request: equal for equal forms to one endpoint.
func (f *Form) digest(endpoint string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, digestKey[:])
	_, _ = io.WriteString(h, endpoint+"\x00")
	before, after, found := f.body.String(), "", false
	if f.signed != "" {
		before, after, found = strings.Cut(before, f.signed)
	}
	_, _ = io.WriteString(h, before)
	if found {
		h.Write(f.signer)
	}
	_, _ = io.WriteString(h, after)
	h.Sum(sum[:0])
	return sum
}

// Secret returns a value that SetSecret added, or "".
func (f *Form) Secret(name string) string {
	for _, s := range f.secrets {
		if s.name == name {
			return s.value.Expose()
		}
	}
	return ""
}

// mediaType is that of the body.
func (f *Form) mediaType() string {
	return cmp.Or(f.media, "application/x-www-form-urlencoded")
}

// document returns a body that is none of a form, and which holds a secret.
func document(media, text string, held secret.Value) *Form {
	f := &Form{media: media, secrets: []namedSecret{{value: held}}}
	f.body.WriteString(text)
	return f
}

// Format implements [fmt.Formatter]: it prints nothing of the form.
func (f *Form) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, secret.Placeholder) }
