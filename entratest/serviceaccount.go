package entratest

import (
	"fmt"
	"os"
	"path/filepath"
)

// WriteServiceAccountToken puts a token as of [Emulator.FederatedAssertion] into
// a file, as kubelet does with a pod's service account token: it replaces the
// file as a whole, so that who reads it finds the old token or the new one. Call
// it again to rotate the token.
func (e *Emulator) WriteServiceAccountToken(path, subject string, options ...AssertionOption) error {
	jwt, err := e.FederatedAssertion(subject, options...)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*")
	if err != nil {
		return fmt.Errorf("entratest: %w", err)
	}
	_, err = f.WriteString(jwt)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("entratest: %w", err)
	}
	return nil
}
