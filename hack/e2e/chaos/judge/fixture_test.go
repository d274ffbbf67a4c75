// SPDX-License-Identifier: Apache-2.0

package judge_test

import (
	"crypto/rand"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/hack/e2e/chaos/judge"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const healLimit = time.Minute

var began = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// story writes a history by hand: one revision a second.
type story struct {
	t      *testing.T
	judge  *judge.Judge
	now    time.Time
	number int64
}

// newStory begins with a namespace, and a key whose material a binding uses.
func newStory(t *testing.T) *story {
	t.Helper()
	s := &story{t: t, judge: judge.New(judge.Options{HealLimit: healLimit}), now: began}
	s.put(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
	return s
}

func (s *story) put(objects ...client.Object) {
	for _, object := range objects {
		s.number++
		s.now = s.now.Add(time.Second)
		s.judge.Observe(judge.Revision{
			Number: s.number, Time: s.now, Namespace: object.GetNamespace(), Name: object.GetName(),
			Object: kubeclient.Copy(object),
		})
	}
}

func (s *story) remove(object client.Object) {
	s.number++
	s.now = s.now.Add(time.Second)
	s.judge.Observe(judge.Revision{Number: s.number, Time: s.now, Namespace: object.GetNamespace(), Name: object.GetName(), Deleted: object})
}

func (s *story) violations() []string {
	var rules []string
	for _, violation := range s.judge.Violations() {
		rules = append(rules, violation.String())
	}
	return rules
}

var inShop = gen.InNamespace("shop")

var protected = gen.WithFinalizers(signetv1alpha1.FinalizerProtection)

// shop has a key, its Secret, and a binding that holds an API with it.
type shop struct {
	key     *signetv1alpha1.SignatureKey
	set     *material.Set
	secret  *corev1.Secret
	binding *signetv1alpha1.SignatureBinding
	// steps counts those of the rotation.
	steps int
}

func newShop(t *testing.T) *shop {
	t.Helper()
	key := gen.SignatureKey("k", inShop, gen.WithUID("key-1"), protected, gen.WithShortRotation())
	set := newSet(t, key)
	key.Status.KeyID, key.Status.SecretUID = set.Active.ID, "secret-1"
	return &shop{
		key: key, set: set, secret: secretOf(key, set, "secret-1"),
		binding: gen.SignatureBinding("b", "k", inShop, gen.WithUID("b-1"), gen.WithAPIs("a"), gen.Holding(began)),
	}
}

func (s *shop) objects() []client.Object { return []client.Object{s.secret, s.key, s.binding} }

func newSet(t *testing.T, key *signetv1alpha1.SignatureKey) *material.Set {
	t.Helper()
	set, err := material.First(key, material.Supplied{}, began, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func secretOf(key *signetv1alpha1.SignatureKey, set *material.Set, uid types.UID) *corev1.Secret {
	return gen.ManagedSecret(key, set.Encode(), gen.WithUID(uid), protected)
}

// advance takes the next step of a rotation, as if its delay were over.
func (s *shop) advance(t *testing.T) {
	t.Helper()
	s.steps++
	later := began.Add(time.Duration(s.steps) * time.Hour)
	outcome, err := s.set.Advance(material.RotationSpec{
		Supplied: &material.Supplied{}, Stage: s.key.EffectiveStage(), Retire: s.key.EffectiveRetire(),
		Trigger: s.key.Trigger(), RevokeTrigger: s.key.RevokeTrigger(),
	}, material.Moment{Now: later, FirstSeen: began, Watched: time.Hour}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.set = outcome.Set
	s.secret.Data = s.set.Encode()
}

func mark(object client.Object) {
	object.SetAnnotations(map[string]string{judge.Mark: "1"})
}
