// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/signet-dev/signet/internal/cmd/manager"
)

// The bench runs itself as the programs that it measures, each in its own process
// with an address that serves what it has used.
const (
	roleManager = "manager"
	roleBare    = "bare"
)

func play(ctx context.Context, role string, args []string) (err error) {
	options := manager.DefaultOptions()
	flags := pflag.NewFlagSet(role, pflag.ContinueOnError)
	options.Bind(flags)
	address := flags.String("usage-bind-address", "", "`address` to serve what the process has used on")
	profile := flags.String("cpu-profile", "", "`file` for a CPU profile of the whole run (default: none)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *profile != "" {
		stop, err := startProfile(*profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveUsage(ctx, *address) })
	group.Go(func() error {
		if role == roleBare {
			return runBare(ctx, options)
		}
		return manager.Run(ctx, options)
	})
	return group.Wait()
}

func startProfile(path string) (stop func(), err error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create CPU profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("start CPU profile: %w", err), file.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close()
	}, nil
}

// serveUsage serves what the process has used, at /usage as it is and at /collected after
// garbage collection, and at /heap a profile of the heap.
func serveUsage(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/usage", func(w http.ResponseWriter, _ *http.Request) { writeUsage(w, 0) })
	mux.HandleFunc("/collected", func(w http.ResponseWriter, _ *http.Request) {
		// Twice, because objects with a finalizer are collected the second time.
		runtime.GC()
		debug.FreeOSMemory()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		writeUsage(w, int64(stats.HeapAlloc)) //nolint:gosec // far below
	})
	mux.HandleFunc("/heap", func(w http.ResponseWriter, _ *http.Request) { _ = pprof.Lookup("heap").WriteTo(w, 0) })
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: mux}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); ctx.Err() == nil {
		return fmt.Errorf("serve usage: %w", err)
	}
	return nil
}

func writeUsage(w http.ResponseWriter, heap int64) {
	used, err := ownUsage()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	used.Heap = heap
	_ = json.NewEncoder(w).Encode(used)
}

// ownUsage reads the usage of this process from the kernel.
func ownUsage() (usage, error) {
	var spent syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &spent); err != nil {
		return usage{}, fmt.Errorf("read CPU time: %w", err)
	}
	used := usage{CPU: time.Duration(spent.Utime.Nano() + spent.Stime.Nano())}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return usage{}, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		var kibi int64
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kibi); err == nil {
			used.Resident = kibi << 10
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kibi); err == nil {
			used.Peak = kibi << 10
		}
	}
	return used, nil
}
