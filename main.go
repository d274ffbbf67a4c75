// Command signet manages signature keys for API gateways as Kubernetes
// resources. Its one command for now is manager, the default.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/signet-dev/signet/internal/manager"
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

// run reads the flags and runs the command.
func run(ctx context.Context, args []string) error {
	options := manager.DefaultOptions()
	flags := pflag.NewFlagSet("signet", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {
		fmt.Fprintf(os.Stderr, "Signet %s manages signature keys for API gateways as Kubernetes resources.\n\nUsage:\n  signet [manager] [flags]\n\nFlags:\n%s", version, flags.FlagUsagesWrapped(100))
	}
	options.Bind(flags)
	showVersion := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *showVersion {
		fmt.Println(version)
		return nil
	}
	switch command := flags.Arg(0); {
	case flags.NArg() > 1:
		return fmt.Errorf("unexpected argument %q: signet takes one command and flags", flags.Arg(1))
	case command != "" && command != "manager":
		return fmt.Errorf("unknown command %q: the command is manager", command)
	default:
		return manager.Run(ctx, options)
	}
}
