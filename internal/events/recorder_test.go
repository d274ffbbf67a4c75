// SPDX-License-Identifier: Apache-2.0

package events

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/status"
)

// sentEvent is what the API server gets of an Event.
type sentEvent struct{ eventType, reason, action, note string }

type sink struct{ sent []sentEvent }

var _ events.EventRecorder = &sink{}

func (s *sink) Eventf(_, _ runtime.Object, eventType, reason, action, _ string, args ...any) {
	note, _ := args[0].(string)
	s.sent = append(s.sent, sentEvent{eventType, reason, action, note})
}

// The API server refuses Events that exceed its limits, which are in bytes.
func TestEventsFitTheLimits(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for name, c := range map[string]struct{ message, want string }{
		"short":                     {"Ready.", "Ready."},
		"as long as allowed":        {long[:1024], long[:1024]},
		"too long":                  {long, long[:1021] + "…"},
		"a character at the limit":  {long[:1020] + "ä" + long, long[:1020] + "…"},
		"the last one that fits":    {long[:1019] + "ä" + long, long[:1019] + "ä…"},
		"a wide one over the limit": {long[:1018] + "😀" + long, long[:1018] + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sink{}
			r := Recorder{Sink: s, Action: long}
			r.Record(t.Context(), &signetv1alpha1.SignatureKey{}, status.Event{Type: "Normal", Reason: long, Message: c.message})
			want := []sentEvent{{"Normal", long[:125] + "…", long[:125] + "…", c.want}}
			if diff := cmp.Diff(want, s.sent, cmp.AllowUnexported(sentEvent{})); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}
