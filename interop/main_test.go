//go:build interop

package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// isolatedVar marks the copy of this process that runs the tests.
	isolatedVar = "AZID_INTEROP_ISOLATED"
	// commandVar names the azid command that was built for them.
	commandVar = "AZID_INTEROP_COMMAND"
)

// TestMain runs the tests in a copy of this process that has no network but
// loopback, and a /var/opt of its own. What may need the network, building azid, is done before.
func TestMain(m *testing.M) {
	if os.Getenv(browserVar) != "" {
		if err := openBrowser(os.Args[len(os.Args)-1]); err != nil {
			fmt.Fprintln(os.Stderr, "the browser:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(isolatedVar) != "" {
		if err := isolated(); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	code, err := runIsolated()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = 1
	}
	os.Exit(code)
}

func runIsolated() (code int, err error) {
	dir, err := os.MkdirTemp("", "azid-interop-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	command := filepath.Join(dir, "azid")
	build := exec.Command("go", "build", "-o", command, ".")
	build.Dir = filepath.Join("..", "cmd", "azid")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building azid: %w\n%s", err, out)
	}
	env := append(neutral(os.Environ()),
		isolatedVar+"=1", commandVar+"="+command,
		"GOPROXY=off", // a module that is missing is named instead of looked for
	)
	return runAlone(env)
}

// neutral returns env without what configures the clients under test, or how
// programs reach the network.
func neutral(env []string) []string {
	var kept []string
	for _, kv := range env {
		name, _, _ := strings.Cut(strings.ToUpper(kv), "=")
		drop := strings.HasSuffix(name, "_PROXY") || strings.HasSuffix(name, "_CA_BUNDLE") || name == "REGION_NAME" || name == "BROWSER"
		for _, prefix := range []string{"AZURE_", "MSAL_", "MSI_", "IDENTITY_", "IMDS_", "DEFAULT_IDENTITY_", "SYSTEM_OIDC", "ACTIONS_ID_TOKEN_", "SSL_CERT_", "NODE_", "PYTHON"} {
			drop = drop || strings.HasPrefix(name, prefix)
		}
		if !drop {
			kept = append(kept, kv)
		}
	}
	return kept
}
