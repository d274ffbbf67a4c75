// SPDX-License-Identifier: Apache-2.0

package split

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// installation is one of the managers of config/split.
type installation struct {
	// folder is that in config/split; system is where the manager runs, and served the
	// namespace that it serves.
	folder, system, served string
	// webhooks is where the API server calls it, and flags are those of its Deployment.
	webhooks string
	flags    []string
}

var (
	cluster *env.Cluster
	admin   client.WithWatch
	binary  string

	east = &installation{folder: "east", system: env.SystemNamespace, served: "team-a"}
	west = &installation{folder: "west", system: "signet-west", served: "team-b"}
)

func TestSplit(t *testing.T) {
	env.RunSuite(t, "Split")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	var err error
	for _, each := range []*installation{east, west} {
		each.webhooks, err = proc.FindAddress()
		Expect(err).NotTo(HaveOccurred())
	}
	cluster, err = env.Start(ctx, env.Options{
		ControllerManager: true, Install: []string{"split/cluster"}, Webhooks: east.webhooks, Out: os.Stderr,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { cluster.Stop() })
	admin = cluster.Admin
	for _, each := range []*installation{east, west} {
		env.Create(ctx, admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: each.served}})
		each.install(ctx)
	}
	binary = filepath.Join(cluster.Dir, "signet")
	Expect(env.Build(ctx, cluster.Root, ".", binary)).To(Succeed())
})

// install applies the folder of the installation.
func (i *installation) install(ctx context.Context) {
	GinkgoHelper()
	objects, err := cluster.Render(ctx, filepath.Join(cluster.Root, "config", "split", i.folder))
	Expect(err).NotTo(HaveOccurred())
	Expect(cluster.Apply(ctx, objects, controlplane.InstallOptions{WebhookURL: "https://" + i.webhooks})).To(Succeed())
	for _, object := range objects {
		if object.GetKind() == "Deployment" {
			i.flags = flagsOf(object)
		}
	}
	Expect(i.flags).To(ContainElement("--namespaces=" + i.served))
}

// flagsOf returns the flags of a Deployment, without those that a process outside of a
// Pod gets from the test.
func flagsOf(deployment *unstructured.Unstructured) (flags []string) {
	GinkgoHelper()
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	Expect(err).NotTo(HaveOccurred())
	container, ok := containers[0].(map[string]any)
	Expect(ok).To(BeTrue())
	args, _, err := unstructured.NestedStringSlice(container, "args")
	Expect(err).NotTo(HaveOccurred())
	for _, arg := range args {
		if !strings.HasPrefix(arg, "--metrics-bind-address=") {
			flags = append(flags, arg)
		}
	}
	return flags
}

// start starts the manager, and returns when it is ready.
func (i *installation) start(ctx context.Context) *env.ManagerProcess {
	GinkgoHelper()
	manager, err := cluster.StartManagerProcess(ctx, env.ProcessOptions{
		Binary: binary, Name: "manager-" + i.folder, Namespace: i.system, Webhooks: i.webhooks, Output: GinkgoWriter,
		// A Pod finds its own namespace.
		Flags: append([]string{"--leader-elect-namespace=" + i.system}, i.flags...),
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = manager.Stop() })
	return manager
}
