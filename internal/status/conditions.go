// SPDX-License-Identifier: Apache-2.0

package status

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// waitLimit is how long an object may wait for another one before its Ready turns
// from Unknown to False: after that, a typo is more likely than a matter of order.
const waitLimit = 5 * time.Minute

// Readiness is what a reconcile has found out about an object's condition Ready.
// The zero value leaves the condition as it is.
type Readiness struct {
	Status  metav1.ConditionStatus
	Reason  string
	Message string
}

// Ready is the readiness of an object that works.
func Ready(reason, message string) Readiness {
	return Readiness{Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

// Waiting is the readiness of an object that another one has to precede. It turns
// to stalled automatically after waitLimit.
func Waiting(reason, message string) Readiness {
	return Readiness{Status: metav1.ConditionUnknown, Reason: reason, Message: message}
}

// Stalled is the readiness of an object that does not work until a user follows
// the message.
func Stalled(reason, message string) Readiness {
	return Readiness{Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

// IsZero reports whether nothing is known about the condition.
func (r Readiness) IsZero() bool { return r.Status == "" }

// Apply sets Ready and sets or removes Stalled, for an object of this generation.
// It returns after how long a wait turns to stalled, or zero.
func (r Readiness) Apply(conditions *[]metav1.Condition, generation int64, now time.Time) time.Duration {
	var left time.Duration
	if r.Status == metav1.ConditionUnknown {
		if left = r.waitLeft(*conditions, generation, now); left <= 0 {
			r.Status, left = metav1.ConditionFalse, 0
		}
	}
	SetCondition(conditions, r.condition(signetv1alpha1.ConditionReady, r.Status, generation), now)
	if r.Status == metav1.ConditionFalse {
		SetCondition(conditions, r.condition(signetv1alpha1.ConditionStalled, metav1.ConditionTrue, generation), now)
	} else {
		meta.RemoveStatusCondition(conditions, signetv1alpha1.ConditionStalled)
	}
	return left
}

func (r Readiness) condition(conditionType string, status metav1.ConditionStatus, generation int64) metav1.Condition {
	return metav1.Condition{
		Type: conditionType, Status: status, Reason: r.Reason, Message: r.Message,
		ObservedGeneration: generation,
	}
}

// waitLeft returns how long the object may continue to wait. A wait begins again
// when the spec has changed, or when its reason is not the one for which the object
// has stalled.
func (r Readiness) waitLeft(conditions []metav1.Condition, generation int64, now time.Time) time.Duration {
	old := meta.FindStatusCondition(conditions, signetv1alpha1.ConditionReady)
	switch {
	case old == nil || old.ObservedGeneration != generation:
		return waitLimit
	case old.Status == metav1.ConditionUnknown:
		return old.LastTransitionTime.Add(waitLimit).Sub(now)
	case old.Status == metav1.ConditionFalse && old.Reason == r.Reason:
		return 0
	default:
		return waitLimit
	}
}

// SetCondition is meta.SetStatusCondition with the time as an argument. A wait that
// an older generation has begun begins again, so that the transition time is the
// beginning of the wait.
func SetCondition(conditions *[]metav1.Condition, condition metav1.Condition, now time.Time) {
	condition.LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
	old := meta.FindStatusCondition(*conditions, condition.Type)
	if old != nil && condition.Status == metav1.ConditionUnknown && old.ObservedGeneration != condition.ObservedGeneration {
		meta.RemoveStatusCondition(conditions, condition.Type)
	}
	meta.SetStatusCondition(conditions, condition)
}
