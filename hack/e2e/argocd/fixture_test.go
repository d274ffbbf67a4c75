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

	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// fixture is a cluster with Signet and, if wanted, Argo CD.
type fixture struct {
	*env.Cluster
	dir string
	// argoCD is the folder of the program.
	argoCD    string
	redisPort string
	manager   manager
}

// newFixture starts a cluster with Signet installed, whose manager does not run
// yet.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	folder, err := argoCD.Find(t.Context(), os.Stderr)
	must(t, err)
	w := &fixture{dir: t.TempDir(), argoCD: folder}
	w.manager.webhooks, w.manager.program = proc.FreeAddress(t), filepath.Join(w.dir, "signet")
	w.Cluster, err = env.Start(t.Context(), env.Options{
		ControllerManager: true, GatewayAPI: true, Install: []string{"default"}, Webhooks: w.manager.webhooks,
	})
	must(t, err)
	t.Cleanup(w.Stop)
	must(t, env.Build(t.Context(), w.Root, ".", w.manager.program))
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
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
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
	return w.run(t, w.Root, w.Kubectl, append([]string{"--kubeconfig=" + w.Kubeconfig}, args...)...)
}

// try runs kubectl, and returns what it prints and whether it has succeeded.
func (w *fixture) try(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, w.Kubectl, append([]string{"--kubeconfig=" + w.Kubeconfig}, args...)...)
	cmd.Dir, cmd.Stdin = w.Root, strings.NewReader(input)
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
	_, err := w.try(t.Context(), yaml, "apply", "--server-side", "-n", namespace, "-f", "-")
	must(t, err)
}

// module is the folder of a module's source.
func (w *fixture) module(t *testing.T, dir, path string) string {
	t.Helper()
	return w.run(t, filepath.Join(w.Root, dir), "go", "list", "-m", "-f", "{{.Dir}}", path)
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
