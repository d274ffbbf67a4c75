// SPDX-License-Identifier: Apache-2.0

package kubectl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// testErrors runs every command with a kubeconfig that does not work. Each prints in
// one line what is missing.
func testErrors(t *testing.T, w *fixture) {
	w.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "powerless"}})
	powerless, err := w.Identity(t.Context(), shop, "powerless")
	must(t, err)
	unknown := rest.AnonymousClientConfig(w.Config)
	unknown.BearerToken = "expired"
	away := rest.CopyConfig(w.Config)
	away.Host = "https://" + proc.FreeAddress(t)
	for name, config := range map[string]*rest.Config{"unknown": unknown, "away": away} {
		must(t, w.WriteKubeconfig(config, filepath.Join(w.dir, name)))
	}
	request := filepath.Join(w.dir, "right.http")
	commands := map[string][]string{
		"status": {"status"}, "explain": {"explain", "api/legacy"}, "rotate": {"rotate", "orders"},
		"bind": {"bind", "orders", "--env", "RELEASE", "-l", "app=orders"}, "verify": {"verify", "orders", "-f", request}, "doctor": {"doctor"},
	}
	const user = "system:serviceaccount:shop:powerless is not allowed to "
	const inShop = " in namespace shop: "
	const ask = inShop + "ask for a RoleBinding to the ClusterRole view or edit, which cover Signet's kinds"
	const askForRoutes = inShop + "ask for a Role that may list httproutes.gateway.networking.k8s.io, because view and edit do not cover the Gateway API"
	permissions := map[string]string{
		"status": "list signaturekeys.signet.dev" + ask, "explain": "list signaturebindings.signet.dev" + ask, "rotate": "get signaturekeys.signet.dev" + ask,
		"bind": "list httproutes.gateway.networking.k8s.io" + askForRoutes, "verify": "get signaturekeys.signet.dev" + ask,
	}
	for name, args := range commands {
		for kubeconfig, want := range map[string]string{
			powerless:                       user + permissions[name],
			filepath.Join(w.dir, "unknown"): "the API server rejected your credentials: the token or certificate in the kubeconfig is invalid or expired",
			filepath.Join(w.dir, "away"):    fmt.Sprintf("the API server at %s cannot be reached: dial tcp %s: connect: connection refused", away.Host, strings.TrimPrefix(away.Host, "https://")),
			filepath.Join(w.dir, "nowhere"): "load kubeconfig: stat " + filepath.Join(w.dir, "nowhere") + ": no such file or directory",
		} {
			if name == "doctor" && kubeconfig == powerless {
				continue // doctor lists what it could not check
			}
			out, problems, code := w.signet(t, append(args, "-n", shop, "--kubeconfig", kubeconfig)...)
			if code != 1 || out != "" || problems != "error: "+want+"\n" {
				t.Errorf("%s with %s: %d %q %q, want %q", name, filepath.Base(kubeconfig), code, out, problems, want)
			}
		}
	}
	without(t, w)
}

// without has no kubeconfig at all.
func without(t *testing.T, w *fixture) {
	cmd := w.command(t, "status")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(w.dir, "nowhere"), "HOME="+w.dir, "PATH="+w.dir)
	output, err := cmd.CombinedOutput()
	const want = "error: no cluster is configured: set --kubeconfig, KUBECONFIG or ~/.kube/config\n"
	if exitCode(err) != 1 || string(output) != want {
		t.Errorf("%v %q, want %q", err, output, want)
	}
}
