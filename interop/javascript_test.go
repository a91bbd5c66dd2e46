//go:build interop

package interop_test

import (
	"os"
	"testing"
)

// startJavaScript starts @azure/identity.
func startJavaScript(t *testing.T, e *emulator) func(*testing.T, ask) answer {
	if _, err := os.Stat("js/node_modules/@azure/identity"); err != nil {
		t.Fatalf("%v: run npm ci in interop/js (make interop does)", err)
	}
	return startProgram(t, e, "node", "js/get_token.mjs")
}
