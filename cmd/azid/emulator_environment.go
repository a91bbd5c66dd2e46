package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

// environment is what other programs need to use the emulator, in order.
type environment []variable

type variable struct {
	name, value string
	unset       bool // they must not have it
}

func (e *environment) add(name, value string) {
	if value != "" {
		*e = append(*e, variable{name: name, value: value})
	}
}

func (e environment) get(name string) string {
	for _, v := range e {
		if v.name == name {
			return v.value
		}
	}
	return ""
}

// emulatorEnvironment describes a host, or the first application of the first
// tenant. What the application does not have is left out.
func emulatorEnvironment(h emulatedHost, f hostFacts, certificate, ca string) environment {
	var e environment
	e.add("AZURE_AUTHORITY_HOST", f.server.URL)
	if h.application() {
		e.add("AZURE_TENANT_ID", f.tenant.ID)
		e.add("AZURE_CLIENT_ID", f.app.ClientID)
		e.add("AZURE_CLIENT_SECRET", workingSecret(f.app, time.Now()))
		e.add("AZURE_CLIENT_CERTIFICATE_PATH", certificate)
		e.add("AZURE_FEDERATED_TOKEN_FILE", f.assertion)
	} else {
		h.variables(&e, f)
	}
	// Microsoft's cloud does not know the emulator, and is not to be asked about it.
	e.add("AZURE_IDENTITY_DISABLE_INSTANCE_DISCOVERY", "true")
	e.add("SSL_CERT_FILE", ca)       // Go, OpenSSL
	e.add("REQUESTS_CA_BUNDLE", ca)  // Python, az
	e.add("NODE_EXTRA_CA_CERTS", ca) // Node
	return e
}

func workingSecret(a entratest.Application, now time.Time) string {
	for _, s := range a.Secrets {
		if s.Expires.IsZero() || s.Expires.After(now) {
			return s.Value
		}
	}
	return ""
}

// shell is the environment as a POSIX shell reads it.
func (e environment) shell() string {
	var b strings.Builder
	var unset []string
	for _, v := range e {
		if v.unset {
			unset = append(unset, v.name)
		} else {
			fmt.Fprintln(&b, export(v.name, v.value))
		}
	}
	if len(unset) > 0 {
		fmt.Fprintln(&b, "unset "+strings.ReplaceAll(wrap(strings.Join(unset, " "), 72), "\n", "\nunset "))
	}
	return b.String()
}

func (e environment) print(w io.Writer, url, host, form string) error {
	if form != "json" {
		_, err := io.WriteString(w, e.shell())
		return err
	}
	values, unset := map[string]string{}, []string{}
	for _, v := range e {
		if v.unset {
			unset = append(unset, v.name)
		} else {
			values[v.name] = v.value
		}
	}
	return writeJSON(w, map[string]any{"url": url, "host": host, "environment": values, "unset": unset})
}

// quoteIfNeeded quotes a word that a shell would not take as it is.
func quoteIfNeeded(word string) string {
	if strings.ContainsFunc(word, func(r rune) bool {
		return r >= 0x80 || !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+:@", r))
	}) {
		return quote(word)
	}
	return word
}
