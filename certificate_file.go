package azidentity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/azid-go/azidentity/internal/assertion"
	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/events"
	"github.com/azid-go/azidentity/internal/secret"
)

// A certificateFile proves by the certificate that a file holds at the time. A
// file that cannot be used leaves the last good certificate in place.
type certificateFile struct {
	path     string
	password secret.Value
	clientID string
	chain    bool

	mu      sync.Mutex // guards all below; not held while the file is read
	current *certificateAuth
	seen    fileState
	digest  [sha256.Size]byte
}

// fileState is what tells one version of a file from the next without reading.
type fileState struct {
	size     int64
	modified int64
}

func newCertificateFile(path, password, clientID string, chain bool) (*certificateFile, error) {
	c := &certificateFile{path: path, password: secret.New(password), clientID: clientID, chain: chain}
	auth, digest, seen, err := c.read()
	if err != nil {
		return nil, err
	}
	c.current, c.digest, c.seen = auth, digest, seen
	return c, nil
}

func (c *certificateFile) read() (*certificateAuth, [sha256.Size]byte, fileState, error) {
	fail := func(err error) (*certificateAuth, [sha256.Size]byte, fileState, error) {
		return nil, [sha256.Size]byte{}, fileState{}, fmt.Errorf("certificate file %s (%s): %w", c.path, envCertificatePath, err)
	}
	info, err := os.Stat(c.path)
	if err != nil {
		return fail(unwrapPath(err))
	}
	data, err := os.ReadFile(c.path)
	if err != nil {
		return fail(unwrapPath(err))
	}
	certs, key, err := assertion.ParseCertificates(data, []byte(c.password.Expose()))
	if err != nil {
		return fail(err)
	}
	signer, err := assertion.NewSigner(certs, key)
	if err != nil {
		return fail(err)
	}
	return newCertificateAuth(signer, c.clientID, c.chain), sha256.Sum256(data), fileState{info.Size(), info.ModTime().UnixNano()}, nil
}

// unwrapPath drops the path from an error, as it is named already.
func unwrapPath(err error) error {
	var at *os.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// reload reads the file again and reports whether it holds another
// certificate than before.
func (c *certificateFile) reload(ctx context.Context) bool {
	auth, digest, seen, err := c.read()
	if err != nil {
		events.Log(ctx, events.CertificateKept, events.Err(err))
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = seen
	if bytes.Equal(digest[:], c.digest[:]) {
		return false
	}
	c.current, c.digest = auth, digest
	events.Log(ctx, events.CertificateChanged, slog.String("path", c.path))
	return true
}

func (c *certificateFile) auth() *certificateAuth {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// Authenticate looks whether the file has changed since it was read. It is
// called for requests only, which take far longer than that look.
func (c *certificateFile) Authenticate(ctx context.Context, f *entra.Form, endpoint string, legacy bool) error {
	if info, err := os.Stat(c.path); err == nil {
		c.mu.Lock()
		changed := c.seen != fileState{info.Size(), info.ModTime().UnixNano()}
		c.mu.Unlock()
		if changed {
			c.reload(ctx)
		}
	}
	return c.auth().Authenticate(ctx, f, endpoint, legacy)
}

// Refused reads the file once more: it may have been replaced without a trace.
func (c *certificateFile) Refused(ctx context.Context, e *entra.Error, f *entra.Form) bool {
	retry := c.auth().Refused(ctx, e, f)
	return e.Code == "invalid_client" && c.reload(ctx) || retry
}

// proof is that of the place: whoever reads the same file, with the same
// password, is the same application whatever certificate it holds today.
func (c *certificateFile) proof() [32]byte {
	path, err := filepath.Abs(c.path)
	if err != nil {
		path = c.path
	}
	return digest("file", path+"\x00"+c.password.Expose())
}

func (c *certificateFile) private() bool { return false }
