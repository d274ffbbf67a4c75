// SPDX-License-Identifier: Apache-2.0

package distribution

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// workflow is what the tests look at.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Steps       []struct{ Uses, Run string }
	}
}

func workflows(t *testing.T) map[string]string {
	t.Helper()
	g := NewWithT(t)
	paths, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(paths).NotTo(BeEmpty())
	all := map[string]string{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		g.Expect(err).NotTo(HaveOccurred())
		all[filepath.Base(path)] = string(content)
	}
	return all
}

var (
	uses   = regexp.MustCompile(`(?m)\buses:\s*(.+)$`)
	pinned = regexp.MustCompile(`^([\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/[\w.-]+)$`)
)

// unpinned are the actions that are not named by a whole commit and its version.
func unpinned(text string) []string {
	var found []string
	for _, match := range uses.FindAllStringSubmatch(text, -1) {
		if !pinned.MatchString(match[1]) {
			found = append(found, match[1])
		}
	}
	return found
}

func TestActionsArePinned(t *testing.T) {
	g := NewWithT(t)
	for _, loose := range []string{"actions/checkout@v5", "actions/checkout@08c6903", "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8"} {
		g.Expect(unpinned("    - uses: " + loose + "\n")).To(ConsistOf(loose))
	}
	for name, text := range workflows(t) {
		g.Expect(unpinned(text)).To(BeEmpty(), name)
	}
}

// TestPermissionsAreLeast lists who may write what.
func TestPermissionsAreLeast(t *testing.T) {
	g := NewWithT(t)
	got := map[string][]string{}
	for name, text := range workflows(t) {
		parsed := workflow{}
		g.Expect(yaml.Unmarshal([]byte(text), &parsed)).To(Succeed())
		g.Expect(text).To(MatchRegexp(`(?m)^permissions:`), "%s has no permissions and gets the repository's default", name)
		g.Expect(parsed.Permissions).To(Or(BeEmpty(), Equal(map[string]string{"contents": "read"})), name)
		for job, fields := range parsed.Jobs {
			for permission, access := range fields.Permissions {
				if access == "write" {
					got[name+" "+job] = append(got[name+" "+job], permission)
				}
			}
		}
	}
	g.Expect(got).To(HaveLen(2))
	g.Expect(got["release.yaml image"]).To(ConsistOf("packages", "id-token", "attestations"))
	g.Expect(got["release.yaml files"]).To(ConsistOf("contents", "packages", "id-token", "attestations"))
}

// TestWorkflowsMakeWhatThereIs looks for each target that a workflow or .ci/run
// makes.
func TestWorkflowsMakeWhatThereIs(t *testing.T) {
	g := NewWithT(t)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	g.Expect(err).NotTo(HaveOccurred())
	ci, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	g.Expect(err).NotTo(HaveOccurred())
	scripts := workflows(t)
	scripts[".ci/run"] = string(ci)
	calls := regexp.MustCompile(`(?m)^(?:.*\bmake|\s*part)((?: [a-z-]+)+)`)
	count := 0
	for name, text := range scripts {
		for _, call := range calls.FindAllStringSubmatch(text, -1) {
			for _, target := range strings.Fields(call[1]) {
				count++
				g.Expect(string(makefile)).To(ContainSubstring("\n"+target+":"), name)
			}
		}
	}
	g.Expect(count).To(BeNumerically(">", 10))
}

func TestWorkflowsAreValid(t *testing.T) {
	g := NewWithT(t)
	lint := exec.CommandContext(t.Context(), "make", "lint-workflows")
	lint.Dir = root
	output, err := lint.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
}
