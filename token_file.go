package azidentity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/azid-go/azidentity/internal/entra"
)

// maxAssertion is above any token: Entra ID refuses forms long before.
const maxAssertion = 256 << 10

// readTokenFile returns what a file holds now, without white space around it.
func readTokenFile(path string) (string, error) {
	data, err := readFile(path, maxAssertion, "token", false)
	return strings.TrimSpace(string(data)), err
}

// readFile returns what a file holds now, which is a kind of thing that has most
// bytes at most. Only where pipes are welcome it reads what is no regular file: a
// pipe without a writer keeps its reader waiting.
func readFile(path string, most int, kind string, pipes bool) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	if !info.Mode().IsRegular() && (info.IsDir() || !pipes) {
		return nil, fmt.Errorf("it is no regular file (%s)", info.Mode().Type())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, unwrapPath(err)
	}
	if len(data) > most {
		return nil, fmt.Errorf("it has more than %d bytes, and so holds no %s", most, kind)
	}
	return data, nil
}

// unwrapPath drops the path from an error, as it is named already.
func unwrapPath(err error) error {
	var at *os.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// A tokenFile proves by the service account token that a file holds at the time.
// Kubelet replaces the token before it expires, so that the file is read for
// each request; those are rare, and it lies in memory.
type tokenFile struct {
	path  string
	proxy *tokenProxy // nil for none
}

// Authenticate sends what the file holds, whatever that is: Entra ID judges it,
// by the clock that counts.
func (t *tokenFile) Authenticate(_ context.Context, f *entra.Form, _ string, _ bool) error {
	jwt, err := readTokenFile(t.path)
	if err != nil {
		return fmt.Errorf("token file %s (%s): %w", t.path, envTokenFile, err)
	}
	if jwt == "" {
		return NewCredentialUnavailableError(fmt.Sprintf("%s: token file %s (%s) is empty", credNameWorkloadIdentity, t.path, envTokenFile))
	}
	setAssertion(f, jwt)
	return nil
}

// Refused reads the file once more when Entra ID finds the token expired: it may
// have been replaced just after it was read. The same token is not sent again.
func (t *tokenFile) Refused(_ context.Context, e *entra.Error, f *entra.Form) bool {
	d := present(e, f)
	switch {
	case e.Has(codeAssertionTime):
		e.Next = fmt.Sprintf("%s was read twice and held no token that is valid now: see that kubelet renews it (a projected volume, mounted without subPath, not a copy), and that this machine's clock is right", t.path)
	case (e.Has(codeIssuer) || e.Has(codeAudience)) && strings.EqualFold(d.Audience, bindingAudience) && t.proxy == nil:
		e.Next = "the token is for AKS identity bindings: set EnableAzureProxy in the credential's options"
	}
	if !e.Has(codeAssertionTime) {
		return false
	}
	now, err := readTokenFile(t.path)
	return err == nil && now != "" && now != f.Secret("client_assertion")
}

// bindingAudience is that of service account tokens for the AKS token proxy.
const bindingAudience = "api://AKSIdentityBinding"

// proof is that of the place, as of a [rotatingAuth], and of the way.
func (t *tokenFile) proof() [32]byte {
	path, err := filepath.Abs(t.path)
	kind := "token file"
	if t.proxy != nil {
		kind = "token file through " + t.proxy.key()
	}
	if err != nil {
		path = t.path
	}
	return digest(kind, path)
}

func (t *tokenFile) private() bool { return false }
