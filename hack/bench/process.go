package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// patience is how long anything may take that is not itself measured.
const patience = 10 * time.Minute

// process is the bench in one of its other roles.
type process struct {
	cmd       *exec.Cmd
	log, heap string
	done      chan error
}

func (b *bench) start(role string, args ...string) (*process, error) {
	heap, err := proc.FindAddress()
	if err != nil {
		return nil, err
	}
	p := &process{log: filepath.Join(b.cluster.Dir, role+"-"+time.Now().Format("150405.000")+".log"), heap: heap, done: make(chan error, 1)}
	file, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("create the log: %w", err)
	}
	args = append([]string{
		role, "--heap-bind-address=" + heap, "--kubeconfig=" + b.kubeconfigs[role], "--metrics-bind-address=0",
	}, args...)
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Stdout, p.cmd.Stderr = file, file
	// Ctrl-C comes to the bench alone, which stops the rest in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", role, err), file.Close())
	}
	go func() { p.done <- errors.Join(p.cmd.Wait(), file.Close()) }()
	return p, nil
}

// startManager starts Signet's manager and waits until it serves admission.
func (b *bench) startManager(ctx context.Context, args ...string) (*process, error) {
	probes, err := proc.FindAddress()
	if err != nil {
		return nil, err
	}
	p, err := b.start(roleManager, append([]string{
		"--webhook-bind-address=" + b.webhooks, "--webhook-names=127.0.0.1", "--health-probe-bind-address=" + probes,
	}, args...)...)
	if err != nil {
		return nil, err
	}
	err = until(ctx, "the manager to be ready", func() error {
		select {
		case err := <-p.done:
			return fmt.Errorf("the manager has ended: %w", err)
		default:
		}
		if _, err := get("http://" + probes + "/readyz"); err != nil {
			return err
		}
		return b.admissionAnswers(ctx)
	})
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", p.cmd.Args[1], err)
	}
	if err := <-p.done; err != nil {
		text, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s: %w\n%s", p.cmd.Args[1], err, text[max(0, len(text)-2000):])
	}
	return nil
}

// heapBytes is the live heap of the process.
func (p *process) heapBytes() (int64, error) {
	text, err := get("http://" + p.heap)
	if err != nil {
		return 0, err
	}
	bytes, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the heap: %w", err)
	}
	return bytes, nil
}

func get(url string) (string, error) {
	response, err := http.Get(url) //nolint:noctx // loopback, and the process is ours
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", url, err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return "", fmt.Errorf("read %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", url, response.Status)
	}
	return string(body), nil
}

// until asks again until there is no error.
func until(ctx context.Context, what string, ask func() error) error {
	return proc.Until(ctx, patience, what, ask)
}
