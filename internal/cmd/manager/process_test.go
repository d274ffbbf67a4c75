package manager_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// process is a manager as it runs in a Pod: a process of its own, under its own
// ServiceAccount, that reaches the API server through a gate.
type process struct {
	cmd   *exec.Cmd
	gate  *gate
	ended chan struct{}
	// log is the file that it writes to.
	log string
}

var processes atomic.Int32

// startProcess starts a manager with the ServiceAccount of a namespace. It ends
// with the spec.
func startProcess(ctx context.Context, namespace string, arguments ...string) *process {
	GinkgoHelper()
	return startProcessThrough(ctx, newGate(), namespace, arguments...)
}

func startProcessThrough(ctx context.Context, gate *gate, namespace string, arguments ...string) *process {
	GinkgoHelper()
	config, err := plane.ServiceAccountConfig(ctx, namespace, serviceAccount)
	Expect(err).NotTo(HaveOccurred())
	config.Host, config.CAData = gate.url, gate.ca
	file := filepath.Join(plane.Dir, "manager-"+strconv.Itoa(int(processes.Add(1))))
	Expect(plane.WriteKubeconfig(config, file+".kubeconfig")).To(Succeed())
	log, err := os.Create(file + ".log")
	Expect(err).NotTo(HaveOccurred())

	cmd := exec.Command(binary, append([]string{
		"--kubeconfig=" + file + ".kubeconfig", "--webhook-bind-address=" + freeAddress(),
		"--metrics-bind-address=0", "--health-probe-bind-address=0",
	}, arguments...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	Expect(cmd.Start()).To(Succeed())
	p := &process{cmd: cmd, gate: gate, ended: make(chan struct{}), log: log.Name()}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	DeferCleanup(func() {
		// A leader that is asked to go gives the next one its lease.
		p.signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(soon):
			p.signal(syscall.SIGKILL)
			<-p.ended
		}
		_ = log.Close()
		text, err := os.ReadFile(file + ".log")
		Expect(err).NotTo(HaveOccurred())
		_, _ = GinkgoWriter.Write(text)
	})
	return p
}

func (p *process) signal(signal syscall.Signal) { _ = p.cmd.Process.Signal(signal) }

func freeAddress() string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
