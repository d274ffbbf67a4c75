// Command record records a release: what a later version has to cope with. It
// writes the CRDs into config/crd/released/<version>, and the rest into
// hack/e2e/upgrade/testdata/<version>.
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

var versions = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?$`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	version := flag.String("version", "", "the version that is recorded: v1.2.3")
	checkout := flag.String("checkout", ".", "the checkout that it is recorded of")
	flag.Parse()
	if err := record(ctx, *checkout, *version); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func record(ctx context.Context, checkout, version string) error {
	if !versions.MatchString(version) {
		return fmt.Errorf("the version is %q and has to be like v1.2.3", version)
	}
	root, err := proc.Root()
	if err != nil {
		return err
	}
	if checkout, err = filepath.Abs(checkout); err != nil {
		return fmt.Errorf("find the checkout: %w", err)
	}
	return upgrade.Record(ctx, root, checkout, version, os.Stderr)
}
