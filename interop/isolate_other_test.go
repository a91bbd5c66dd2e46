//go:build interop && !linux

package interop_test

import (
	"errors"
	"os/exec"
	"runtime"
)

var errNotLinux = errors.New("the interop tests need Linux, for its network namespaces; this is " + runtime.GOOS)

func runAlone([]string) (int, error) { return 1, errNotLinux }

func endWithThis(*exec.Cmd) {}

func isolated() error { return errNotLinux }
