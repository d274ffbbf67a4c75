// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
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
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
)

var keyDeletion = metav1.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

func bindingOf(change func(*signetv1alpha1.SignatureBinding)) *signetv1alpha1.SignatureBinding {
	binding := &signetv1alpha1.SignatureBinding{}
	binding.Name, binding.Namespace = "orders", "shop"
	binding.CreationTimestamp = metav1.NewTime(keyDeletion.Add(-time.Hour))
	change(binding)
	return binding
}

// keyBench is a reconciler between two stores: what the caches show and what
// the API server has. Writes go to the first.
type keyBench struct {
	*Reconciler
	cached, live client.WithWatch
	told         *clientevents.FakeRecorder
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
	b := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(funcs).WithObjects(objects...).
		WithStatusSubresource(&signetv1alpha1.SignatureKey{}, &signetv1alpha1.SignatureBinding{})
	indexes := fieldIndexes(func(object client.Object, field string, values client.IndexerFunc) {
		b.WithIndex(object, field, values)
	})
	if err := index.Setup(t.Context(), indexes); err != nil {
		t.Fatal(err)
	}
	return b.Build()
}

func newKeyBench(t *testing.T, cached, live client.WithWatch) *keyBench {
	t.Helper()
	told := clientevents.NewFakeRecorder(20)
	now := clocktesting.NewFakePassiveClock(time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC))
	return &keyBench{
		Reconciler: &Reconciler{
			Client: cached, Live: live, ProtectionLock: slots.NewClaimCache(), Clock: now, Rand: rand.Reader,
			Options:  Options{ClusterWide: true},
			recorder: events.Recorder{Sink: told, Action: "Reconcile"},
			expected: newExpectations(now), liveReads: newLiveReadCache(now), rotations: newRotationClock(now),
		},
		cached: cached, live: live, told: told, clock: now,
	}
}

func (b *keyBench) reconcile(t *testing.T) (ctrl.Result, error) {
	t.Helper()
	return b.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "shop", Name: "orders"}})
}

// ready reads the key's Ready condition.
func (b *keyBench) ready(t *testing.T) metav1.Condition {
	t.Helper()
	key := &signetv1alpha1.SignatureKey{}
	if err := b.cached.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "orders"}, key); err != nil {
		t.Fatal(err)
	}
	condition := meta.FindStatusCondition(key.Status.Conditions, signetv1alpha1.ConditionReady)
	if condition == nil {
		return metav1.Condition{}
	}
	return *condition
}

func benchKey(finalizers ...string) *signetv1alpha1.SignatureKey {
	return &signetv1alpha1.SignatureKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders", UID: "key-uid", Generation: 1, Finalizers: finalizers},
		Spec:       signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC},
	}
}

func benchSecret(t *testing.T, finalizers ...string) *corev1.Secret {
	t.Helper()
	set, err := material.First(benchKey(), material.Supplied{}, time.Unix(0, 0), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "orders", Finalizers: finalizers,
			Labels: map[string]string{
				signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged, signetv1alpha1.LabelKey: "orders",
				signetv1alpha1.LabelManagedBy: signetv1alpha1.ManagedBy,
			},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(benchKey(), material.KeyKind)},
		},
		Type: signetv1alpha1.SecretType, Data: set.Encode(),
	}
	return secret
}

func benchBinding() *signetv1alpha1.SignatureBinding {
	binding := bindingOf(func(b *signetv1alpha1.SignatureBinding) {
		b.Spec.KeyRef.Name, b.Status.KeyName = "orders", "orders"
		b.Status.APIs = []signetv1alpha1.APIStatus{{Name: "orders", State: signetv1alpha1.APIBound, BoundAt: &keyDeletion}}
	})
	return binding
}

func benchNamespace(terminating bool) *corev1.Namespace {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	if terminating {
		namespace.DeletionTimestamp, namespace.Finalizers = &keyDeletion, []string{"kubernetes"}
	}
	return namespace
}

func TestReleaseAsksForLiveBindings(t *testing.T) {
	held := signetv1alpha1.FinalizerProtection
	for name, binding := range map[string]*signetv1alpha1.SignatureBinding{"one that the cache has not seen": benchBinding(), "none": nil} {
		t.Run(name, func(t *testing.T) {
			var live []client.Object
			if binding != nil {
				live = append(live, binding)
			}
			b := newKeyBench(t, newStore(t, interceptor.Funcs{}, benchKey(held), benchSecret(t, held)), newStore(t, interceptor.Funcs{}, live...))
			if _, err := b.reconcile(t); err != nil {
				t.Fatal(err)
			}
			key, secret := &signetv1alpha1.SignatureKey{}, &corev1.Secret{}
			for _, object := range []client.Object{key, secret} {
				if err := b.cached.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "orders"}, object); err != nil {
					t.Fatal(err)
				}
				if got := len(object.GetFinalizers()) > 0; got != (binding != nil) {
					t.Errorf("%T is held: %t", object, got)
				}
			}
		})
	}
}

// A key whose finalizer goes last does it again when the manager ends between
// the two.
func TestReleaseAfterCrash(t *testing.T) {
	held := signetv1alpha1.FinalizerProtection
	fail := true
	cached := newStore(t, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if _, isKey := object.(*signetv1alpha1.SignatureKey); isKey && fail {
				return errors.New("cut off")
			}
			return c.Patch(ctx, object, patch, options...)
		},
	}, benchKey(held), benchSecret(t, held))
	b := newKeyBench(t, cached, newStore(t, interceptor.Funcs{}))
	if _, err := b.reconcile(t); err == nil {
		t.Fatal("the failure is not reported")
	}
	fail = false
	if _, err := b.reconcile(t); err != nil {
		t.Fatal(err)
	}
	key := &signetv1alpha1.SignatureKey{}
	if err := b.cached.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "orders"}, key); err != nil || len(key.Finalizers) > 0 {
		t.Errorf("the key is still held: %v %v", key.Finalizers, err)
	}
}

func TestNothingIsGeneratedOnAStaleCache(t *testing.T) {
	b := newKeyBench(t, newStore(t, interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
			t.Error("generated again")
			return nil
		},
	}, benchKey()), newStore(t, interceptor.Funcs{}, benchSecret(t)))
	if _, err := b.reconcile(t); err != nil {
		t.Fatal(err)
	}
	if got := b.ready(t); got.Reason != signetv1alpha1.ReasonReady {
		t.Errorf("Ready is %s", got.Reason)
	}
}

func TestCreateThatMeetsAnother(t *testing.T) {
	exists := apierrors.NewAlreadyExists(corev1.Resource("secrets"), "orders")
	b := newKeyBench(t, newStore(t, interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return exists },
	}, benchKey()), newStore(t, interceptor.Funcs{}))
	if _, err := b.reconcile(t); !apierrors.IsAlreadyExists(err) {
		t.Errorf("reconcile = %v, want a retry", err)
	}
	if got := b.ready(t); got.Reason != "" {
		t.Errorf("Ready is told as %s", got.Reason)
	}
}

func TestNamespaceThatGoes(t *testing.T) {
	refused := &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}},
	}}
	for name, known := range map[string]bool{"seen by the cache": true, "told by the API server": false} {
		t.Run(name, func(t *testing.T) {
			creates := 0
			b := newKeyBench(t, newStore(t, interceptor.Funcs{
				Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
					creates++
					return refused
				},
			}, benchKey(), benchNamespace(known)), newStore(t, interceptor.Funcs{}))
			if _, err := b.reconcile(t); err != nil {
				t.Fatal(err)
			}
			if got := b.ready(t); got.Reason != signetv1alpha1.ReasonNamespaceTerminating || got.Status != metav1.ConditionUnknown {
				t.Errorf("Ready is %s %s", got.Status, got.Reason)
			}
			if (creates > 0) == known {
				t.Errorf("%d Secrets were tried", creates)
			}
		})
	}
}

// In a namespace that goes, finalizers go at once, bound or not.
func TestFinalizersInANamespaceThatGoes(t *testing.T) {
	held := signetv1alpha1.FinalizerProtection
	b := newKeyBench(t, newStore(t, interceptor.Funcs{}, benchKey(held), benchSecret(t, held), benchBinding(), benchNamespace(true)),
		newStore(t, interceptor.Funcs{
			List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
				t.Error("the bindings were listed")
				return nil
			},
		}))
	if _, err := b.reconcile(t); err != nil {
		t.Fatal(err)
	}
	for _, object := range []client.Object{&signetv1alpha1.SignatureKey{}, &corev1.Secret{}} {
		if err := b.cached.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "orders"}, object); err != nil {
			t.Fatal(err)
		}
		if len(object.GetFinalizers()) > 0 {
			t.Errorf("%T is still held", object)
		}
	}
}

// A Secret that is being deleted without our finalizer cannot be held.
func TestSecretThatGoes(t *testing.T) {
	cases := map[string]struct {
		binding []client.Object
		status  metav1.ConditionStatus
		message string
		signs   bool
	}{
		"nobody relies on it": {nil, metav1.ConditionUnknown, "New material is generated when it is gone", false},
		"bindings rely on it": {[]client.Object{benchBinding()}, metav1.ConditionFalse, "Save its content now", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			secret := benchSecret(t, "example.com/slow")
			secret.DeletionTimestamp = &keyDeletion
			b := newKeyBench(t, newStore(t, interceptor.Funcs{}, append(c.binding, benchKey(), secret)...), newStore(t, interceptor.Funcs{}, c.binding...))
			if _, err := b.reconcile(t); err != nil {
				t.Fatal(err)
			}
			got := b.ready(t)
			if got.Status != c.status || got.Reason != signetv1alpha1.ReasonSecretTerminating || !strings.Contains(got.Message, c.message) {
				t.Errorf("Ready is %s %s %q", got.Status, got.Reason, got.Message)
			}
			key := &signetv1alpha1.SignatureKey{}
			if err := b.cached.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "orders"}, key); err != nil {
				t.Fatal(err)
			}
			if (key.Status.KeyID != "") != c.signs {
				t.Errorf("keyID is %q", key.Status.KeyID)
			}
		})
	}
}

// The patch's error comes alone: a terminal one beside it would never be
// retried. A conflict is none to log: it is tried again. Nothing is announced
// that has not been written.
func TestStatusThatCannotBeWritten(t *testing.T) {
	resource := signetv1alpha1.GroupVersion.WithResource("signaturekeys").GroupResource()
	for name, c := range map[string]struct {
		refusal error
		logged  bool
	}{
		"conflict":  {refusal: apierrors.NewConflict(resource, "orders", errors.New("changed"))},
		"forbidden": {refusal: apierrors.NewForbidden(resource, "orders", errors.New("no")), logged: true},
	} {
		t.Run(name, func(t *testing.T) {
			key := benchKey()
			key.Spec.Type = signetv1alpha1.KeyTypePublicKey
			b := newKeyBench(t, newStore(t, interceptor.Funcs{
				SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
					return c.refusal
				},
			}, key), newStore(t, interceptor.Funcs{}))
			result, err := b.reconcile(t)
			switch {
			case c.logged && (!apierrors.IsForbidden(err) || strings.Contains(err.Error(), "terminal")):
				t.Errorf("reconcile = %v, want the refusal alone", err)
			case !c.logged && (err != nil || result.RequeueAfter != staleRetry):
				t.Errorf("reconcile = %v, %v, want another try", result, err)
			}
			if len(b.told.Events) > 0 {
				t.Errorf("announced: %s", <-b.told.Events)
			}
		})
	}
}

// A spec that came past the admission is not followed; what is there goes on.
func TestInvalidSpec(t *testing.T) {
	for name, made := range map[string]bool{"with material": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			key := benchKey()
			key.Spec.Identifier = "no good?"
			objects := []client.Object{key}
			if made {
				objects = append(objects, benchSecret(t))
			}
			b := newKeyBench(t, newStore(t, interceptor.Funcs{}, objects...), newStore(t, interceptor.Funcs{}))
			_, _ = b.reconcile(t)
			got := b.ready(t)
			if got.Status != metav1.ConditionFalse || got.Reason != signetv1alpha1.ReasonInvalidSpec ||
				!strings.HasPrefix(got.Message, "Invalid spec: spec.identifier: ") || strings.Contains(got.Message, "no good?") {
				t.Errorf("Ready is %s %s %q", got.Status, got.Reason, got.Message)
			}
			var secrets corev1.SecretList
			if err := b.cached.List(t.Context(), &secrets); err != nil || (len(secrets.Items) > 0) != made {
				t.Errorf("%d Secrets, %v", len(secrets.Items), err)
			}
			if _, err := b.reconcile(t); err != nil {
				t.Errorf("an unchanged key fails: %v", err)
			}
		})
	}
}
