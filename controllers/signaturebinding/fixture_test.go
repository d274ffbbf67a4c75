// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clientevents "k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/term"
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
	// delayed: the client gives up, and the write arrives later (fixture.arrives).
	delayed
)

// fixture is a leader in front of a scripted API server. No watch is running: after its
// list, the claims see what a test shows them.
type fixture struct {
	*Reconciler
	t        *testing.T
	store    client.WithWatch
	queued   kubeclient.Queue
	recorded *clientevents.FakeRecorder
	clock    *clocktesting.FakePassiveClock
	// fates of the next writes of a binding's status.
	fates []fate
	// arrives are the delayed writes.
	arrives []func() error
	// refuses is why the API server refuses a write; nil if it does not.
	refuses func(object client.Object, status bool) error
}

func newFixture(t *testing.T, objects ...client.Object) *fixture {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), signetv1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, clock: clocktesting.NewFakePassiveClock(now)}
	f.store = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&signetv1alpha1.SignatureBinding{}, &signetv1alpha1.SignatureKey{}).
		WithInterceptorFuncs(interceptor.Funcs{Patch: f.patch, SubResourceUpdate: f.updateStatus}).Build()
	f.lead()
	return f
}

// lead begins a term.
func (f *fixture) lead() {
	f.recorded = clientevents.NewFakeRecorder(100)
	f.Reconciler = &Reconciler{
		Client: f.store, Live: f.store, Written: kubeclient.NewWritten(), Routes: &lastRoutes{}, Clock: f.clock,
		Term: &term.Term{Cache: f.store, Live: f.store, Claims: slots.NewClaimCache()},
	}
	f.Prepare(events.Recorder{Sink: f.recorded, Action: "Bind"})
	f.queued = workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	f.t.Cleanup(f.queued.ShutDown)
	if err := f.queue.Start(f.t.Context(), f.queued); err != nil {
		f.t.Fatal(err)
	}
}

// nextLeader returns another leader in front of the same API server.
func (f *fixture) nextLeader() *fixture {
	next := &fixture{t: f.t, store: f.store, clock: f.clock}
	next.lead()
	return next
}

// patch is the API server's side of a write of a finalizer.
func (f *fixture) patch(ctx context.Context, store client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if f.refuses != nil {
		if err := f.refuses(object, false); err != nil {
			return err
		}
	}
	return store.Patch(ctx, object, patch, options...)
}

// updateStatus is the API server's side of the write of a binding's status.
func (f *fixture) updateStatus(ctx context.Context, c client.Client, sub string, object client.Object, options ...client.SubResourceUpdateOption) error {
	if f.refuses != nil {
		if err := f.refuses(object, true); err != nil {
			return err
		}
	}
	next := answered
	if len(f.fates) > 0 {
		next, f.fates = f.fates[0], f.fates[1:]
	}
	sent := kubeclient.Copy(object)
	write := func(object client.Object) error { return c.SubResource(sub).Update(ctx, object, options...) }
	timeout := apierrors.NewTimeoutError("no answer", 0)
	switch next {
	case delayed:
		f.arrives = append(f.arrives, func() error { return write(sent) })
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

// reconcile reconciles the binding, and then whatever that has woken. It returns the
// error of the binding.
func (f *fixture) reconcile(name string) error {
	f.t.Helper()
	_, err := f.Reconcile(f.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "shop", Name: name}})
	for range 100 {
		if f.queued.Len() == 0 {
			return err
		}
		woken, _ := f.queued.Get()
		_, _ = f.Reconcile(f.t.Context(), woken) // a failure is repeated by its own timer
		f.queued.Done(woken)
	}
	f.t.Fatal("bindings wake each other without an end")
	return err
}

// reconcileAfter reconciles the binding after a while, and returns its status.
func (f *fixture) reconcileAfter(after time.Duration, name string) (signetv1alpha1.SignatureBindingStatus, error) {
	f.t.Helper()
	f.clock.SetTime(f.clock.Now().Add(after))
	err := f.reconcile(name)
	return f.read(name).Status, err
}

// watch shows the claims the present version of a binding.
func (f *fixture) watch(name string) {
	f.t.Helper()
	f.claims().Update(f.read(name))
}

func (f *fixture) read(name string) *signetv1alpha1.SignatureBinding {
	f.t.Helper()
	binding := &signetv1alpha1.SignatureBinding{}
	if err := f.store.Get(f.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, binding); err != nil {
		f.t.Fatal(err)
	}
	return binding
}

// expectHolders compares the bindings that hold an API.
func (f *fixture) expectHolders(want ...string) {
	f.t.Helper()
	var list signetv1alpha1.SignatureBindingList
	if err := f.store.List(f.t.Context(), &list); err != nil {
		f.t.Fatal(err)
	}
	var got []string
	for i := range list.Items {
		if len(slots.HeldBy(&list.Items[i])) > 0 {
			got = append(got, list.Items[i].Name)
		}
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("holders = %v, want %v", got, want)
	}
}

func (f *fixture) takeEvents() []string {
	var taken []string
	for len(f.recorded.Events) > 0 {
		taken = append(taken, <-f.recorded.Events)
	}
	return taken
}
