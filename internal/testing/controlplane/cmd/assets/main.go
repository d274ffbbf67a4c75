// SPDX-License-Identifier: Apache-2.0

// Command assets prints the folder of the control plane's programs, after
// building them if need be.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/signet-dev/signet/internal/testing/controlplane"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	dir, err := controlplane.Assets(ctx, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(dir)
}
