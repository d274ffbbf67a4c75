// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
)

// What all specs share: a control plane with the kinds of the Gateway API and
// with the CRDs and roles in config/. Each spec starts its own manager.
var (
	cluster *env.Cluster
	// admin is a cluster administrator.
	admin client.WithWatch
	// logs has what all managers have logged.
	logs = &env.LogBuffer{}
)

func TestControllers(t *testing.T) {
	env.RunSuite(t, "Controllers")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(io.MultiWriter(logs, GinkgoWriter), nil)))
	var err error
	cluster, err = env.Start(ctx, env.Options{
		ControllerManager: true, GatewayAPI: true, Install: []string{"crd", "namespace", "rbac"}, Out: os.Stderr,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { cluster.Stop() })
	admin = cluster.Admin
})

// waitForGarbageCollector waits until the garbage collector knows our kinds.
func waitForGarbageCollector(ctx context.Context) {
	GinkgoHelper()
	probe := &unstructured.Unstructured{}
	probe.SetGroupVersionKind(signetv1alpha1.GroupVersion.WithKind("SignatureKey"))
	probe.SetNamespace(env.NewNamespace(ctx, admin))
	probe.SetName("probe")
	Expect(unstructured.SetNestedField(probe.Object, "HMAC", "spec", "type")).To(Succeed())
	Expect(cluster.WaitForGarbageCollector(ctx, probe)).To(Succeed())
}

// waitForCollection waits until the garbage collector has seen all Secrets that exist
// in the namespace now: it sees them in order, and deletes the last one, whose owner
// does not exist.
func waitForCollection(ctx context.Context, namespace string) {
	GinkgoHelper()
	last := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "last", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", Name: "gone", UID: "00000000-0000-0000-0000-000000000000"},
	}}}
	Expect(admin.Create(ctx, last)).To(Succeed())
	Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, last) }).Should(Succeed())
}

// expectNoMaterial expects that a text contains none of the values.
func expectNoMaterial(text string, values ...string) {
	GinkgoHelper()
	for _, value := range values {
		Expect(strings.Contains(text, value)).To(BeFalse(), "material in %s", text)
	}
}
