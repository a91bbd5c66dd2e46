//go:build interop

package interop_test

import (
	"os"
	"testing"
)

// python is the interpreter that Debian's package python3-azure is for; another
// may come first on PATH.
const python = "/usr/bin/python3"

// TestPython lets Microsoft's azure.identity for Python, synchronous and not,
// get tokens from the emulator.
func TestPython(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v: install the package python3-azure (make interop does)", err)
	}
	e := startEmulator(t)
	env := []string{"REQUESTS_CA_BUNDLE=" + e.ca, "SSL_CERT_FILE=" + e.ca, "AZURE_AUTHORITY_HOST=" + e.authority}
	for _, async := range []bool{false, true} {
		for _, proof := range proofs {
			name := proof
			if async {
				name += ", aio"
			}
			t.Run(name, func(t *testing.T) {
				e.peerToken(t, peerRequest{Proof: proof, Async: async}, env, python, "python/get_token.py")
				r := e.expectRequest(t, "azsdk-python-identity/", proof)
				// Python's asynchronous credential never sends the chain.
				if _, sent := r.AssertionHeader["x5c"]; sent != (proof == "chain" && !async) {
					t.Errorf("a chain was sent: %t", sent)
				}
			})
		}
	}
}
