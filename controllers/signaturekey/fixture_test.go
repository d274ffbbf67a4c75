// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clientevents "k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/term"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const protection = signetv1alpha1.FinalizerProtection

// deletionTime is when objects of these tests were deleted.
var deletionTime = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

var orders = client.ObjectKey{Namespace: "shop", Name: "orders"}

// fixture is a reconciler between two stores: what the caches show and what the
// API server has. Writes go to the first.
type fixture struct {
	*Reconciler
	cached, live client.WithWatch
	recorded     *clientevents.FakeRecorder
	clock        *clocktesting.FakePassiveClock
}

type fieldIndexes func(client.Object, string, client.IndexerFunc)

func (f fieldIndexes) IndexField(_ context.Context, object client.Object, field string, values client.IndexerFunc) error {
	f(object, field, values)
	return nil
}

func newStore(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), signetv1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	uids := 0
	create := funcs.Create
	funcs.Create = func(ctx context.Context, store client.WithWatch, object client.Object, options ...client.CreateOption) error {
		uids++
		object.SetUID(types.UID(fmt.Sprintf("created-%d", uids)))
		if create != nil {
			return create(ctx, store, object, options...)
		}
		return store.Create(ctx, object, options...)
	}
	f := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(funcs).WithObjects(objects...).
		WithStatusSubresource(&signetv1alpha1.SignatureKey{}, &signetv1alpha1.SignatureBinding{})
	indexes := fieldIndexes(func(object client.Object, field string, values client.IndexerFunc) {
		f.WithIndex(object, field, values)
	})
	if err := index.Setup(t.Context(), indexes); err != nil {
		t.Fatal(err)
	}
	f.WithIndex(&corev1.Secret{}, "type", func(object client.Object) []string { // a field selector of the API server
		secret, ok := object.(*corev1.Secret)
		if !ok {
			return nil
		}
		return []string{string(secret.Type)}
	})
	return f.Build()
}

func newFixture(t *testing.T, cached, live client.WithWatch) *fixture {
	t.Helper()
	recorded := clientevents.NewFakeRecorder(20)
	now := clocktesting.NewFakePassiveClock(deletionTime)
	f := &fixture{
		Reconciler: &Reconciler{
			Client: cached, Live: live, Written: kubeclient.NewWritten(), Clock: now, Rand: rand.Reader,
			Term:    &term.Term{Cache: cached, Live: live, Claims: slots.NewClaimCache()},
			Options: Options{ClusterWide: true},
		},
		cached: cached, live: live, recorded: recorded, clock: now,
	}
	f.Prepare(events.Recorder{Sink: recorded, Action: "Reconcile"})
	var bindings signetv1alpha1.SignatureBindingList
	if err := cached.List(t.Context(), &bindings); err != nil {
		t.Fatal(err)
	}
	for i := range bindings.Items {
		f.claims().Update(&bindings.Items[i])
	}
	return f
}

// bind creates a binding that holds an API with the key.
func (f *fixture) bind(t *testing.T) {
	t.Helper()
	binding := holder()
	if err := f.cached.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	f.claims().Update(binding)
}

func (f *fixture) reconcile(t *testing.T) (ctrl.Result, error) {
	t.Helper()
	return f.Reconcile(t.Context(), ctrl.Request{NamespacedName: orders})
}

// key reads the key from the cache.
func (f *fixture) key(t *testing.T) *signetv1alpha1.SignatureKey {
	t.Helper()
	key := &signetv1alpha1.SignatureKey{}
	if err := f.cached.Get(t.Context(), orders, key); err != nil {
		t.Fatal(err)
	}
	return key
}

// condition reads a condition of the key; zero if it has none.
func (f *fixture) condition(t *testing.T, conditionType string) metav1.Condition {
	t.Helper()
	condition := meta.FindStatusCondition(f.key(t).Status.Conditions, conditionType)
	if condition == nil {
		return metav1.Condition{}
	}
	return *condition
}

// takeEvents returns the events since it was last called.
func (f *fixture) takeEvents() []string {
	var taken []string
	for len(f.recorded.Events) > 0 {
		taken = append(taken, <-f.recorded.Events)
	}
	return taken
}

// expectEvents checks that these events were emitted since takeEvents was last
// called: each begins with the text.
func (f *fixture) expectEvents(t *testing.T, want ...string) {
	t.Helper()
	got := f.takeEvents()
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("emitted %q, want %q", got, want)
	}
}

// expectObserved checks the generation of the status and of each condition.
func (f *fixture) expectObserved(t *testing.T, generation int64) {
	t.Helper()
	status := f.key(t).Status
	if status.ObservedGeneration != generation {
		t.Errorf("generation %d counts as observed", status.ObservedGeneration)
	}
	for _, condition := range status.Conditions {
		if condition.ObservedGeneration != generation {
			t.Errorf("generation %d of %s counts as acted upon", condition.ObservedGeneration, condition.Type)
		}
	}
}

// change makes the next generation of the key.
func (f *fixture) change(t *testing.T, mutate gen.KeyFunc) {
	t.Helper()
	key := f.key(t)
	mutate(key)
	key.Generation++
	if err := f.cached.Update(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}

// ready reads the key's condition Ready.
func (f *fixture) ready(t *testing.T) metav1.Condition {
	t.Helper()
	return f.condition(t, signetv1alpha1.ConditionReady)
}

func testKey(options ...gen.KeyOption) *signetv1alpha1.SignatureKey {
	return gen.SignatureKey("orders", append([]gen.KeyOption{
		gen.InNamespace("shop"), gen.WithUID("key-uid"), gen.WithGeneration(1),
	}, options...)...)
}

func testSecret(t *testing.T, options ...gen.SecretOption) *corev1.Secret {
	t.Helper()
	return testSecretOf(t, testKey(), options...)
}

func testSecretOf(t *testing.T, key *signetv1alpha1.SignatureKey, options ...gen.SecretOption) *corev1.Secret {
	t.Helper()
	set, err := material.First(key, material.Supplied{}, time.Unix(0, 0), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return gen.ManagedSecret(key, set.Encode(), append([]gen.SecretOption{gen.WithUID("secret-uid")}, options...)...)
}

// holder is a binding that holds an API with the key.
func holder() *signetv1alpha1.SignatureBinding {
	return gen.SignatureBinding("orders", "orders", gen.InNamespace("shop"), gen.CreatedAt(deletionTime.Add(-time.Hour)),
		gen.WithAPIs("orders"), gen.Holding(deletionTime))
}

func testNamespace(terminating bool) *corev1.Namespace {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	if terminating {
		namespace.DeletionTimestamp, namespace.Finalizers = &metav1.Time{Time: deletionTime}, []string{"kubernetes"}
	}
	return namespace
}
