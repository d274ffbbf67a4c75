package argocd

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signet-dev/signet/hack/controlplane"
)

const (
	// patience is how long anything may take: the garbage collector learns of
	// new kinds every 30 seconds only, and Argo CD prunes in the foreground.
	patience      = 3 * time.Minute
	managerConfig = "manager.kubeconfig"
)

// world is a control plane with Signet, Argo CD and a repository that it follows.
type world struct {
	root, dir string
	cluster   *controlplane.ControlPlane
	repo      string
	redisPort string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root, err := controlplane.Root()
	must(t, err)
	program, err := argoCD.Find(t.Context(), os.Stderr)
	must(t, err)
	w := &world{root: root, dir: t.TempDir()}
	w.cluster, err = controlplane.Start(t.Context(), controlplane.Options{ControllerManager: true})
	must(t, err)
	t.Cleanup(w.cluster.Stop)
	w.startSignet(t)
	w.makeRepository(t)
	w.startArgoCD(t, filepath.Join(program, "argocd"))
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

// apply applies YAML as an administrator.
func (w *world) apply(t *testing.T, yaml string) {
	t.Helper()
	path := filepath.Join(w.dir, "apply.yaml")
	must(t, os.WriteFile(path, []byte(yaml), 0o600))
	w.kubectl(t, "apply", "--server-side", "-f", path)
}

// module is the folder of a module's source.
func (w *world) module(t *testing.T, dir, path string) string {
	t.Helper()
	return w.run(t, filepath.Join(w.root, dir), "go", "list", "-m", "-f", "{{.Dir}}", path)
}

// start runs a program until the test ends.
func (w *world) start(t *testing.T, name string, env []string, program string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(w.dir, name+".log"))
	must(t, err)
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, log, log
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s ended with:\n%s", name, text[max(0, len(text)-1500):])
		}
	})
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

// startSignet installs config/default and runs the manager under its own role.
func (w *world) startSignet(t *testing.T) {
	t.Helper()
	w.kubectl(t, "apply", "--server-side", "-f",
		filepath.Join(w.module(t, ".", "sigs.k8s.io/gateway-api"), "config", "crd", "standard"))
	webhooks := "127.0.0.1:" + freePort(t)
	must(t, w.cluster.Install(t.Context(), filepath.Join(w.root, "config", "default"),
		controlplane.InstallOptions{WebhookURL: "https://" + webhooks}))
	binary := filepath.Join(w.dir, "signet")
	w.run(t, w.root, "go", "build", "-o", binary, ".")
	config, err := w.cluster.ServiceAccountConfig(t.Context(), "signet-system", "signet-controller-manager")
	must(t, err)
	must(t, w.cluster.WriteKubeconfig(config, filepath.Join(w.dir, managerConfig)))
	w.start(t, "manager", nil, binary, "--kubeconfig="+managerConfig,
		"--webhook-bind-address="+webhooks, "--webhook-names=127.0.0.1",
		"--metrics-bind-address=0", "--health-probe-bind-address=127.0.0.1:"+freePort(t))
	probe := filepath.Join(w.dir, "probe.yaml")
	must(t, os.WriteFile(probe, []byte(key("probe", "")), 0o600))
	eventually(t, "admission to answer", func() error {
		cmd := exec.Command(w.cluster.Kubectl, "--kubeconfig="+w.cluster.Kubeconfig, "create", "--dry-run=server", "-n", "default", "-f", probe)
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	})
}

// startArgoCD installs what its own manifests have, the health checks as the
// README says, and runs the two components that sync.
func (w *world) startArgoCD(t *testing.T, program string) {
	t.Helper()
	manifests := filepath.Join(w.module(t, "hack/argocd/binary", "github.com/argoproj/argo-cd/v3"), "manifests")
	w.kubectl(t, "create", "namespace", "argocd")
	for _, name := range []string{"application", "appproject", "applicationset"} {
		w.kubectl(t, "apply", "--server-side", "-f", filepath.Join(manifests, "crds", name+"-crd.yaml"))
	}
	w.kubectl(t, "apply", "-n", "argocd", "-k", filepath.Join(manifests, "base", "config"))
	w.kubectl(t, "apply", "--server-side", "--field-manager=signet", "-k", "config/argocd")
	// What argocd-server makes, which does not run here.
	w.kubectl(t, "patch", "-n", "argocd", "secret", "argocd-secret", "-p", `{"stringData":{"server.secretkey":"for-this-test-alone"}}`)
	w.apply(t, appProject)

	home := filepath.Join(w.dir, "argocd")
	env := []string{"HOME=" + home, "TMPDIR=" + home, "KUBECONFIG=" + w.cluster.Kubeconfig,
		"ARGOCD_FAKE_IN_CLUSTER=true", "ARGOCD_GPG_ENABLED=false",
		"ARGOCD_RECONCILIATION_TIMEOUT=10s", "ARGOCD_RECONCILIATION_JITTER=0s",
		"ARGOCD_ASK_PASS_SOCK=" + filepath.Join(home, "ask-pass.sock")}
	for variable, folder := range map[string]string{"ARGOCD_TLS_DATA_PATH": "tls", "ARGOCD_SSH_DATA_PATH": "ssh",
		"ARGOCD_GPG_DATA_PATH": "gpg", "ARGOCD_GNUPGHOME": "gnupg", "ARGOCD_PLUGINSOCKFILEPATH": "plugins"} {
		must(t, os.MkdirAll(filepath.Join(home, folder), 0o700))
		env = append(env, variable+"="+filepath.Join(home, folder))
	}
	must(t, os.WriteFile(filepath.Join(home, "ssh", "ssh_known_hosts"), nil, 0o600))
	repoServer, controller := filepath.Join(home, "argocd-repo-server"), filepath.Join(home, "argocd-application-controller")
	must(t, os.Symlink(program, repoServer))
	must(t, os.Symlink(program, controller))

	w.redisPort = freePort(t)
	w.start(t, "redis", nil, "redis-server", "--port", w.redisPort, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	port, redis := freePort(t), "127.0.0.1:"+w.redisPort
	w.start(t, "repo-server", env, repoServer, "--address=127.0.0.1", "--port="+port, "--redis="+redis, "--disable-tls",
		"--metrics-address=127.0.0.1", "--metrics-port="+freePort(t), "--loglevel=warn")
	w.start(t, "application-controller", env, controller, "--namespace=argocd", "--redis="+redis,
		"--repo-server=127.0.0.1:"+port, "--repo-server-plaintext", "--metrics-port="+freePort(t),
		"--persist-resource-health", "--loglevel=warn")
}

func (w *world) makeRepository(t *testing.T) {
	t.Helper()
	w.repo = filepath.Join(w.dir, "repository")
	must(t, os.MkdirAll(w.repo, 0o700))
	w.run(t, w.repo, "git", "init", "-q", "-b", "main")
}
