package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopping is how long a program has to end by itself.
const stopping = 20 * time.Second

// process is a program that the demo has started.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	// ended is closed when the process has ended, with err.
	ended chan struct{}
	err   error
}

// ownGroup keeps a terminal's Ctrl-C from a process, so that everything is
// ended in order.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

func startProcess(name, program, log string, args []string) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("create the log of the %s: %w", name, err)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the %s: %w", name, err), file.Close())
	}
	p := &process{name: name, cmd: cmd, log: log, ended: make(chan struct{})}
	go func() {
		p.err = errors.Join(cmd.Wait(), file.Close())
		close(p.ended)
	}()
	return p, nil
}

// waitReady returns when the process says that it is ready.
func (p *process) waitReady(ctx context.Context, url string) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		if ready(ctx, url) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			return fmt.Errorf("the %s has ended: %w", p.name, p.err)
		case <-deadline.C:
			return fmt.Errorf("the %s is not ready after %s", p.name, patience)
		}
	}
}

func ready(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// logTail is the end of the log.
func (p *process) logTail() string {
	const lines = 20
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(len(all)-lines, 0):], "\n")
}

// stop ends the process as a Pod is ended. It returns an error if it does not
// comply, or had ended before.
func (p *process) stop() error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the %s: %w", p.name, err)
	}
	deadline := time.NewTimer(stopping)
	defer deadline.Stop()
	select {
	case <-p.ended:
		if p.err != nil {
			return fmt.Errorf("the %s did not stop cleanly: %w\n%s", p.name, p.err, p.logTail())
		}
		return nil
	case <-deadline.C:
		err := p.cmd.Process.Kill()
		<-p.ended
		return errors.Join(fmt.Errorf("the %s did not stop within %s\n%s", p.name, stopping, p.logTail()), err)
	}
}

func (p *process) wholeLog() ([]byte, error) {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return nil, fmt.Errorf("read the log of the %s: %w", p.name, err)
	}
	return text, nil
}
