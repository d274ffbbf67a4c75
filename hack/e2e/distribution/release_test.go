// SPDX-License-Identifier: Apache-2.0

package distribution

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	. "github.com/onsi/gomega"
)

// TestVersionsAreRecorded runs the check that a release has to pass on a copy of
// the files that it reads.
func TestVersionsAreRecorded(t *testing.T) {
	const recorded, crds = "hack/e2e/upgrade/testdata/v0.1.0", "config/crd/recorded/v0.1.0"
	const refusal = "v0.1.0 was not recorded as it is: run make record-baseline BASELINE=v0.1.0 and commit the result"
	cases := map[string]struct {
		spoil func(g *WithT, dir string)
		want  string
	}{
		"recorded":        {func(*WithT, string) {}, ""},
		"no objects":      {removes(recorded + "/objects.yaml"), refusal},
		"nothing":         {removes(recorded), refusal},
		"no CRDs":         {removes(crds), refusal},
		"one CRD":         {removes(crds + "/signet.dev_signaturekeys.yaml"), refusal},
		"a later CRD":     {appends("config/crd/bases/signet.dev_signaturekeys.yaml", "# later\n"), refusal},
		"another image":   {writes(recorded+"/install.yaml", "        image: ghcr.io/signet-dev/signet:v0.1.0-rc.1\n"), refusal},
		"another manager": {writes("config/manager/kustomization.yaml", "  newTag: v0.0.9\n"), "config/manager/kustomization.yaml does not install v0.1.0"},
		"another chart":   {writes("config/chart/Chart.yaml", "version: 0.0.9\nappVersion: v0.0.9\n"), "config/chart/Chart.yaml is not of v0.1.0"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g, dir := NewWithT(t), t.TempDir()
			for _, path := range []string{"Makefile", "config/manager/kustomization.yaml", "config/signer/workload/kustomization.yaml", "config/chart/Chart.yaml", "config/crd/bases"} {
				g.Expect(os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o755)).To(Succeed())
				output, err := exec.CommandContext(t.Context(), "cp", "-r", filepath.Join(root, path), filepath.Join(dir, path)).CombinedOutput()
				g.Expect(err).NotTo(HaveOccurred(), string(output))
			}
			g.Expect(os.CopyFS(filepath.Join(dir, crds), os.DirFS(filepath.Join(dir, "config/crd/bases")))).To(Succeed())
			writes(recorded+"/install.yaml", "        image: ghcr.io/signet-dev/signet:v0.1.0\n")(g, dir)
			writes(recorded+"/objects.yaml", "kind: Namespace\n")(g, dir)
			for _, part := range []string{"manager", "signer/workload"} {
				writes("config/"+part+"/kustomization.yaml", "  newTag: v0.1.0\n")(g, dir)
			}
			writes("config/chart/Chart.yaml", "version: 0.1.0\nappVersion: v0.1.0\n")(g, dir)
			tc.spoil(g, dir)
			verify := exec.CommandContext(t.Context(), "make", "verify-version", "VERSION=v0.1.0")
			verify.Dir = dir
			output, err := verify.CombinedOutput()
			g.Expect(err == nil).To(Equal(tc.want == ""), string(output))
			g.Expect(string(output)).To(ContainSubstring(tc.want))
		})
	}
}

func removes(path string) func(*WithT, string) {
	return func(g *WithT, dir string) { g.Expect(os.RemoveAll(filepath.Join(dir, path))).To(Succeed()) }
}

func writes(path, text string) func(*WithT, string) {
	return func(g *WithT, dir string) {
		file := filepath.Join(dir, path)
		g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
	}
}

func appends(path, text string) func(*WithT, string) {
	return func(g *WithT, dir string) {
		content, err := os.ReadFile(filepath.Join(dir, path))
		g.Expect(err).NotTo(HaveOccurred())
		writes(path, string(content)+text)(g, dir)
	}
}

// TestWorkflowRunsCI expects both halves of .ci/run in .github/workflows/ci.yaml,
// and both in .ci/run without an argument.
func TestWorkflowRunsCI(t *testing.T) {
	g := NewWithT(t)
	script, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	g.Expect(err).NotTo(HaveOccurred())
	halves := find(`(?m)^\s*- run: \.ci/run ([a-z]+)$`, workflows(t)["ci.yaml"])
	g.Expect(halves).To(ConsistOf("verify", "tests"))
	g.Expect(find(`(?m)^  ([a-z]+)\)`, string(script))).To(ConsistOf(halves))
	g.Expect(string(script)).To(ContainSubstring("'')\n    part verify\n    tests\n    ;;"))
	body := find(`(?ms)^tests\(\) \{$(.*?)^\}$`, string(script))
	g.Expect(body).To(HaveLen(1))
	g.Expect(find(`(?m)^  part ([a-z-]+)$`, body[0])).
		To(ConsistOf("controlplane", "test", "test-interop", "test-gateways", "test-verifiers", "test-servers", "test-prometheus"))
}

// find returns what the group of the pattern matches.
func find(pattern, text string) []string {
	var found []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}
