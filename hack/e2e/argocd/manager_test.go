// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"testing"

	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// manager is Signet's, as it is run and run again.
type manager struct {
	program, webhooks string
	stop              func()
}

// applyInstallation restores what a test has changed or deleted.
func (w *fixture) applyInstallation(t *testing.T) {
	t.Helper()
	must(t, w.InstallConfig(t.Context(), "default", w.manager.webhooks))
}

// startManager runs the manager under its own role, with flags. Whether it is
// ready depends on the webhooks: WaitAdmission waits for both.
func (w *fixture) startManager(t *testing.T, flags ...string) {
	t.Helper()
	started, err := w.StartManagerProcess(t.Context(), env.ProcessOptions{
		Binary: w.manager.program, Webhooks: w.manager.webhooks, Flags: flags, NotReady: true,
	})
	must(t, err)
	proc.StopWith(t, started.Process)
	w.manager.stop = func() { _ = started.Stop() }
}

// expectAdmission waits until the webhooks answer.
func (w *fixture) expectAdmission(t *testing.T) {
	t.Helper()
	must(t, w.WaitAdmission(t.Context()))
}
