package main

import (
	"context"
	"io"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
)

// run executes the command line and returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills

	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return report(stderr, cmd, err)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "azid",
		Short: "Get Microsoft Entra ID tokens, and try authentication without Azure",
		Long: `Get Microsoft Entra ID tokens, and try authentication without Azure.

` + exitStatusHelp,
		Example: `  azid demo
  azid emulator
  azid login
  azid token --scope https://management.azure.com/.default`,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(flagError)
	accounts := &memoryAccounts{}
	root.AddCommand(newDemo(), newToken(), newLogin(accounts), newLogout(accounts), newAccounts(accounts), newEmulator(), newVersion())
	refuseUnknown(root)
	return root
}

// refuseUnknown makes cobra's own commands refuse what they do not know. They
// would print their help and succeed.
func refuseUnknown(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				target, rest, err := root.Find(args)
				if err != nil {
					return usagef("azid help: %v", err)
				}
				return knownCommand(target, rest)
			}
		case "completion":
			c.Args = knownCommand
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// knownCommand refuses arguments of commands that take only subcommands.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if len(names) == 0 {
		return usagef("%s takes no arguments, and got %q", cmd.CommandPath(), args[0])
	}
	if name := nearest(args[0], names); name != "" {
		return usagef("%s has no command %q: did you mean %s?", cmd.CommandPath(), args[0], name)
	}
	return usagef("%s has no command %q, but %s", cmd.CommandPath(), args[0], strings.Join(names, ", "))
}
