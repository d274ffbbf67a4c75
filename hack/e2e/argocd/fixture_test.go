// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// patience is how long anything may take: Argo CD prunes in the foreground.
const patience = proc.Long

// fixture is a control plane with Signet and, if wanted, Argo CD.
type fixture struct {
	root, dir string
	cluster   *controlplane.ControlPlane
	// argoCD is the folder of the program.
	argoCD    string
	redisPort string
	manager   manager
}

// newFixture starts a control plane with Signet installed, whose manager does not
// run yet.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	root, err := proc.Root()
	must(t, err)
	folder, err := argoCD.Find(t.Context(), os.Stderr)
	must(t, err)
	w := &fixture{root: root, dir: t.TempDir(), argoCD: folder}
	w.cluster, err = controlplane.Start(t.Context(), controlplane.Options{ControllerManager: true})
	must(t, err)
	t.Cleanup(w.cluster.Stop)
	w.installSignet(t)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a command and returns what it prints.
func (w *fixture) run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, output, problems.String())
	}
	return strings.TrimSpace(string(output))
}

func (w *fixture) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return w.run(t, w.root, w.cluster.Kubectl, append([]string{"--kubeconfig=" + w.cluster.Kubeconfig}, args...)...)
}

// try runs kubectl, and returns what it prints and whether it has succeeded.
func (w *fixture) try(input string, args ...string) (string, error) {
	cmd := exec.Command(w.cluster.Kubectl, append([]string{"--kubeconfig=" + w.cluster.Kubeconfig}, args...)...)
	cmd.Dir, cmd.Stdin = w.root, strings.NewReader(input)
	output, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(output))
	if err != nil {
		return text, fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return text, nil
}

// apply applies YAML as an administrator.
func (w *fixture) apply(t *testing.T, namespace, yaml string) {
	t.Helper()
	_, err := w.try(yaml, "apply", "--server-side", "-n", namespace, "-f", "-")
	must(t, err)
}

// module is the folder of a module's source.
func (w *fixture) module(t *testing.T, dir, path string) string {
	t.Helper()
	return w.run(t, filepath.Join(w.root, dir), "go", "list", "-m", "-f", "{{.Dir}}", path)
}

// start runs a program until the test ends, or until it is stopped.
func (w *fixture) start(t *testing.T, name string, env []string, program string, args ...string) (stop func()) {
	t.Helper()
	p := proc.Run(t, proc.Command{
		Name: name, Program: program, Args: args, Dir: w.dir, Env: env, Log: filepath.Join(w.dir, name+".log"),
	})
	return func() { _ = p.Stop() }
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(proc.FreeAddress(t))
	must(t, err)
	return port
}

// eventually checks until there is no error.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	must(t, proc.Until(context.Background(), patience, what, check))
}
