// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega/gexec"
)

const (
	// tail is how much of a log is printed.
	tail = 4000
	// drain is how long output may arrive after the program has ended, from what
	// it has started itself.
	drain = 5 * time.Second
)

// Command describes a program to run.
type Command struct {
	// Name in messages. Defaults to the name of the program's file.
	Name    string
	Program string
	Args    []string
	// Dir is the working directory. Defaults to that of the caller.
	Dir string
	// Env is added to the environment of the caller.
	Env []string
	// Log is the path of a file that all output is appended to. Defaults to none.
	Log string
	// Output receives all output as well, unless it is nil.
	Output io.Writer
	// OwnGroup keeps a terminal's Ctrl-C from the program, for callers that stop
	// their programs in order.
	OwnGroup bool
}

// Process is a program that was started here.
type Process struct {
	name    string
	session *gexec.Session
	output  *output
	// stopped is set when the caller has ended the program.
	stopped atomic.Bool
}

// Start starts a program. The caller calls Stop.
func Start(command Command) (*Process, error) {
	if command.Name == "" {
		command.Name = filepath.Base(command.Program)
	}
	p := &Process{name: command.Name, output: &output{}}
	if err := p.output.open(command); err != nil {
		return nil, err
	}
	cmd := exec.Command(command.Program, command.Args...) //nolint:noctx // Stop ends the program: unlike a context, it lets it shut down
	cmd.Dir, cmd.WaitDelay = command.Dir, drain
	cmd.Env = append(os.Environ(), command.Env...)
	// No program outlives the caller, even one that is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: command.OwnGroup, Pdeathsig: syscall.SIGKILL}
	var err error
	if p.session, err = gexec.Start(cmd, p.output, p.output); err != nil {
		return nil, errors.Join(fmt.Errorf("start the %s: %w", p.name, err), p.output.close())
	}
	go func() {
		<-p.session.Exited
		_ = p.output.close()
	}()
	return p, nil
}

// Run starts a program that ends with the test.
func Run(tb testing.TB, command Command) *Process {
	tb.Helper()
	p, err := Start(command)
	if err != nil {
		tb.Fatal(err)
	}
	StopWith(tb, p)
	return p
}

// StopWith stops a program when the test ends. If the test fails, it logs the end
// of the output.
func StopWith(tb testing.TB, p *Process) {
	tb.Helper()
	tb.Cleanup(func() {
		_ = p.Stop()
		if tb.Failed() {
			tb.Logf("the %s ended with:\n%s", p.name, p.Tail())
		}
	})
}

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.session.Exited }

// ExitCode is -1 while the program runs, and the status of a shell afterwards:
// 128 and the signal if one has killed it.
func (p *Process) ExitCode() int { return p.session.ExitCode() }

// Signal sends a signal.
func (p *Process) Signal(signal os.Signal) { p.session.Signal(signal) }

// Stop ends the program as a Pod is ended. It returns an error if the program
// does not end in time, ends with another status than 0, or has ended before
// the call. After Stop or Kill, it does nothing.
func (p *Process) Stop() error {
	if p.stopped.Swap(true) {
		return nil
	}
	select {
	case <-p.Ended():
		return fmt.Errorf("the %s has ended unexpectedly: exit status %d\n%s", p.name, p.ExitCode(), p.Tail())
	default:
	}
	p.session.Terminate()
	select {
	case <-p.Ended():
	case <-time.After(Soon):
		p.Kill()
		return fmt.Errorf("the %s did not stop within %s\n%s", p.name, Soon, p.Tail())
	}
	if code := p.ExitCode(); code != 0 {
		return fmt.Errorf("the %s did not stop cleanly: exit status %d\n%s", p.name, code, p.Tail())
	}
	return nil
}

// Kill ends the program without notice.
func (p *Process) Kill() {
	p.stopped.Store(true)
	p.session.Kill()
	<-p.Ended()
}

// Output is all that the program has printed.
func (p *Process) Output() string { return p.output.String() }

// Tail is the end of the output.
func (p *Process) Tail() string {
	text := p.Output()
	return text[max(0, len(text)-tail):]
}

// WaitReady waits until a GET of the URL gets a 200, or the program has ended.
func (p *Process) WaitReady(ctx context.Context, url string) error {
	return Until(ctx, Soon, "the "+p.name+" to be ready", func() error {
		_, err := p.Get(ctx, url, nil)
		return err
	})
}

// Get returns the body of a 200 of the program.
func (p *Process) Get(ctx context.Context, url string, header http.Header) (string, error) {
	select {
	case <-p.Ended():
		return "", Final(fmt.Errorf("the %s has ended with exit status %d\n%s", p.name, p.ExitCode(), p.Tail()))
	default:
	}
	body, err := Get(ctx, http.DefaultClient, url, header)
	return string(body), err
}

// Get returns the body of a 200.
func Get(ctx context.Context, caller *http.Client, url string, header http.Header) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("create a request: %w", err)
	}
	if header != nil {
		request.Header = header
	}
	response, err := caller.Do(request)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return body, fmt.Errorf("get %s: %s: %s", url, response.Status, body)
	}
	return body, nil
}

// output is where both streams of a program go, in the order of arrival.
type output struct {
	mu   sync.Mutex
	text []byte
	log  *os.File
	also io.Writer
}

func (o *output) open(command Command) error {
	o.also = command.Output
	if command.Log == "" {
		return nil
	}
	var err error
	if o.log, err = os.OpenFile(command.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("create the log of the %s: %w", command.Name, err)
	}
	return nil
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if o.also != nil {
		_, _ = o.also.Write(p)
	}
	if o.log != nil {
		return o.log.Write(p)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.log == nil {
		return nil
	}
	log := o.log
	o.log = nil
	if err := log.Close(); err != nil {
		return fmt.Errorf("close the log: %w", err)
	}
	return nil
}
