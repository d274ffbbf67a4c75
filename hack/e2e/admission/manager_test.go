package admission

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// shipped are the flags that most specs run the manager with.
var shipped = []string{"--public-key-enable"}

var (
	program        string
	webhookAddress string
	// metricsAddress is that of the running manager.
	metricsAddress string
	running        *process
	// logs is what all managers have logged, on level debug.
	logs = &transcript{}
)

type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// process is a manager at work.
type process struct {
	cmd   *exec.Cmd
	ended chan error
}

func buildManager(ctx context.Context, root string) string {
	GinkgoHelper()
	binary := filepath.Join(plane.Dir, "signet")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	build.Dir = root
	output, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(output))
	return binary
}

// startManager runs the manager under its own ServiceAccount, in place of the
// one that runs, and waits until admission answers.
func startManager(ctx context.Context, flags ...string) {
	GinkgoHelper()
	launchManager(ctx, flags...)
	Eventually(func(g Gomega) {
		g.Expect(admin.Create(ctx, newKey("default", "probe"), client.DryRunAll)).To(Succeed())
	}).Should(Succeed())
}

// launchManager is startManager for a manager whose certificate the API server
// may not trust.
func launchManager(ctx context.Context, flags ...string) {
	GinkgoHelper()
	stopManager()
	config, err := plane.ServiceAccountConfig(ctx, systemNamespace, managerAccount)
	Expect(err).NotTo(HaveOccurred())
	kubeconfig := filepath.Join(plane.Dir, "manager.kubeconfig")
	Expect(plane.WriteKubeconfig(config, kubeconfig)).To(Succeed())
	probes := freeAddress(ctx)
	metricsAddress = freeAddress(ctx)
	cmd := exec.Command(program, append([]string{
		"--kubeconfig=" + kubeconfig,
		"--webhook-bind-address=" + webhookAddress, "--webhook-names=127.0.0.1",
		"--metrics-bind-address=" + metricsAddress, "--health-probe-bind-address=" + probes,
		"--log-level=debug",
	}, flags...)...)
	cmd.Stdout, cmd.Stderr = logs, logs
	// It must not outlive the tests.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	Expect(cmd.Start()).To(Succeed())
	started := &process{cmd: cmd, ended: make(chan error, 1)}
	go func() { started.ended <- cmd.Wait() }()
	running = started
	Eventually(func(g Gomega) {
		response, err := http.Get("http://" + probes + "/readyz")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(response.Body.Close()).To(Succeed())
		g.Expect(response.StatusCode).To(Equal(http.StatusOK))
	}).Should(Succeed(), logs.String)
}

// stopManager ends the manager, if there is one, as a Pod is ended.
func stopManager() {
	GinkgoHelper()
	if running == nil {
		return
	}
	Expect(running.cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
	Eventually(running.ended).WithTimeout(time.Minute).Should(Receive(Succeed()))
	running = nil
}

// withManager runs a manager with other flags in place of the shared one for
// the rest of the spec.
func withManager(ctx context.Context, flags ...string) {
	GinkgoHelper()
	DeferCleanup(func(ctx SpecContext) { startManager(ctx, shipped...) })
	startManager(ctx, flags...)
}

// withoutManager stops the manager until the returned function starts it
// again, or the spec ends.
func withoutManager() (back func(context.Context)) {
	GinkgoHelper()
	stopManager()
	back = func(ctx context.Context) {
		if running == nil {
			startManager(ctx, shipped...)
		}
	}
	DeferCleanup(func(ctx SpecContext) { back(ctx) })
	return back
}

// freeAddress is an address of this machine alone that nobody listens at. It is
// below the ports that connections begin at, so that it is still free when a
// manager is started again.
func freeAddress(ctx context.Context) string {
	GinkgoHelper()
	const first, count = 10000, 20000
	var address string
	Eventually(func() error {
		address = fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(count))
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return listener.Close()
	}).Should(Succeed())
	return address
}
