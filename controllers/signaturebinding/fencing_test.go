// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clientevents "k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// fate is what becomes of one write.
type fate int

const (
	// answered: the API server applies the write, and the answer arrives.
	answered fate = iota
	// answerLost: the API server applies it, and the answer does not arrive.
	answerLost
	// repeated: the client sends it again after it was applied, and the answer to the
	// repetition arrives.
	repeated
	// delayed: the client gives up, and the write arrives later (trace.arrive).
	delayed
)

// trace is a leader in front of a scripted API server. No watch is running: the
// claim cache sees what the trace shows it.
type trace struct {
	*Reconciler
	t      *testing.T
	server client.WithWatch
	// fates of the next writes of bindings, and of all other objects.
	fates   []fate
	arrives []func() error
}

func newTrace(t *testing.T, objects ...client.Object) *trace {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), signetv1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	s := &trace{t: t}
	s.server = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&signetv1alpha1.SignatureKey{}, &signetv1alpha1.SignatureBinding{}).
		WithInterceptorFuncs(interceptor.Funcs{SubResourceUpdate: s.updateStatus}).Build()
	clock := clocktesting.NewFakePassiveClock(now)
	s.Reconciler = &Reconciler{
		Client: s.server, Live: s.server, Claims: slots.NewClaimCache(), Routes: &lastRoutes{}, Clock: clock,
		refusedWrites: kubeclient.NewFailingWrites(clock), refusedStatuses: kubeclient.NewFailingWrites(clock),
		recorder: events.Recorder{Sink: clientevents.NewFakeRecorder(100), Action: "Bind"}, queue: &enqueuer{},
	}
	return s
}

// updateStatus is the API server's side of the write of a binding's status.
func (s *trace) updateStatus(ctx context.Context, c client.Client, sub string, object client.Object, options ...client.SubResourceUpdateOption) error {
	next := answered
	if len(s.fates) > 0 {
		next, s.fates = s.fates[0], s.fates[1:]
	}
	sent := object.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy has the type of the original
	write := func(object client.Object) error { return c.SubResource(sub).Update(ctx, object, options...) }
	timeout := apierrors.NewTimeoutError("no answer", 0)
	switch next {
	case delayed:
		s.arrives = append(s.arrives, func() error { return write(sent) })
		return timeout
	case answerLost:
		return errors.Join(timeout, write(sent))
	case repeated:
		if err := write(sent); err != nil {
			return err
		}
		return apierrors.NewConflict(schema.GroupResource{Resource: "signaturebindings"}, object.GetName(), errors.New("changed"))
	default:
		return write(object)
	}
}

func (s *trace) reconcile(name string) error {
	_, err := s.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "shop", Name: name}})
	return err
}

// watch shows the claim cache the present version of a binding.
func (s *trace) watch(name string) {
	s.t.Helper()
	s.Claims.Update(s.read(name))
}

func (s *trace) read(name string) *signetv1alpha1.SignatureBinding {
	s.t.Helper()
	binding := &signetv1alpha1.SignatureBinding{}
	if err := s.server.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, binding); err != nil {
		s.t.Fatal(err)
	}
	return binding
}

// expectHolders compares the bindings that hold the API.
func (s *trace) expectHolders(want ...string) {
	s.t.Helper()
	var list signetv1alpha1.SignatureBindingList
	if err := s.server.List(s.t.Context(), &list); err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for i := range list.Items {
		if len(slots.HeldBy(&list.Items[i])) > 0 {
			got = append(got, list.Items[i].Name)
		}
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("holders = %v, want %v", got, want)
	}
}

func tracedBinding(name string, age time.Duration, options ...gen.BindingOption) *signetv1alpha1.SignatureBinding {
	return gen.SignatureBinding(name, "orders", append([]gen.BindingOption{
		gen.InNamespace("shop"), gen.WithAPIs("a"), gen.CreatedAt(now.Add(-age)), gen.WithSignatureHeader("X-" + name),
	}, options...)...)
}

// tracedKey is a key with material and its managed Secret.
func tracedKey(t *testing.T, finalizers ...string) []client.Object {
	t.Helper()
	key := gen.SignatureKey("orders", gen.InNamespace("shop"), gen.WithUID("orders-1"), gen.WithKeyID("v1"), gen.WithFinalizers(finalizers...))
	secret := gen.ManagedSecret(key, map[string][]byte{}, gen.WithFinalizers(finalizers...))
	return []client.Object{key, secret}
}

// A grant whose outcome is unknown counts: no other binding gets the slot before a
// newer version of the binding is seen and shows that it does not hold it.
func TestGrantOfUnknownOutcome(t *testing.T) {
	for name, test := range map[string]struct {
		fate fate
	}{
		"the answer is lost":           {answerLost},
		"the client repeats the write": {repeated},
		"the write is late":            {delayed},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTrace(t, append(tracedKey(t), tracedBinding("younger", time.Minute))...)
			s.watch("younger")
			s.fates = []fate{test.fate}
			_ = s.reconcile("younger") // its outcome is what the trace is about

			if err := s.server.Create(t.Context(), tracedBinding("older", time.Hour)); err != nil {
				t.Fatal(err)
			}
			s.watch("older")
			_ = s.reconcile("older")
			for _, arrive := range s.arrives {
				_ = arrive() // 409 if the younger one has been written since
			}
			s.expectHolders("younger")

			s.watch("younger")
			_ = s.reconcile("younger")
			_ = s.reconcile("older")
			s.expectHolders("younger")
		})
	}
}

// A release whose outcome is unknown does not count.
func TestReleaseOfUnknownOutcome(t *testing.T) {
	s := newTrace(t, append(tracedKey(t, signetv1alpha1.FinalizerProtection), tracedBinding("first", time.Hour))...)
	s.watch("first")
	if err := s.reconcile("first"); err != nil {
		t.Fatal(err)
	}
	dropped := s.read("first")
	dropped.Spec.APIs = []signetv1alpha1.APIReference{signetv1alpha1.NewAPIReference(kindAPI, "b")}
	if err := s.server.Update(t.Context(), dropped); err != nil {
		t.Fatal(err)
	}
	if err := s.server.Create(t.Context(), tracedBinding("second", time.Minute)); err != nil {
		t.Fatal(err)
	}
	s.watch("first")
	s.watch("second")
	s.fates = []fate{delayed, delayed, delayed}
	_ = s.reconcile("first")
	_ = s.reconcile("second")
	if held := slots.HeldBy(s.read("second")); len(held) > 0 {
		t.Fatalf("second holds %v while the release of first is on its way", held)
	}
	s.fates = nil
	s.watch("first")
	_ = s.reconcile("second")
	if held := slots.HeldBy(s.read("second")); len(held) != 1 {
		t.Errorf("second holds %v, want the API that first has released", held)
	}
}

// An earlier leader may have a grant on its way to any binding that this leader's
// list shows, even to one that is recorded as the loser.
func TestGrantOfAnEarlierLeader(t *testing.T) {
	loser := tracedBinding("loser", time.Minute)
	loser.Status = signetv1alpha1.SignatureBindingStatus{
		Environment: "RELEASE", KeyName: "orders", APIs: []signetv1alpha1.APIStatus{{
			Group: kindAPI.Group(), Kind: kindAPI, Name: "a", State: signetv1alpha1.APIConflicted, Holder: "winner",
		}},
	}
	s := newTrace(t, append(tracedKey(t), loser, tracedBinding("winner", time.Hour))...)
	late := s.read("loser")
	late.Status.APIs[0].State, late.Status.APIs[0].BoundAt = signetv1alpha1.APIBound, &metav1.Time{Time: now}
	if err := s.reconcile("winner"); err != nil {
		t.Fatal(err)
	}
	if err := s.server.Status().Update(t.Context(), late); !apierrors.IsConflict(err) {
		t.Errorf("the late grant of the earlier leader = %v, want a conflict", err)
	}
	s.expectHolders("winner")
}

// A grant changes key and Secret even if both carry the finalizer, so that a removal
// that was decided before fails. An acknowledged grant has done so already.
func TestLateRemovalOfProtection(t *testing.T) {
	s := newTrace(t, append(tracedKey(t, signetv1alpha1.FinalizerProtection), tracedBinding("first", time.Hour), tracedBinding("second", time.Minute, gen.ReplacingAPIs(gen.WithAPIs("b"))))...)
	at := client.ObjectKey{Namespace: "shop", Name: "orders"}
	key, secret := &signetv1alpha1.SignatureKey{}, &corev1.Secret{}
	read := func() (keyVersion, secretVersion string) {
		if err := errors.Join(s.server.Get(t.Context(), at, key), s.server.Get(t.Context(), at, secret)); err != nil {
			t.Fatal(err)
		}
		return key.ResourceVersion, secret.ResourceVersion
	}
	keyBefore, secretBefore := read()
	if err := s.reconcile("first"); err != nil {
		t.Fatal(err)
	}
	keyAfter, secretAfter := read()
	if keyAfter == keyBefore || secretAfter == secretBefore {
		t.Errorf("the first grant has left key (%t) or Secret (%t) as it was", keyAfter == keyBefore, secretAfter == secretBefore)
	}
	if !isProtected(key) || !isProtected(secret) || !material.IsOwnedBy(secret, key) {
		t.Error("key or Secret is not protected")
	}
	if err := s.reconcile("second"); err != nil {
		t.Fatal(err)
	}
	if k, sec := read(); k != keyAfter || sec != secretAfter {
		t.Error("the second grant has written key or Secret again")
	}
	s.expectHolders("first", "second")

	next := newTrace(t)
	next.server, next.Client, next.Live = s.server, s.server, s.server
	next.fates = nil
	if err := next.server.Create(t.Context(), tracedBinding("third", time.Second, gen.ReplacingAPIs(gen.WithAPIs("c")))); err != nil {
		t.Fatal(err)
	}
	if err := next.reconcile("third"); err != nil {
		t.Fatal(err)
	}
	if k, sec := read(); k != keyAfter || sec != secretAfter {
		t.Error("the next leader has written key or Secret although a grant stands")
	}
	next.expectHolders("first", "second", "third")
}
