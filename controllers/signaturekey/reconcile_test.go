// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// The cache may lack a binding that has just been granted an API.
func TestProtectionIsKeptForBindingsThatTheCacheLacks(t *testing.T) {
	ofPublic := gen.WithType(signetv1alpha1.KeyTypePublicKey)
	cases := map[string]struct {
		key     *signetv1alpha1.SignatureKey
		binding *signetv1alpha1.SignatureBinding
		inUse   string
	}{
		"no binding":                 {testKey(gen.WithFinalizers(protection)), nil, signetv1alpha1.ReasonNotBound},
		"a binding":                  {testKey(gen.WithFinalizers(protection)), holder(), signetv1alpha1.ReasonBound},
		"a binding of a deleted key": {testKey(gen.WithFinalizers(protection), gen.DeletedAt(deletionTime)), holder(), signetv1alpha1.ReasonDeletionBlocked},
		"a binding of a deleted key whose ConfigMap the cache lacks": {
			testKey(ofPublic, gen.WithFinalizers(protection), gen.DeletedAt(deletionTime)), holder(), signetv1alpha1.ReasonDeletionBlocked,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			secret := testSecretOf(t, c.key, gen.WithFinalizers(protection))
			live := []client.Object{secret}
			if c.binding != nil {
				live = append(live, c.binding)
			}
			f := newFixture(t, newStore(t, interceptor.Funcs{}, c.key, secret), newStore(t, interceptor.Funcs{}, live...))
			if _, err := f.reconcile(t); err != nil {
				t.Fatal(err)
			}
			for _, object := range []client.Object{&signetv1alpha1.SignatureKey{}, &corev1.Secret{}} {
				if err := f.cached.Get(t.Context(), orders, object); err != nil {
					t.Fatal(err)
				}
				if got := len(object.GetFinalizers()) > 0; got != (c.binding != nil) {
					t.Errorf("%T is protected: %t", object, got)
				}
			}
			if got := f.condition(t, signetv1alpha1.ConditionInUse).Reason; got != c.inUse {
				t.Errorf("InUse is %s, want %s", got, c.inUse)
			}
		})
	}
}

// The cache may lack the finalizer that a grant has just added to the Secret. While
// protection is removed no binding is granted the key, and no version is read after
// the decision that it is written with.
func TestProtectionIsRemovedWithTheVersionsThatWereDecidedOn(t *testing.T) {
	var requests []string
	var f *fixture
	record := func(request string) {
		if state := f.claims().Namespace("shop").Protection("orders", "key-uid"); state != slots.ProtectionReleasing {
			t.Errorf("the key is %s at %s", state, request)
		}
		requests = append(requests, request)
	}
	live := newStore(t, interceptor.Funcs{
		Get: func(ctx context.Context, store client.WithWatch, name client.ObjectKey, object client.Object, options ...client.GetOption) error {
			record(fmt.Sprintf("get %T", object))
			return store.Get(ctx, name, object, options...)
		},
	}, testKey(gen.WithFinalizers(protection)), testSecret(t, gen.WithFinalizers(protection)))
	cached := newStore(t, interceptor.Funcs{
		Patch: func(ctx context.Context, _ client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			record(fmt.Sprintf("patch %T", object))
			return live.Patch(ctx, object, patch, options...)
		},
	}, testKey(gen.WithFinalizers(protection)), testSecret(t))
	f = newFixture(t, cached, live)
	if _, err := f.reconcile(t); err != nil {
		t.Fatal(err)
	}
	want := []string{"get *v1.Secret", "patch *v1.Secret", "patch *v1alpha1.SignatureKey"}
	if !slices.Equal(requests, want) {
		t.Errorf("requests %q, want %q", requests, want)
	}
	if state := f.claims().Namespace("shop").Protection("orders", "key-uid"); state != slots.ProtectionUnknown {
		t.Errorf("the key is %s afterwards", state)
	}
}

// A removal that was decided on an older version fails, and is decided again.
func TestProtectionOfAChangedSecretIsKept(t *testing.T) {
	key, secret := testKey(gen.WithFinalizers(protection)), testSecret(t, gen.WithFinalizers(protection))
	live := newStore(t, interceptor.Funcs{}, key.DeepCopy(), secret.DeepCopy())
	cached := newStore(t, interceptor.Funcs{
		Patch: func(ctx context.Context, _ client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return live.Patch(ctx, object, patch, options...)
		},
	}, key, secret)
	f := newFixture(t, cached, live)
	changed := &corev1.Secret{}
	if err := live.Get(t.Context(), orders, changed); err != nil {
		t.Fatal(err)
	}
	changed.Annotations = map[string]string{signetv1alpha1.GroupVersion.Group + "/fencing-token": "1"}
	if err := live.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if result, err := f.reconcile(t); err != nil || result.RequeueAfter != kubeclient.StaleDelay {
		t.Errorf("reconcile = %v, %v, want another try", result, err)
	}
	for _, object := range []client.Object{&signetv1alpha1.SignatureKey{}, &corev1.Secret{}} {
		if err := live.Get(t.Context(), orders, object); err != nil || len(object.GetFinalizers()) == 0 {
			t.Errorf("%T is not protected: %v", object, err)
		}
	}
}

// Protection is removed from the Secret as the same reconcile has just written it.
func TestProtectionIsRemovedAfterAWrite(t *testing.T) {
	template := signetv1alpha1.SecretTemplate{Labels: map[string]signetv1alpha1.LabelValue{"team": "shop"}}
	f := newFixture(t, newStore(t, interceptor.Funcs{}, testKey(gen.WithFinalizers(protection), gen.WithTemplate(template)),
		testSecret(t, gen.WithFinalizers(protection))), newStore(t, interceptor.Funcs{}))
	if result, err := f.reconcile(t); err != nil || result.RequeueAfter != 0 {
		t.Fatalf("reconcile = %v, %v", result, err)
	}
	secret := &corev1.Secret{}
	if err := f.cached.Get(t.Context(), orders, secret); err != nil {
		t.Fatal(err)
	}
	if len(secret.Finalizers) > 0 || len(f.key(t).Finalizers) > 0 || secret.Labels["team"] != "shop" {
		t.Errorf("finalizers %v and %v, labels %v", f.key(t).Finalizers, secret.Finalizers, secret.Labels)
	}
}

// The key loses its finalizer last, so that it is done again if the manager ends in
// between.
func TestProtectionIsRemovedAfterACrash(t *testing.T) {
	fail := true
	cached := newStore(t, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if _, isKey := object.(*signetv1alpha1.SignatureKey); isKey && fail {
				return errors.New("cut off")
			}
			return c.Patch(ctx, object, patch, options...)
		},
	}, testKey(gen.WithFinalizers(protection)), testSecret(t, gen.WithFinalizers(protection)))
	f := newFixture(t, cached, cached)
	if _, err := f.reconcile(t); err == nil {
		t.Fatal("the failure is not reported")
	}
	fail = false
	if _, err := f.reconcile(t); err != nil {
		t.Fatal(err)
	}
	if key := f.key(t); len(key.Finalizers) > 0 {
		t.Errorf("the key is still protected: %v", key.Finalizers)
	}
}

// No watch reports when an object without Signet's label is gone: it is read once a
// minute while it blocks the key.
func TestBlockedKeyIsReadAgainAfterAMinute(t *testing.T) {
	reads := 0
	other := testSecret(t, gen.SecretFunc(func(s *corev1.Secret) { s.Type, s.Labels = corev1.SecretTypeOpaque, nil }))
	live := newStore(t, interceptor.Funcs{
		Get: func(ctx context.Context, store client.WithWatch, name client.ObjectKey, object client.Object, options ...client.GetOption) error {
			reads++
			return store.Get(ctx, name, object, options...)
		},
	}, other)
	f := newFixture(t, newStore(t, createdIn(live), testKey()), live)
	f.expectTaken(t)
	for range 2 {
		if result, err := f.reconcile(t); err != nil || result.RequeueAfter != keyplan.LiveReadInterval {
			t.Errorf("reconcile = %v, %v", result, err)
		}
	}
	if got := f.ready(t); got.Reason != signetv1alpha1.ReasonSecretOwnedByOther || reads != 1 {
		t.Errorf("Ready is %s after %d reads", got.Reason, reads)
	}
	if err := live.Delete(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	f.after(t, time.Minute)
	if got := f.ready(t); got.Reason != signetv1alpha1.ReasonReady || reads != 2 {
		t.Errorf("Ready is %s after %d reads", got.Reason, reads)
	}
}

func TestTerminatingNamespaceIsWaitedFor(t *testing.T) {
	refused := &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}},
	}}
	for name, known := range map[string]bool{"shown by the cache": true, "found by a refused create": false} {
		t.Run(name, func(t *testing.T) {
			creates := 0
			f := newFixture(t, newStore(t, interceptor.Funcs{
				Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
					creates++
					return refused
				},
			}, testKey(), testNamespace(known)), newStore(t, interceptor.Funcs{}))
			if _, err := f.reconcile(t); err != nil {
				t.Fatal(err)
			}
			if got := f.ready(t); got.Reason != signetv1alpha1.ReasonNamespaceTerminating || got.Status != metav1.ConditionUnknown {
				t.Errorf("Ready is %s %s", got.Status, got.Reason)
			}
			if (creates > 0) == known {
				t.Errorf("%d creates were sent", creates)
			}
		})
	}
}

// In a terminating namespace finalizers are removed at once, bound or not.
func TestProtectionIsRemovedInATerminatingNamespace(t *testing.T) {
	f := newFixture(t, newStore(t, interceptor.Funcs{}, testKey(gen.WithFinalizers(protection)), testSecret(t, gen.WithFinalizers(protection)), holder(), testNamespace(true)),
		newStore(t, interceptor.Funcs{}))
	if _, err := f.reconcile(t); err != nil {
		t.Fatal(err)
	}
	for _, object := range []client.Object{&signetv1alpha1.SignatureKey{}, &corev1.Secret{}} {
		if err := f.cached.Get(t.Context(), orders, object); err != nil {
			t.Fatal(err)
		}
		if len(object.GetFinalizers()) > 0 {
			t.Errorf("%T is still protected", object)
		}
	}
}

// A Secret that is being deleted without Signet's finalizer cannot be protected.
func TestUnprotectedSecretThatIsDeleted(t *testing.T) {
	cases := map[string]struct {
		binding []client.Object
		status  metav1.ConditionStatus
		message string
		signs   bool
	}{
		"no binding relies on it": {nil, metav1.ConditionUnknown, "New material is generated when it is gone", false},
		"bindings rely on it":     {[]client.Object{holder()}, metav1.ConditionFalse, "Save its content now", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			secret := testSecret(t, gen.WithFinalizers("example.com/slow"), gen.DeletedAt(deletionTime))
			f := newFixture(t, newStore(t, interceptor.Funcs{}, append(c.binding, testKey(), secret)...), newStore(t, interceptor.Funcs{}, c.binding...))
			if _, err := f.reconcile(t); err != nil {
				t.Fatal(err)
			}
			got := f.ready(t)
			if got.Status != c.status || got.Reason != signetv1alpha1.ReasonSecretTerminating || !strings.Contains(got.Message, c.message) {
				t.Errorf("Ready is %s %s %q", got.Status, got.Reason, got.Message)
			}
			if id := f.key(t).Status.KeyID; (id != "") != c.signs {
				t.Errorf("keyID is %q", id)
			}
		})
	}
}

// The error of the status patch is returned alone: joined to a terminal error it
// would never be retried. A conflict is not logged but retried. No event is emitted
// about a status that has not been written.
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
			key := testKey(gen.WithType(signetv1alpha1.KeyTypePublicKey))
			f := newFixture(t, newStore(t, interceptor.Funcs{
				SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
					return c.refusal
				},
			}, key), newStore(t, interceptor.Funcs{}))
			result, err := f.reconcile(t)
			switch {
			case c.logged && (!apierrors.IsForbidden(err) || strings.Contains(err.Error(), "terminal")):
				t.Errorf("reconcile = %v, want the refusal alone", err)
			case !c.logged && (err != nil || result.RequeueAfter != kubeclient.StaleDelay):
				t.Errorf("reconcile = %v, %v, want another try", result, err)
			}
			if got := f.takeEvents(); len(got) > 0 {
				t.Errorf("emitted: %q", got)
			}
		})
	}
}

// A spec that passed admission although it is invalid is not followed. Existing
// material stays in effect. The first report is a terminal error.
func TestInvalidSpecIsNotFollowed(t *testing.T) {
	for name, made := range map[string]bool{"with material": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{testKey(gen.WithIdentifier("no good?"))}
			if made {
				objects = append(objects, testSecret(t))
			}
			f := newFixture(t, newStore(t, interceptor.Funcs{}, objects...), newStore(t, interceptor.Funcs{}))
			if _, err := f.reconcile(t); !errors.Is(err, reconcile.TerminalError(nil)) {
				t.Errorf("reconcile = %v, want a terminal error", err)
			}
			got := f.ready(t)
			if got.Status != metav1.ConditionFalse || got.Reason != signetv1alpha1.ReasonInvalidSpec ||
				!strings.HasPrefix(got.Message, "Invalid spec: spec.identifier: ") || strings.Contains(got.Message, "no good?") {
				t.Errorf("Ready is %s %s %q", got.Status, got.Reason, got.Message)
			}
			var secrets corev1.SecretList
			if err := f.cached.List(t.Context(), &secrets); err != nil || (len(secrets.Items) > 0) != made {
				t.Errorf("%d Secrets, %v", len(secrets.Items), err)
			}
			if _, err := f.reconcile(t); err != nil {
				t.Errorf("an unchanged key fails: %v", err)
			}
		})
	}
}

// failedWrite is a write that fails, of a key that a binding has just come to use
// and whose trigger has just changed.
type failedWrite struct {
	keyType signetv1alpha1.KeyType
	fails   func(client.Object) bool
	// before is what happens until then.
	before   func(*testing.T, *fixture)
	rotating string
	emitted  []string
}

var failedWrites = map[string]failedWrite{
	"of the Secret": {
		fails:    func(object client.Object) bool { _, isSecret := object.(*corev1.Secret); return isSecret },
		rotating: signetv1alpha1.ReasonSettled,
	},
	"of the public ConfigMap, before the Secret": {
		keyType:  signetv1alpha1.KeyTypePublicKey,
		fails:    func(object client.Object) bool { _, isPublic := object.(*corev1.ConfigMap); return isPublic },
		rotating: signetv1alpha1.ReasonSettled,
	},
	"of the public ConfigMap, after the Secret": {
		keyType: signetv1alpha1.KeyTypePublicKey,
		// The first write adds the finalizer.
		fails: secondTime(func(object client.Object) bool { _, isPublic := object.(*corev1.ConfigMap); return isPublic }),
		before: func(t *testing.T, f *fixture) {
			f.change(t, gen.WithTrigger("first"))
			f.after(t, 0)
			f.after(t, 2*time.Minute)
			f.clock.SetTime(f.clock.Now().Add(15 * time.Minute))
		},
		rotating: signetv1alpha1.ReasonSettled, emitted: []string{"Normal Settled Version "},
	},
	"of the key's finalizer, after the Secret": {
		fails:    func(object client.Object) bool { _, isKey := object.(*signetv1alpha1.SignatureKey); return isKey },
		rotating: signetv1alpha1.ReasonStaged, emitted: []string{"Normal Staged Version "},
	},
}

// secondTime selects an object from the second time on.
func secondTime(selected func(client.Object) bool) func(client.Object) bool {
	times := 0
	return func(object client.Object) bool {
		if selected(object) {
			times++
		}
		return selected(object) && times > 1
	}
}

// What a plan has written is reported even if a later write fails, but no
// generation counts as acted upon then.
func TestFailedWrites(t *testing.T) {
	failure := errors.New("cut off")
	for name, c := range failedWrites {
		t.Run(name, func(t *testing.T) {
			failing := false
			f := newFixture(t, newStore(t, interceptor.Funcs{
				Patch: func(ctx context.Context, store client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
					if failing && c.fails(object) {
						return failure
					}
					return store.Patch(ctx, object, patch, options...)
				},
			}, testKey(gen.WithType(cmp.Or(c.keyType, signetv1alpha1.KeyTypeHMAC)))), newStore(t, interceptor.Funcs{}))
			f.PublicKeyEnabled = true
			f.after(t, 0)
			if c.before != nil {
				c.before(t, f)
			}
			f.takeEvents()
			ready, observed := f.ready(t), f.key(t).Status.ObservedGeneration
			f.change(t, gen.WithTrigger("again"))
			f.bind(t)
			failing = true
			if _, err := f.reconcile(t); !errors.Is(err, failure) {
				t.Errorf("reconcile = %v", err)
			}
			if diff := gocmp.Diff(ready, f.ready(t)); diff != "" {
				t.Errorf("Ready has changed (-before +after):\n%s", diff)
			}
			f.expectObserved(t, observed)
			if got := f.condition(t, signetv1alpha1.ConditionRotating).Reason; got != c.rotating {
				t.Errorf("Rotating is %s, want %s", got, c.rotating)
			}
			f.expectEvents(t, c.emitted...)
		})
	}
}

// The adoption of a Secret is reported once, when it has taken effect.
func TestAdoptionIsReportedOnce(t *testing.T) {
	failing := true
	secret := testSecret(t, gen.SecretFunc(func(s *corev1.Secret) { s.OwnerReferences = nil }))
	store := newStore(t, interceptor.Funcs{
		Patch: func(ctx context.Context, store client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if failing {
				return errors.New("cut off")
			}
			return store.Patch(ctx, object, patch, options...)
		},
	}, testKey(), secret)
	f := newFixture(t, store, store)
	for range 2 {
		if _, err := f.reconcile(t); err == nil {
			t.Fatal("the failure is not reported")
		}
		f.expectEvents(t)
	}
	failing = false
	for _, want := range [][]string{{"Normal Adopted Adopted existing Secret ", "Normal Ready "}, nil} {
		if _, err := f.reconcile(t); err != nil {
			t.Fatal(err)
		}
		f.expectEvents(t, want...)
	}
}

// A deletion that orphans the Secret removes its owner before the key is gone. A
// cache that does not show the deletion yet must not undo that: the garbage collector
// would delete the Secret.
func TestOrphanedSecretGetsNoOwner(t *testing.T) {
	orphan := gen.SecretFunc(func(s *corev1.Secret) { s.OwnerReferences = nil })
	for name, test := range map[string]struct {
		live []client.Object
		want int
	}{
		"the key is being deleted": {[]client.Object{testKey(gen.DeletedAt(deletionTime), gen.WithFinalizers("orphan"))}, 0},
		"the key is gone":          {nil, 0},
		"another key has its name": {[]client.Object{testKey(gen.WithUID("another"))}, 0},
		"the key exists":           {[]client.Object{testKey()}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, newStore(t, interceptor.Funcs{}, testKey(), testSecret(t, orphan)), newStore(t, interceptor.Funcs{}, test.live...))
			if _, err := f.reconcile(t); err != nil {
				t.Fatal(err)
			}
			var secret corev1.Secret
			if err := f.cached.Get(t.Context(), orders, &secret); err != nil {
				t.Fatal(err)
			}
			if got := len(secret.OwnerReferences); got != test.want {
				t.Errorf("the Secret has %d owners, want %d", got, test.want)
			}
		})
	}
}

// A key that has just been released is written no more, even if the caches still show it.
func TestReleasedKeyIsNotWritten(t *testing.T) {
	key := testKey(gen.WithFinalizers(protection), gen.WithKeyID("v1"), gen.DeletedAt(deletionTime))
	key.Status.SecretUID = "secret-uid"
	secret := testSecret(t, gen.WithFinalizers(protection))
	live, writes := newStore(t, interceptor.Funcs{}, key, secret), 0
	f := newFixture(t, newStore(t, interceptor.Funcs{
		Patch: func(ctx context.Context, _ client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			writes++
			return live.Patch(ctx, object, patch, options...)
		},
		SubResourcePatch: func(ctx context.Context, _ client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			writes++
			return live.SubResource(sub).Patch(ctx, object, patch, options...)
		},
	}, key, secret), live)
	for range 2 {
		if _, err := f.reconcile(t); err != nil || writes != 2 {
			t.Errorf("%d writes, want those of two finalizers: %v", writes, err)
		}
	}
}

// A watch may show that a write has ended an object before the response arrives. What is
// kept of responses does not outlive the objects.
func TestNothingIsKeptOfReleasedObjects(t *testing.T) {
	var f *fixture
	store := newStore(t, interceptor.Funcs{
		Patch: func(ctx context.Context, store client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			err := store.Patch(ctx, object, patch, options...)
			f.Written.Seen(object)
			return err
		},
	}, testKey(gen.WithFinalizers(protection), gen.DeletedAt(deletionTime)), testSecret(t, gen.WithFinalizers(protection), gen.DeletedAt(deletionTime)))
	f = newFixture(t, store, store)
	key, secret := f.key(t), f.liveSecret(t)
	for range 2 {
		if _, err := f.reconcile(t); err != nil {
			t.Fatal(err)
		}
	}
	if kubeclient.Newest(f.Written, key) != key || kubeclient.Newest(f.Written, secret) != secret {
		t.Error("the responses to the last writes are kept")
	}
}
