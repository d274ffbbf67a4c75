// SPDX-License-Identifier: Apache-2.0

package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// telling writes a history.
type telling func(*testing.T, *story, *shop)

// violations has a history for each way to break a rule, and what the judge finds in
// it. Revision 1 is the namespace.
var violations = map[string]struct {
	tell telling
	want string
}{
	"two bindings hold a slot": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			other := gen.SignatureBinding("c", "k", inShop, gen.WithAPIs("a"), gen.Holding(began))
			s.put(other)
			s.remove(other)
		},
		want: "rule 1: shop/slot shop/RELEASE/API/a: held by b and c (revision 5 to 6, 1s)",
	},
	"an API is bound and not held": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			shop.binding.Status.APIs[0].BoundAt = nil
			s.put(shop.objects()...)
		},
		want: "rule 1: shop/binding b: a is Bound without a boundAt (revision 4)",
	},
	"a holder loses an API that it lists": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			shop.binding.Status.APIs[0].BoundAt = nil
			shop.binding.Status.APIs[0].State = signetv1alpha1.APIConflicted
			s.put(shop.binding)
		},
		want: "rule 1: shop/slot shop/RELEASE/API/a: b loses it, although it lists it (revision 5)",
	},
	"a holder holds since another time": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			gen.Holding(began.Add(time.Second))(shop.binding)
			s.put(shop.binding)
		},
		want: "rule 1: shop/slot shop/RELEASE/API/a: b holds it since another time (revision 5)",
	},
	"a holder's key is not protected": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			shop.key.Finalizers = nil
			s.put(shop.key)
		},
		want: `rule 2: shop/key k: it lacks the finalizer, while ["b"] hold with it (revision 5)`,
	},
	"a holder's Secret was never protected": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			shop.secret.Finalizers = nil
			s.put(shop.objects()...)
		},
		want: `rule 2: shop/secret k: it lacks the finalizer, while ["b"] hold with key k (revision 4)`,
	},
	"a terminating Secret of a holder goes without a mark": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			gen.DeletedAt(began)(shop.secret)
			s.put(shop.secret)
			s.remove(shop.secret)
		},
		want: `rule 2: shop/secret k: it does not exist, while ["b"] hold with key k (revision 6)`,
	},
	"what a user has stripped is not healed": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			shop.secret.Finalizers = nil
			mark(shop.secret)
			s.put(shop.secret)
			s.now = s.now.Add(healLimit)
			s.put(shop.key)
		},
		want: `rule 2: shop/secret k: it lacks the finalizer, while ["b"] hold with key k (revision 6)`,
	},
	"a manager takes the finalizer again after the repair": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			bare := shop.secret.DeepCopy()
			bare.Finalizers = nil
			mark(bare)
			s.put(bare)
			mark(shop.secret)
			s.put(shop.secret)
			s.put(bare)
		},
		want: `rule 2: shop/secret k: it lacks the finalizer, while ["b"] hold with key k (revision 7)`,
	},
	"the previous key of a holder is not protected": {
		tell: func(t *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			old := gen.SignatureKey("old", inShop, gen.WithUID("old"))
			s.put(old, secretOf(old, newSet(t, old), "old-secret"))
			shop.binding.Status.PreviousKeys = []signetv1alpha1.PreviousKey{{Name: "old", Until: metav1.NewTime(began)}}
			s.put(shop.binding)
		},
		want: `rule 2: shop/key old: it lacks the finalizer, while ["b"] hold with it (revision 7)`,
	},
	"material is replaced": {
		tell: func(t *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			s.put(secretOf(shop.key, newSet(t, shop.key), "secret-1"))
		},
		want: "rule 3: shop/secret k: no step of a rotation leads from version",
	},
	"a version gets other bytes": {
		tell: func(t *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			forged := newSet(t, shop.key)
			forged.Active.ID = shop.set.Active.ID
			s.put(secretOf(shop.key, forged, "secret-1"))
		},
		want: "rule 3: shop/secret k: version",
	},
	"nobody asked for a rotation": {
		tell: func(t *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			shop.key.Spec.Rotation.Trigger = "t"
			shop.advance(t)
			s.put(shop.secret)
		},
		want: `rule 3: shop/secret k: trigger "t" stages a version, but no user has set it (revision 5)`,
	},
	"a trigger rotates twice": {
		tell: func(t *testing.T, s *story, shop *shop) {
			shop.key.Spec.Rotation.Trigger = "t"
			s.put(shop.key)
			shop.set = shop.set.WithTriggers("", "")
			shop.secret.Data = shop.set.Encode()
			s.put(shop.secret)
			for range 3 {
				shop.advance(t)
				s.put(shop.secret)
				s.now = s.now.Add(time.Minute)
			}
			shop.set = shop.set.WithTriggers("", "")
			shop.secret.Data = shop.set.Encode()
			s.put(shop.secret)
			shop.advance(t)
			s.put(shop.secret)
		},
		want: `rule 3: shop/secret k: trigger "t" stages a version a second time (revision 8)`,
	},
	"a staged version signs too early": {
		tell: func(t *testing.T, s *story, shop *shop) {
			shop.key.Spec.Rotation.Trigger = "t"
			shop.key.Spec.Rotation.StageSeconds = nil
			shop.set = shop.set.WithTriggers("", "")
			shop.secret.Data = shop.set.Encode()
			s.put(shop.objects()...)
			shop.advance(t)
			s.put(shop.secret)
			shop.advance(t)
			s.put(shop.secret)
		},
		want: "is active after 1s instead of 2m0s (revision 6)",
	},
	"a version is staged without a cause": {
		tell: func(t *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			next := newSet(t, shop.key).Active
			shop.set.Next = &next
			shop.secret.Data = shop.set.Encode()
			s.put(shop.secret)
		},
		want: "is staged, but no user has asked for it (revision 5)",
	},
	"a new Secret has the bytes of one that is gone": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			s.put(shop.key, shop.secret)
			s.remove(shop.secret)
			shop.set.Active.ID = "other"
			s.put(secretOf(shop.key, shop.set, "secret-2"))
		},
		want: "is new, but its",
	},
	"a Secret passes to a key that was created again": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			s.put(shop.key, shop.secret)
			shop.secret.OwnerReferences[0].UID = "key-2"
			s.put(shop.secret)
		},
		want: "rule 3: shop/secret k: it passes from key key-1 to another one of the name, key-2 (revision 4)",
	},
	"lost material is replaced without consent": {
		tell: func(t *testing.T, s *story, shop *shop) {
			s.put(shop.objects()...)
			mark(shop.secret)
			s.put(shop.secret)
			s.remove(shop.secret)
			set := newSet(t, shop.key)
			s.put(secretOf(shop.key, set, "secret-2"))
			shop.key.Status.KeyID, shop.key.Status.SecretUID = set.Active.ID, "secret-2"
			s.put(shop.key)
		},
		want: `rule 3: shop/key k: it takes other material into force without consent, while ["b"] hold with it (revision 8)`,
	},
	"backends cannot learn the key that signs": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			shop.key.Spec.Type = signetv1alpha1.KeyTypePublicKey
			s.put(shop.objects()...)
			s.put(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "k-public"}})
		},
		want: "rule 3: shop/public k-public: it lacks version",
	},
	"a Secret does not hold what Signet writes": {
		tell: func(_ *testing.T, s *story, shop *shop) {
			shop.secret.Data["secret"] = []byte("changed-by-another-client")
			s.put(shop.key, shop.secret)
		},
		want: "rule 3: shop/secret k: it does not hold what Signet writes",
	},
}

func TestViolations(t *testing.T) {
	for name, test := range violations {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			test.tell(t, s, newShop(t))
			if found := s.violations(); len(found) == 0 || !strings.Contains(strings.Join(found, "\n"), test.want) {
				t.Errorf("violations: %q, want %q", found, test.want)
			}
		})
	}
}

// cleanHistories have what looks similar and breaks no rule.
var cleanHistories = map[string]telling{
	"a slot passes on": func(_ *testing.T, s *story, shop *shop) {
		s.put(shop.objects()...)
		s.remove(shop.binding)
		shop.binding.Name = "c"
		s.put(shop.binding)
	},
	"a holder drops an API and moves": func(_ *testing.T, s *story, shop *shop) {
		s.put(shop.objects()...)
		gen.ReplacingAPIs(gen.WithAPIs("b"))(shop.binding)
		s.put(shop.binding)
		gen.Holding(began.Add(time.Minute))(shop.binding)
		s.put(shop.binding)
		shop.binding.Spec.Environment = "staging"
		s.put(shop.binding)
		gen.Holding(began.Add(time.Hour))(shop.binding)
		s.put(shop.binding)
	},
	"a rotation": func(t *testing.T, s *story, shop *shop) {
		s.put(shop.objects()...)
		shop.key.Spec.Rotation.Trigger = "t"
		s.put(shop.key)
		for range 3 {
			shop.advance(t)
			s.put(shop.secret)
		}
	},
	"a revocation": func(t *testing.T, s *story, shop *shop) {
		s.put(shop.objects()...)
		shop.key.Spec.Rotation.RevokeTrigger = "r"
		s.put(shop.key)
		shop.advance(t)
		s.put(shop.secret)
	},
	"a user strips the Secret, and Signet heals it": func(_ *testing.T, s *story, shop *shop) {
		s.put(shop.objects()...)
		bare := shop.secret.DeepCopy()
		bare.Finalizers = nil
		mark(bare)
		s.put(bare)
		mark(shop.secret)
		s.put(shop.secret)
	},
	"a user ends a terminating Secret, and consents": func(t *testing.T, s *story, shop *shop) {
		s.put(shop.objects()...)
		gen.DeletedAt(began)(shop.secret)
		s.put(shop.secret)
		mark(shop.secret)
		s.put(shop.secret)
		s.remove(shop.secret)
		shop.key.Spec.Rotation.Trigger = "t"
		s.put(shop.key)
		set := newSet(t, shop.key)
		s.put(secretOf(shop.key, set, "secret-2"))
		shop.key.Status.KeyID, shop.key.Status.SecretUID, shop.key.Status.ObservedTrigger = set.Active.ID, "secret-2", "t"
		s.put(shop.key)
	},
	"a trigger lets the Secret of an earlier key go": func(_ *testing.T, s *story, shop *shop) {
		s.put(shop.objects()...)
		gen.DeletedAt(began)(shop.secret)
		s.put(shop.secret)
		shop.key.Spec.Rotation.Trigger = "t"
		shop.key.Status.Conditions = []metav1.Condition{{
			Type: signetv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: signetv1alpha1.ReasonSecretTerminating,
		}}
		s.put(shop.key)
		s.remove(shop.secret)
	},
	"a namespace goes": func(_ *testing.T, s *story, shop *shop) {
		s.put(shop.objects()...)
		s.put(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", DeletionTimestamp: &metav1.Time{Time: began}}})
		shop.secret.Finalizers = nil
		s.put(shop.secret)
		s.remove(shop.secret)
		s.remove(shop.key)
		s.remove(shop.binding)
		s.remove(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
	},
	"a supplied component comes back": func(t *testing.T, s *story, shop *shop) {
		s.put(gen.SourceSecret("source", map[string]string{"secret": "supplied-by-a-user"}, inShop))
		set, err := material.First(shop.key, material.Supplied{Secret: material.Bytes("supplied-by-a-user")}, began, strings.NewReader(strings.Repeat("x", 1000)))
		if err != nil {
			t.Fatal(err)
		}
		s.put(shop.key, secretOf(shop.key, set, "secret-1"))
		s.remove(shop.secret)
		again := newSet(t, shop.key)
		again.Active.Secret = material.Bytes("supplied-by-a-user")
		s.put(secretOf(shop.key, again, "secret-2"))
	},
}

func TestCleanHistories(t *testing.T) {
	for name, tell := range cleanHistories {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			tell(t, s, newShop(t))
			if diff := cmp.Diff([]string(nil), s.violations()); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}
