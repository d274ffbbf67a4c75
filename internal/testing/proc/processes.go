// Package proc runs programs for tests, on loopback, and waits for them.
package proc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const (
	// soon is how long anything may take that a test waits for.
	soon = time.Minute
	// glance is how often it looks.
	glance = 50 * time.Millisecond
)

// Process is a program that was started here, and ends with the test.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts a program in a folder, where it writes to <name>.log. If the test
// fails, the end of that is shown.
func Start(tb testing.TB, dir, name string, env []string, program string, args ...string) *Process {
	tb.Helper()
	path := filepath.Join(dir, name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	p := &Process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		_ = log.Close()
		close(p.done)
	}()
	tb.Cleanup(func() {
		p.Stop()
		if tb.Failed() {
			text, _ := os.ReadFile(path)
			tb.Logf("%s ended with:\n%s", name, text[max(0, len(text)-1500):])
		}
	})
	return p
}

// Stop ends the program as a Pod is ended.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(soon):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// FreeAddress is an address of this machine alone that nobody listens at.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	address, err := FindAddress()
	if err != nil {
		tb.Fatal(err)
	}
	return address
}

// FindAddress finds an address of this machine alone that nobody listens at. It
// is below the ports that connections begin at, so that it is still free when a
// program is started again.
func FindAddress() (string, error) {
	const first, count, tries = 10000, 20000, 100
	var err error
	for range tries {
		address := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(count))
		var listener net.Listener
		if listener, err = net.Listen("tcp", address); err == nil { //nolint:noctx // does not wait
			return address, listener.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}

// Eventually asks until there is no error.
func Eventually(tb testing.TB, what string, ask func() error) {
	tb.Helper()
	if err := Until(context.Background(), soon, what, ask); err != nil {
		tb.Fatal(err)
	}
}

// Until asks until there is no error, for as long as the patience lasts.
func Until(ctx context.Context, patience time.Duration, what string, ask func() error) error {
	for deadline := time.Now().Add(patience); ; {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s for %s: %w", patience, what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		case <-time.After(glance):
		}
	}
}
