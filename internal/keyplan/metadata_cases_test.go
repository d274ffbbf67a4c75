// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/testing/gen"
)

var (
	template = signetv1alpha1.SecretTemplate{
		Labels:      map[string]signetv1alpha1.LabelValue{"team": "shop"},
		Annotations: map[string]signetv1alpha1.AnnotationValue{"example.com/reflect": "true"},
	}
	templated = gen.SecretFunc(func(s *corev1.Secret) {
		s.Labels["team"] = "shop"
		s.Annotations = map[string]string{"example.com/reflect": "true", annotationTemplate: "annotation:example.com/reflect,label:team"}
	})
	unsaltedSet = testSet(func(s *material.Set) { s.Salt = nil })
	saltedSet   = testSet(func(s *material.Set) { s.Salt = drawnSalt(1) })
	anotherName = testSet(func(s *material.Set) { s.DisplayName = "another_name" })
)

var (
	basicKey      = readyKey(basicSet, gen.WithType(signetv1alpha1.KeyTypeBasic))
	harmedDerived = testSecret(testKey(), basicSet, gen.SecretFunc(func(s *corev1.Secret) { s.Data["password"] = []byte("x") }))
)

var metadataCases = map[string]planCase{
	"derived data that another client has changed is repaired": {
		observation: Observation{Key: basicKey, Secret: harmedDerived},
		want: Plan{
			RotationState: basicSet.RotationState(), Secret: write(harmedDerived, testSecret(testKey(), basicSet)), Status: statusOf(readyWith(basicSet)),
		},
	},
	"a changed template replaces what an earlier one has set, and leaves the rest": {
		observation: Observation{
			Key:    readyKey(activeSet, gen.WithTemplate(signetv1alpha1.SecretTemplate{Labels: map[string]signetv1alpha1.LabelValue{"team": "depot"}})),
			Secret: testSecret(testKey(), activeSet, templated, gen.WithLabels(map[string]string{"other": "stays"})),
		},
		want: Plan{
			RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet)),
			Secret: write(testSecret(testKey(), activeSet, templated, gen.WithLabels(map[string]string{"other": "stays"})),
				testSecret(testKey(), activeSet, gen.SecretFunc(func(s *corev1.Secret) {
					s.Labels["team"], s.Labels["other"] = "depot", "stays"
					s.Annotations = map[string]string{annotationTemplate: "label:team"}
				}))),
		},
	},
	"a template is applied to the Secret": {
		observation: Observation{Key: readyKey(activeSet, gen.WithTemplate(template)), Secret: activeSecret},
		want: Plan{
			RotationState: activeSet.RotationState(), Secret: write(activeSecret, testSecret(testKey(), activeSet, templated)), Status: statusOf(readyWith(activeSet)),
		},
	},
	"what a template no longer has is removed": {
		observation: Observation{Key: readyKey(activeSet), Secret: testSecret(testKey(), activeSet, templated)},
		want: Plan{
			RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet)),
			Secret: write(testSecret(testKey(), activeSet, templated), testSecret(testKey(), activeSet, gen.SecretFunc(func(s *corev1.Secret) {
				s.Annotations = map[string]string{}
			}))),
		},
	},
	"a display name is followed without another version": {
		observation: Observation{Key: readyKey(activeSet, gen.WithDisplayName("another_name")), Secret: activeSecret},
		want: Plan{
			RotationState: activeSet.RotationState(), Secret: write(activeSecret, testSecret(testKey(), anotherName)),
			Status: statusOf(readyWith(activeSet), func(s *signetv1alpha1.SignatureKeyStatus) { s.DisplayName = "another_name" }),
		},
	},
	"a Secret that is to be retained has no owner": {
		observation: Observation{Key: readyKey(activeSet, gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain)), Secret: activeSecret},
		want: Plan{
			RotationState: activeSet.RotationState(), Secret: write(activeSecret, testSecret(testKey(), activeSet, retained)), Status: statusOf(readyWith(activeSet)),
		},
	},
	"a Secret without a salt costs no write for it": {
		observation: Observation{Key: readyKey(unsaltedSet), Secret: testSecret(testKey(), unsaltedSet)},
		want:        Plan{RotationState: activeSet.RotationState(), Status: statusOf(readyWith(unsaltedSet))},
	},
	"a Secret without a salt gets one at its next write": {
		observation: Observation{Key: readyKey(unsaltedSet), Secret: testSecret(testKey(), unsaltedSet, retained)},
		want: Plan{
			RotationState: activeSet.RotationState(), Secret: write(testSecret(testKey(), unsaltedSet, retained), testSecret(testKey(), saltedSet)),
			Status: statusOf(readyWith(saltedSet)),
		},
	},
	"a target with another name is followed": {
		observation: Observation{Key: testKey(gen.WithTarget("material")), Secret: testSecret(testKey(gen.WithTarget("material")), activeSet)},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status: statusOf(readyAs(testNow, signetv1alpha1.ReasonReady, `The material is in Secret "material".`), notBound(testNow),
				settled(testNow, "active-id"), showing(activeSet), func(s *signetv1alpha1.SignatureKeyStatus) { s.SecretName = "material" }),
			Events: []event{normal(signetv1alpha1.ReasonReady, `The material is in Secret "material".`)},
		},
	},
}

// lackingSecrets are changes of a managed Secret by other clients that are undone.
var lackingSecrets = map[string]gen.SecretFunc{
	"the label that caches select by": func(s *corev1.Secret) { delete(s.Labels, signetv1alpha1.LabelMaterial) },
	"the manager's label":             func(s *corev1.Secret) { delete(s.Labels, signetv1alpha1.LabelManagedBy) },
	"labels":                          func(s *corev1.Secret) { s.Labels = nil },
	"the label of the key":            func(s *corev1.Secret) { delete(s.Labels, signetv1alpha1.LabelKey) },
	"an owner":                        func(s *corev1.Secret) { s.OwnerReferences = nil },
	"an owner with the present UID": func(s *corev1.Secret) {
		s.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(testKey(gen.WithUID("restored")), signetv1alpha1.GroupVersion.WithKind("SignatureKey"))}
	},
	"only its own data": func(s *corev1.Secret) { s.Data["of-others"] = []byte("x") },
}

// repairCases returns a case for each change that is undone.
func repairCases() map[string]planCase {
	cases := map[string]planCase{}
	for name, harm := range lackingSecrets {
		harmed := testSecret(testKey(), activeSet, harm)
		cases["a Secret that lacks "+name+" is repaired"] = planCase{
			observation: Observation{Key: readyKey(activeSet), Secret: harmed},
			want: Plan{
				RotationState: activeSet.RotationState(), Secret: write(harmed, activeSecret), Status: statusOf(readyWith(activeSet)),
			},
		}
	}
	return cases
}
