// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// template is the namespace of config/namespaced whose roles others get, too.
const template = "team-a"

// What all specs share: a control plane with config/namespaced and the signer's
// counterpart on it.
var (
	cluster *env.Cluster
	admin   client.WithWatch
	binary  string
	// webhooks is where the API server calls the manager.
	webhooks string
	// roles are the objects in the template's namespace.
	roles []*unstructured.Unstructured
)

func TestNamespaces(t *testing.T) {
	env.RunSuite(t, "Namespaces")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	var err error
	webhooks, err = proc.FindAddress()
	Expect(err).NotTo(HaveOccurred())
	cluster, err = env.Start(ctx, env.Options{ControllerManager: true, Install: []string{"namespaced/cluster"}, Webhooks: webhooks, Out: os.Stderr})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { cluster.Stop() })
	admin = cluster.Admin
	for _, name := range []string{"team-a", "team-b", "gateways"} {
		create(ctx, name)
	}
	for _, folder := range []string{"namespaced", "signer/namespaced"} {
		objects, err := cluster.Render(ctx, filepath.Join(cluster.Root, "config", folder))
		Expect(err).NotTo(HaveOccurred())
		for _, object := range objects {
			if object.GetNamespace() == template {
				roles = append(roles, object.DeepCopy())
			}
		}
		Expect(cluster.Apply(ctx, objects, controlplane.InstallOptions{})).To(Succeed())
	}
	binary = filepath.Join(cluster.Dir, "signet")
	Expect(env.Build(ctx, cluster.Root, ".", binary)).To(Succeed())
})

// create creates a namespace without roles.
func create(ctx context.Context, name string) {
	GinkgoHelper()
	env.Create(ctx, admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

// grant lets manager and signer work in a namespace, as config/namespaced does.
func grant(ctx context.Context, namespace string) {
	GinkgoHelper()
	copies := make([]*unstructured.Unstructured, 0, len(roles))
	for _, object := range roles {
		role := object.DeepCopy()
		role.SetNamespace(namespace)
		copies = append(copies, role)
	}
	Expect(cluster.Apply(ctx, copies, controlplane.InstallOptions{})).To(Succeed())
}

// roleBinding is the one that lets the manager work in a namespace.
func roleBinding(namespace string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: env.ManagerAccount}}
}

// startManager starts a manager for the namespaces, and returns when it is ready. It
// ends with the spec.
func startManager(ctx context.Context, namespaces []string, flags ...string) {
	GinkgoHelper()
	manager := launchManager(ctx, namespaces, flags...)
	DeferCleanup(func() { _ = manager.Stop() })
}

// launchManager is startManager for a manager that the caller stops.
func launchManager(ctx context.Context, namespaces []string, flags ...string) *env.ManagerProcess {
	GinkgoHelper()
	manager, err := cluster.StartManagerProcess(ctx, env.ProcessOptions{
		Binary: binary, Webhooks: webhooks, Output: GinkgoWriter,
		Flags: append([]string{"--leader-elect", "--namespaces=" + strings.Join(namespaces, ",")}, flags...),
	})
	Expect(err).NotTo(HaveOccurred())
	return manager
}

// apply creates a key and a binding for one API in a namespace.
func apply(ctx context.Context, namespace, name string) (*signetv1alpha1.SignatureKey, *signetv1alpha1.SignatureBinding) {
	GinkgoHelper()
	in := gen.InNamespace(namespace)
	var key *signetv1alpha1.SignatureKey
	Eventually(func() error { // until the API server trusts the webhooks
		key = gen.SignatureKey(name, in)
		return admin.Create(ctx, key)
	}).Should(Succeed())
	return key, env.Create(ctx, admin, gen.SignatureBinding(name, name, in, gen.WithAPIs(name)))
}

// expectBound waits until the binding holds its APIs.
func expectBound(ctx context.Context, binding *signetv1alpha1.SignatureBinding) {
	GinkgoHelper()
	env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
}

// get reads from a listener of metrics or probes.
func get(ctx context.Context, address, path string) (int, string) {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(text)
}

// expectServed waits for the metric of a namespace.
func expectServed(ctx context.Context, metrics, metric, namespace string, served bool) {
	GinkgoHelper()
	value := 0
	if served {
		value = 1
	}
	Eventually(func() string {
		_, text := get(ctx, metrics, "/metrics")
		return text
	}).WithTimeout(proc.Long).Should(ContainSubstring(fmt.Sprintf("%s{namespace=%q} %d\n", metric, namespace, value)))
}
