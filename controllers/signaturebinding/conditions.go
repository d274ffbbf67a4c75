// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/status"
)

// setConditions sets the conditions from the states of the key and of the APIs.
func (d *draft) setConditions() {
	d.setReadiness()
	generation, now := d.seen.binding.Generation, d.seen.now
	d.requeueIn(d.readiness.Apply(&d.status.Conditions, generation, now))
	d.setPathRewritten()
}

// setReadiness decides Ready and Stalled, the worst state first.
func (d *draft) setReadiness() {
	environment, total := d.seen.binding.Spec.Environment, len(d.status.APIs)
	conflicted, standby := d.inState(signetv1alpha1.APIConflicted), d.inState(signetv1alpha1.APIStandby)
	unheld := d.unheld + len(d.inState(signetv1alpha1.APIPending))
	switch {
	case !d.readiness.IsZero(): // the spec is invalid
	case len(conflicted) > 0:
		d.readiness = status.Stalled(signetv1alpha1.ReasonConflicted, d.conflictMessage(conflicted))
	case !d.key.problem.IsZero():
		d.readiness = d.key.problem
	case len(d.unprotected) > 0:
		d.readiness = status.Waiting(signetv1alpha1.ReasonKeyNotReady, d.unprotectedMessage())
	case unheld > 0:
		d.readiness = status.Waiting(signetv1alpha1.ReasonKeyNotReady, fmt.Sprintf(
			"Waiting for other bindings to acknowledge that they do not hold %d of %d APIs. This resolves without action.",
			unheld, total))
	case len(d.unpublished) > 0:
		d.readiness = status.Waiting(signetv1alpha1.ReasonNotPublished, d.unpublishedMessage())
	case len(d.offline) > 0:
		d.readiness = status.Ready(signetv1alpha1.ReasonPartlyOffline, fmt.Sprintf(
			"%d of %d APIs are offline in environment %q: %s. They keep their key and are Bound again when a Gateway serves them.",
			len(d.offline), total, environment, enumerateCauses(d.offline)))
	case len(standby) > 0:
		d.readiness = status.Ready(signetv1alpha1.ReasonStandby, fmt.Sprintf(
			"SignatureKey %q signs for all %d APIs, %d of which other bindings hold: %s. "+
				"This binding takes over when they release them. Delete the binding that is not needed.",
			d.key.name, total, len(standby), status.Enumerate(holdersOf(standby))))
	default:
		d.readiness = status.Ready(signetv1alpha1.ReasonBound, fmt.Sprintf("SignatureKey %q signs for all %d APIs.", d.key.name, total))
	}
}

// conflictMessage describes the APIs that other bindings hold, or get when their key
// can be protected.
func (d *draft) conflictMessage(conflicted []*signetv1alpha1.APIStatus) string {
	const action = " Delete the API from one of the two; this binding then takes over automatically."
	held := slices.DeleteFunc(slices.Clone(conflicted), func(api *signetv1alpha1.APIStatus) bool { return api.Holder == "" })
	if len(held) == 0 {
		return d.unprotectedMessage() + action + nextInLineMessage(d.nextInLine)
	}
	message := fmt.Sprintf("%d of %d APIs are held by other bindings in environment %q: %s.",
		len(held), len(d.status.APIs), d.seen.binding.Spec.Environment, status.Enumerate(holdersOf(held)))
	if len(d.unprotected) > 0 {
		message += " " + d.unprotectedMessage()
	}
	return message + action + nextInLineMessage(d.nextInLine)
}

// unprotectedMessage describes the APIs that no binding holds because the key of the
// binding that gets them cannot be protected.
func (d *draft) unprotectedMessage() string {
	return fmt.Sprintf("%d of %d APIs go to other bindings in environment %q, whose keys cannot be protected: %s. See their status.",
		len(d.unprotected), len(d.status.APIs), d.seen.binding.Spec.Environment, status.Enumerate(d.unprotected))
}

// setPathRewritten reports routes that change what the signature covers.
func (d *draft) setPathRewritten() {
	if len(d.rewrites) == 0 {
		meta.RemoveStatusCondition(&d.status.Conditions, signetv1alpha1.ConditionPathRewritten)
		return
	}
	status.SetCondition(&d.status.Conditions, metav1.Condition{
		Type: signetv1alpha1.ConditionPathRewritten, Status: metav1.ConditionTrue, Reason: signetv1alpha1.ConditionPathRewritten,
		ObservedGeneration: d.seen.binding.Generation,
		Message: fmt.Sprintf("Routes rewrite requests: %s. Sign after the rewrite, because the backend verifies the request that it receives.",
			status.Enumerate(d.rewrites)),
	}, d.seen.now)
}

// inState returns the APIs that have the state.
func (d *draft) inState(state signetv1alpha1.APIState) []*signetv1alpha1.APIStatus {
	var found []*signetv1alpha1.APIStatus
	for i := range d.status.APIs {
		if d.status.APIs[i].State == state {
			found = append(found, &d.status.APIs[i])
		}
	}
	return found
}

func nextInLineMessage(names []string) string {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	switch len(names) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(" SignatureBinding %q is next in line and signs differently.", names[0])
	default:
		for i := range names {
			names[i] = fmt.Sprintf("%q", names[i])
		}
		return fmt.Sprintf(" SignatureBindings %s are next in line and sign differently.", status.Enumerate(names))
	}
}

// holdersOf returns the APIs with their holders.
func holdersOf(apis []*signetv1alpha1.APIStatus) []string {
	held := make([]string, 0, len(apis))
	for _, api := range apis {
		held = append(held, fmt.Sprintf("%s by SignatureBinding %q", apiName(api), api.Holder))
	}
	return held
}
