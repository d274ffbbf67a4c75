// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"path/filepath"
	"testing"

	"github.com/signet-dev/signet/internal/testing/controlplane"
)

// manager is Signet's, as it is run and run again.
type manager struct {
	program, kubeconfig, webhooks string
	stop                          func()
}

// installSignet installs config/default and builds the manager.
func (w *fixture) installSignet(t *testing.T) {
	t.Helper()
	w.kubectl(t, "apply", "--server-side", "-f",
		filepath.Join(w.module(t, ".", "sigs.k8s.io/gateway-api"), "config", "crd", "standard"))
	w.manager = manager{
		program: filepath.Join(w.dir, "signet"), kubeconfig: filepath.Join(w.dir, "manager.kubeconfig"),
		webhooks: "127.0.0.1:" + freePort(t),
	}
	w.applyInstallation(t)
	w.run(t, w.root, "go", "build", "-o", w.manager.program, ".")
	config, err := w.cluster.ServiceAccountConfig(t.Context(), "signet-system", "signet-controller-manager")
	must(t, err)
	must(t, w.cluster.WriteKubeconfig(config, w.manager.kubeconfig))
}

// applyInstallation restores what a test has changed or deleted.
func (w *fixture) applyInstallation(t *testing.T) {
	t.Helper()
	must(t, w.cluster.Install(t.Context(), filepath.Join(w.root, "config", "default"),
		controlplane.InstallOptions{WebhookURL: "https://" + w.manager.webhooks}))
}

// startManager runs the manager under its own role, with flags. Whether it is
// ready depends on the webhooks: expectAdmission waits for both.
func (w *fixture) startManager(t *testing.T, flags ...string) {
	t.Helper()
	w.manager.stop = w.start(t, "manager", nil, w.manager.program, append([]string{
		"--kubeconfig=" + w.manager.kubeconfig, "--webhook-bind-address=" + w.manager.webhooks,
		"--webhook-names=127.0.0.1", "--metrics-bind-address=0", "--health-probe-bind-address=0"}, flags...)...)
}

// expectAdmission waits until the webhooks answer.
func (w *fixture) expectAdmission(t *testing.T) {
	t.Helper()
	eventually(t, "admission to answer", func() error {
		_, err := w.try(key("probe", ""), "create", "--dry-run=server", "-n", "default", "-f", "-")
		return err
	})
}
