package events

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

// Reporter is who Events are from, whatever they are about: one name to select
// by.
const Reporter = "signet"

// Recorder tells of transitions: one Event and one line in the log for each,
// after what it tells of has been written.
type Recorder struct {
	Sink events.EventRecorder
	// Action is the Events' verb in the words of the events API.
	Action string
}

// Transitions announces what has changed between two sets of conditions: a
// status or a reason, not a mere message.
func (a Recorder) Transitions(ctx context.Context, object client.Object, before, after []metav1.Condition, types ...string) {
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
		a.Record(ctx, object, eventType, is.Reason, is.Message)
	}
}

// atRest says that the condition is False while nothing goes on.
func atRest(conditionType string) bool {
	return conditionType == signetv1alpha1.ConditionInUse || conditionType == signetv1alpha1.ConditionRotating
}

// Record writes one Event and one line in the log. The message is for the user
// and holds no material.
func (a Recorder) Record(ctx context.Context, object client.Object, eventType, reason, message string) {
	transitionCount.WithLabelValues(kindOfObject(object), eventType, reason).Inc()
	a.Sink.Eventf(object, nil, eventType, reason, a.Action, "%s", message)
	logf.FromContext(ctx).Info(message, "reason", reason)
}
