package upgrade

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is a program of Signet's at work.
type process struct {
	name, binary, dir string
	cmd               *exec.Cmd
	log               string
	// done is closed when it has ended, with err.
	done chan struct{}
	err  error
}

func (c *Cluster) newProcess(name, binary string) *process {
	return &process{name: name, binary: binary, dir: c.Dir, done: make(chan struct{})}
}

func (p *process) start(args ...string) error {
	file, err := os.CreateTemp(p.dir, p.name+"-*.log")
	if err != nil {
		return fmt.Errorf("create the %s's log: %w", p.name, err)
	}
	p.log = file.Name()
	p.cmd = exec.Command(p.binary, append([]string{p.name}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = file, file
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start the %s: %w", p.name, err), file.Close())
	}
	go func() {
		p.err = errors.Join(p.cmd.Wait(), file.Close())
		close(p.done)
	}()
	return nil
}

// Stop ends the program as a Pod is ended: a manager finishes its work and gives
// up the lease.
func (p *process) Stop() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the %s: %w", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	if p.err != nil {
		return fmt.Errorf("the %s did not stop cleanly: %w\n%s", p.name, p.err, p.tail())
	}
	return nil
}

// Kill ends the program without notice.
func (p *process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// get returns what the program answers with 200.
func (p *process) get(url string) (string, error) { return p.ask(url, nil) }

func (p *process) ask(url string, header http.Header) (string, error) {
	select {
	case <-p.done:
		return "", fmt.Errorf("the %s has ended: %w\n%s", p.name, p.err, p.tail())
	default:
	}
	request, err := http.NewRequest(http.MethodGet, url, http.NoBody) //nolint:noctx // loopback, and the process is ours
	if err != nil {
		return "", fmt.Errorf("make a request: %w", err)
	}
	if header != nil {
		request.Header = header
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask the %s: %w", p.name, err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return "", fmt.Errorf("read the %s's answer: %w", p.name, err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s: %s", url, response.Status, body)
	}
	return string(body), nil
}
