//go:build interop

package interop_test

import (
	"os"
	"testing"
)

// TestJavaScript lets Microsoft's @azure/identity get tokens from the emulator.
func TestJavaScript(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("js/node_modules/@azure/identity"); err != nil {
		t.Fatalf("%v: run npm ci in interop/js (make interop does)", err)
	}
	e := startEmulator(t)
	env := []string{"NODE_EXTRA_CA_CERTS=" + e.ca}
	for _, proof := range proofs {
		t.Run(proof, func(t *testing.T) {
			e.peerToken(t, peerRequest{Proof: proof}, env, "node", "js/get_token.mjs")
			r := e.expectRequest(t, "msal.js.node", proof)
			if _, sent := r.AssertionHeader["x5c"]; sent != (proof == "chain") {
				t.Errorf("a chain was sent: %t", sent)
			}
		})
	}
}
