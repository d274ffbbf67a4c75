// SPDX-License-Identifier: Apache-2.0

package distribution

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// buildStage is the part of the Dockerfile that makes the binary: what it copies
// from the checkout, and the command.
func buildStage(t *testing.T) (copied []string, command string) {
	t.Helper()
	g := NewWithT(t)
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	g.Expect(err).NotTo(HaveOccurred())
	for line := range strings.Lines(strings.ReplaceAll(string(dockerfile), "\\\n", "")) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 2 && fields[0] == "COPY" && !strings.HasPrefix(fields[1], "--from"):
			copied = append(copied, fields[1:len(fields)-1]...)
		case len(fields) > 1 && fields[0] == "RUN" && strings.Contains(line, "go build"):
			command = regexp.MustCompile(`--mount=\S+`).ReplaceAllString(strings.TrimPrefix(line, "RUN"), "")
		}
	}
	g.Expect(copied).To(ContainElements("go.mod", "main.go", "internal"))
	g.Expect(command).To(ContainSubstring("go build "))
	return copied, strings.TrimSpace(command)
}

// build runs the command in a folder of its own that has what the Dockerfile
// copies and nothing else, and returns the path of the binary.
func build(t *testing.T, copied []string, command string) string {
	t.Helper()
	g, dir := NewWithT(t), t.TempDir()
	for _, name := range copied {
		output, err := exec.CommandContext(t.Context(), "cp", "-r", filepath.Join(root, name), dir).CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), string(output))
	}
	shell := exec.CommandContext(t.Context(), "sh", "-c", command)
	shell.Dir = dir
	shell.Env = append(os.Environ(), "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH, "VERSION=v1.2.3")
	output, err := shell.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	return filepath.Join(dir, "bin", "signet")
}

// TestBinaryIsReproducible builds twice, in two folders. Compiled packages come
// from Go's cache the second time: what is tested is that nothing of the folder,
// the moment or the checkout gets into the binary.
func TestBinaryIsReproducible(t *testing.T) {
	copied, command := buildStage(t)
	const version = "main.version=$VERSION"
	NewWithT(t).Expect(command).To(ContainSubstring(version))
	cases := map[string]struct {
		command string
		same    bool
	}{
		"the Dockerfile's command": {command, true},
		"with the folder in it":    {strings.Replace(command, version, "main.version=$PWD", 1), false},
		"with the moment in it":    {strings.Replace(command, version, "main.version=$(date +%N)", 1), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			first, err := os.ReadFile(build(t, copied, tc.command))
			g.Expect(err).NotTo(HaveOccurred())
			second, err := os.ReadFile(build(t, copied, tc.command))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(bytes.Equal(first, second)).To(Equal(tc.same))
		})
	}
}

func TestMakeBuildIsTheDockerfilesCommand(t *testing.T) {
	g := NewWithT(t)
	_, command := buildStage(t)
	dry := exec.CommandContext(t.Context(), "make", "--no-print-directory", "--dry-run", "build", "VERSION=v1.2.3")
	dry.Dir = root
	output, err := dry.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	command = strings.NewReplacer("GOOS=$TARGETOS ", "", "GOARCH=$TARGETARCH ", "", "$VERSION", "v1.2.3").Replace(command)
	// The lines after it are for the kubectl plugin.
	first, _, _ := strings.Cut(string(output), "\n")
	g.Expect(strings.Fields(first)).To(Equal(strings.Fields(command)))
}

// TestBillOfMaterials compares it with the build information of the binary.
func TestBillOfMaterials(t *testing.T) {
	g := NewWithT(t)
	copied, command := buildStage(t)
	binary, bill := build(t, copied, command), filepath.Join(t.TempDir(), "sbom.json")
	list := exec.CommandContext(t.Context(), "make", "sbom-of", "BINARY="+binary, "SBOM="+bill, "VERSION=v1.2.3")
	list.Dir = root
	output, err := list.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))

	content, err := os.ReadFile(bill)
	g.Expect(err).NotTo(HaveOccurred())
	type component struct{ Name, Version string }
	var listed struct {
		BOMFormat  string
		Metadata   struct{ Component component }
		Components []component
	}
	g.Expect(json.Unmarshal(content, &listed)).To(Succeed())
	g.Expect(listed.BOMFormat).To(Equal("CycloneDX"))
	g.Expect(listed.Metadata.Component).To(Equal(component{"github.com/signet-dev/signet", "v1.2.3"}))

	info, err := buildinfo.ReadFile(binary)
	g.Expect(err).NotTo(HaveOccurred())
	want := []component{{"std", info.GoVersion}}
	for _, module := range info.Deps {
		want = append(want, component{module.Path, module.Version})
	}
	g.Expect(len(want)).To(BeNumerically(">", 20))
	g.Expect(listed.Components).To(ConsistOf(want))
}

// TestVulncheck runs the script with a govulncheck that prints a given answer.
func TestVulncheck(t *testing.T) {
	const offline = `echo 'govulncheck: fetching vulnerabilities: Get "https://vuln.example": no such host' >&2; exit 1`
	cases := map[string]struct {
		answer, required string
		passes, skipped  bool
	}{
		"nothing found":             {answer: "exit 0", required: "1", passes: true},
		"found":                     {answer: "exit 3"},
		"broken":                    {answer: "echo 'govulncheck: loading packages' >&2; exit 1"},
		"out of reach":              {answer: offline, passes: true, skipped: true},
		"out of reach, but a must":  {answer: offline, required: "1", skipped: true},
		"found, whatever else came": {answer: "echo fetching vulnerabilities; exit 3"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			fake := filepath.Join(t.TempDir(), "govulncheck")
			g.Expect(os.WriteFile(fake, []byte("#!/bin/sh\n"+tc.answer+"\n"), 0o700)).To(Succeed())
			check := exec.CommandContext(t.Context(), "make", "vulncheck")
			check.Dir = root
			check.Env = append(os.Environ(), "GOVULNCHECK="+fake, "VULNCHECK_REQUIRED="+tc.required)
			output, err := check.CombinedOutput()
			g.Expect(err == nil).To(Equal(tc.passes), string(output))
			g.Expect(strings.Contains(string(output), "SKIPPED: the vulnerability database cannot be reached")).To(Equal(tc.skipped), string(output))
		})
	}
}
