// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// kubernetesVersion and etcdVersion are those of binaries/go.mod, and the
// Kubernetes minor of the client libraries in the root go.mod.
const (
	kubernetesVersion = "v1.37.2"
	etcdVersion       = "v3.7.3"
)

var binaries = proc.Set{
	Name:   "controlplane-" + kubernetesVersion + "-etcd-" + etcdVersion,
	Module: "internal/testing/controlplane/binaries",
	LinkerFlags: "-X k8s.io/component-base/version.gitVersion=" + kubernetesVersion +
		" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37",
	Patience:  "about 10 minutes in all on two cores, once",
	Otherwise: "set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kube-controller-manager and kubectl",
	Programs: []proc.Program{
		{Name: "etcd", Package: "go.etcd.io/etcd/server/v3"},
		{Name: "kubectl", Package: "k8s.io/kubernetes/cmd/kubectl"},
		{Name: "kube-apiserver", Package: "k8s.io/kubernetes/cmd/kube-apiserver"},
		{Name: "kube-controller-manager", Package: "k8s.io/kubernetes/cmd/kube-controller-manager"},
	},
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
