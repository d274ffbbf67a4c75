// SPDX-License-Identifier: Apache-2.0

// Package controllers holds the reconcilers of SignatureKeys and
// SignatureBindings. They are thin: fetch, ask the domain packages, write.
package status

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// waitLimit is how long an object may wait for something before its Ready
// turns from Unknown to False: after that it is more likely a typing error
// than a matter of order.
const waitLimit = 5 * time.Minute

// Readiness is what a reconcile found out about an object's Ready condition.
// The zero verdict says nothing.
type Readiness struct {
	Status  metav1.ConditionStatus
	Reason  string
	Message string
}

// Ready says that all is well, or as well as it needs to be.
func Ready(reason, message string) Readiness {
	return Readiness{Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

// Waiting says that something else has to come first. It turns to stalled by
// itself after waitLimit.
func Waiting(reason, message string) Readiness {
	return Readiness{Status: metav1.ConditionUnknown, Reason: reason, Message: message}
}

// Stalled says that somebody has to do something; the message says what.
func Stalled(reason, message string) Readiness {
	return Readiness{Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

func (v Readiness) IsZero() bool { return v.Status == "" }

// Apply sets Ready, and Stalled beside it, for an object of this generation.
// It returns after how long a wait turns to stalled, or zero.
func (v Readiness) Apply(conditions *[]metav1.Condition, generation int64, now time.Time) time.Duration {
	var left time.Duration
	if v.Status == metav1.ConditionUnknown {
		if left = v.waitLeft(*conditions, generation, now); left <= 0 {
			v.Status, left = metav1.ConditionFalse, 0
		}
	}
	SetCondition(conditions, v.condition(signetv1alpha1.ConditionReady, v.Status, generation), now)
	if v.Status == metav1.ConditionFalse {
		SetCondition(conditions, v.condition(signetv1alpha1.ConditionStalled, metav1.ConditionTrue, generation), now)
	} else {
		meta.RemoveStatusCondition(conditions, signetv1alpha1.ConditionStalled)
	}
	return left
}

func (v Readiness) condition(conditionType string, status metav1.ConditionStatus, generation int64) metav1.Condition {
	return metav1.Condition{
		Type: conditionType, Status: status, Reason: v.Reason, Message: v.Message,
		ObservedGeneration: generation,
	}
}

// waitLeft is how long the object may go on waiting. A wait begins anew when
// the spec has changed, or when it is for something else than what made the
// object stall.
func (v Readiness) waitLeft(conditions []metav1.Condition, generation int64, now time.Time) time.Duration {
	old := meta.FindStatusCondition(conditions, signetv1alpha1.ConditionReady)
	switch {
	case old == nil || old.ObservedGeneration != generation:
		return waitLimit
	case old.Status == metav1.ConditionUnknown:
		return old.LastTransitionTime.Add(waitLimit).Sub(now)
	case old.Status == metav1.ConditionFalse && old.Reason == v.Reason:
		return 0
	default:
		return waitLimit
	}
}

// SetCondition is meta.SetStatusCondition with a clock of our own. A condition
// of an older generation begins anew when it is one of waiting, so that its
// transition time is the beginning of the wait.
func SetCondition(conditions *[]metav1.Condition, condition metav1.Condition, now time.Time) {
	condition.LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
	old := meta.FindStatusCondition(*conditions, condition.Type)
	if old != nil && condition.Status == metav1.ConditionUnknown && old.ObservedGeneration != condition.ObservedGeneration {
		meta.RemoveStatusCondition(conditions, condition.Type)
	}
	meta.SetStatusCondition(conditions, condition)
}
