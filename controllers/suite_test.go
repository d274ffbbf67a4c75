package controllers_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
)

const (
	// soon is for what the controllers do, long for what the garbage
	// collector and the namespace controller have to do first.
	soon = 20 * time.Second
	long = 2 * time.Minute
	poll = 25 * time.Millisecond

	managerNamespace = "signet-system"
	managerName      = "signet-controller-manager"
)

// What all specs share: a control plane with the CRDs and the roles as they are
// shipped, and no manager. Each spec starts its own.
var (
	plane  *controlplane.ControlPlane
	scheme = runtime.NewScheme()
	// admin may do everything.
	admin client.Client
)

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(soon)
	SetDefaultEventuallyPollingInterval(poll)
	RunSpecs(t, "Controllers")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(io.MultiWriter(logs, GinkgoWriter), nil)))
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(signetv1alpha1.AddToScheme(scheme)).To(Succeed())

	var err error
	plane, err = controlplane.Start(ctx, controlplane.Options{ControllerManager: true, Out: os.Stderr})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { plane.Stop() })
	plane.Config.QPS = -1
	admin, err = client.New(plane.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	for _, dir := range []string{"crd", "namespace", "rbac"} {
		Expect(plane.Install(ctx, filepath.Join("..", "config", dir), controlplane.InstallOptions{})).To(Succeed())
	}
})

// newNamespace makes a namespace for one spec. It is not removed: the control
// plane is.
func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}
	Expect(admin.Create(ctx, namespace)).To(Succeed())
	return namespace.Name
}

// waitForGarbageCollector returns when the garbage collector knows our kinds.
func waitForGarbageCollector(ctx context.Context) {
	GinkgoHelper()
	probe := &unstructured.Unstructured{}
	probe.SetGroupVersionKind(signetv1alpha1.GroupVersion.WithKind("SignatureKey"))
	probe.SetNamespace(newNamespace(ctx))
	probe.SetName("probe")
	Expect(unstructured.SetNestedField(probe.Object, "HMAC", "spec", "type")).To(Succeed())
	Expect(plane.WaitForGarbageCollector(ctx, probe)).To(Succeed())
}

// eventsOf are the reasons and notes of the Events about an object.
func eventsOf(g Gomega, ctx context.Context, object client.Object) []string {
	var list corev1.EventList
	g.Expect(admin.List(ctx, &list, client.InNamespace(object.GetNamespace()))).To(Succeed())
	var told []string
	for i := range list.Items {
		if list.Items[i].InvolvedObject.UID == object.GetUID() {
			told = append(told, fmt.Sprintf("%s %s: %s", list.Items[i].Type, list.Items[i].Reason, list.Items[i].Message))
		}
	}
	return told
}

// reload reads an object again.
func reload[T client.Object](g Gomega, ctx context.Context, object T) T {
	fresh, ok := object.DeepCopyObject().(T)
	g.Expect(ok).To(BeTrue())
	g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(object), fresh)).To(Succeed())
	return fresh
}

// change changes an object as its owner would, again if somebody else was
// faster.
func change[T client.Object](ctx context.Context, object T, how func(T)) T {
	GinkgoHelper()
	var fresh T
	Eventually(func(g Gomega) {
		fresh = reload(g, ctx, object)
		how(fresh)
		g.Expect(admin.Update(ctx, fresh)).To(Succeed())
	}).Should(Succeed())
	return fresh
}

// changeStatus is change for the status.
func changeStatus[T client.Object](ctx context.Context, object T, how func(T)) T {
	GinkgoHelper()
	var fresh T
	Eventually(func(g Gomega) {
		fresh = reload(g, ctx, object)
		how(fresh)
		g.Expect(admin.Status().Update(ctx, fresh)).To(Succeed())
	}).Should(Succeed())
	return fresh
}

// secretless says that a text holds none of the planted values.
func secretless(text string, planted ...string) {
	GinkgoHelper()
	for _, value := range planted {
		Expect(strings.Contains(text, value)).To(BeFalse(), "material in %s", text)
	}
}
