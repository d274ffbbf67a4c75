// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// Messages of status.apis: one clause, at most 128 characters.
const (
	messageKeyTerminating  = "the key is being deleted; set spec.keyRef to another key"
	messageStandby         = "the holder signs identically; this binding takes over when the holder releases the API"
	messageNextInLine      = "the holder signs identically, but the next claimant in line does not"
	messageConflicted      = "held by another binding; delete the API from one of the two"
	messageWaitingForKey   = "not held; waiting for the key"
	messageWaitingForWrite = "waiting for another binding's status update"
	messageReleasing       = "about to be released by its holder"
	messageUnprotected     = "not held; the key cannot be protected"
	messageUnheld          = "goes to another binding, whose key cannot be protected"
	messageNoMaterial      = "held, but the key has no material"
	// For these two, causeMessage has more precise ones.
	messageNotPublished = "no Gateway of the environment has accepted the route yet"
	messageOffline      = "no longer served by a Gateway of the environment"
)

// addAPI decides about one API and adds it to the status.
func (d *draft) addAPI(seen *apiObservation) {
	apiStatus := signetv1alpha1.APIStatus{
		Group: seen.api.Kind.Group(), Kind: seen.api.Kind, Name: seen.api.Name, State: signetv1alpha1.APIPending,
	}
	switch evaluation := &seen.evaluation; {
	case evaluation.Holder == d.seen.binding.Name:
		d.setHolder(&apiStatus, seen)
	case !evaluation.Eligible:
		apiStatus.Message = messageKeyTerminating
	case evaluation.Standby:
		d.setStandby(&apiStatus, seen)
	default:
		apiStatus.State, apiStatus.Holder = signetv1alpha1.APIConflicted, evaluation.Holder
		apiStatus.Message = messageConflicted
		d.setUnheld(&apiStatus, seen)
		if evaluation.NextInLine != "" {
			d.nextInLine = append(d.nextInLine, evaluation.NextInLine)
			apiStatus.Message = messageNextInLine
		}
	}
	d.status.APIs = append(d.status.APIs, apiStatus)
}

// setHolder decides about an API whose slot goes to this binding: it keeps the slot,
// gets it, or waits for its key or for other bindings.
func (d *draft) setHolder(apiStatus *signetv1alpha1.APIStatus, seen *apiObservation) {
	switch evaluation := &seen.evaluation; {
	case seen.isHeld():
		apiStatus.BoundAt, apiStatus.Gateways = seen.recorded.BoundAt, seen.recorded.Gateways
		d.setPublication(apiStatus, seen)
	case !d.key.hasMaterial:
		apiStatus.Message = messageWaitingForKey
	case evaluation.Blocked:
		d.blocked = true
		waitForBlockers(apiStatus, evaluation)
	case !d.seen.refusal.IsZero():
		apiStatus.Message = messageUnprotected
	default:
		d.grants = true
		apiStatus.BoundAt = &metav1.Time{Time: d.seen.now}
		d.setPublication(apiStatus, seen)
	}
}

// waitForBlockers describes an API whose slot goes to this binding once other
// bindings have been written.
func waitForBlockers(apiStatus *signetv1alpha1.APIStatus, evaluation *slots.Evaluation) {
	apiStatus.Message = messageWaitingForWrite
	if evaluation.RecordedHolder != "" {
		apiStatus.State, apiStatus.Holder = signetv1alpha1.APIConflicted, evaluation.RecordedHolder
		apiStatus.Message = messageReleasing
	}
	if evaluation.RecordedHolderAlike {
		apiStatus.State = signetv1alpha1.APIStandby
	}
}

// setStandby describes an API that another binding holds or gets, and signs for as
// this one would.
func (d *draft) setStandby(apiStatus *signetv1alpha1.APIStatus, seen *apiObservation) {
	apiStatus.State, apiStatus.Holder = signetv1alpha1.APIStandby, seen.evaluation.Holder
	apiStatus.Message = messageStandby
	switch {
	case seen.unprotected:
		d.setUnheld(apiStatus, seen)
	case seen.evaluation.HolderStatus == nil:
		d.unheld++
	case apiStatus.Kind != signetv1alpha1.APIKindAPI && seen.publication.Gateways == nil:
		d.unpublished = append(d.unpublished, unpublishedAPI{apiName(apiStatus), seen.cause})
	}
}

// setUnheld removes the holder of an API that no binding holds for long: its key cannot
// be protected.
func (d *draft) setUnheld(apiStatus *signetv1alpha1.APIStatus, seen *apiObservation) {
	if !seen.unprotected {
		return
	}
	apiStatus.Holder, apiStatus.Message = "", messageUnheld
	d.unprotected = append(d.unprotected, fmt.Sprintf("%s to SignatureBinding %q", apiName(apiStatus), seen.evaluation.Holder))
}

// setPublication describes an API that the binding holds.
func (d *draft) setPublication(apiStatus *signetv1alpha1.APIStatus, seen *apiObservation) {
	if !d.key.hasMaterial {
		apiStatus.State, apiStatus.Message = signetv1alpha1.APIPending, messageNoMaterial
		return
	}
	for _, rewrite := range seen.rewrites {
		d.rewrites = append(d.rewrites, apiName(apiStatus)+": "+rewrite.String())
	}
	apiStatus.Gateways = seen.publication.Gateways
	switch {
	case seen.publication.Published:
		apiStatus.State = signetv1alpha1.APIBound
		d.status.BoundAPIs++
	case seen.publication.Gateways == nil:
		apiStatus.State = signetv1alpha1.APINotPublished
		apiStatus.Message = cmp.Or(causeMessage(seen.cause), messageNotPublished)
		d.unpublished = append(d.unpublished, unpublishedAPI{apiName(apiStatus), seen.cause})
	default:
		apiStatus.State = signetv1alpha1.APIOffline
		apiStatus.Message = cmp.Or(causeMessage(seen.cause), messageOffline)
		d.offline = append(d.offline, unpublishedAPI{apiName(apiStatus), seen.cause})
	}
}

// apiName returns an API as messages have it: HTTPRoute "orders".
func apiName(apiStatus *signetv1alpha1.APIStatus) string {
	return fmt.Sprintf("%s %q", apiStatus.Kind, apiStatus.Name)
}
