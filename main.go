// SPDX-License-Identifier: Apache-2.0

// Command signet manages signature keys for API gateways as Kubernetes
// resources, and signs with them. Its commands are manager (the default), signer
// and certs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/signet-dev/signet/internal/cmd/certs"
	"github.com/signet-dev/signet/internal/cmd/manager"
	"github.com/signet-dev/signet/internal/cmd/signer"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "signet:", err)
		os.Exit(1)
	}
}

// command is one of Signet's commands.
type command struct {
	name, summary string
	// bind adds the command's flags to the set and returns what runs it.
	bind func(*pflag.FlagSet) func(context.Context) error
}

// commands lists Signet's commands. The first is the default.
var commands = []command{
	{"manager", "reconcile keys and bindings and validate them on admission", func(flags *pflag.FlagSet) func(context.Context) error {
		options := manager.DefaultOptions()
		options.Bind(flags)
		return func(ctx context.Context) error { return manager.Run(ctx, options) }
	}},
	{"signer", "sign requests for gateways and verify them for backends", func(flags *pflag.FlagSet) func(context.Context) error {
		options := signer.DefaultOptions()
		options.Bind(flags)
		return func(ctx context.Context) error { return signer.Run(ctx, options) }
	}},
	{"certs", "create the certificates of the signer and its callers", func(flags *pflag.FlagSet) func(context.Context) error {
		options := certs.DefaultOptions()
		options.Bind(flags)
		return func(ctx context.Context) error { return certs.Run(ctx, options, os.Stdout, time.Now()) }
	}},
}

// run selects the command, parses its flags and runs it.
func run(ctx context.Context, args []string) error {
	chosen, err := choose(args)
	if err != nil {
		return err
	}
	flags := pflag.NewFlagSet("signet "+chosen.name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() { usage(chosen, flags) }
	start := chosen.bind(flags)
	showVersion := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *showVersion {
		fmt.Println(version)
		return nil
	}
	if flags.NArg() > 1 {
		return fmt.Errorf("unexpected argument %q: use one command, followed by its flags", flags.Arg(1))
	}
	if name := flags.Arg(0); name != "" && name != chosen.name {
		return fmt.Errorf("unexpected argument %q: the command comes first and is one of %s", name, names())
	}
	return start(ctx)
}

// choose returns the command that the first argument names, or the default.
func choose(args []string) (command, error) {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return commands[0], nil
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c, nil
		}
	}
	return command{}, fmt.Errorf("unknown command %q: the commands are %s", args[0], names())
}

func names() string {
	all := make([]string, 0, len(commands))
	for _, c := range commands {
		all = append(all, c.name)
	}
	return strings.Join(all, ", ")
}

func usage(chosen command, flags *pflag.FlagSet) {
	fmt.Fprintf(os.Stderr, "Signet %s manages signature keys for API gateways as Kubernetes resources.\n\nUsage:\n  signet [command] [flags]\n\nCommands:\n", version)
	for _, c := range commands {
		fmt.Fprintf(os.Stderr, "  %-9s %s\n", c.name, c.summary)
	}
	fmt.Fprintf(os.Stderr, "\nFlags of %s:\n%s", chosen.name, flags.FlagUsagesWrapped(100))
}
