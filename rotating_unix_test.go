//go:build unix

package azidentity_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/azid-go/azidentity"
)

// A pipe, such as a shell's <(…), is read once: nobody writes to it again, and
// whoever tried to read it would wait for ever.
func TestAuthenticationByAPipe(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	p := proofNumber(t, 1)
	for name, test := range map[string]struct {
		auth    func(path string) azidentity.ClientAuthentication
		content []byte
	}{
		"secret":      {azidentity.AuthenticationBySecretFile, p.line()},
		"certificate": {certificateFrom, p.pem()},
	} {
		accept(t, e, p)
		path := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		written := make(chan error, 1)
		go func() { written <- os.WriteFile(path, test.content, 0o600) }()
		c := appCred(t, test.auth(path), o)
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := fresh(t, c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		accept(t, e, proofNumber(t, 2))
		if err := fresh(t, c); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: got %v, want an error that says why the pipe was not read again", name, err)
		}
	}
}
