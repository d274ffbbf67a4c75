// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/signet-dev/signet/internal/cmd/manager"
)

// The bench runs itself as the programs that it measures, each in its own process
// with an address that serves the size of its heap.
const (
	roleManager = "manager"
	roleBare    = "bare"
)

func play(ctx context.Context, role string, args []string) error {
	options := manager.DefaultOptions()
	flags := pflag.NewFlagSet(role, pflag.ContinueOnError)
	options.Bind(flags)
	heap := flags.String("heap-bind-address", "", "`address` to serve the size of the live heap on, in bytes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveHeap(ctx, *heap) })
	group.Go(func() error {
		if role == roleBare {
			return runBare(ctx, options)
		}
		return manager.Run(ctx, options)
	})
	return group.Wait()
}

// serveHeap serves the size of the live heap in bytes after garbage collection.
func serveHeap(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// Twice, because objects with a finalizer are collected the second time.
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		fmt.Fprint(w, stats.HeapAlloc)
	})}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); ctx.Err() == nil {
		return fmt.Errorf("serve heap size: %w", err)
	}
	return nil
}
