// Package admission tests what comes in from outside at Signet as it is installed:
// config/default on a real control plane, and the manager's binary under its
// own role.
package admission

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
)

const (
	// soon is for what Signet and the API server do, long for what the garbage
	// collector and the namespace controller have to do first.
	soon = 30 * time.Second
	long = 2 * time.Minute
	poll = 50 * time.Millisecond

	systemNamespace = "signet-system"
	managerAccount  = "signet-controller-manager"
)

// What all specs share: a control plane with the Gateway API's CRDs and all of
// config/default, and a manager at work.
var (
	plane  *controlplane.ControlPlane
	scheme = runtime.NewScheme()
	// admin is a cluster administrator.
	admin *user
)

func TestDoors(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(soon)
	SetDefaultEventuallyPollingInterval(poll)
	RunSpecs(t, "Doors")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, signetv1alpha1.AddToScheme, gwapiv1.Install} {
		Expect(add(scheme)).To(Succeed())
	}
	ctrl.SetLogger(GinkgoLogr)
	var err error
	plane, err = controlplane.Start(ctx, controlplane.Options{ControllerManager: true, Out: os.Stderr})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { plane.Stop() })
	plane.Config.QPS = -1
	admin = newUser("")

	root, err := controlplane.Root()
	Expect(err).NotTo(HaveOccurred())
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	Expect(err).NotTo(HaveOccurred())
	kubectl(ctx, "apply", "--server-side", "-f", filepath.Join(strings.TrimSpace(string(module)), "config", "crd", "standard"))
	program = buildManager(ctx, root)
	webhookAddress = freeAddress(ctx)
	Expect(plane.Install(ctx, filepath.Join(root, "config", "default"),
		controlplane.InstallOptions{WebhookURL: "https://" + webhookAddress})).To(Succeed())
	DeferCleanup(stopManager)
	startManager(ctx, shipped...)
})

// kubectl runs the program as the administrator and returns all that it says.
func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	cmd := exec.CommandContext(ctx, plane.Kubectl, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+plane.Kubeconfig)
	output, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(output))
	return string(output)
}

// newNamespace makes a namespace for one spec. It is not removed: the control
// plane is.
func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}
	Expect(admin.Create(ctx, namespace)).To(Succeed())
	return namespace.Name
}

func newKey(namespace, name string) *signetv1alpha1.SignatureKey {
	key := &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	key.Spec.Type = signetv1alpha1.KeyTypeHMAC
	return key
}

// newSourcedKey is a key that names a source.
func newSourcedKey(namespace, name, source string) *signetv1alpha1.SignatureKey {
	key := newKey(namespace, name)
	key.Spec.Source = &signetv1alpha1.KeySource{SecretRef: &signetv1alpha1.LocalReference{Name: source}}
	return key
}

// newSource is a source Secret with the halves of data.
func newSource(namespace, name string, data map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name,
			Labels: map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource},
		},
		StringData: data,
	}
}

// newBinding binds a key to APIs of kind API in RELEASE.
func newBinding(namespace, name, key string, apis ...string) *signetv1alpha1.SignatureBinding {
	binding := &signetv1alpha1.SignatureBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	binding.Spec.KeyRef.Name, binding.Spec.Environment = key, "RELEASE"
	for _, api := range apis {
		binding.Spec.APIs = append(binding.Spec.APIs, signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, api))
	}
	return binding
}

func create[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	Expect(admin.Create(ctx, object)).To(Succeed())
	return object
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

func gone(ctx context.Context, object client.Object) func(Gomega) {
	return func(g Gomega) {
		err := admin.Get(ctx, client.ObjectKeyFromObject(object), object)
		g.Expect(client.IgnoreNotFound(err)).To(Succeed())
		g.Expect(err).To(HaveOccurred())
	}
}

// conditioned is an object of Signet's with its conditions.
type conditioned interface {
	client.Object
	comparable
}

func conditionsOf(object client.Object) []metav1.Condition {
	switch object := object.(type) {
	case *signetv1alpha1.SignatureKey:
		return object.Status.Conditions
	case *signetv1alpha1.SignatureBinding:
		return object.Status.Conditions
	default:
		return nil
	}
}

// expectReady waits for a status and reason of Ready ("False Conflicted") about
// the present spec, and returns the message.
func expectReady[T conditioned](ctx context.Context, object T, want string) string {
	GinkgoHelper()
	var message string
	Eventually(func(g Gomega) {
		fresh := reload(g, ctx, object)
		condition := meta.FindStatusCondition(conditionsOf(fresh), signetv1alpha1.ConditionReady)
		g.Expect(condition).NotTo(BeNil())
		g.Expect(fmt.Sprintf("%s %s", condition.Status, condition.Reason)).To(Equal(want), condition.Message)
		g.Expect(condition.ObservedGeneration).To(Equal(fresh.GetGeneration()))
		message = condition.Message
	}).Should(Succeed())
	return message
}

// managedSecret waits for the managed Secret of a key.
func managedSecret(ctx context.Context, key *signetv1alpha1.SignatureKey) *corev1.Secret {
	GinkgoHelper()
	expectReady(ctx, key, "True Ready")
	return reload(Default, ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.EffectiveTargetName()}})
}
