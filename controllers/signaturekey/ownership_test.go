// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// createdIn makes a cache that shows nothing of what is created in the store.
func createdIn(live client.WithWatch) interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, _ client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return live.Create(ctx, object, options...)
		},
		Patch: func(ctx context.Context, cached client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if _, isKey := object.(*signetv1alpha1.SignatureKey); isKey {
				return cached.Patch(ctx, object, patch, options...)
			}
			return live.Patch(ctx, object, patch, options...)
		},
	}
}

// expectTaken expects that a create finds the name taken: that ends the reconcile
// without a status, and the next one reads live.
func (f *fixture) expectTaken(t *testing.T) {
	t.Helper()
	before := f.key(t).ResourceVersion
	if result, err := f.reconcile(t); err != nil || result.RequeueAfter != kubeclient.StaleDelay {
		t.Errorf("reconcile = %v, %v, want another try", result, err)
	}
	if f.key(t).ResourceVersion != before {
		t.Error("the key was written")
	}
}

// secretUID reads the UID on record.
func (f *fixture) secretUID(t *testing.T) string {
	t.Helper()
	return f.key(t).Status.SecretUID
}

// liveSecret reads the managed Secret from the API server.
func (f *fixture) liveSecret(t *testing.T) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	if err := f.live.Get(t.Context(), orders, secret); err != nil {
		t.Fatal(err)
	}
	return secret
}

// A new key costs two writes and no read: the create shows what a live read would.
func TestNewKeyIsNotReadLive(t *testing.T) {
	for name, keyType := range map[string]signetv1alpha1.KeyType{"HMAC": signetv1alpha1.KeyTypeHMAC, "PublicKey": signetv1alpha1.KeyTypePublicKey} {
		t.Run(name, func(t *testing.T) {
			live := newStore(t, interceptor.Funcs{
				Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
					return errors.New("read live")
				},
			})
			f := newFixture(t, newStore(t, interceptor.Funcs{}, testKey(gen.WithType(keyType))), live)
			f.PublicKeyEnabled = true
			if _, err := f.reconcile(t); err != nil {
				t.Fatal(err)
			}
			secret := &corev1.Secret{}
			if err := f.cached.Get(t.Context(), orders, secret); err != nil || secret.UID == "" || f.secretUID(t) != string(secret.UID) {
				t.Errorf("UID %q is on record, the Secret has %q: %v", f.secretUID(t), secret.UID, err)
			}
			if got := f.key(t).Status.Versions; len(got) != 1 || got[0].Digest == "" {
				t.Errorf("versions on record: %v", got)
			}
		})
	}
}

// The object that a create finds may be the key's own: the response to an earlier
// create was lost, or the cache lags behind.
func TestNothingIsGeneratedOverSomethingThatExists(t *testing.T) {
	cases := map[string]struct {
		options []gen.SecretOption
		reason  string
	}{
		"its own":          {nil, signetv1alpha1.ReasonReady},
		"a retained one":   {[]gen.SecretOption{gen.SecretFunc(func(s *corev1.Secret) { s.OwnerReferences = nil })}, signetv1alpha1.ReasonReady},
		"an unlabeled one": {[]gen.SecretOption{gen.SecretFunc(func(s *corev1.Secret) { s.Labels = nil })}, signetv1alpha1.ReasonSecretOwnedByOther},
		"one of another type": {[]gen.SecretOption{gen.SecretFunc(func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque })},
			signetv1alpha1.ReasonSecretOwnedByOther},
		"one of an earlier key": {[]gen.SecretOption{ofEarlierKey}, signetv1alpha1.ReasonSecretTerminating},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			existing := testSecret(t, c.options...)
			live := newStore(t, interceptor.Funcs{}, existing, testKey())
			f := newFixture(t, newStore(t, createdIn(live), testKey()), live)
			f.expectTaken(t)
			if _, err := f.reconcile(t); err != nil && !errors.Is(err, reconcile.TerminalError(nil)) {
				t.Fatal(err)
			}
			if got := f.ready(t); got.Reason != c.reason {
				t.Errorf("Ready is %s, want %s", got.Reason, c.reason)
			}
			if got := f.liveSecret(t); string(got.Data["secret"]) != string(existing.Data["secret"]) {
				t.Error("other bytes were written")
			}
			if want := c.reason == signetv1alpha1.ReasonReady; (f.secretUID(t) == "secret-uid") != want {
				t.Errorf("UID %q is on record", f.secretUID(t))
			}
		})
	}
}

// ofEarlierKey is a Secret of an earlier key of the same name.
var ofEarlierKey = gen.SecretFunc(func(s *corev1.Secret) { s.OwnerReferences[0].UID = "earlier-uid" })

// A key that is deleted and created again gets new material, when the garbage
// collector has removed the Secret of the old one.
func TestRecreatedKeyGetsNewMaterial(t *testing.T) {
	old := testSecret(t, ofEarlierKey)
	store := newStore(t, interceptor.Funcs{}, testKey(), old)
	f := newFixture(t, store, store)
	for range 3 {
		if _, err := f.reconcile(t); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.ready(t); got.Status != metav1.ConditionUnknown || got.Reason != signetv1alpha1.ReasonSecretTerminating {
		t.Errorf("Ready is %s %s", got.Status, got.Reason)
	}
	if err := store.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if _, err := f.reconcile(t); err != nil {
		t.Fatal(err)
	}
	if got := f.liveSecret(t); string(got.Data["secret"]) == string(old.Data["secret"]) || f.ready(t).Reason != signetv1alpha1.ReasonReady {
		t.Errorf("Ready is %s", f.ready(t).Reason)
	}
}

// Signet's finalizer alone can keep the Secret of an earlier key, if that key went
// before it could be protected itself.
func TestSecretOfAnEarlierKeyIsReleased(t *testing.T) {
	for name, c := range map[string]struct {
		objects []client.Object
		kept    bool
		ready   metav1.ConditionStatus
	}{
		"no binding relies on it": {nil, false, metav1.ConditionUnknown},
		"a binding relies on it":  {[]client.Object{holder()}, true, metav1.ConditionFalse},
	} {
		t.Run(name, func(t *testing.T) {
			old := testSecret(t, ofEarlierKey, gen.WithFinalizers(protection), gen.DeletedAt(deletionTime))
			store := newStore(t, interceptor.Funcs{}, append(c.objects, testKey(), old)...)
			f := newFixture(t, store, store)
			if _, err := f.reconcile(t); err != nil {
				t.Fatal(err)
			}
			if err := store.Get(t.Context(), orders, &corev1.Secret{}); (err == nil) != c.kept {
				t.Errorf("the Secret: %v", err)
			}
			if got := f.ready(t); got.Status != c.ready || got.Reason != signetv1alpha1.ReasonSecretTerminating {
				t.Errorf("Ready is %s %s", got.Status, got.Reason)
			}
			if !c.kept {
				return
			}
			f.change(t, gen.WithTrigger("renew"))
			for range 3 {
				f.after(t, 2*time.Minute)
			}
			if got := f.ready(t); got.Status != metav1.ConditionTrue || f.liveSecret(t).UID == old.UID {
				t.Errorf("after the trigger, Ready is %s %s", got.Status, got.Reason)
			}
		})
	}
}

// A Secret without its label is in no cache. If it has the UID on record, it is the
// key's nevertheless, and another one is not.
func TestLabelsAreRestored(t *testing.T) {
	stripped := gen.SecretFunc(func(s *corev1.Secret) { s.Labels, s.OwnerReferences = nil, nil })
	for name, c := range map[string]struct {
		option gen.SecretOption
		reason string
	}{
		"on record":     {gen.WithUID("created-1"), signetv1alpha1.ReasonReady},
		"not on record": {gen.WithUID("another"), signetv1alpha1.ReasonSecretOwnedByOther},
	} {
		t.Run(name, func(t *testing.T) {
			retain := gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain)
			cached := newStore(t, interceptor.Funcs{}, testKey(retain))
			f := newFixture(t, cached, cached)
			if _, err := f.reconcile(t); err != nil {
				t.Fatal(err)
			}
			found := gen.ManagedSecret(testKey(), f.liveSecret(t).Data, stripped, c.option)
			live := newStore(t, interceptor.Funcs{}, found)
			hidden := newStore(t, createdIn(live), f.key(t), holder())
			f.Client, f.Live, f.cached, f.live = hidden, live, hidden, live
			if _, err := f.reconcile(t); err != nil {
				t.Fatal(err)
			}
			if got := f.ready(t); got.Reason != c.reason {
				t.Errorf("Ready is %s: %s", got.Reason, got.Message)
			}
			labeled := f.liveSecret(t).Labels[signetv1alpha1.LabelKey] == "orders"
			if signs := f.key(t).Status.KeyID != ""; labeled != (c.reason == signetv1alpha1.ReasonReady) || signs != labeled {
				t.Errorf("labeled %t, signs %t", labeled, signs)
			}
		})
	}
}

// Nothing is written on behalf of a key that is gone: the cache of keys lags behind
// that of Secrets, which shows the Secret as the key's successor has adopted it.
func TestNothingIsWrittenForAKeyThatIsGone(t *testing.T) {
	successor := gen.SecretFunc(func(s *corev1.Secret) { s.OwnerReferences[0].UID = "successor-uid" })
	for name, c := range map[string]struct {
		live   []client.Object
		writes bool
	}{
		"created again":                   {[]client.Object{testKey(gen.WithUID("successor-uid"))}, false},
		"deleted":                         {nil, false},
		"the owner was changed by a user": {[]client.Object{testKey()}, true},
	} {
		t.Run(name, func(t *testing.T) {
			writes := 0
			secret := testSecret(t, successor)
			onRecord := gen.KeyFunc(func(key *signetv1alpha1.SignatureKey) {
				key.Status.SecretUID, key.Status.KeyID = string(secret.UID), string(secret.Data["key-id"])
			})
			f := newFixture(t, newStore(t, interceptor.Funcs{
				Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
					writes++
					return nil
				},
			}, testKey(gen.WithTrigger("pending"), onRecord), secret), newStore(t, interceptor.Funcs{}, c.live...))
			if _, err := f.reconcile(t); err != nil {
				t.Fatal(err)
			}
			if (writes > 0) != c.writes {
				t.Errorf("%d writes", writes)
			}
		})
	}
}

// What a live read has found does not outlive the namespace that it was about.
func TestRecreatedNamespaceIsNotTerminating(t *testing.T) {
	deleted := testKey(gen.WithFinalizers(protection), gen.DeletedAt(deletionTime))
	secret := testSecret(t, gen.WithFinalizers(protection))
	live := newStore(t, interceptor.Funcs{}, secret, holder(), testNamespace(true))
	f := newFixture(t, newStore(t, interceptor.Funcs{}, deleted, secret, holder()), live)
	f.ClusterWide = false
	for _, want := range []bool{true, false} {
		terminating, err := f.namespaceTerminating(t.Context(), "shop", true)
		if err != nil || terminating != want {
			t.Fatalf("terminating: %t, %v, want %t", terminating, err, want)
		}
		namespace := testNamespace(true)
		namespace.Finalizers = nil
		if err := live.Update(t.Context(), namespace); want && err != nil {
			t.Fatal(err)
		}
		if err := live.Create(t.Context(), testNamespace(false)); want && err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.reconcile(t); err != nil {
		t.Fatal(err)
	}
	if got := f.condition(t, signetv1alpha1.ConditionInUse); got.Reason != signetv1alpha1.ReasonDeletionBlocked {
		t.Errorf("InUse is %s", got.Reason)
	}
}

// A ConfigMap of another owner blocks by its name, so its name wakes the key, too.
func TestKeysOfPublic(t *testing.T) {
	f := newFixture(t, newStore(t, interceptor.Funcs{}, testKey(gen.WithTarget("material"))), newStore(t, interceptor.Funcs{}))
	for name, c := range map[string]struct {
		configMap string
		labels    map[string]string
		want      []string
	}{
		"by name":           {"material-public", map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource}, []string{"orders"}},
		"by label":          {"moved", map[string]string{signetv1alpha1.LabelKey: "payments"}, []string{"payments"}},
		"by both":           {"material-public", map[string]string{signetv1alpha1.LabelKey: "orders"}, []string{"orders"}},
		"of no key":         {"other-public", nil, nil},
		"with another name": {"material", nil, nil},
	} {
		configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: c.configMap, Labels: c.labels}}
		var got []string
		for _, request := range f.keysOfPublic(t.Context(), configMap) {
			got = append(got, request.Name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// In a terminating namespace no Secret of Signet's type keeps its finalizer, whatever key
// it belongs to and even if no cache shows it.
func TestSecretsAreReleasedInATerminatingNamespace(t *testing.T) {
	unlabeled := gen.SecretFunc(func(s *corev1.Secret) { s.Labels = nil })
	deleted := gen.DeletedAt(deletionTime)
	for name, c := range map[string]struct {
		cached  []client.Object
		option  gen.SecretOption
		request string
	}{
		"of a key":              {[]client.Object{testKey(gen.WithFinalizers(protection))}, gen.WithUID("secret-uid"), "orders"},
		"not of a key":          {[]client.Object{testKey(gen.WithFinalizers(protection))}, gen.WithUID("another"), "orders"},
		"of a key that is gone": {nil, gen.WithUID("secret-uid"), "orders"},
	} {
		t.Run(name, func(t *testing.T) {
			live := newStore(t, interceptor.Funcs{}, testSecret(t, unlabeled, c.option, deleted, gen.WithFinalizers(protection)))
			f := newFixture(t, newStore(t, createdIn(live), append(c.cached, testNamespace(true))...), live)
			requests := f.keysOfNamespace(t.Context(), testNamespace(true))
			if len(requests) != 1 || requests[0].Name != c.request {
				t.Fatalf("requests %v", requests)
			}
			if _, err := f.Reconcile(t.Context(), requests[0]); err != nil && !errors.Is(err, reconcile.TerminalError(nil)) {
				t.Fatal(err)
			}
			if err := live.Get(t.Context(), types.NamespacedName(orders), &corev1.Secret{}); err == nil {
				t.Error("the Secret is kept")
			}
		})
	}
}

// The response to a create may be lost in every state: no key waits for itself.
func TestLostResponseToACreate(t *testing.T) {
	for name, used := range map[string]bool{"of a new key": false, "of a key whose Secret is gone": true} {
		t.Run(name, func(t *testing.T) {
			lose := !used
			store := newStore(t, interceptor.Funcs{
				Create: func(ctx context.Context, store client.WithWatch, object client.Object, options ...client.CreateOption) error {
					if err := store.Create(ctx, object, options...); err != nil || !lose {
						return err
					}
					return errors.New("response lost")
				},
			}, testKey())
			f := newFixture(t, store, store)
			if used {
				if _, err := f.reconcile(t); err != nil {
					t.Fatal(err)
				}
				lose = true
				if err := store.Delete(t.Context(), f.liveSecret(t)); err != nil {
					t.Fatal(err)
				}
				if _, err := f.reconcile(t); err != nil || f.secretUID(t) != "" {
					t.Fatalf("UID %q is on record: %v", f.secretUID(t), err)
				}
			}
			if _, err := f.reconcile(t); err == nil {
				t.Fatal("the failure is not reported")
			}
			created := f.liveSecret(t)
			f.clock.SetTime(f.clock.Now().Add(time.Second))
			if _, err := f.reconcile(t); err != nil {
				t.Fatal(err)
			}
			if got := f.ready(t); got.Reason != signetv1alpha1.ReasonReady || f.secretUID(t) != string(created.UID) {
				t.Errorf("Ready is %s, UID %q is on record, the Secret has %q", got.Reason, f.secretUID(t), created.UID)
			}
		})
	}
}

// What a key has on record is no orphan, whatever the label says: the finalizer is all
// that keeps the bytes of a bound key.
func TestObjectsWithAnotherLabelAreNoOrphans(t *testing.T) {
	key := testKey(gen.WithFinalizers(protection), gen.WithKeyID("v1"), gen.WithType(signetv1alpha1.KeyTypePublicKey))
	key.Status.SecretUID = "secret-uid"
	secret := testSecretOf(t, key, gen.DeletedAt(deletionTime), gen.WithFinalizers(protection))
	public := &corev1.ConfigMap{ObjectMeta: *secret.ObjectMeta.DeepCopy()}
	public.Name = key.PublicConfigMapName()
	for _, object := range []client.Object{secret, public} {
		object.SetLabels(map[string]string{signetv1alpha1.LabelKey: "gone", signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged})
	}
	store := newStore(t, interceptor.Funcs{}, key, secret, public, holder())
	f := newFixture(t, store, store)
	if _, err := f.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "gone"}}); err != nil {
		t.Fatal(err)
	}
	for _, object := range []client.Object{secret, public} {
		if err := store.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Errorf("the object of a bound key is lost: %v", err)
		}
	}
}
