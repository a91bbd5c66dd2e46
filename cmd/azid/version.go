package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	var output choice
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  azid version\n  azid version --output json",
		Args:    knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versionInfo{"(devel)", runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
				v.Version = info.Main.Version
			}
			if output.value == "json" {
				return writeJSON(cmd.OutOrStdout(), v)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "azid %s, %s, %s\n", v.Version, v.Go, v.Platform)
			return err
		},
	}
	addChoice(cmd, &output, "output", "form of the answer", "text", "json")
	return cmd
}

type versionInfo struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// writeJSON writes v for programs, readable for people.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
