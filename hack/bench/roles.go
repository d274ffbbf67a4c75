// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/signet-dev/signet/internal/cmd/manager"
)

// The bench runs itself again as what it measures: each in a process of its
// own, with an address that tells how much memory is in use.
const (
	roleManager = "manager"
	roleBare    = "bare"
)

func play(ctx context.Context, role string, args []string) error {
	options := manager.DefaultOptions()
	flags := pflag.NewFlagSet(role, pflag.ContinueOnError)
	options.Bind(flags)
	heap := flags.String("heap-bind-address", "", "`address` that tells the bytes of live heap")
	if err := flags.Parse(args); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return tellHeap(ctx, *heap) })
	group.Go(func() error {
		if role == roleBare {
			return runBare(ctx, options)
		}
		return manager.Run(ctx, options)
	})
	return group.Wait()
}

// tellHeap answers with the bytes of live heap, after everything that can be
// collected has been.
func tellHeap(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// Twice: what has a finalizer goes the second time.
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		fmt.Fprint(w, stats.HeapAlloc)
	})}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); ctx.Err() == nil {
		return fmt.Errorf("tell the heap: %w", err)
	}
	return nil
}
