// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// What all specs share: a control plane with the Gateway API and config/default on it,
// and a manager at work.
var (
	cluster *env.Cluster
	admin   client.WithWatch
)

func TestKubernetes(t *testing.T) {
	env.RunSuite(t, "Kubernetes")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	webhooks, err := proc.FindAddress()
	Expect(err).NotTo(HaveOccurred())
	cluster, err = env.Start(ctx, env.Options{
		ControllerManager: true, GatewayAPI: true, Install: []string{"default", "signer"}, Webhooks: webhooks, Out: os.Stderr,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { cluster.Stop() })
	admin = cluster.Admin
	binary := filepath.Join(cluster.Dir, "signet")
	Expect(env.Build(ctx, cluster.Root, ".", binary)).To(Succeed())
	manager, err := cluster.StartManagerProcess(ctx, env.ProcessOptions{Binary: binary, Webhooks: webhooks, Output: GinkgoWriter, Flags: []string{"--leader-elect"}})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = manager.Stop() })
	Expect(cluster.WaitAdmission(ctx)).To(Succeed())
	signer, err := cluster.StartSignerProcess(ctx, env.SignerOptions{ProcessOptions: env.ProcessOptions{Binary: binary, Output: GinkgoWriter}})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = signer.Stop() })
})
