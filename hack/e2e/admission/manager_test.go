// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/signet-dev/signet/internal/testing/env"
)

// shipped are the flags that most specs run the manager with.
var shipped = []string{"--public-key-enable"}

var (
	binary string
	// webhookAddress is where the API server calls the manager.
	webhookAddress string
	running        *env.ManagerProcess
	// logs has what all managers have logged, on level debug.
	logs = &env.LogBuffer{}
)

// startManager runs the manager under its own ServiceAccount, in place of the
// one that runs, and waits until admission answers.
func startManager(ctx context.Context, flags ...string) {
	GinkgoHelper()
	launchManager(ctx, flags...)
	Expect(cluster.WaitAdmission(ctx)).To(Succeed())
}

// launchManager is startManager for a manager whose certificate the API server
// may not trust.
func launchManager(ctx context.Context, flags ...string) {
	GinkgoHelper()
	stopManager()
	started, err := cluster.StartManagerProcess(ctx, env.ProcessOptions{
		Binary: binary, Webhooks: webhookAddress, Flags: append([]string{"--log-level=debug"}, flags...), Output: logs,
	})
	Expect(err).NotTo(HaveOccurred())
	running = started
}

// stopManager ends the manager, if there is one, as a Pod is ended.
func stopManager() {
	GinkgoHelper()
	if running == nil {
		return
	}
	Expect(running.Stop()).To(Succeed())
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
