// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// sizes are the amounts to measure.
type sizes struct {
	count, rounds, apis      int
	scale                    []int
	rivals, rivalAPIs        int
	samples                  int
	unrelated, unrelatedKiB  int
	labeled, labeledBytes    int
	slotBindings, admissions int
	// profiles is the folder for profiles of CPU and heap; empty for none.
	profiles string
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
	var only []string
	flags := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	flags.StringSliceVar(&only, "only", nil, "`parts` to run, of "+strings.Join(partNames(), ", ")+" (default: all)")
	flags.IntVarP(&s.count, "count", "n", 1000, "`number` of keys, and of bindings, that are applied at once")
	flags.IntVar(&s.rounds, "rounds", 3, "`number` of rounds of what is compared with the bare loop, in turn")
	flags.IntVar(&s.apis, "apis", 10, "`number` of APIs in each binding")
	flags.IntSliceVar(&s.scale, "scale", []int{1000, 3000, 10000}, "`numbers` of keys and bindings at which time, CPU and memory are measured, ascending")
	flags.IntVar(&s.rivals, "rivals", 200, "`number` of bindings that list the same APIs")
	flags.IntVar(&s.rivalAPIs, "rival-apis", 1000, "`number` of APIs that rivals list")
	flags.IntVar(&s.samples, "samples", 40, "`number` of bindings, and of moves, that are measured alone")
	flags.IntVar(&s.unrelated, "unrelated-secrets", 2000, "`number` of Secrets that Signet does not use")
	flags.IntVar(&s.unrelatedKiB, "unrelated-kib", 100, "size of each of them in `KiB`")
	flags.IntVar(&s.labeled, "labeled-secrets", 2000, "`number` of large Secrets that are labeled as material")
	flags.IntVar(&s.labeledBytes, "labeled-bytes", 1000000, "size of each of them in `bytes`, at most 1,048,576")
	flags.IntVar(&s.slotBindings, "slot-bindings", 100, "`number` of bindings of 1,000 APIs that hold slots while admission is measured")
	flags.IntVar(&s.admissions, "admissions", 1000, "`number` of measured admissions")
	flags.StringVar(&s.profiles, "profiles", "", "`folder` for profiles of CPU and heap of each process (default: none)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, name := range only {
		if !slices.Contains(partNames(), name) {
			return fmt.Errorf("--only: there is no part %q, only %s", name, strings.Join(partNames(), ", "))
		}
	}
	return newBench(s).run(ctx, only)
}
