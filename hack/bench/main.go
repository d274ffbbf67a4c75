// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

// sizes are the amounts to measure.
type sizes struct {
	keys, rounds, apis       int
	unrelated, unrelatedKiB  int
	slotBindings, admissions int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && (args[0] == roleManager || args[0] == roleBare) {
		return play(ctx, args[0], args[1:])
	}
	var s sizes
	flags := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	flags.IntVar(&s.keys, "keys", 1000, "`number` of keys, and of bindings, that are applied at once")
	flags.IntVar(&s.rounds, "rounds", 3, "`number` of times that the keys are applied, to Signet and the bare loop in turn")
	flags.IntVar(&s.apis, "apis", 10, "`number` of APIs in each binding")
	flags.IntVar(&s.unrelated, "unrelated-secrets", 2000, "`number` of Secrets that Signet does not use")
	flags.IntVar(&s.unrelatedKiB, "unrelated-kib", 100, "size of each unused Secret in `KiB`")
	flags.IntVar(&s.slotBindings, "slot-bindings", 100, "`number` of bindings of 1,000 APIs that hold slots while admission is measured")
	flags.IntVar(&s.admissions, "admissions", 1000, "`number` of measured admissions")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return newBench(s).run(ctx)
}
