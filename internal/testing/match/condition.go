// SPDX-License-Identifier: Apache-2.0

package match

import (
	"fmt"
	"strings"

	"github.com/onsi/gomega/gcustom"
	"github.com/onsi/gomega/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Ready matches a key or a binding whose Ready condition has this status and
// reason. Each part is a substring of the message.
func Ready(status metav1.ConditionStatus, reason string, parts ...string) types.GomegaMatcher {
	return Condition(signetv1alpha1.ConditionReady, status, reason, parts...)
}

// InUse is Ready for the condition InUse of a key.
func InUse(status metav1.ConditionStatus, reason string, parts ...string) types.GomegaMatcher {
	return Condition(signetv1alpha1.ConditionInUse, status, reason, parts...)
}

// Rotating is Ready for the condition Rotating of a key.
func Rotating(status metav1.ConditionStatus, reason string, parts ...string) types.GomegaMatcher {
	return Condition(signetv1alpha1.ConditionRotating, status, reason, parts...)
}

// Condition matches a key or a binding with such a condition.
func Condition(conditionType string, status metav1.ConditionStatus, reason string, parts ...string) types.GomegaMatcher {
	want := fmt.Sprintf("%s=%s %s %q", conditionType, status, reason, parts)
	return gcustom.MakeMatcher(func(object client.Object) (bool, error) {
		conditions, err := Conditions(object)
		if err != nil {
			return false, err
		}
		condition := meta.FindStatusCondition(conditions, conditionType)
		if condition == nil || condition.Status != status || condition.Reason != reason {
			return false, nil
		}
		for _, part := range parts {
			if !strings.Contains(condition.Message, part) {
				return false, nil
			}
		}
		stalled := meta.IsStatusConditionTrue(conditions, signetv1alpha1.ConditionStalled)
		if conditionType == signetv1alpha1.ConditionReady && stalled != (status == metav1.ConditionFalse) {
			return false, fmt.Errorf("condition Stalled is %t with Ready=%s", stalled, status)
		}
		return condition.ObservedGeneration == object.GetGeneration(), nil
	}).WithTemplate("Expected\n{{.FormattedActual}}\n{{.To}} have {{.Data}} for its current generation", want)
}

// Conditions returns the conditions of a key or a binding.
func Conditions(object client.Object) ([]metav1.Condition, error) {
	switch object := object.(type) {
	case *signetv1alpha1.SignatureKey:
		return object.Status.Conditions, nil
	case *signetv1alpha1.SignatureBinding:
		return object.Status.Conditions, nil
	default:
		return nil, fmt.Errorf("%T has no conditions of Signet", object)
	}
}
