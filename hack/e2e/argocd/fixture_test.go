// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/testing/controlplane"
)

const (
	// patience is how long anything may take: the garbage collector learns of
	// new kinds every 30 seconds only, and Argo CD prunes in the foreground.
	patience = 3 * time.Minute
	// stopLimit is how long a program may take to end by itself.
	stopLimit = 30 * time.Second
)

// world is a control plane with Signet and, if wanted, Argo CD.
type world struct {
	root, dir string
	cluster   *controlplane.ControlPlane
	// argoCD is the folder of the program.
	argoCD    string
	redisPort string
	manager   manager
}

// newWorld starts a control plane with Signet installed, whose manager does not
// run yet.
func newWorld(t *testing.T) *world {
	t.Helper()
	root, err := proc.Root()
	must(t, err)
	folder, err := argoCD.Find(t.Context(), os.Stderr)
	must(t, err)
	w := &world{root: root, dir: t.TempDir(), argoCD: folder}
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
func (w *world) run(t *testing.T, dir, name string, args ...string) string {
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

func (w *world) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return w.run(t, w.root, w.cluster.Kubectl, append([]string{"--kubeconfig=" + w.cluster.Kubeconfig}, args...)...)
}

// try runs kubectl, and returns what it prints and whether it has succeeded.
func (w *world) try(input string, args ...string) (string, error) {
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
func (w *world) apply(t *testing.T, namespace, yaml string) {
	t.Helper()
	_, err := w.try(yaml, "apply", "--server-side", "-n", namespace, "-f", "-")
	must(t, err)
}

// module is the folder of a module's source.
func (w *world) module(t *testing.T, dir, path string) string {
	t.Helper()
	return w.run(t, filepath.Join(w.root, dir), "go", "list", "-m", "-f", "{{.Dir}}", path)
}

// start runs a program until the test ends, or until it is stopped.
func (w *world) start(t *testing.T, name string, env []string, program string, args ...string) (stop func()) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(w.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, log, log
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	stop = sync.OnceFunc(func() {
		kill := time.AfterFunc(stopLimit, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s ended with:\n%s", name, text[max(0, len(text)-1500):])
		}
	})
	return stop
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = listener.Close() }()
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

// eventually asks until there is no error.
func eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(250 * time.Millisecond) {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s: %v", patience, what, err)
		}
	}
}
