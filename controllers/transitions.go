package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// reporter is who Events are from, whatever they are about: one name to select
// by.
const reporter = "signet"

// announcer tells of transitions: one Event and one line in the log for each,
// after what it tells of has been written.
type announcer struct {
	recorder events.EventRecorder
	// action is the Events' verb in the words of the events API.
	action string
}

// transitions announces what has changed between two sets of conditions: a
// status or a reason, not a mere message.
func (a announcer) transitions(ctx context.Context, object client.Object, before, after []metav1.Condition, types ...string) {
	for _, conditionType := range types {
		was := meta.FindStatusCondition(before, conditionType)
		is := meta.FindStatusCondition(after, conditionType)
		if is == nil || (was != nil && was.Status == is.Status && was.Reason == is.Reason) {
			continue
		}
		eventType := corev1.EventTypeNormal
		if is.Status == metav1.ConditionFalse && !atRest(conditionType) {
			eventType = corev1.EventTypeWarning
		}
		a.tell(ctx, object, eventType, is.Reason, is.Message)
	}
}

// atRest says that the condition is False while nothing goes on.
func atRest(conditionType string) bool {
	return conditionType == signetv1alpha1.ConditionInUse || conditionType == signetv1alpha1.ConditionRotating
}

// tell writes one Event and one line in the log. The message is for the user
// and holds no material.
func (a announcer) tell(ctx context.Context, object client.Object, eventType, reason, message string) {
	transitionCount.WithLabelValues(kindOfObject(object), eventType, reason).Inc()
	a.recorder.Eventf(object, nil, eventType, reason, a.action, "%s", message)
	logf.FromContext(ctx).Info(message, "reason", reason)
}
