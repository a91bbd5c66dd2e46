package main

import "github.com/spf13/cobra"

func newEmulator() *cobra.Command { return &cobra.Command{Use: "emulator"} }
