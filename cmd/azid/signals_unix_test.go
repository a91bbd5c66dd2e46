//go:build !windows

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestEmulatorTerminated(t *testing.T) {
	env := filepath.Join(t.TempDir(), "env")
	status := make(chan int)
	go func() {
		var out, errs bytes.Buffer
		status <- run([]string{"emulator", "--listen", "127.0.0.1:0", "--write-env", env}, nil, &out, &errs)
	}()
	for _, err := os.Stat(env); err != nil; _, err = os.Stat(env) {
		time.Sleep(10 * time.Millisecond)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := <-status; got != 0 {
		t.Errorf("status %d", got)
	}
	if _, err := os.Stat(env); !os.IsNotExist(err) {
		t.Errorf("the environment is still there: %v", err)
	}
}
