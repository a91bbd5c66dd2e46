package azidentity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/azid-go/azidentity/internal/assertion"
)

// AuthenticationBySecretFile proves by the secret that a file holds at the time: its
// value alone, as UTF-8 text; white space around it is dropped.
//
// The secret is rotated by replacing the file, or what a link on the way to it leads
// to, while the program runs:
//
//   - The file is read when a credential is first constructed with this value, whose
//     error says what is wrong with it, and again when it has changed and a token is
//     needed. To see that it has not, the file is not read.
//   - When Entra ID refuses the secret, the file is read once more, and the request is
//     sent once more if it holds another.
//   - A file that is broken, or gone, leaves the last good secret in place, and an
//     event in the log.
//   - Tokens stay valid, and credentials that name the same file share them, whatever
//     it holds.
//
// A relative path counts from the working directory of this call. What is no regular
// file, such as a pipe, is read only once.
func AuthenticationBySecretFile(path string) ClientAuthentication {
	from := newFiles("secret file "+path, path)
	from.most, from.kind = maxSecret, "secret"
	return authenticationByFiles(from, digest("secret file", from.path), renewSecret, parseSecret)
}

// CertificateFileOptions are the options of [AuthenticationByCertificateFile]. Nil
// and the zero value mean the same.
type CertificateFileOptions struct {
	// Password opens an encrypted file, as that of [ParseCertificates] does. All
	// versions of the file have the same.
	Password []byte

	// SendCertificateChain sends the certificates with each request (x5c), which
	// registration by subject name and issuer needs. Default false.
	SendCertificateChain bool
}

// AuthenticationByCertificateFile proves by the certificate that a file holds at the
// time, with its private key, in the forms that [ParseCertificates] reads. path may
// also be a directory:
//
//   - with the files tls.crt and tls.key, as Kubernetes mounts a TLS secret, or
//   - with one file, as the Secrets Store CSI driver mounts a certificate of Key Vault
//     that is declared as an object of type secret. Hidden files do not count.
//
// Certificates are rotated as secrets are with [AuthenticationBySecretFile]. Files
// that are replaced while they are read are read again, so that certificate and key
// match.
func AuthenticationByCertificateFile(path string, options *CertificateFileOptions) ClientAuthentication {
	if options == nil {
		options = &CertificateFileOptions{}
	}
	return authenticationByCertificateFile("certificate file "+path, path, *options)
}

func authenticationByCertificateFile(name, path string, o CertificateFileOptions) ClientAuthentication {
	from := newFiles(name, path)
	from.most, from.kind, from.directories = maxCertificateFile, "certificate", true
	password := append([]byte(nil), o.Password...)
	identity := digest("certificate file", from.path+"\x00"+string(password))
	return authenticationByFiles(from, identity, renewCertificate(o.SendCertificateChain), func(data []byte) (*assertion.Signer, error) {
		certs, key, err := assertion.ParseCertificates(data, password)
		if err != nil {
			return nil, err
		}
		return assertion.NewSigner(certs, key)
	})
}

// authenticationByFiles proves by what parse makes of the files' contents. Its
// credentials share what was read, and their tokens with all of the same identity.
func authenticationByFiles[T any](f *files, identity [32]byte, renew func(value T, clientID string, before clientAuth) clientAuth, parse func([]byte) (T, error)) ClientAuthentication {
	from := newRotating(place[T]{
		name:      f.name,
		unchanged: func(s seen) bool { return s.stamp != "" && s.stamp == f.stamp() },
		read: func(_ context.Context, first bool) (r reading[T]) {
			data, stamp, err := f.contents(first)
			if err != nil {
				return reading[T]{err: err} // without a stamp: it is tried again
			}
			r.stamp, r.digest = stamp, digestOf(data)
			r.value, r.err = parse(data)
			return r
		},
	})
	return ClientAuthentication{func(clientID string) (clientAuth, error) {
		if err := from.first(context.Background()); err != nil {
			return nil, err
		}
		return &rotatingAuth[T]{from: from, clientID: clientID, renew: renew, identity: identity}, nil
	}}
}

// digestOf stands for what a place holds. White space around it, such as the end of
// a line, makes no other secret.
func digestOf(contents []byte) [32]byte { return digest("contents", string(bytes.TrimSpace(contents))) }

const (
	// maxSecret is above any secret: Entra ID makes them of 40 characters.
	maxSecret = 4 << 10
	// maxCertificateFile is what [assertion.ParseCertificates] reads at most.
	maxCertificateFile = 1 << 20
)

// parseSecret returns the proof by the secret in data, which is a line of text. That
// is what tells it from another file, or half of one.
func parseSecret(data []byte) (secretAuth, error) {
	text := strings.TrimSpace(strings.TrimPrefix(string(data), "\uFEFF")) // the mark that Windows' editors write
	switch {
	case text == "":
		return secretAuth{}, errors.New("it is empty")
	case !utf8.ValidString(text), strings.ContainsFunc(text, unicode.IsControl):
		return secretAuth{}, errors.New("it holds more than a secret: it has to be the secret's value and nothing else, in one line of UTF-8 text")
	}
	return newSecretAuth(text)
}

// files are the file, or those in a directory, that hold a secret or certificate.
type files struct {
	name        string
	path        string // absolute, unless there is no working directory
	most        int    // bytes in a file
	kind        string // of what they hold
	directories bool   // may be the path
}

func newFiles(name, path string) *files {
	f := &files{name: name, path: path}
	if abs, err := filepath.Abs(path); err == nil && path != "" {
		f.path = abs
	}
	return f
}

// list returns the files to be read.
func (f *files) list() ([]string, error) {
	if f.path == "" {
		return nil, errors.New("the path is missing")
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	if !info.IsDir() || !f.directories {
		return []string{f.path}, nil
	}
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	var found []string
	pair := 0
	for _, e := range entries {
		if name := e.Name(); name == "tls.crt" || name == "tls.key" {
			pair++
		} else if strings.HasPrefix(name, ".") {
			continue
		}
		found = append(found, filepath.Join(f.path, e.Name()))
	}
	switch {
	case pair == 2:
		return []string{filepath.Join(f.path, "tls.crt"), filepath.Join(f.path, "tls.key")}, nil
	case len(found) == 1:
		return found, nil
	case len(found) == 0:
		return nil, errors.New("the directory is empty")
	}
	return nil, errors.New("the directory has several files, and not both tls.crt and tls.key: pass the path of the one that holds certificate and private key")
}

// stamp tells versions of the files apart without reading them, or is empty if it
// cannot. It has the paths at the end of all links: Kubernetes, and drivers that
// imitate it, replace a directory by changing a link to it.
func (f *files) stamp() string {
	paths, err := f.list()
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return ""
		}
		if !info.Mode().IsRegular() {
			b.WriteString(path + "\x00") // a pipe has no versions
			continue
		}
		end, err := filepath.EvalSymlinks(path)
		if err != nil {
			return ""
		}
		fmt.Fprintf(&b, "%s\x00%d\x00%d\x00", end, info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}

// contents returns what the files hold, one after another, and their stamp from
// before. If they are replaced meanwhile it reads again, up to three times in all.
func (f *files) contents(first bool) (data []byte, stamp string, err error) {
	for range 3 {
		stamp = f.stamp()
		data, err = f.readAll(first)
		if f.stamp() == stamp {
			break
		}
	}
	return data, stamp, err
}

func (f *files) readAll(first bool) (all []byte, err error) {
	paths, err := f.list()
	if err != nil {
		return nil, err
	}
	for i, path := range paths {
		data, err := readFile(path, f.most, f.kind, first)
		if err != nil && len(paths) > 1 {
			err = fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		if err != nil {
			return nil, err
		}
		if i > 0 {
			all = append(all, '\n')
		}
		all = append(all, data...)
	}
	return all, nil
}
