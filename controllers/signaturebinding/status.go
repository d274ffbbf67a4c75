// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/status"
)

// setConditions sets the conditions from what has been found of the key and of each
// API, the worst first.
func (d *decision) setConditions(now time.Time) {
	apis := d.status.APIs
	count := func(state signetv1alpha1.APIState) int { return countState(apis, state) }
	unpublished := append(d.unpublished, namesIn(apis, signetv1alpha1.APINotPublished)...)
	switch conflicts, unheld, offline := count(signetv1alpha1.APIConflicted), d.unheld+count(signetv1alpha1.APIPending), count(signetv1alpha1.APIOffline); {
	case !d.readiness.IsZero():
	case conflicts > 0:
		d.readiness = status.Stalled(signetv1alpha1.ReasonConflicted, conflictMessage(apis, d.nextInLine, d.binding.Spec.Environment))
	case !d.key.problem.IsZero():
		d.readiness = d.key.problem
	case unheld > 0:
		d.readiness = status.Waiting(signetv1alpha1.ReasonKeyNotReady, fmt.Sprintf("%d of %d APIs wait for other bindings to be told.", unheld, len(apis)))
	case len(unpublished) > 0:
		d.readiness = status.Waiting(signetv1alpha1.ReasonNotPublished, fmt.Sprintf(
			"%d of %d APIs have never been published in environment %s: %s. Each needs a parent Gateway with the label %s: %s that accepts it; the key signs for them all the same.",
			len(unpublished), len(apis), d.binding.Spec.Environment, status.Enumerate(unpublished), signetv1alpha1.LabelEnvironment, d.binding.Spec.Environment))
	case offline > 0:
		d.readiness = status.Ready(signetv1alpha1.ReasonPartlyOffline, fmt.Sprintf(
			"%d of %d APIs are offline in environment %s: %s. They keep their key, and are Bound again as soon as a Gateway serves them.",
			offline, len(apis), d.binding.Spec.Environment, status.Enumerate(namesIn(apis, signetv1alpha1.APIOffline))))
	case count(signetv1alpha1.APIStandby) > 0:
		d.readiness = status.Ready(signetv1alpha1.ReasonStandby, fmt.Sprintf(
			"SignatureKey %s signs for all %d APIs, of which other bindings hold %d: %s. This binding takes over when they let go: delete the one that is not needed.",
			d.key.name, len(apis), count(signetv1alpha1.APIStandby), status.Enumerate(holdersOf(apis, signetv1alpha1.APIStandby))))
	default:
		d.readiness = status.Ready(signetv1alpha1.ReasonBound, fmt.Sprintf("SignatureKey %s signs for all %d APIs.", d.key.name, len(apis)))
	}
	d.lookAgain(d.readiness.Apply(&d.status.Conditions, d.binding.Generation, now))
	d.setPathRewritten(now)
}

func (d *decision) setPathRewritten(now time.Time) {
	if len(d.rewrites) == 0 {
		meta.RemoveStatusCondition(&d.status.Conditions, signetv1alpha1.ConditionPathRewritten)
		return
	}
	status.SetCondition(&d.status.Conditions, metav1.Condition{
		Type: signetv1alpha1.ConditionPathRewritten, Status: metav1.ConditionTrue, Reason: signetv1alpha1.ConditionPathRewritten,
		ObservedGeneration: d.binding.Generation,
		Message: fmt.Sprintf("The gateway must sign after it has rewritten the request, since the backend verifies what it gets: %s.",
			status.Enumerate(d.rewrites)),
	}, now)
}

func countState(apis []signetv1alpha1.APIStatus, state signetv1alpha1.APIState) int {
	n := 0
	for i := range apis {
		if apis[i].State == state {
			n++
		}
	}
	return n
}

func conflictMessage(apis []signetv1alpha1.APIStatus, rivals []string, environment string) string {
	held, more := holdersOf(apis, signetv1alpha1.APIConflicted), ""
	if len(rivals) > 0 {
		more = fmt.Sprintf(" Then it would go to SignatureBinding %s first, which signs with another key or in another way.", status.Enumerate(slices.Compact(slices.Sorted(slices.Values(rivals)))))
	}
	return fmt.Sprintf("%d of %d APIs are held by other bindings in environment %s: %s. Delete the API from one of the two; this binding moves up by itself.%s",
		len(held), len(apis), environment, status.Enumerate(held), more)
}

// holdersOf says of each API in that state by which binding it is held.
func holdersOf(apis []signetv1alpha1.APIStatus, state signetv1alpha1.APIState) []string {
	var held []string
	for i := range apis {
		if apis[i].State == state {
			held = append(held, fmt.Sprintf("%s %s by SignatureBinding %s", apis[i].Kind, apis[i].Name, apis[i].Holder))
		}
	}
	return held
}

func namesIn(apis []signetv1alpha1.APIStatus, state signetv1alpha1.APIState) []string {
	var names []string
	for i := range apis {
		if apis[i].State == state {
			names = append(names, string(apis[i].Kind)+" "+apis[i].Name)
		}
	}
	return names
}
