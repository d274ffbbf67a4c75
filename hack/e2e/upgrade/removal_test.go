// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// removeLast deletes the objects while Signet runs, and then Signet.
func removeLast(t *testing.T, c *Cluster, manager *Manager) {
	g := NewWithT(t)
	kubectl(t, c, "-n", Recorded, "delete", "signaturebindings,signaturekeys", "--all")
	g.Expect(manager.Stop()).To(Succeed())
	kubectl(t, c, "delete", "-k", filepath.Join(root, "config", "default"))
	remainsAsDocumented(t, c, "secret/aes-material", "secret/half-own", "secret/supplied-own")
	kubectl(t, c, "delete", "namespace", Recorded)
}

// installByFile installs Signet by install.yaml, and the signer, with its
// certificates.
func installByFile(t *testing.T, c *Cluster) *Manager {
	t.Helper()
	g := NewWithT(t)
	g.Expect(os.WriteFile(installed(c), []byte(kubectl(t, c, "kustomize", filepath.Join(root, "config", "default"))), 0o600)).To(Succeed())
	g.Expect(c.Apply(t.Context(), "-f", installed(c))).To(Succeed())
	kubectl(t, c, "apply", "--server-side", "-k", filepath.Join(root, "config", "signer"))
	kubectl(t, c, "create", "namespace", "team-a")
	certs := exec.CommandContext(t.Context(), today, "certs", "--secrets", "--sign=team-a", "--verify=team-a", "--server=signet-signer.signet-system.svc")
	certs.Env = c.Environment()
	output, err := certs.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	return startToday(t, c)
}

func installed(c *Cluster) string { return filepath.Join(c.Dir, "install.yaml") }

// removeFirst deletes Signet while bound keys are protected, and a namespace of such
// keys: both end when the documented command has run.
func removeFirst(t *testing.T, c *Cluster, manager *Manager) {
	g := NewWithT(t)
	manager.Kill()
	kubectl(t, c, "delete", "-k", filepath.Join(root, "config", "signer"), "--wait=false")
	kubectl(t, c, "delete", "-f", installed(c), "--wait=false")
	g.Eventually(func(g Gomega) {
		g.Expect(kubectl(t, c, "-n", Recorded, "get", "signaturekey", "generated", "-o", "jsonpath={.metadata.deletionTimestamp}")).NotTo(BeEmpty())
	}, proc.Long, proc.Poll).Should(Succeed())
	g.Expect(kubectl(t, c, "get", "crd", "signaturekeys.signet.dev", "-o", "name")).NotTo(BeEmpty(), "it waits for protected keys")

	output, err := shell(t, c, c.Kubeconfig, t.TempDir(), documented(t, "Removal", "kubectl delete validatingwebhookconfiguration"))
	g.Expect(err).NotTo(HaveOccurred(), output)
	remainsAsDocumented(t, c, "secret/aes-material", "secret/half-own", "secret/supplied-own",
		"secret/signet-signer-sign-team-a", "secret/signet-signer-verify-team-a")
	kubectl(t, c, "delete", "namespace", Recorded)
}

// remainsAsDocumented waits until no more is left than the documented command
// shows.
func remainsAsDocumented(t *testing.T, c *Cluster, wanted ...string) {
	t.Helper()
	g := NewWithT(t)
	slices.Sort(wanted)
	g.Eventually(func(g Gomega) {
		found, err := c.Remains(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found).To(Equal(wanted))
	}, proc.Long, proc.Poll).Should(Succeed())
	output, err := shell(t, c, c.Kubeconfig, t.TempDir(), documented(t, "Removal", "kubectl get secrets -A -l signet.dev/signature-material"))
	g.Expect(err).NotTo(HaveOccurred(), output)
	g.Expect(strings.Fields(output)).To(ConsistOf(wanted))
}
