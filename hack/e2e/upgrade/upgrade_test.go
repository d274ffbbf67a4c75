// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// root is the checkout, and today the manager that is built from it.
var root, today string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	var err error
	if root, err = proc.Root(); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "signet-upgrade-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	today = filepath.Join(dir, "signet")
	if err := env.Build(context.Background(), root, ".", today); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func mustStart(t *testing.T) *Cluster {
	t.Helper()
	c, err := StartCluster(t.Context(), os.Stderr)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(c.Stop)
	return c
}

// TestUpgrade recreates each baseline, installs today's version by the documented
// command and lets today's manager take over. Recreate describes how this differs
// from an upgrade; `make test-upgrade` covers the rest.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	baselines, err := Baselines(root)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(baselines).NotTo(BeEmpty())
	for _, name := range baselines {
		t.Run(name, func(t *testing.T) {
			g, c := NewWithT(t), mustStart(t)
			g.Expect(c.Recreate(t.Context(), root, name)).To(Succeed())
			before, err := c.Look(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(before.unmet(changed)).To(Succeed())
			g.Expect(before.unmet(underWay)).To(Succeed())

			g.Expect(documented(t, "Upgrade", "kubectl apply")).To(HavePrefix("kubectl apply --server-side -k config/default "))
			g.Expect(c.Apply(t.Context(), "-k", filepath.Join(root, "config", "default"))).To(Succeed())
			m, err := c.TakeOver(t.Context(), before, func() (*Manager, error) { return c.StartManager(t.Context(), today) })
			g.Expect(err).NotTo(HaveOccurred())
			namesConflicts(t, c)
			meetsLater(t, c, m)
		})
	}
}

// namesConflicts applies over a change that was made in place: the change
// stays and is named, until it is taken back.
func namesConflicts(t *testing.T, c *Cluster) {
	t.Helper()
	g := NewWithT(t)
	users := func(name string) {
		kubectl(t, c, "-n", System, "patch", "configmap", "signet-policy-parameters", "--type=merge", "-p", `{"data":{"users":"`+name+`"}}`)
	}
	users("another-user")
	err := c.Apply(t.Context(), "-k", filepath.Join(root, "config", "default"))
	g.Expect(err).To(MatchError(ContainSubstring(`Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: .data.users`)))
	g.Expect(kubectl(t, c, "-n", System, "get", "configmap", "signet-policy-parameters", "-o", "jsonpath={.data.users}")).To(Equal("another-user"))
	users("")
	g.Expect(c.Apply(t.Context(), "-k", filepath.Join(root, "config", "default"))).To(Succeed())
}
