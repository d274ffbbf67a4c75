package controllers_test

import (
	"context"
	"fmt"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/controllers/signaturebinding"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/slotwatch"
)

// scriptedRoutes answers for routes as the spec says: the number of Gateways
// that serve a route of that name.
type scriptedRoutes struct {
	mu       sync.Mutex
	gateways map[string]int32
	changed  func(gatewayapi.RouteRef)
}

func (*scriptedRoutes) WaitForSync(context.Context) error { return nil }

func (r *scriptedRoutes) Subscribe(changed func(gatewayapi.RouteRef)) { r.changed = changed }

func (r *scriptedRoutes) Publication(_ signetv1alpha1.APIKind, _, name, _ string, last *int32) publication.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	served := r.gateways[name]
	if served == 0 {
		return publication.NotThere(last)
	}
	return publication.State{Gateways: &served, Published: true}
}

func (*scriptedRoutes) Rewrites(signetv1alpha1.APIKind, string, string) []publication.Rewrite {
	return nil
}

// serve says that so many Gateways serve the route from now on.
func (r *scriptedRoutes) serve(namespace, name string, gateways int32) {
	r.mu.Lock()
	if r.gateways == nil {
		r.gateways = map[string]int32{}
	}
	r.gateways[name] = gateways
	changed := r.changed
	r.mu.Unlock()
	if changed != nil {
		changed(gatewayapi.RouteRef{Kind: signetv1alpha1.APIKindHTTPRoute, Namespace: namespace, Name: name})
	}
}

// withBindings adds the controller of bindings to a manager.
func withBindings(routes *scriptedRoutes, now clock.PassiveClock) func(ctrl.Manager, *slots.ClaimCache) error {
	return func(mgr ctrl.Manager, book *slots.ClaimCache) error {
		return bindingReconciler(mgr, book, routes, now).SetupWithManager(mgr, 4)
	}
}

func bindingReconciler(mgr ctrl.Manager, book *slots.ClaimCache, routes signaturebinding.Routes, now clock.PassiveClock) *signaturebinding.Reconciler {
	return &signaturebinding.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Claims: book, Routes: routes,
		Leading: func() bool { return true }, Clock: now,
	}
}

func startBoth() *runningManager {
	GinkgoHelper()
	return startManager(managerOptions{Add: withBindings(&scriptedRoutes{}, clock.RealClock{})})
}

func newBinding(namespace, name, key string, apis ...string) *signetv1alpha1.SignatureBinding {
	binding := &signetv1alpha1.SignatureBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	binding.Spec.KeyRef.Name, binding.Spec.Environment = key, "RELEASE"
	for _, api := range apis {
		binding.Spec.APIs = append(binding.Spec.APIs, signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, api))
	}
	return binding
}

// newRival wants to sign in another way than newBinding: where one of the two
// holds an API, the other is Conflicted.
func newRival(namespace, name, key string, apis ...string) *signetv1alpha1.SignatureBinding {
	binding := newBinding(namespace, name, key, apis...)
	binding.Spec.SignatureHeader = "X-Signature"
	return binding
}

// Ready expects status and reason of Ready, and returns the message.
func Ready(ctx context.Context, binding *signetv1alpha1.SignatureBinding, status metav1.ConditionStatus, reason string) string {
	GinkgoHelper()
	var message string
	Eventually(func(g Gomega) {
		fresh := reload(g, ctx, binding)
		condition := meta.FindStatusCondition(fresh.Status.Conditions, signetv1alpha1.ConditionReady)
		g.Expect(condition).NotTo(BeNil())
		g.Expect(fmt.Sprintf("%s %s", condition.Status, condition.Reason)).To(Equal(fmt.Sprintf("%s %s", status, reason)), condition.Message)
		g.Expect(condition.ObservedGeneration).To(Equal(fresh.Generation))
		message = condition.Message
	}).Should(Succeed())
	return message
}

// watchNamespace has a witness that testifies when the spec ends.
func watchNamespace(ctx context.Context, namespace string) *slotwatch.Witness {
	GinkgoHelper()
	w, err := slotwatch.Watch(ctx, plane.Config, namespace)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		w.Stop()
		Expect(w.Seen()).NotTo(BeZero())
		Expect(w.Doubles()).To(BeEmpty(), "slots that two bindings held at one instant")
	})
	return w
}

// holders are the bindings of the namespace that hold the API.
func holders(g Gomega, ctx context.Context, namespace, api string) []string {
	var list signetv1alpha1.SignatureBindingList
	g.Expect(admin.List(ctx, &list, client.InNamespace(namespace))).To(Succeed())
	var names []string
	for i := range list.Items {
		for _, slot := range slots.HeldBy(&list.Items[i]) {
			if slot.Name == api {
				names = append(names, list.Items[i].Name)
			}
		}
	}
	return names
}
