package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"github.com/azid-go/azidentity/entratest"
)

func newEmulator() *cobra.Command {
	var f emulatorFlags
	cmd := &cobra.Command{
		Use:   "emulator [flags] [-- COMMAND [ARGUMENT...]]",
		Short: "Run an Entra ID emulator for programs on this machine",
		Long: `Run an Entra ID emulator for programs on this machine, until Ctrl-C, or while a
command runs that finds it in its environment. The exit status is then the
command's.

Without a command, once it listens, it prints on standard output the environment
that Azure SDKs of any language need to use it. The same stands in a file, for
other shells: the command to load it is on standard error. Files are in a
private directory, unless flags say otherwise, and are removed at the end.

A shell with this environment trusts the emulator's certificate and, with most
SDKs, no other. Close it to be back with the real Entra ID.

A federated assertion, as a pod or a build has one, is in the file that
AZURE_FEDERATED_TOKEN_FILE names. For others ask the emulator:
/_emulator/assertion?subject=…&audience=…&lifetime=1h

At /_emulator/ is a console for your browser: what is configured, what was
asked, device codes to approve, faults to inject.

With --host, programs find what they would find on a host of Azure's or in a
build, in place of an application's secrets: variables of the host are set, all
others by which credentials are chosen are unset. The endpoints of managed
identities have no TLS, as in Azure, but for Service Fabric's, whose certificate
is its own. Azure Arc's keys are files in /var/opt/azcmagent/tokens (on Windows
in %ProgramData%); clients insist on that place, but for old ones of Python.

` + exitStatusHelp,
		Example: `  azid emulator --listen localhost:0 -- pytest

  azid emulator --listen localhost:0 --host app-service -- pytest

  azid emulator --write-env emulator.env
  . ./emulator.env && azid token --scope https://vault.azure.net/.default

  azid emulator seed > seed.json && azid emulator --seed seed.json --verbose`,
		DisableFlagsInUseLine: true,
		Args:                  commandAfterDash,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "localhost:8443", "listen on `ADDRESS`; port 0 is a free one\n")
	flags.BoolVar(&f.allowRemote, "allow-remote", false, "allow an address that other machines reach")
	flags.StringVar(&f.seed, "seed", "", "take tenants and applications from `FILE`")
	flags.StringVar(&f.paths.ca, "ca-file", "", "write the certificate to trust to `FILE`")
	flags.StringVar(&f.paths.assertion, "assertion-file", "", "keep a fresh federated assertion in `FILE`")
	flags.StringVar(&f.paths.env, "write-env", "", "write the environment to `FILE`")
	flags.StringVar(&f.arcKeys, "arc-keys", "", "leave the keys of Azure Arc's agent in `DIR`")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log requests to standard error")
	addChoice(cmd, &f.host, "host", "be like", emulatedHostNames()...)
	addChoice(cmd, &f.output, "output", "form of the environment", "env", "json")
	cmd.AddCommand(newEmulatorSeed())
	return cmd
}

type emulatorFlags struct {
	listen, seed, arcKeys string
	allowRemote, verbose  bool
	paths                 emulatorPaths
	host, output          choice
}

func (f *emulatorFlags) run(cmd *cobra.Command, command []string) (err error) {
	stdout, stderr := cmd.OutOrStdout(), cmd.ErrOrStderr()
	if err := checkListen(f.listen, f.allowRemote); err != nil {
		return err
	}
	cfg, err := readSeed(f.seed)
	if err != nil {
		return err
	}
	host := emulatedHostNamed(f.host.value)
	if f.arcKeys != "" || host.identity == entratest.EndpointAzureArc {
		keys, err := prepareArc(cmp.Or(f.arcKeys, cfg.ArcKeyDirectory))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, keys.remove()) }()
		cfg.ArcKeyDirectory = keys.path
	}
	server, err := entratest.Listen(f.listen, cfg)
	if err != nil {
		return listenError(err)
	}
	defer server.Close()

	files := &emulatorFiles{}
	defer func() { err = errors.Join(err, files.remove()) }()
	env, assertion, err := files.writeAll(server, cfg, host, f.paths)
	if err != nil {
		return err
	}

	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	if assertion != nil {
		background.Go(func() { assertion.keepFresh(ctx, stderr) })
	}
	if f.verbose {
		background.Go(func() { logRequests(ctx, server.Emulator, stderr) })
	}
	if len(command) > 0 {
		return runWith(ctx, env, command, cmd.InOrStdin(), stdout, stderr)
	}
	introduce(stderr, server, cfg.Tenants[0].ID, host, files)
	if err := env.print(stdout, server.URL, host.name, f.output.value); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// checkListen keeps the emulator, which asks nobody for a password, from being
// reached from elsewhere by mistake.
func checkListen(addr string, allowRemote bool) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return usagef("azid emulator: --listen %q: it is a host and a port, such as localhost:8443", addr)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return usagef("azid emulator: --listen %q: %q is not a port", addr, port)
	}
	ip := net.ParseIP(host)
	if allowRemote || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return usagef("azid emulator: --listen %q: other machines may reach this address, and the emulator gives tokens to anyone; use localhost:%s, or add --allow-remote", addr, port)
}

func listenError(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) {
		return fmt.Errorf("azid emulator: %w", err)
	}
	return &hint{fmt.Errorf("azid emulator: %w", op), "take a free port with azid emulator --listen localhost:0"}
}

// readSeed returns the configuration in the file, or the default one.
func readSeed(path string) (*entratest.Config, error) {
	if path == "" {
		return &entratest.Config{Tenants: []entratest.Tenant{entratest.DefaultTenant()}}, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("azid emulator: --seed: %w", err)
	}
	cfg, err := entratest.ParseSeed(data)
	if err != nil {
		return nil, &hint{fmt.Errorf("azid emulator: --seed %s: %w", path, err), "compare with azid emulator seed"}
	}
	if len(cfg.Tenants) == 0 {
		cfg.Tenants = []entratest.Tenant{entratest.DefaultTenant()}
	}
	return cfg, nil
}

func introduce(w io.Writer, s *entratest.Server, tenant string, h emulatedHost, files *emulatorFiles) {
	who := ""
	switch {
	case h.identity != "":
		who = " --credential managed"
	case h.name == "workload-identity":
		who = " --credential workload"
	}
	fmt.Fprintf(w, "Entra ID emulator at %s, tenant %s.\nIn another shell:\n  . %s\n", s.URL, tenant, quoteIfNeeded(files.env))
	if h.application() || who != "" {
		fmt.Fprintf(w, "  azid token%s --scope https://management.azure.com/.default --decode\n", who)
	}
	if !h.application() {
		fmt.Fprintf(w, "Programs find there what they would find on the host %s, and nothing else.\n", h.name)
	}
	fmt.Fprint(w, `That shell trusts the emulator's certificate instead of the usual ones.
Ctrl-C stops the emulator and removes its files.
`)
}

//go:embed seed.json
var exampleSeed []byte

func newEmulatorSeed() *cobra.Command {
	return &cobra.Command{
		Use:     "seed",
		Short:   "Print an example of a seed file",
		Example: "  azid emulator seed > seed.json\n  azid emulator --seed seed.json",
		Args:    knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(exampleSeed)
			return err
		},
	}
}
