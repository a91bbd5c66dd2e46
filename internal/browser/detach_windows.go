package browser

import "syscall"

// detached keeps Ctrl-C in the terminal from the program.
func detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
