//go:build interop

package interop_test

import (
	"os"
	"testing"
)

// python is the interpreter that Debian's package python3-azure is for; another
// may come first on PATH.
const python = "/usr/bin/python3"

// startPython starts azure.identity for Python, or its twin azure.identity.aio.
func startPython(aio bool) func(*testing.T, *emulator) func(*testing.T, ask) answer {
	return func(t *testing.T, e *emulator) func(*testing.T, ask) answer {
		if _, err := os.Stat(python); err != nil {
			t.Fatalf("%v: install the package python3-azure (make interop does)", err)
		}
		program := startProgram(t, e, python, "python/get_token.py")
		return func(t *testing.T, do ask) answer {
			do.Async = aio
			return program(t, do)
		}
	}
}
