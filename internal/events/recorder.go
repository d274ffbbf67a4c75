// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/status"
)

// Reporter is the reporting controller of all Events, whatever they are about:
// one name to select by.
const Reporter = "signet"

// The limits of the API group events.k8s.io in bytes. The API server refuses an
// Event that exceeds one of them, and the recorder only logs that.
const (
	maxNote   = 1024
	maxReason = 128
	maxAction = 128
)

// ellipsis is the end of a text that has been cut.
const ellipsis = "…"

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
		r.Sink.Eventf(object, nil, event.Type, cut(event.Reason, maxReason), cut(r.Action, maxAction), "%s", cut(event.Message, maxNote))
		logf.FromContext(ctx).Info(event.Message, "reason", event.Reason)
	}
}

// RecordFailedWrite counts a status write on behalf of the object that has failed, and
// emits an event once if it persists: no condition can report it.
func (r Recorder) RecordFailedWrite(ctx context.Context, object client.Object, failing *kubeclient.FailingWrites, err error) {
	refusal := failing.Record(object, err)
	CountFailedWrite(err, !failing.Persisting(object).IsZero())
	if failing.Announce(object) {
		r.Record(ctx, object, status.Event{Type: corev1.EventTypeWarning, Reason: refusal.Reason, Message: refusal.Message})
	}
}

// cut shortens a text to a number of bytes, at the boundary of a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}
