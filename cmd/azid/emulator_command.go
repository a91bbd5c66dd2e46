package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// A childExit carries the exit status of a command that was run.
type childExit struct{ status int }

func (e *childExit) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// runWith runs a command in this process's environment as changed by env.
func runWith(ctx context.Context, env environment, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	child := exec.CommandContext(ctx, args[0], args[1:]...)
	child.Stdin, child.Stdout, child.Stderr = stdin, stdout, stderr
	child.Env = env.change(os.Environ())
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

// change returns the entries of a process's environment with e in their place.
func (e environment) change(entries []string) []string {
	entries = slices.DeleteFunc(slices.Clone(entries), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.ContainsFunc(e, func(v variable) bool { return strings.EqualFold(v.name, name) })
	})
	for _, v := range e {
		if !v.unset {
			entries = append(entries, v.name+"="+v.value)
		}
	}
	return entries
}

// commandAfterDash takes arguments after -- only: before it, a word is a
// subcommand that does not exist.
func commandAfterDash(cmd *cobra.Command, args []string) error {
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		args = args[:at]
	}
	return knownCommand(cmd, args)
}
