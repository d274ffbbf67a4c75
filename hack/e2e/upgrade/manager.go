package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// Manager is a manager at work.
type Manager struct {
	*process
	cluster *Cluster
	// metrics is where it serves them, address where it answers admission.
	metrics, address string
}

// Build builds the manager of a checkout, as the Dockerfile does.
func Build(ctx context.Context, checkout, binary string) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Dir = checkout
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the manager of %s: %w\n%s", checkout, err, output)
	}
	return nil
}

// StartManager starts the manager that the API server asks, under its own role,
// and returns when it leads and answers admission.
func (c *Cluster) StartManager(ctx context.Context, binary string) (*Manager, error) {
	m, err := c.startReplica(ctx, binary, c.webhooks)
	if err != nil {
		return nil, err
	}
	return m, errors.Join(m.WaitLeading(ctx), m.WaitAdmission(ctx))
}

// StartReplica starts another one, which nobody asks until Ask, and returns when
// it is ready.
func (c *Cluster) StartReplica(ctx context.Context, binary string) (*Manager, error) {
	address, err := proc.FindAddress()
	if err != nil {
		return nil, err
	}
	return c.startReplica(ctx, binary, address)
}

func (c *Cluster) startReplica(ctx context.Context, binary, webhooks string) (*Manager, error) {
	config, err := c.ServiceAccountConfig(ctx, System, "signet-controller-manager")
	if err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(c.Dir, "manager.kubeconfig")
	if err := c.WriteKubeconfig(config, kubeconfig); err != nil {
		return nil, err
	}
	metrics, err := proc.FindAddress()
	if err != nil {
		return nil, err
	}
	probes, err := proc.FindAddress()
	if err != nil {
		return nil, err
	}
	m := &Manager{process: c.newProcess("manager", binary), cluster: c, metrics: metrics, address: webhooks}
	if err := m.start("--kubeconfig="+kubeconfig, "--public-key-enable",
		"--leader-elect", "--leader-elect-namespace="+System,
		"--webhook-bind-address="+webhooks, "--webhook-names=127.0.0.1",
		"--metrics-bind-address="+metrics, "--health-probe-bind-address="+probes); err != nil {
		return nil, err
	}
	err = Until(ctx, "the manager to be ready", func() error {
		_, err := m.get("http://" + probes + "/readyz")
		return err
	})
	return m, err
}

// WaitLeading returns when the manager has the lease.
func (m *Manager) WaitLeading(ctx context.Context) error {
	return Until(ctx, "the manager to lead", func() error {
		leads, err := m.sample(`leader_election_master_status\{name="signet-controller-manager"\}`)
		if err == nil && leads != 1 {
			err = errors.New("it does not")
		}
		return err
	})
}

// WaitAdmission returns when the API server reaches the webhooks and trusts
// them.
func (m *Manager) WaitAdmission(ctx context.Context) error {
	return Until(ctx, "admission to answer", func() error {
		probe := &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Name: "probe", Namespace: metav1.NamespaceDefault}}
		probe.Spec.Type = signetv1alpha1.KeyTypeHMAC
		return m.cluster.Admin.Create(ctx, probe, client.DryRunAll)
	})
}

// WaitIdle returns when the manager has looked at as many objects as there are
// and has nothing to do.
func (m *Manager) WaitIdle(ctx context.Context, state *State) error {
	return Until(ctx, "the manager to have nothing to do", func() error {
		for controller, objects := range map[string]int{"signaturekey": len(state.Keys), "signaturebinding": len(state.Bindings)} {
			looked, err := m.sample(`controller_runtime_reconcile_total\{controller="` + controller + `",result="[a-z_]+"\}`)
			if err != nil {
				return err
			}
			if looked < float64(objects) {
				return fmt.Errorf("%s: %v of %d objects looked at", controller, looked, objects)
			}
			for _, busy := range []string{
				`controller_runtime_active_workers\{controller="` + controller + `"\}`,
				`workqueue_depth\{controller="` + controller + `",[^}]*\}`,
			} {
				if count, err := m.sample(busy); err != nil || count > 0 {
					return errors.Join(err, fmt.Errorf("%s: %s is %v", controller, busy, count))
				}
			}
		}
		return nil
	})
}

// sample is the sum of the samples whose name and labels match.
func (m *Manager) sample(series string) (float64, error) {
	text, err := m.get("http://" + m.metrics + "/metrics")
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(`(?m)^`+series+` (\S+)$`).FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		return 0, fmt.Errorf("no metric matches %s", series)
	}
	sum := 0.0
	for _, match := range found {
		value, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", series, err)
		}
		sum += value
	}
	return sum, nil
}
