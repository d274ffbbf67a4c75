// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
)

// recordedState is the state that was recorded, as if time had brought its
// rotations to their end, and without what stalls meanwhile.
func recordedState(t *testing.T) (recorded, ended *State) {
	t.Helper()
	g := NewWithT(t)
	file, err := os.Open(filepath.Join(Folder(root, Baseline), objectsFile))
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = file.Close() }()
	objects, err := controlplane.Decode(file)
	g.Expect(err).NotTo(HaveOccurred())
	states := make([]*State, 2)
	for i := range states {
		s := &State{
			Keys: map[string]*signetv1alpha1.SignatureKey{}, Bindings: map[string]*signetv1alpha1.SignatureBinding{},
			Secrets: map[string]*corev1.Secret{}, ConfigMaps: map[string]*corev1.ConfigMap{},
		}
		into := map[string]func(name string) any{
			key:         func(name string) any { s.Keys[name] = &signetv1alpha1.SignatureKey{}; return s.Keys[name] },
			binding:     func(name string) any { s.Bindings[name] = &signetv1alpha1.SignatureBinding{}; return s.Bindings[name] },
			"Secret":    func(name string) any { s.Secrets[name] = &corev1.Secret{}; return s.Secrets[name] },
			"ConfigMap": func(name string) any { s.ConfigMaps[name] = &corev1.ConfigMap{}; return s.ConfigMaps[name] },
		}
		for _, object := range objects {
			if typed := into[object.GetKind()]; typed != nil {
				g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed(object.GetName()))).To(Succeed())
			}
		}
		states[i] = s
	}
	end(states[1])
	return states[0], states[1]
}

// end brings rotations to their end.
func end(s *State) {
	for _, secret := range s.Secrets {
		for _, field := range []string{"key", "secret", dataKeyID, "created"} {
			if next, staged := secret.Data[prefixNext+field]; staged {
				secret.Data[field] = next
			}
			delete(secret.Data, prefixNext+field)
			delete(secret.Data, prefixPrevious+field)
		}
	}
	public := s.ConfigMaps["staged-public-public"].Data
	for _, field := range []string{"key", dataKeyID} {
		public[field] = public[prefixNext+field]
		delete(public, prefixNext+field)
	}
	for _, object := range s.Keys {
		setReason(object.Status.Conditions, signetv1alpha1.ConditionRotating, metav1.ConditionTrue, metav1.ConditionFalse, signetv1alpha1.ReasonSettled)
	}
}

// setReason changes a condition that has a certain status.
func setReason(conditions []metav1.Condition, kind string, from, to metav1.ConditionStatus, reason string) {
	for i := range conditions {
		if condition := &conditions[i]; condition.Type == kind && condition.Status == from {
			condition.Status, condition.Reason = to, reason
		}
	}
}

func TestCompareAllowsWhatTimeBrings(t *testing.T) {
	g := NewWithT(t)
	recorded, ended := recordedState(t)
	g.Expect(Compare(recorded, ended)).To(BeEmpty())
	g.Expect(ended.settled()).To(MatchError(ContainSubstring("SignatureBinding moved has a previous key")))

	ended.Bindings["moved"].Status.PreviousKeys = nil
	ready := ended.Bindings["moving"].Status.Conditions
	setReason(ready, signetv1alpha1.ConditionReady, metav1.ConditionUnknown, metav1.ConditionFalse, signetv1alpha1.ReasonKeyNotReady)
	stalled := ready[0]
	stalled.Type, stalled.Status = signetv1alpha1.ConditionStalled, metav1.ConditionTrue
	ended.Bindings["moving"].Status.Conditions = slices.Concat(ready, []metav1.Condition{stalled})
	g.Expect(ended.settled()).To(MatchError("SignatureKey former is protected, but nothing uses it"))
	ended.Keys["former"].Finalizers = nil
	setReason(ended.Keys["former"].Status.Conditions, signetv1alpha1.ConditionInUse, metav1.ConditionTrue, metav1.ConditionFalse, signetv1alpha1.ReasonNotBound)
	g.Expect(Compare(recorded, ended)).To(BeEmpty())
	g.Expect(ended.settled()).To(Succeed())
}

// changeGenerated changes a field of the Secret "generated".
func changeGenerated(field string) func(*State) {
	return func(s *State) { s.Secrets["generated"].Data[field] = []byte("other") }
}

var losses = map[string]struct {
	spoil func(*State)
	want  string
}{
	"key":           {changeGenerated("key"), "the data of Secret generated were changed"},
	"secret":        {changeGenerated("secret"), "the data of Secret generated were changed"},
	"trigger":       {changeGenerated("trigger"), "the data of Secret generated were changed"},
	"rotation":      {changeGenerated("next.key-id"), "the data of Secret generated were changed"},
	"source":        {func(s *State) { s.Secrets["supplied-own"].Data["key"] = nil }, "the data of Secret supplied-own were changed"},
	"other version": {func(s *State) { s.Secrets["staged"].Data["key-id"] = []byte("other") }, `key-id of Secret staged is not what it was under "next.key-id"`},
	"called off":    {func(s *State) { s.Secrets["retiring"].Data["secret"] = []byte("other") }, `secret of Secret retiring is not what it was under "secret"`},
	"not ended":     {func(s *State) { s.Secrets["staged"].Data["previous.key-id"] = []byte("x") }, "Secret staged still holds more than one version"},
	"Secret gone":   {func(s *State) { delete(s.Secrets, "aes-material") }, "Secret aes-material is gone"},
	"Secret more": {func(s *State) { s.Secrets["aes"] = s.Secrets["basic"] },
		"there were the Secrets [aes-material basic deleted former generated half half-own public replaced retiring rotated staged staged-public supplied supplied-own] and are [aes aes-material basic deleted former generated half half-own public replaced retiring rotated staged staged-public supplied supplied-own]"},
	"Secret's type":          {func(s *State) { s.Secrets["basic"].Type = "Opaque" }, "the type of Secret basic was changed"},
	"Secret's label":         {func(s *State) { s.Secrets["basic"].Labels["a"] = "b" }, "the labels of Secret basic were changed"},
	"Secret's annotation":    {func(s *State) { s.Secrets["basic"].Annotations = nil }, "the annotations of Secret basic were changed"},
	"Secret's owner":         {func(s *State) { s.Secrets["basic"].OwnerReferences = nil }, "the owner of Secret basic was changed"},
	"public component":       {func(s *State) { s.ConfigMaps["public-public"].Data["key"] = "x" }, "the data of ConfigMap public-public were changed"},
	"next public component":  {func(s *State) { s.ConfigMaps["staged-public-public"].Data["key"] = "x" }, "key of ConfigMap staged-public-public is not that of the Secret"},
	"public components gone": {func(s *State) { delete(s.ConfigMaps, "public-public") }, "ConfigMap public-public is gone"},
	"holder": {func(s *State) { s.Bindings["basic"].Status.APIs[0].BoundAt = nil },
		"/sign/signet-recorded/staging/API/basic was held by basic since BASIC and is by \"\""},
	"two holders": {func(s *State) { s.Bindings["a-contender"].Status.APIs[0].BoundAt = &metav1.Time{Time: time.Unix(0, 0)} },
		`/sign/signet-recorded/RELEASE/HTTPRoute/orders was held by routes since ROUTES and is by "a-contender since 1970-01-01 00:00:00 +0000 UTC and routes since `},
	"holder of what was free": {func(s *State) {
		s.Bindings["basic"].Spec.Environment, s.Bindings["basic"].Status.Environment = "other", "other"
	},
		"/sign/signet-recorded/other/API/basic was not held and is by basic since "},
	"since when": {func(s *State) { s.Bindings["basic"].Status.APIs[0].BoundAt = &metav1.Time{Time: time.Unix(0, 0)} },
		"/sign/signet-recorded/staging/API/basic was held by basic since "},
	"effective key":     {func(s *State) { s.Bindings["moving"].Status.KeyName = "sourceless" }, "SignatureBinding moving was signed for with rotated and is with sourceless"},
	"key gone":          {func(s *State) { delete(s.Keys, "deleted") }, "SignatureKey deleted is gone"},
	"binding gone":      {func(s *State) { delete(s.Bindings, "blocking") }, "SignatureBinding blocking is gone"},
	"spec of a key":     {func(s *State) { s.Keys["basic"].Spec.Identifier = "x" }, "the spec of SignatureKey basic was changed"},
	"spec of a binding": {func(s *State) { s.Bindings["basic"].Spec.BackendHost = "x" }, "the spec of SignatureBinding basic was changed"},
	"deletion":          {func(s *State) { s.Keys["deleted"].DeletionTimestamp = nil }, "the deletion of SignatureKey deleted was changed"},
	"condition": {func(s *State) {
		setReason(s.Bindings["basic"].Status.Conditions, signetv1alpha1.ConditionReady, metav1.ConditionTrue, metav1.ConditionUnknown, "KeyNotReady")
	}, "Ready of SignatureBinding basic was True Bound and is Unknown KeyNotReady"},
	"condition gone":    {func(s *State) { s.Keys["basic"].Status.Conditions = nil }, "Ready of SignatureKey basic was True Ready and is not there"},
	"condition of old":  {func(s *State) { s.Keys["basic"].Status.Conditions[0].ObservedGeneration = 0 }, "Ready of SignatureKey basic is about generation 0 of 1"},
	"status of old":     {func(s *State) { s.Bindings["basic"].Status.ObservedGeneration = 0 }, "the status of SignatureBinding basic is about generation 0 of 1"},
	"status of old key": {func(s *State) { s.Keys["basic"].Status.ObservedGeneration = 0 }, "the status of SignatureKey basic is about generation 0 of 1"},
	"stalled though ready": {func(s *State) {
		s.Keys["basic"].Status.Conditions = append(s.Keys["basic"].Status.Conditions, metav1.Condition{Type: signetv1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: "X", ObservedGeneration: 1})
	}, "Stalled of SignatureKey basic was not there and is True X"},
}

func TestCompareFindsEachLoss(t *testing.T) {
	for name, tc := range losses {
		t.Run(name, func(t *testing.T) {
			recorded, ended := recordedState(t)
			tc.spoil(ended)
			since := func(binding string) string { return recorded.Bindings[binding].Status.APIs[0].BoundAt.UTC().String() }
			want := strings.NewReplacer("BASIC", since("basic"), "ROUTES", since("routes")).Replace(tc.want)
			NewWithT(t).Expect(Compare(recorded, ended)).To(ContainElement(HavePrefix(want)))
		})
	}
}
