package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"
)

// A childExit carries the exit status of a command that was run.
type childExit struct{ status int }

func (e *childExit) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// runWith runs a command with the environment added to this process's.
func runWith(ctx context.Context, env environment, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	child := exec.CommandContext(ctx, args[0], args[1:]...)
	child.Stdin, child.Stdout, child.Stderr = stdin, stdout, stderr
	child.Env = os.Environ()
	for _, v := range env {
		child.Env = append(child.Env, v.name+"="+v.value) // the last of a name counts
	}
	child.Cancel = func() error {
		if child.Process.Signal(os.Interrupt) != nil {
			return child.Process.Kill() // Windows knows no other way
		}
		return nil
	}
	child.WaitDelay = 5 * time.Second
	err := child.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return &childExit{exit.ExitCode()}
	case err != nil:
		return fmt.Errorf("azid emulator: %s: %w", args[0], err)
	}
	return nil
}

// commandAfterDash takes arguments after -- only: before it, a word is a
// subcommand that does not exist.
func commandAfterDash(cmd *cobra.Command, args []string) error {
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		args = args[:at]
	}
	return knownCommand(cmd, args)
}
