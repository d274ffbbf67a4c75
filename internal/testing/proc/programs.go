// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Program is one that a set has.
type Program struct {
	// Name of the file.
	Name string
	// Package that it is built from.
	Package string
}

// Set are programs that one module pins.
type Set struct {
	// Name identifies the set and its versions in the cache.
	Name string
	// Module is the folder of the module, from the root of the checkout.
	Module string
	// LinkerFlags are added to those that strip symbols.
	LinkerFlags string
	// Patience is how long building takes, for the progress output.
	Patience string
	// Otherwise is the advice where nothing can be built.
	Otherwise string

	Programs []Program
}

// Find returns the folder that holds the programs, after building them if need
// be. Progress is written to out.
func (s Set) Find(ctx context.Context, out io.Writer) (string, error) {
	dir, err := s.cacheDir()
	if err != nil {
		return "", err
	}
	if len(s.MissingIn(dir)) == 0 {
		return dir, nil
	}
	return dir, s.buildLocked(ctx, dir, out)
}

// MissingIn names the programs that are not in the folder.
func (s Set) MissingIn(dir string) []string {
	var missing []string
	for _, p := range s.Programs {
		if info, err := os.Stat(filepath.Join(dir, p.Name)); err != nil || info.IsDir() {
			missing = append(missing, p.Name)
		}
	}
	return missing
}

func (s Set) cacheDir() (string, error) {
	root := os.Getenv("SIGNET_CACHE")
	if root == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a cache folder (set SIGNET_CACHE to name one): %w", err)
		}
		root = filepath.Join(user, "signet")
	}
	return filepath.Join(root, fmt.Sprintf("%s-%s-%s", s.Name, runtime.GOOS, runtime.GOARCH)), nil
}

// buildLocked builds the programs unless another process does so meanwhile.
func (s Set) buildLocked(ctx context.Context, dir string, out io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make the cache folder: %w", err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the lock of the cache: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock the cache: %w", err)
	}
	if len(s.MissingIn(dir)) == 0 {
		return nil
	}
	return s.build(ctx, dir, out)
}

// build makes the programs in a folder of their own, which takes its final name
// when it is complete.
func (s Set) build(ctx context.Context, dir string, out io.Writer) error {
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("%s has to be built from source, and there is no go program on the PATH: install Go%s", s.Name, s.orElse())
	}
	root, err := Root()
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "building-")
	if err != nil {
		return fmt.Errorf("make a folder to build in: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	begin := time.Now()
	for i, p := range s.Programs {
		logf := func(format string, args ...any) {
			_, _ = fmt.Fprintf(out, "%s, %d of %d: %s %s\n", s.Name, i+1, len(s.Programs), p.Name, fmt.Sprintf(format, args...))
		}
		if err := s.buildOne(ctx, filepath.Join(root, s.Module), temp, p, begin, logf); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return fmt.Errorf("put the programs in place: %w", err)
	}
	return nil
}

func (s Set) orElse() string {
	if s.Otherwise == "" {
		return ""
	}
	return ", or " + s.Otherwise
}

func (s Set) buildOne(ctx context.Context, source, target string, p Program, begin time.Time, logf func(string, ...any)) error {
	logf("is being built (%s)", s.Patience)
	ticker := time.NewTicker(30 * time.Second)
	defer ticker.Stop()
	done := make(chan error, 1)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", strings.TrimSpace("-s -w "+s.LinkerFlags),
		"-o", filepath.Join(target, p.Name), p.Package)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	go func() { done <- cmd.Run() }()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("build %s (needs the Go module source%s): %w\n%s", p.Name, s.orElse(), err, log.String())
			}
			logf("done, %s since the beginning", time.Since(begin).Round(time.Second))
			return nil
		case <-ticker.C:
			logf("still building, %s since the beginning", time.Since(begin).Round(time.Second))
		}
	}
}

// Root is the root of the checkout that the working directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "internal", "testing", "controlplane", "binaries", "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not inside a checkout of signet")
		}
		dir = parent
	}
}
