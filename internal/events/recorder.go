// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/signet-dev/signet/internal/status"
)

// Reporter is the reporting controller of all Events, whatever they are about:
// one name to select by.
const Reporter = "signet"

// Recorder emits events: one Event, one line in the log and one increment of a
// counter for each. Call it after the write that the event is about.
type Recorder struct {
	Sink events.EventRecorder
	// Action is the Events' verb in the words of the events API.
	Action string
}

// Transitions emits an event for each condition of the given types that has
// changed.
func (r Recorder) Transitions(ctx context.Context, object client.Object, before, after []metav1.Condition, types ...string) {
	r.Record(ctx, object, status.Transitions(before, after, types...)...)
}

// Record emits events. Their messages are for users and contain no material.
func (r Recorder) Record(ctx context.Context, object client.Object, events ...status.Event) {
	for _, event := range events {
		transitionCount.WithLabelValues(kindOfObject(object), event.Type, event.Reason).Inc()
		r.Sink.Eventf(object, nil, event.Type, event.Reason, r.Action, "%s", event.Message)
		logf.FromContext(ctx).Info(event.Message, "reason", event.Reason)
	}
}
