// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/env"
)

// What all specs share: a control plane with the CRDs and roles in config/, and
// the binary.
var (
	cluster *env.Cluster
	admin   client.WithWatch
	binary  string
)

func TestManager(t *testing.T) {
	env.RunSuite(t, "Manager")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(GinkgoWriter, nil)))
	var err error
	cluster, err = env.Start(ctx, env.Options{Install: []string{"crd", "namespace", "rbac"}, Out: os.Stderr})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { cluster.Stop() })
	admin = cluster.Admin
	binary = filepath.Join(cluster.Dir, "signet")
	Expect(env.Build(ctx, cluster.Root, ".", binary)).To(Succeed())
})
