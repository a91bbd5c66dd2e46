//go:build unix

package browser

import "syscall"

// detached puts a program into a session of its own, so that Ctrl-C in the
// terminal ends the sign-in and not the browser, and none reads from the terminal.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
