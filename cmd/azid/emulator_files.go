package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

// emulatorPaths are where the user wants files; empty is in a private directory.
type emulatorPaths struct{ ca, assertion, env string }

// emulatorFiles are the files of a running emulator. It replaces none that it
// did not write, and removes all that it wrote.
type emulatorFiles struct {
	dir     string // private and temporary
	env     string
	written []string
}

// writeAll writes the files and returns the environment that names them. There is
// an assertion only if the application trusts the emulator's own issuer. On a
// host there is what belongs there.
func (f *emulatorFiles) writeAll(s *entratest.Server, cfg *entratest.Config, h emulatedHost, paths emulatorPaths) (environment, *assertionFile, error) {
	var err error
	if f.dir, err = os.MkdirTemp("", "azid-emulator-"); err != nil {
		return nil, nil, fmt.Errorf("azid emulator: %w", err)
	}
	tenant := cfg.Tenants[0]
	var app entratest.Application
	if len(tenant.Applications) > 0 {
		app = tenant.Applications[0]
	}
	ca, err := f.write(paths.ca, "ca.pem", s.CAPEM(), 0o644)
	if err != nil {
		return nil, nil, err
	}
	certificate := ""
	if h.application() && strings.EqualFold(app.ClientID, entratest.DefaultClientID) {
		if certificate, err = f.write("", "client.pem", s.DefaultCertificatePEM(), 0o600); err != nil {
			return nil, nil, err
		}
	}
	facts := hostFacts{server: s, tenant: tenant, app: app, machine: cfg.ManagedIdentities}
	if facts.machine == nil {
		facts.machine = entratest.DefaultManagedIdentities()
	}
	var assertion *assertionFile
	if h.application() || h.name == "workload-identity" || paths.assertion != "" {
		if assertion, err = f.writeAssertion(s.Emulator, app, paths.assertion); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case assertion != nil:
		facts.assertion = assertion.path
	case h.name == "workload-identity":
		return nil, nil, usagef("azid emulator: --host workload-identity: the first application of the seed trusts no assertion of the emulator's issuer: give it a federated credential")
	}
	env := emulatorEnvironment(h, facts, certificate, ca)
	f.env, err = f.write(paths.env, "env", []byte(env.shell()), 0o600)
	return env, assertion, err
}

// write creates path, or name in the private directory, and returns its absolute
// path: it is used from other directories.
func (f *emulatorFiles) write(path, name string, data []byte, mode fs.FileMode) (string, error) {
	if path == "" {
		path = filepath.Join(f.dir, name)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("azid emulator: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return "", &hint{fmt.Errorf("azid emulator: %s exists already, and is not replaced", path), "rm " + quoteIfNeeded(path)}
	}
	if err != nil {
		return "", fmt.Errorf("azid emulator: %w", err)
	}
	f.written = append(f.written, path)
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("azid emulator: %w", err)
	}
	return path, nil
}

// remove removes what was written. What is gone already is fine.
func (f *emulatorFiles) remove() error {
	var errs []error
	for _, path := range f.written {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if f.dir != "" {
		errs = append(errs, os.RemoveAll(f.dir))
	}
	return errors.Join(errs...)
}

// assertionFile holds a federated assertion, as a pod's token file does.
type assertionFile struct {
	path string
	mint func() (string, error)
}

func (f *emulatorFiles) writeAssertion(e *entratest.Emulator, app entratest.Application, path string) (*assertionFile, error) {
	for _, c := range app.FederatedCredentials {
		if c.Issuer != "" && c.Issuer != e.FederatedIssuer() {
			continue
		}
		var options []entratest.AssertionOption
		if len(c.Audiences) > 0 {
			options = append(options, entratest.WithAudience(c.Audiences[0]))
		}
		a := &assertionFile{mint: func() (string, error) { return e.FederatedAssertion(c.Subject, options...) }}
		text, err := a.mint()
		if err != nil {
			return nil, fmt.Errorf("azid emulator: %w", err)
		}
		a.path, err = f.write(path, "federated-token", []byte(text), 0o600)
		return a, err
	}
	if path != "" {
		return nil, usagef("azid emulator: --assertion-file: the first application of the seed trusts no assertion of the emulator's issuer: give it a federated credential")
	}
	return nil, nil
}

// keepFresh replaces the assertion well before it expires, as Kubernetes does.
func (a *assertionFile) keepFresh(ctx context.Context, stderr io.Writer) {
	tick := time.NewTicker(20 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := a.replace(); err != nil {
				fmt.Fprintf(stderr, "azid emulator: the federated assertion is not renewed: %v\n", err)
			}
		}
	}
}

func (a *assertionFile) replace() error {
	text, err := a.mint()
	if err != nil {
		return err
	}
	file, err := newReplacement(a.path)
	if err != nil {
		return err
	}
	return file.commit([]byte(text))
}
