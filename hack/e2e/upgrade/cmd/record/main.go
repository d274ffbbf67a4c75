// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/signet-dev/signet/hack/e2e/upgrade"
	"github.com/signet-dev/signet/internal/testing/proc"
)

var names = regexp.MustCompile(`^baseline$|^v\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?$`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	name := flag.String("name", upgrade.Baseline, "`name` of the baseline: baseline before the first release, else the version (v1.2.3)")
	checkout := flag.String("checkout", ".", "`folder` of the checkout to record")
	flag.Parse()
	if err := record(ctx, *checkout, *name); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func record(ctx context.Context, checkout, name string) error {
	if !names.MatchString(name) {
		return fmt.Errorf("--name is %q, but must be baseline or a version such as v1.2.3", name)
	}
	root, err := proc.Root()
	if err != nil {
		return err
	}
	if checkout, err = filepath.Abs(checkout); err != nil {
		return fmt.Errorf("find checkout: %w", err)
	}
	return upgrade.Record(ctx, root, checkout, name, os.Stderr)
}
