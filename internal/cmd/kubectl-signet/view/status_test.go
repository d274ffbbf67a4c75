// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

// What is to do leaves out what needs nothing done.
func TestStatusOfWhatIsToDo(t *testing.T) {
	bound := func(reason string, status metav1.ConditionStatus) signetv1alpha1.SignatureBinding {
		b := signetv1alpha1.SignatureBinding{}
		b.Name = reason
		b.Status.Conditions = []metav1.Condition{{Type: signetv1alpha1.ConditionReady, Status: status, Reason: reason, Message: "why"}}
		return b
	}
	key := func(reason string, status metav1.ConditionStatus) signetv1alpha1.SignatureKey {
		k := signetv1alpha1.SignatureKey{}
		k.Name = reason
		k.Status.Conditions = []metav1.Condition{{Type: signetv1alpha1.ConditionReady, Status: status, Reason: reason, Message: "why"}}
		return k
	}
	status := view.StatusOf([]signetv1alpha1.SignatureKey{
		key(signetv1alpha1.ReasonNamespaceTerminating, metav1.ConditionUnknown),
		key(signetv1alpha1.ReasonSecretTerminating, metav1.ConditionTrue),
		key(signetv1alpha1.ReasonKeyTerminating, metav1.ConditionFalse),
		key(signetv1alpha1.ReasonWriteRefused, metav1.ConditionUnknown),
	}, []signetv1alpha1.SignatureBinding{
		bound(signetv1alpha1.ReasonStandby, metav1.ConditionTrue), bound(signetv1alpha1.ReasonPartlyOffline, metav1.ConditionTrue),
		bound(signetv1alpha1.ReasonConflicted, metav1.ConditionFalse), {},
	})
	reported := map[string]bool{}
	for _, problem := range status.Problems {
		reported[problem.Reason] = problem.MessageHasAction
	}
	want := map[string]bool{"SecretTerminating": true, "KeyTerminating": false, "Conflicted": true, "NotSeen": false, "WriteRefused": true}
	if diff := cmp.Diff(want, reported); diff != "" {
		t.Error(diff)
	}
}

// The column shows what kubectl get shows.
func TestStatusOfRotation(t *testing.T) {
	for _, reason := range []string{"Settled", "Staged", "NothingToRotate", ""} {
		key := signetv1alpha1.SignatureKey{}
		if reason != "" {
			key.Status.Conditions = []metav1.Condition{{Type: "Rotating", Status: metav1.ConditionFalse, Reason: reason}}
		}
		if got := view.StatusOf([]signetv1alpha1.SignatureKey{key}, nil).Keys[0].Rotation; got != reason {
			t.Errorf("got %q, want %q", got, reason)
		}
	}
}
