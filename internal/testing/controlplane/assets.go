// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// kubernetesVersion and etcdVersion are those of binaries/go.mod, and the
// Kubernetes minor of the client libraries in the root go.mod.
const (
	kubernetesVersion = "v1.37.2"
	etcdVersion       = "v3.7.3"
)

// KubernetesVariable is the environment variable that names an older minor of
// Kubernetes: 1.30. Its kube-apiserver then runs in place of the default one.
const KubernetesVariable = "SIGNET_KUBERNETES"

// OlderVersions are the releases that KubernetesVariable chooses from, by minor. Each
// is pinned by binaries/<minor>/go.mod.
var OlderVersions = map[string]string{
	"1.30": "v1.30.14",
	"1.33": "v1.33.13",
	"1.35": "v1.35.1",
}

const module = "internal/testing/controlplane/binaries"

var apiServer = proc.Program{Name: "kube-apiserver", Package: "k8s.io/kubernetes/cmd/kube-apiserver"}

var binaries = proc.Set{
	Name:        "controlplane-" + kubernetesVersion + "-etcd-" + etcdVersion,
	Module:      module,
	LinkerFlags: reportVersion(kubernetesVersion),
	Patience:    "about 10 minutes in all on two cores, once",
	Otherwise:   "set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kube-controller-manager and kubectl",
	Programs: []proc.Program{
		{Name: "etcd", Package: "go.etcd.io/etcd/server/v3"},
		{Name: "kubectl", Package: "k8s.io/kubernetes/cmd/kubectl"},
		apiServer,
		{Name: "kube-controller-manager", Package: "k8s.io/kubernetes/cmd/kube-controller-manager"},
	},
}

// reportVersion returns the linker flags for a release of Kubernetes, whose programs
// would report v0.0.0 without them.
func reportVersion(version string) string {
	const variable = " -X k8s.io/component-base/version."
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	return strings.TrimSpace(variable + "gitVersion=" + version + variable + "gitMajor=" + parts[0] + variable + "gitMinor=" + parts[1])
}

// Assets returns the folder that holds the programs: KUBEBUILDER_ASSETS if
// that is set, else a cache outside the checkout, which is filled by building
// them from source the first time. That takes about 10 minutes on two cores;
// progress is written to out.
//
// The archives of setup-envtest are not used: they have no
// kube-controller-manager, which takes most of the time to build.
func Assets(ctx context.Context, out io.Writer) (string, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		return binaries.Find(ctx, out)
	}
	if missing := binaries.MissingIn(dir); len(missing) > 0 {
		return "", fmt.Errorf("KUBEBUILDER_ASSETS=%s lacks %s: unset it to have them built, or add them", dir, strings.Join(missing, ", "))
	}
	return filepath.Abs(dir)
}

// APIServer returns the path of the kube-apiserver to run: that of the folder, or the
// one that KubernetesVariable names, which is built the first time. The other programs
// always are those of the folder: Signet talks to the API server only, and the rest
// takes longer to build.
func APIServer(ctx context.Context, assets string, out io.Writer) (string, error) {
	minor := os.Getenv(KubernetesVariable)
	if minor == "" {
		return filepath.Join(assets, apiServer.Name), nil
	}
	version, ok := OlderVersions[minor]
	if !ok {
		minors := slices.Sorted(maps.Keys(OlderVersions))
		return "", fmt.Errorf("no kube-apiserver of Kubernetes %q is pinned, only of %s (%s)", minor, strings.Join(minors, ", "), KubernetesVariable)
	}
	set := proc.Set{
		Name:        "kube-apiserver-" + version,
		Module:      module + "/" + minor,
		LinkerFlags: reportVersion(version),
		Patience:    "about 10 minutes on two cores, once",
		Programs:    []proc.Program{apiServer},
	}
	dir, err := set.Find(ctx, out)
	return filepath.Join(dir, apiServer.Name), err
}
