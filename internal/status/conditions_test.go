// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signet-dev/signet/internal/status"
)

var (
	now     = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)
	earlier = now.Add(-time.Minute)
)

func condition(conditionType string, conditionStatus metav1.ConditionStatus, generation int64, reason string, since time.Time) metav1.Condition {
	return metav1.Condition{
		Type: conditionType, Status: conditionStatus, Reason: reason, Message: reason + ".",
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(since),
	}
}

const generation = 2

var waitsForSource = status.Waiting("SourceNotFound", "SourceNotFound.")

// applyCases are conditions before and after a readiness is applied.
var applyCases = map[string]struct {
	before    []metav1.Condition
	readiness status.Readiness
	after     []metav1.Condition
	left      time.Duration
}{
	"ready": {
		readiness: status.Ready("Ready", "Ready."),
		after:     []metav1.Condition{condition("Ready", "True", generation, "Ready", now)},
	},
	"ready again, without Stalled": {
		before: []metav1.Condition{
			condition("Ready", "False", generation, "SecretLost", earlier), condition("Stalled", "True", generation, "SecretLost", earlier),
		},
		readiness: status.Ready("Ready", "Ready."),
		after:     []metav1.Condition{condition("Ready", "True", generation, "Ready", now)},
	},
	"stalled": {
		before:    []metav1.Condition{condition("Ready", "True", generation, "Ready", earlier)},
		readiness: status.Stalled("SecretLost", "SecretLost."),
		after: []metav1.Condition{
			condition("Ready", "False", generation, "SecretLost", now), condition("Stalled", "True", generation, "SecretLost", now),
		},
	},
	"a wait begins": {
		readiness: waitsForSource, left: 5 * time.Minute,
		after: []metav1.Condition{condition("Ready", "Unknown", generation, "SourceNotFound", now)},
	},
	"a wait continues": {
		before:    []metav1.Condition{condition("Ready", "Unknown", generation, "SourceNotFound", earlier)},
		readiness: waitsForSource, left: 4 * time.Minute,
		after: []metav1.Condition{condition("Ready", "Unknown", generation, "SourceNotFound", earlier)},
	},
	"a wait continues for another reason": {
		before:    []metav1.Condition{condition("Ready", "Unknown", generation, "NamespaceTerminating", earlier)},
		readiness: waitsForSource, left: 4 * time.Minute,
		after: []metav1.Condition{condition("Ready", "Unknown", generation, "SourceNotFound", earlier)},
	},
	"a wait begins again with another spec": {
		before:    []metav1.Condition{condition("Ready", "Unknown", generation-1, "SourceNotFound", earlier)},
		readiness: waitsForSource, left: 5 * time.Minute,
		after: []metav1.Condition{condition("Ready", "Unknown", generation, "SourceNotFound", now)},
	},
	"a wait is over": {
		before:    []metav1.Condition{condition("Ready", "Unknown", generation, "SourceNotFound", now.Add(-5*time.Minute))},
		readiness: waitsForSource,
		after: []metav1.Condition{
			condition("Ready", "False", generation, "SourceNotFound", now), condition("Stalled", "True", generation, "SourceNotFound", now),
		},
	},
	"what has stalled for this reason stays stalled": {
		before: []metav1.Condition{
			condition("Ready", "False", generation, "SourceNotFound", earlier), condition("Stalled", "True", generation, "SourceNotFound", earlier),
		},
		readiness: waitsForSource,
		after: []metav1.Condition{
			condition("Ready", "False", generation, "SourceNotFound", earlier), condition("Stalled", "True", generation, "SourceNotFound", earlier),
		},
	},
	"what has stalled for another reason waits": {
		before: []metav1.Condition{
			condition("Ready", "False", generation, "InvalidMaterial", earlier), condition("Stalled", "True", generation, "InvalidMaterial", earlier),
		},
		readiness: waitsForSource, left: 5 * time.Minute,
		after: []metav1.Condition{condition("Ready", "Unknown", generation, "SourceNotFound", now)},
	},
}

func TestApply(t *testing.T) {
	for name, c := range applyCases {
		t.Run(name, func(t *testing.T) {
			if left := c.readiness.Apply(&c.before, generation, now); left != c.left {
				t.Errorf("%s left, want %s", left, c.left)
			}
			order := cmpopts.SortSlices(func(a, b metav1.Condition) bool { return a.Type < b.Type })
			if diff := cmp.Diff(c.after, c.before, order); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTransitions(t *testing.T) {
	ready := condition("Ready", "True", 1, "Ready", earlier)
	stalled := condition("Ready", "False", 1, "SecretLost", now)
	unused := condition("InUse", "False", 1, "NotBound", now)
	reworded := ready
	reworded.Message = "In other words."
	cases := map[string]struct {
		before, after []metav1.Condition
		want          []status.Event
	}{
		"a new condition":        {nil, []metav1.Condition{ready}, []status.Event{{Type: corev1.EventTypeNormal, Reason: "Ready", Message: "Ready."}}},
		"the same condition":     {[]metav1.Condition{ready}, []metav1.Condition{ready}, nil},
		"another message":        {[]metav1.Condition{ready}, []metav1.Condition{reworded}, nil},
		"a problem is a warning": {[]metav1.Condition{ready}, []metav1.Condition{stalled}, []status.Event{{Type: corev1.EventTypeWarning, Reason: "SecretLost", Message: "SecretLost."}}},
		"rest is no warning":     {nil, []metav1.Condition{unused}, []status.Event{{Type: corev1.EventTypeNormal, Reason: "NotBound", Message: "NotBound."}}},
		"a condition is removed": {[]metav1.Condition{ready}, nil, nil},
		"another type":           {nil, []metav1.Condition{condition("Rotating", "True", 1, "Staged", now)}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, status.Transitions(c.before, c.after, "Ready", "InUse")); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEnumerate(t *testing.T) {
	for want, names := range map[string][]string{
		"":                   nil,
		"a":                  {"a"},
		"a, b, c":            {"a", "b", "c"},
		"a, b, c and 2 more": {"a", "b", "c", "d", "e"},
	} {
		if got := status.Enumerate(names); got != want {
			t.Errorf("Enumerate(%v) = %q, want %q", names, got, want)
		}
	}
}
