// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// documented is the block of commands in a section of config/README.md that begins
// with the given text.
func documented(t *testing.T, section, begin string) string {
	t.Helper()
	g := NewWithT(t)
	readme, err := os.ReadFile(filepath.Join(root, "config", "README.md"))
	g.Expect(err).NotTo(HaveOccurred())
	_, text, found := strings.Cut(string(readme), "\n## "+section+"\n")
	g.Expect(found).To(BeTrue(), section)
	text, _, _ = strings.Cut(text, "\n## ")
	_, block, found := strings.Cut(text, "\n```sh\n"+begin)
	g.Expect(found).To(BeTrue(), begin)
	block, _, found = strings.Cut(block, "\n```\n")
	g.Expect(found).To(BeTrue(), begin)
	return begin + block + "\n"
}

// shell runs commands as that page has them, in a folder, with the kubeconfig
// of a user.
func shell(t *testing.T, c *Cluster, kubeconfig, dir, commands string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), "bash", "-euo", "pipefail", "-c", commands)
	cmd.Dir = dir
	cmd.Env = append(c.Environment(), "KUBECONFIG="+kubeconfig)
	output, err := cmd.CombinedOutput()
	return string(output), err
}
