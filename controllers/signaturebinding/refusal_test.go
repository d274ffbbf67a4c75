// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const unprotectedKey = `SignatureKey "orders" cannot be written: the API server refuses it (no).`

// withRefusal makes the key impossible to protect.
func withRefusal(seen *observation) {
	seen.refusal = status.Refusal{Reason: signetv1alpha1.ReasonWriteRefused, Message: unprotectedKey, Since: before}
}

// unprotected makes the holder one whose key cannot be protected.
func unprotected(seen *apiObservation) { seen.unprotected = true }

// A binding whose key cannot be protected is granted nothing, and keeps what it holds.
func TestDecisionWithoutProtection(t *testing.T) {
	pending := entry(kindAPI, signetv1alpha1.APIPending, message("not held; the key cannot be protected"))
	isBound := withStatus(func(s *signetv1alpha1.SignatureBindingStatus) { s.KeyName = "orders" })
	expectDecisions(t, map[string]decisionCase{
		"a first grant": {
			observed(withRefusal, withAPI("a", mine)),
			wanted(pending, waiting("WriteRefused", unprotectedKey)),
		},
		"a write that fails": {
			observed(withRefusal, withAPI("a", mine), func(seen *observation) { seen.refusal.Reason = signetv1alpha1.ReasonWriteFailed }),
			wanted(pending, waiting("WriteFailed", unprotectedKey)),
		},
		"one that waits for other bindings, too": {
			observed(withRefusal, withAPI("a", blocked)),
			wanted(entry(kindAPI, signetv1alpha1.APIPending, message("waiting for another binding's status update")),
				waiting("WriteRefused", unprotectedKey), isBlocked),
		},
		"an API in addition to one that is held": {
			observed(withRefusal, isBound, withAPI("a", heldMine, recorded(nil)), withAPI("b", mine)),
			wanted(entry(kindAPI, signetv1alpha1.APIBound, boundAt(before)), pending, named("b"), waiting("WriteRefused", unprotectedKey)),
		},
		"a move to another key": {
			observed(withRefusal, moving(keyWithMaterial("old")), withAPI("a", heldMine, recorded(nil))),
			wanted(entry(kindAPI, signetv1alpha1.APIBound, boundAt(before)),
				func(d *decision) { d.status.KeyName, d.status.DisplayName = "old", "old_signature" },
				waiting("WriteRefused", unprotectedKey+` Until then, SignatureKey "old" keeps signing.`)),
		},
		"a key with a problem of its own": {
			observed(withRefusal, withKey(keyWithout("SourceNotFound")), withAPI("a", mine)),
			wanted(withoutKey, entry(kindAPI, signetv1alpha1.APIPending, message("not held; waiting for the key")),
				waiting("KeyNotReady", `SignatureKey "orders" has no material yet (SourceNotFound). See its status.`)),
		},
	})
}

// named sets the name of the last API.
func named(name string) func(*decision) {
	return func(d *decision) { d.status.APIs[len(d.status.APIs)-1].Name = name }
}

// Rivals of a binding whose key cannot be protected do not take it for the holder, but
// record that they do not get the API, so that it can be granted at last.
func TestDecisionOfRivalsOfAnUnprotectedKey(t *testing.T) {
	const goes = `1 of 1 APIs go to other bindings in environment "RELEASE", whose keys cannot be protected: API "a" to SignatureBinding "other". See their status.`
	unheld := message("goes to another binding, whose key cannot be protected")
	waits := slots.Evaluation{Holder: "other", Eligible: true}
	next := waits
	next.NextInLine = "third"
	expectDecisions(t, map[string]decisionCase{
		"Conflicted": {
			observed(withAPI("a", waits, unprotected)),
			wanted(entry(kindAPI, signetv1alpha1.APIConflicted, unheld), stalled("Conflicted", goes+
				" Delete the API from one of the two; this binding then takes over automatically.")),
		},
		"Conflicted behind the next in line": {
			observed(withAPI("a", next, unprotected)),
			wanted(entry(kindAPI, signetv1alpha1.APIConflicted, message("the holder signs identically, but the next claimant in line does not")),
				stalled("Conflicted", goes+" Delete the API from one of the two; this binding then takes over automatically."+
					` SignatureBinding "third" is next in line and signs differently.`)),
		},
		"Standby": {
			observed(withAPI("a", standby(nil), unprotected)),
			wanted(entry(kindAPI, signetv1alpha1.APIStandby, unheld), waiting("KeyNotReady", goes)),
		},
		"Conflicted with a holder, too": {
			observed(withAPI("a", waits, unprotected), withAPI("b", taken)),
			wanted(entry(kindAPI, signetv1alpha1.APIConflicted, unheld),
				entry(kindAPI, signetv1alpha1.APIConflicted, heldByOther, message("held by another binding; delete the API from one of the two")), named("b"),
				stalled("Conflicted", `1 of 2 APIs are held by other bindings in environment "RELEASE": API "b" by SignatureBinding "other". `+
					strings.Replace(goes, "of 1", "of 2", 1)+" Delete the API from one of the two; this binding then takes over automatically.")),
		},
	})
}

// readyKey is a key with material, and its managed Secret.
func readyKey() []client.Object {
	key := gen.SignatureKey("orders", gen.InNamespace("shop"), gen.WithUID("key-uid"), gen.WithKeyID("v1"))
	return []client.Object{key, gen.ManagedSecret(key, map[string][]byte{"type": []byte("HMAC"), "secret": []byte("planted-secret-0123456789")})}
}

func claimant(name string, age time.Duration, options ...gen.BindingOption) *signetv1alpha1.SignatureBinding {
	return gen.SignatureBinding(name, "orders", append([]gen.BindingOption{
		gen.InNamespace("shop"), gen.WithUID(types.UID(name + "-uid")), gen.WithGeneration(1), gen.CreatedAt(now.Add(-age)), gen.WithAPIs("a"),
	}, options...)...)
}

func forbidden(text string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 403, Reason: metav1.StatusReasonForbidden, Message: text}}
}

func readyOf(status signetv1alpha1.SignatureBindingStatus) metav1.Condition {
	if ready := meta.FindStatusCondition(status.Conditions, signetv1alpha1.ConditionReady); ready != nil {
		return *ready
	}
	return metav1.Condition{}
}

// expectRefusedProtection reconciles the binding after a while and expects that it
// reports that its key cannot be protected, with an event if one is named.
func (f *fixture) expectRefusedProtection(t *testing.T, after time.Duration, status metav1.ConditionStatus, event string) {
	t.Helper()
	got, err := f.reconcileAfter(after, "orders")
	if err == nil {
		t.Fatal("the finalizer is not tried again")
	}
	if ready := readyOf(got); ready.Status != status || ready.Reason != "WriteRefused" || ready.ObservedGeneration != 1 {
		t.Errorf("Ready is %+v", ready)
	}
	if len(got.APIs) != 1 || got.APIs[0].State != signetv1alpha1.APIPending || got.APIs[0].BoundAt != nil {
		t.Errorf("APIs are %+v", got.APIs)
	}
	f.expectEvent(t, event)
	if text := err.Error() + readyOf(got).Message; strings.Contains(text, "planted") {
		t.Errorf("material in %s", text)
	}
}

// expectEvent checks that one event was emitted since the last call, which begins with
// the text; none without a text.
func (f *fixture) expectEvent(t *testing.T, want string) {
	t.Helper()
	got := f.takeEvents()
	if (len(got) == 1) != (want != "") || len(got) > 1 || !strings.HasPrefix(strings.Join(got, ""), want) {
		t.Errorf("emitted %q, want %q", got, want)
	}
}

// A binding whose key or Secret cannot get the finalizer reports that, and its rival
// does not call it the holder. When it can, it is bound.
func TestRefusedProtectionIsReported(t *testing.T) {
	for name, refuses := range map[string]func(client.Object) bool{
		"of the key":    func(object client.Object) bool { _, isKey := object.(*signetv1alpha1.SignatureKey); return isKey },
		"of the Secret": func(object client.Object) bool { _, isSecret := object.(*corev1.Secret); return isSecret },
	} {
		t.Run(name, func(t *testing.T) {
			rival := claimant("rival", time.Minute, gen.WithSignatureHeader("X-Signature"))
			f := newFixture(t, append(readyKey(), claimant("orders", time.Hour), rival)...)
			f.refuses = func(object client.Object, status bool) error {
				if status || !refuses(object) {
					return nil
				}
				return forbidden("denied: planted-secret-0123456789")
			}
			if err := f.reconcile("rival"); err != nil { // makes room
				t.Fatal(err)
			}
			for _, after := range []time.Duration{0, 29 * time.Second} {
				if got, err := f.reconcileAfter(after, "orders"); err == nil || len(got.Conditions) > 0 {
					t.Errorf("after %s: %+v, %v", after, got, err)
				}
			}
			f.takeEvents() // of the rival
			f.expectRefusedProtection(t, time.Second, metav1.ConditionUnknown, "Normal WriteRefused ")
			f.expectRefusedProtection(t, time.Minute, metav1.ConditionUnknown, "")
			f.expectRefusedProtection(t, 4*time.Minute, metav1.ConditionFalse, "Warning WriteRefused ")
			f.expectRefusedProtection(t, time.Hour, metav1.ConditionFalse, "")
			f.expectRival(t, "", `API "a" to SignatureBinding "orders"`)
			f.refuses = nil
			if got, err := f.reconcileAfter(0, "orders"); err != nil || readyOf(got).Reason != "Bound" {
				t.Errorf("the binding reports %+v, %v", got, err)
			}
			f.expectRival(t, "orders", `API "a" by SignatureBinding "orders"`)
		})
	}
}

// A conflict that no newer version resolves is reported as any other write that fails.
func TestConflictThatPersistsIsReported(t *testing.T) {
	f := newFixture(t, append(readyKey(), claimant("orders", time.Hour))...)
	f.refuses = func(object client.Object, status bool) error {
		if status {
			return nil
		}
		return apierrors.NewConflict(schema.GroupResource{Resource: "objects"}, object.GetName(), errors.New("the object has been modified"))
	}
	for _, after := range []time.Duration{0, 29 * time.Second} {
		if got, err := f.reconcileAfter(after, "orders"); err != nil || len(got.Conditions) > 0 {
			t.Errorf("after %s: %+v, %v", after, got, err)
		}
	}
	f.expectRefusedProtection(t, time.Second, metav1.ConditionUnknown, "Normal WriteRefused ")
	f.refuses = nil
	if got, err := f.reconcileAfter(0, "orders"); err != nil || readyOf(got).Reason != "Bound" {
		t.Errorf("the binding reports %+v, %v", got, err)
	}
}

// Backends that read the public ConfigMap must know the version that signs: the one in the
// Secret, whatever the status records.
func TestKeyIsGrantedOnlyIfItIsPublished(t *testing.T) {
	for name, tc := range map[string]struct {
		inStatus, inSecret, inPublic string
		want                         string
	}{
		"published":                   {"v1", "v1", "v1", "Bound"},
		"published before the status": {"v1", "v2", "v2", "Bound"},
		"not published":               {"v1", "v1", "v2", "WriteFailed"},
		"not published but on record": {"v1", "v2", "v1", "WriteFailed"},
		"nothing published":           {"v1", "v1", "", "WriteFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			key := gen.SignatureKey("orders", gen.InNamespace("shop"), gen.WithUID("key-uid"), gen.WithKeyID(tc.inStatus),
				gen.WithType(signetv1alpha1.KeyTypePublicKey))
			public := &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: key.PublicConfigMapName()},
				Data:       map[string]string{"key-id": tc.inPublic},
			}
			f := newFixture(t, key, public, claimant("orders", time.Hour),
				gen.ManagedSecret(key, map[string][]byte{"type": []byte("PublicKey"), "key-id": []byte(tc.inSecret)}))
			var got signetv1alpha1.SignatureBindingStatus
			for _, after := range []time.Duration{0, 31 * time.Second} {
				got, _ = f.reconcileAfter(after, "orders")
			}
			if ready := readyOf(got); ready.Reason != tc.want {
				t.Errorf("Ready is %+v", ready)
			}
		})
	}
}

// expectRival checks what the rival of the binding reports.
func (f *fixture) expectRival(t *testing.T, holder, message string) {
	t.Helper()
	got, err := f.reconcileAfter(0, "rival")
	if err != nil || len(got.APIs) != 1 || got.APIs[0].Holder != holder {
		t.Errorf("the rival reports %+v, %v", got, err)
	}
	if ready := readyOf(got); ready.Reason != "Conflicted" || !strings.Contains(ready.Message, message) {
		t.Errorf("the rival reports %+v", ready)
	}
}

// refuseProtection lets a binding report that its Secret cannot be protected, and its
// rival that it does not hold the API.
func (f *fixture) refuseProtection(t *testing.T) {
	t.Helper()
	f.refuses = func(object client.Object, _ bool) error {
		if _, isSecret := object.(*corev1.Secret); isSecret {
			return forbidden("no")
		}
		return nil
	}
	f.refuseForHalfAMinute(t)
}

// refuseForHalfAMinute lets a while pass in which the Secret cannot be protected.
func (f *fixture) refuseForHalfAMinute(t *testing.T) {
	t.Helper()
	_ = f.reconcile("rival")
	for _, after := range []time.Duration{0, 31 * time.Second} {
		if _, err := f.reconcileAfter(after, "orders"); err == nil {
			t.Fatal("the Secret is protected")
		}
	}
	if got := f.read("rival").Status; len(got.APIs) != 1 || got.APIs[0].Holder != "" {
		t.Errorf("the rival reports %+v", got)
	}
}

// The next leader finds out again that the key cannot be protected. The status reports it
// already, but nothing has woken the rivals.
func TestRivalsOfAnUnprotectedKeyUnderTheNextLeader(t *testing.T) {
	f := newFixture(t, append(readyKey(), claimant("orders", time.Hour), claimant("rival", time.Minute, gen.WithSignatureHeader("X-Signature")))...)
	f.refuseProtection(t)
	f.nextLeader().refuseForHalfAMinute(t)
}

// A binding that no longer needs the protection that is refused is the holder again for
// its rivals.
func TestRivalsAreToldThatARefusalEnds(t *testing.T) {
	f := newFixture(t, append(readyKey(), claimant("orders", time.Hour), claimant("rival", time.Minute, gen.WithSignatureHeader("X-Signature")))...)
	f.refuseProtection(t)
	key := &signetv1alpha1.SignatureKey{}
	if err := f.store.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "orders"}, key); err != nil {
		t.Fatal(err)
	}
	key.Status.KeyID = ""
	if err := f.store.Status().Update(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if got, err := f.reconcileAfter(0, "orders"); err != nil || readyOf(got).Reason != "KeyNotReady" {
		t.Fatalf("the binding reports %+v, %v", got, err)
	}
	if got := f.read("rival").Status; len(got.APIs) != 1 || got.APIs[0].Holder != "orders" {
		t.Errorf("the rival reports %+v", got)
	}
}

// A key whose Secret or ConfigMap is gone, and cannot be restored, does not keep the
// binding busy and silent.
func TestMissingObjectOfAKeyIsReported(t *testing.T) {
	key := gen.SignatureKey("orders", gen.InNamespace("shop"), gen.WithUID("key-uid"), gen.WithKeyID("v1"), gen.WithType(signetv1alpha1.KeyTypePublicKey))
	for name, c := range map[string]struct {
		objects []client.Object
		want    string
	}{
		"the Secret":    {[]client.Object{key}, `Secret "orders" cannot be written`},
		"the ConfigMap": {[]client.Object{key, gen.ManagedSecret(key, nil)}, `ConfigMap "orders-public" cannot be written`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, append(c.objects, claimant("orders", time.Hour))...)
			for _, after := range []time.Duration{0, 31 * time.Second} {
				if _, err := f.reconcileAfter(after, "orders"); err == nil {
					t.Error("it is not tried again with a back-off")
				}
			}
			if ready := readyOf(f.read("orders").Status); ready.Reason != "WriteRefused" || !strings.HasPrefix(ready.Message, c.want) {
				t.Errorf("Ready is %+v", ready)
			}
		})
	}
}

// A refused status cannot report that; an event does, once.
func TestRefusedStatusOfABindingIsReportedByAnEvent(t *testing.T) {
	f := newFixture(t, append(readyKey(), claimant("orders", time.Hour))...)
	f.refuses = func(_ client.Object, status bool) error {
		if status {
			return forbidden("no")
		}
		return nil
	}
	for _, after := range []time.Duration{0, 29 * time.Second} {
		if _, err := f.reconcileAfter(after, "orders"); err == nil {
			t.Error("the status is not tried again")
		}
	}
	if got := f.takeEvents(); len(got) > 0 {
		t.Errorf("emitted %q", got)
	}
	for _, after := range []time.Duration{time.Second, time.Minute, time.Hour} {
		if _, err := f.reconcileAfter(after, "orders"); err == nil {
			t.Error("the status is not tried again")
		}
	}
	const want = `Warning WriteRefused The status of SignatureBinding "orders" cannot be written: the API server refuses it (no).`
	if got := f.takeEvents(); len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("emitted %q, want %q", got, want)
	}
}

// A binding that has to make room does not silence the one that waits for it if its
// own status is refused.
func TestRefusedStatusOfABlockerDoesNotSilenceOthers(t *testing.T) {
	leaving := claimant("leaving", time.Hour, gen.Holding(before))
	leaving.Spec.APIs[0].Name = "another"
	f := newFixture(t, append(readyKey(), leaving, claimant("orders", time.Minute))...)
	f.refuses = func(object client.Object, status bool) error {
		if status && object.GetName() == "leaving" {
			return forbidden("no")
		}
		return nil
	}
	got, err := f.reconcileAfter(0, "orders")
	if err != nil {
		t.Fatal(err)
	}
	if ready := readyOf(got); ready.Reason != "Standby" || len(got.APIs) != 1 || got.APIs[0].BoundAt != nil || got.APIs[0].Holder != "leaving" {
		t.Errorf("the binding reports %+v", got)
	}
	f.refuses = nil
	if err := f.reconcile("leaving"); err != nil {
		t.Fatal(err)
	}
	if held := slots.HeldBy(f.read("orders")); len(held) != 1 {
		t.Errorf("the binding that has made room has not woken the one that waits: it holds %v", held)
	}
}
