// SPDX-License-Identifier: Apache-2.0

package history

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/signet-dev/signet/hack/e2e/upgrade"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// underWay is for how many seconds rotations are staged and retire: they have to
// be so while managers come and go.
const underWay = 60

// version is Signet as it is in a folder.
type version struct{ folder, binary string }

func built(t *testing.T, folder, name string) version {
	t.Helper()
	v := version{folder, filepath.Join(t.TempDir(), name)}
	NewWithT(t).Expect(env.Build(t.Context(), folder, ".", v.binary)).To(Succeed())
	return v
}

func (v version) part(name string) string { return filepath.Join(v.folder, "config", name) }

// versions are the one in UPGRADE_FROM, or of the newest release, and today's.
func versions(t *testing.T) (before, today version) {
	t.Helper()
	g := NewWithT(t)
	root, err := proc.Root()
	g.Expect(err).NotTo(HaveOccurred())
	commit := os.Getenv("UPGRADE_FROM")
	if commit == "" {
		commit, err = upgrade.NewestRelease(t.Context(), root)
		g.Expect(err).NotTo(HaveOccurred())
	}
	t.Logf("upgrading from %s", commit)
	folder := t.TempDir()
	g.Expect(upgrade.Export(t.Context(), root, commit, folder)).To(Succeed())
	return built(t, folder, "before"), built(t, root, "today")
}

func TestThereAndBack(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	before, today := versions(t)
	c, err := upgrade.StartCluster(ctx, os.Stderr)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(c.Stop)
	look := func() *upgrade.State {
		state, err := c.Look(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		return state
	}

	g.Expect(c.Apply(ctx, "-k", before.part("default"))).To(Succeed())
	g.Expect(c.Apply(ctx, "-k", before.part("signer"))).To(Succeed())
	manager, err := c.StartManager(ctx, before.binary)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.CreateFixtures(ctx, underWay)).To(Succeed())
	stored := look()
	g.Expect(c.Signs(ctx, today.binary, stored)).To(Succeed(), "today's signer on what the manager before has stored")

	g.Expect(c.Apply(ctx, "-k", today.part("default"))).To(Succeed())
	manager, err = c.TakeOver(ctx, stored, roll(t, c, manager, today))
	g.Expect(err).NotTo(HaveOccurred(), "the way there")
	g.Expect(c.Signs(ctx, before.binary, look())).To(Succeed(), "the signer before on what today's manager has stored")
	g.Expect(c.Apply(ctx, "-k", today.part("signer"))).To(Succeed())

	g.Expect(c.Rotate(ctx, underWay, "on the way back")).To(Succeed())
	stored = look()
	manager, err = c.TakeOver(ctx, stored, roll(t, c, manager, before))
	g.Expect(err).NotTo(HaveOccurred(), "the way back")
	g.Expect(manager.Stop()).To(Succeed())
}

// roll replaces a manager as a Deployment does: another one is ready before the
// leader stops.
func roll(t *testing.T, c *upgrade.Cluster, leader *upgrade.Manager, to version) func() (*upgrade.Manager, error) {
	return func() (*upgrade.Manager, error) {
		next, err := c.StartReplica(t.Context(), to.binary)
		if err != nil {
			return next, err
		}
		if err := leader.Stop(); err != nil {
			return next, err
		}
		return next, errors.Join(c.Ask(t.Context(), next), next.WaitLeading(t.Context()))
	}
}
