//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpuTime returns what all threads of the process have computed so far. Other
// processes on the machine do not add to it, as they do to the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // the arguments are constants
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
