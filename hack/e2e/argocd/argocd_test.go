// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"os"
	"path/filepath"
	"testing"
)

// startArgoCD installs Argo CD's own manifests and the health checks as
// config/argocd documents it, and runs the two components that sync.
func (w *fixture) startArgoCD(t *testing.T) {
	t.Helper()
	program := filepath.Join(w.argoCD, "argocd")
	manifests := filepath.Join(w.module(t, "hack/e2e/argocd/binary", "github.com/argoproj/argo-cd/v3"), "manifests")
	w.kubectl(t, "create", "namespace", "argocd")
	for _, name := range []string{"application", "appproject", "applicationset"} {
		w.kubectl(t, "apply", "--server-side", "-f", filepath.Join(manifests, "crds", name+"-crd.yaml"))
	}
	w.kubectl(t, "apply", "-n", "argocd", "-k", filepath.Join(manifests, "base", "config"))
	w.kubectl(t, "apply", "--server-side", "--field-manager=signet", "-k", "config/argocd")
	// What argocd-server makes, which does not run here.
	w.kubectl(t, "patch", "-n", "argocd", "secret", "argocd-secret", "-p", `{"stringData":{"server.secretkey":"for-this-test-alone"}}`)
	w.apply(t, "argocd", appProject)

	home := filepath.Join(w.dir, "argocd")
	env := []string{"HOME=" + home, "TMPDIR=" + home, "KUBECONFIG=" + w.Kubeconfig,
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
