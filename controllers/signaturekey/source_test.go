// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

func TestSourceVerdict(t *testing.T) {
	labelled := func(value string) map[string]string { return map[string]string{signetv1alpha1.LabelMaterial: value} }
	sound := map[string][]byte{"secret": []byte("planted-secret-0123456789")}
	cases := map[string]struct {
		source *corev1.Secret
		reason string
	}{
		"sound":            {&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: labelled("true")}, Data: sound}, ""},
		"missing":          {nil, signetv1alpha1.ReasonSourceNotFound},
		"labelled no":      {&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: labelled("no")}, Data: sound}, signetv1alpha1.ReasonSourceNotFound},
		"labelled managed": {&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: labelled("managed")}, Data: sound}, signetv1alpha1.ReasonInvalidSource},
		"of our type":      {&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: labelled("true")}, Type: signetv1alpha1.SecretType, Data: sound}, signetv1alpha1.ReasonInvalidSource},
		"empty":            {&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: labelled("true")}}, signetv1alpha1.ReasonInvalidMaterial},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			key := benchKey()
			key.Spec.Source = &signetv1alpha1.KeySource{SecretRef: &signetv1alpha1.LocalReference{Name: "own"}}
			if got := sourceVerdict(key, c.source); got.Reason != c.reason {
				t.Errorf("%s: %s, want %s", got.Reason, got.Message, c.reason)
			}
		})
	}
}
