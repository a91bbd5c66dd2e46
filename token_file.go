package azidentity

import (
	"context"
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
	info, err := os.Stat(path)
	if err != nil {
		return "", unwrapPath(err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("it is no regular file (%s)", info.Mode().Type())
	}
	f, err := os.Open(path)
	if err != nil {
		return "", unwrapPath(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAssertion+1))
	if err != nil {
		return "", unwrapPath(err)
	}
	if len(data) > maxAssertion {
		return "", fmt.Errorf("it has more than %d bytes, and so holds no token", maxAssertion)
	}
	return strings.TrimSpace(string(data)), nil
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

// proof is that of the place, as of a [certificateFile], and of the way.
func (t *tokenFile) proof() [32]byte {
	path, err := filepath.Abs(t.path)
	kind := "token file"
	if t.proxy != nil {
		kind = "token file through " + t.proxy.key()
	}
	if err != nil {
		path = t.path
	}
	return mac(kind, path)
}

func (t *tokenFile) private() bool { return false }
