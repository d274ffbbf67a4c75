// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

// repository makes a git repository with the given tags.
func repository(t *testing.T, tags ...string) string {
	t.Helper()
	dir := t.TempDir()
	runGit(t, dir, "init", "--quiet", "--initial-branch=main")
	for _, text := range []string{"first", "second"} {
		NewWithT(t).Expect(os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o600)).To(Succeed())
		runGit(t, dir, "add", "file")
		runGit(t, dir, "-c", "user.name=Test", "-c", "user.email=test@example.com", "commit", "--quiet", "-m", text)
	}
	for _, tag := range tags {
		runGit(t, dir, "tag", tag)
	}
	return dir
}

func runGit(t *testing.T, dir string, args ...string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), string(output))
}

func clone(t *testing.T, from string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	runGit(t, dir, append(append([]string{"clone", "--quiet"}, args...), "file://"+from, dir)...)
	return dir
}

func TestNewestRelease(t *testing.T) {
	cases := map[string]struct {
		root func(t *testing.T) string
		want string
		err  string
	}{
		"versions are numbers": {func(t *testing.T) string { return repository(t, "v0.9.0", "v0.10.0", "chart-1") }, "v0.10.0", ""},
		"before the release":   {func(t *testing.T) string { return repository(t, "v1.0.0-rc.1", "v1.0.0") }, "v1.0.0", ""},
		"none":                 {func(t *testing.T) string { return repository(t) }, "", "no tag v… to upgrade from: set FROM=COMMIT"},
		"shallow":              {func(t *testing.T) string { return clone(t, repository(t), "--depth=1") }, "", "git fetch --unshallow --tags"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			newest, err := NewestRelease(t.Context(), tc.root(t))
			if tc.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(tc.err)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(newest).To(Equal(tc.want))
		})
	}
}

func TestExport(t *testing.T) {
	g, whole, dir := NewWithT(t), repository(t, "v1.0.0"), t.TempDir()
	g.Expect(Export(t.Context(), whole, "HEAD~1", dir)).To(Succeed())
	content, err := os.ReadFile(filepath.Join(dir, "file"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).To(Equal("first"))

	g.Expect(Export(t.Context(), whole, "v2.0.0", dir)).To(MatchError(`no commit "v2.0.0"`))
	g.Expect(Export(t.Context(), clone(t, whole, "--depth=1"), "HEAD~1", dir)).
		To(MatchError(ContainSubstring(`the commit "HEAD~1" is not in this shallow clone`)))
}

func TestRecordingRequiresACommit(t *testing.T) {
	g, dir := NewWithT(t), repository(t)
	commit, err := committed(t.Context(), dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(commit).To(MatchRegexp(`^[0-9a-f]{40}$`))

	recorded := filepath.Join(dir, "config", "crd", "recorded")
	g.Expect(write(recorded, "crd.yaml", nil)).To(Succeed())
	g.Expect(committed(t.Context(), dir)).To(Equal(commit), "the output of an earlier attempt is not a change")
	g.Expect(write(filepath.Join(dir, "config"), "role.yaml", nil)).To(Succeed())
	_, err = committed(t.Context(), dir)
	g.Expect(err).To(MatchError(ContainSubstring("commit the changes in " + dir + " first:\n?? config/")))
}
