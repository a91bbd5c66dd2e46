//go:build interop && !linux

package interop_test

import (
	"errors"
	"runtime"
)

var errNotLinux = errors.New("the interop tests need Linux, for its network namespaces; this is " + runtime.GOOS)

func runAlone([]string) (int, error) { return 1, errNotLinux }

func isolated() error { return errNotLinux }
