package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/internal/entra"
)

// The exit statuses.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitUnavailable
	exitPerson
)

const exitStatusHelp = `Exit status:
  0  done
  1  failed
  2  wrong usage
  3  no credential is available: something is not configured or not installed
  4  a person is needed to sign in`

// A usageError says that the command line is wrong.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// A personError says that nobody was there to sign in.
type personError struct{ message string }

func (e *personError) Error() string { return e.message }

func personNeeded(format string, args ...any) error {
	return &personError{fmt.Sprintf(format, args...)}
}

// A hint is an error with the next thing to do.
type hint struct {
	error
	next string
}

func (h *hint) Unwrap() error { return h.error }

// report writes err as a person wants to read it and returns the exit status.
func report(w io.Writer, cmd *cobra.Command, err error) int {
	status := exitStatus(err)
	var child *childExit
	if err == nil || errors.Is(err, errReported) || errors.As(err, &child) {
		return status // whoever failed has said so
	}
	fmt.Fprintln(w, printable(err.Error()))
	var h *hint
	switch {
	case errors.As(err, &h):
		fmt.Fprintln(w, "  Next: "+h.next)
	case status == exitUsage:
		fmt.Fprintf(w, "  Next: %s --help\n", cmd.CommandPath())
	}
	return status
}

func exitStatus(err error) int {
	var usage *usageError
	var required *azidentity.AuthenticationRequiredError
	var failed *azidentity.AuthenticationFailedError
	var refused *entra.Error
	var child *childExit
	var person *personError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &child):
		return child.status
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &person), errors.As(err, &required),
		errors.As(err, &failed) && failed.Code == "interaction_required", errors.As(err, &refused) && refused.NeedsPerson():
		return exitPerson
	case azidentity.IsCredentialUnavailable(err):
		return exitUnavailable
	}
	return exitFailed
}

// advise adds what to do next to errors whose text cannot know that they reached
// a person at a command line.
func advise(err error) error {
	if exitStatus(err) == exitUnavailable {
		return &hint{err, "set the variables, or try without Azure: azid emulator"}
	}
	return err
}

// flagError turns pflag's errors into ours, with the nearest flag.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return usagef("%s: %v", cmd.CommandPath(), err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	message := fmt.Sprintf("%s has no flag --%s", cmd.CommandPath(), unknown.GetSpecifiedName())
	if why := refusedFlags[unknown.GetSpecifiedName()]; why != "" {
		return usagef("%s: %s", message, why)
	}
	if name := nearest(unknown.GetSpecifiedName(), names); name != "" {
		return usagef("%s: did you mean --%s?", message, name)
	}
	return &usageError{message}
}

// refusedFlags are those that people look for and that are missing on purpose.
var refusedFlags = map[string]string{
	"client-secret": processArguments + "AZURE_CLIENT_SECRET",
	"secret":        processArguments + "AZURE_CLIENT_SECRET",
	"password":      processArguments + "AZURE_PASSWORD or AZURE_CLIENT_CERTIFICATE_PASSWORD",
	"version":       "it is a command, azid version",
}

const processArguments = "every user of this machine can read a process's arguments; set the variable "

// printable replaces what could steer a terminal; servers and other programs
// have a say in messages.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || 0x7f <= r && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}
