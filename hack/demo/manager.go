package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

const (
	systemNamespace = "signet-system"
	serviceAccount  = "signet-controller-manager"
	// stopping is how long the manager has to end by itself.
	stopping = 20 * time.Second
)

// manager is the manager's process.
type manager struct {
	cmd *exec.Cmd
	log string
	// ended is closed when the process has ended, with err.
	ended chan struct{}
	err   error
}

// startManager builds the binary and runs it under the ServiceAccount and the
// roles that config/default has installed.
func (d *demo) startManager(ctx context.Context) error {
	d.screen.chapter("The manager, under its own role")
	d.screen.say("Built as the Dockerfile builds it, and run with a token of the ServiceAccount " + systemNamespace + "/" +
		serviceAccount + ": it may do what config/rbac says, and nothing else.")
	binary := filepath.Join(d.cluster.Dir, "signet")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=demo", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the manager: %w\n%s", err, output)
	}
	kubeconfig, err := d.managerKubeconfig(ctx)
	if err != nil {
		return err
	}
	probes, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	args := []string{
		"--kubeconfig=" + kubeconfig,
		"--public-key-enable",
		"--leader-elect",
		"--leader-elect-namespace=" + systemNamespace,
		"--webhook-bind-address=" + d.webhooks,
		"--webhook-names=" + hostOf(d.webhooks),
		"--metrics-bind-address=0",
		"--health-probe-bind-address=" + probes,
	}
	d.screen.command("signet " + strings.Join(args, " \\\n    "))
	if d.manager, err = runManager(binary, filepath.Join(d.cluster.Dir, "manager.log"), args); err != nil {
		return err
	}
	if err := d.manager.waitReady(ctx, "http://"+probes+"/readyz"); err != nil {
		return err
	}
	d.screen.met("the manager is ready")
	d.expect(ctx, "admission answers", patience, d.admissionAnswers)
	return nil
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// managerKubeconfig writes a kubeconfig with a token of the manager's
// ServiceAccount.
func (d *demo) managerKubeconfig(ctx context.Context) (string, error) {
	config, err := d.cluster.ServiceAccountConfig(ctx, systemNamespace, serviceAccount)
	if err != nil {
		return "", fmt.Errorf("become the manager: %w", err)
	}
	path := filepath.Join(d.cluster.Dir, "manager.kubeconfig")
	return path, d.cluster.WriteKubeconfig(config, path)
}

func runManager(binary, log string, args []string) (*manager, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("create the manager's log: %w", err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the manager: %w", err), file.Close())
	}
	m := &manager{cmd: cmd, log: log, ended: make(chan struct{})}
	go func() {
		m.err = errors.Join(cmd.Wait(), file.Close())
		close(m.ended)
	}()
	return m, nil
}

// waitReady returns when the manager says that it is ready.
func (m *manager) waitReady(ctx context.Context, url string) error {
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
		case <-m.ended:
			return fmt.Errorf("the manager has ended: %w", m.err)
		case <-deadline.C:
			return fmt.Errorf("the manager is not ready after %s", patience)
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

// admissionAnswers tries whether the API server reaches the webhooks and trusts
// them.
func (d *demo) admissionAnswers(ctx context.Context) error {
	probe := &signetv1alpha1.SignatureKey{
		ObjectMeta: metav1.ObjectMeta{Name: "probe", Namespace: metav1.NamespaceDefault},
		Spec:       signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC},
	}
	return d.admin.Create(ctx, probe, client.DryRunAll)
}

// logTail is the end of the manager's log.
func (m *manager) logTail() string {
	const lines = 20
	text, err := os.ReadFile(m.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(len(all)-lines, 0):], "\n")
}

// stop ends the manager as a Pod is ended. It returns an error if the manager
// does not comply, or had ended before.
func (m *manager) stop() error {
	select {
	case <-m.ended:
		return nil
	default:
	}
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the manager: %w", err)
	}
	deadline := time.NewTimer(stopping)
	defer deadline.Stop()
	select {
	case <-m.ended:
		if m.err != nil {
			return fmt.Errorf("the manager did not stop cleanly: %w\n%s", m.err, m.logTail())
		}
		return nil
	case <-deadline.C:
		err := m.cmd.Process.Kill()
		<-m.ended
		return errors.Join(fmt.Errorf("the manager did not stop within %s\n%s", stopping, m.logTail()), err)
	}
}

func (m *manager) wholeLog() ([]byte, error) {
	text, err := os.ReadFile(m.log)
	if err != nil {
		return nil, fmt.Errorf("read the manager's log: %w", err)
	}
	return text, nil
}
