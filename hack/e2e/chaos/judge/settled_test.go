// SPDX-License-Identifier: Apache-2.0

package judge_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

var unsettled = map[string]struct {
	tell func(*story, *shop)
	want []string
}{
	"all is well": {tell: func(s *story, shop *shop) { s.put(shop.objects()...) }},
	"a slot is free": {
		tell: func(s *story, shop *shop) {
			shop.binding.Status.APIs[0].BoundAt = nil
			s.put(shop.objects()...)
		},
		want: []string{"slot shop/RELEASE/API/a: not held, although b has a usable key"},
	},
	"a slot is held that is not listed": {
		tell: func(s *story, shop *shop) {
			gen.ReplacingAPIs(gen.WithAPIs("b"))(shop.binding)
			s.put(shop.objects()...)
		},
		want: []string{
			"slot shop/RELEASE/API/a: held by b, which does not list it",
			"slot shop/RELEASE/API/b: not held, although b has a usable key",
		},
	},
	"a key is terminating without a user": {
		tell: func(s *story, shop *shop) {
			gen.DeletedAt(began)(shop.key)
			s.put(shop.key, shop.secret)
		},
		want: []string{"key shop/k: it is being deleted, and nothing uses it"},
	},
	"a key is protected without a user": {
		tell: func(s *story, shop *shop) { s.put(shop.key, shop.secret) },
		want: []string{"key shop/k: it is protected, and nothing uses it"},
	},
	"a Secret is protected without a key": {
		tell: func(s *story, shop *shop) { s.put(shop.secret) },
		want: []string{"Secret shop/k: it is protected without a key"},
	},
	"a status is behind": {
		tell: func(s *story, shop *shop) {
			shop.binding.Generation, shop.key.Generation = 2, 3
			s.put(shop.objects()...)
		},
		want: []string{"key shop/k: its status is about generation 0 of 3", "binding shop/b: its status is about generation 0 of 2"},
	},
	"a key is not ready": {
		tell: func(s *story, shop *shop) {
			shop.key.Status.Conditions[0].Reason = signetv1alpha1.ReasonSecretOwnedByOther
			s.put(shop.objects()...)
		},
		want: []string{"key shop/k: it is SecretOwnedByOther"},
	},
}

func TestUnsettled(t *testing.T) {
	for name, test := range unsettled {
		t.Run(name, func(t *testing.T) {
			s, shop := newStory(t), newShop(t)
			shop.key.Status.Conditions = []metav1.Condition{{Type: signetv1alpha1.ConditionReady, Reason: signetv1alpha1.ReasonReady}}
			test.tell(s, shop)
			if diff := cmp.Diff(test.want, s.judge.Unsettled()); diff != "" {
				t.Errorf("unsettled (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRemains(t *testing.T) {
	s, shop := newStory(t), newShop(t)
	s.put(shop.objects()...)
	want := []string{"Secret shop/k exists", "binding shop/b exists", "key shop/k exists"}
	if diff := cmp.Diff(want, s.judge.Remains()); diff != "" {
		t.Errorf("remains (-want +got):\n%s", diff)
	}
	s.remove(shop.binding)
	if diff := cmp.Diff([]string{"key shop/k exists", "Secret shop/k is protected"}, s.judge.Objects()); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}
