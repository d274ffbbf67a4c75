// SPDX-License-Identifier: Apache-2.0

package status

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Transitions returns an event for each condition of the given types whose
// status or reason differs. A different message alone is no transition, and
// neither is a condition that has been removed.
func Transitions(before, after []metav1.Condition, types ...string) []Event {
	var events []Event
	for _, conditionType := range types {
		was := meta.FindStatusCondition(before, conditionType)
		is := meta.FindStatusCondition(after, conditionType)
		if is == nil || (was != nil && was.Status == is.Status && was.Reason == is.Reason) {
			continue
		}
		eventType := corev1.EventTypeNormal
		if is.Status == metav1.ConditionFalse && !isIdle(conditionType) {
			eventType = corev1.EventTypeWarning
		}
		events = append(events, Event{Type: eventType, Reason: is.Reason, Message: is.Message})
	}
	return events
}

// isIdle reports whether False of this condition type means that nothing is
// going on, rather than that something is wrong.
func isIdle(conditionType string) bool {
	return conditionType == signetv1alpha1.ConditionInUse || conditionType == signetv1alpha1.ConditionRotating
}
