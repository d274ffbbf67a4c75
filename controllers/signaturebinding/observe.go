// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
)

// observation is the input of the decision about one binding. It is not changed.
type observation struct {
	binding *signetv1alpha1.SignatureBinding
	// now is the time of the pass, in whole seconds.
	now time.Time
	// key is the one that spec.keyRef names, and keyBefore the one that the status
	// records if that is another one; nil if it does not exist.
	key, keyBefore *signetv1alpha1.SignatureKey
	// refusal is why the key that is to sign cannot be protected; zero if it can, or if
	// that has not been tried. With it, the decision grants nothing.
	refusal status.Refusal
	// apis are in the order of spec.apis.
	apis []apiObservation
}

// apiObservation is the input of the decision about one API.
type apiObservation struct {
	api        signetv1alpha1.APIReference
	evaluation slots.Evaluation
	// recorded is the entry of the acknowledged status for the API, or nil.
	recorded *signetv1alpha1.APIStatus
	// publication is the state of the route, where it matters: if the binding is the
	// holder, or is on Standby for one that is recorded.
	publication publication.State
	// cause is why the route is not published, if publication says that it is not.
	cause publication.Cause
	// rewrites are those of the route, if the binding is the holder.
	rewrites []publication.Rewrite
	// unprotected is true if the holder is another binding that cannot be granted the
	// slot, because its key cannot be protected.
	unprotected bool
}

// observe reads what the decision about the binding depends on.
func (s *session) observe(binding *signetv1alpha1.SignatureBinding) (*observation, error) {
	seen := &observation{binding: binding, now: s.now, apis: make([]apiObservation, 0, len(binding.Spec.APIs))}
	var err error
	if seen.key, err = s.key(binding.Namespace, binding.Spec.KeyRef.Name); err != nil {
		return nil, err
	}
	if before := binding.Status.KeyName; before != "" && before != binding.Spec.KeyRef.Name {
		if seen.keyBefore, err = s.key(binding.Namespace, before); err != nil {
			return nil, err
		}
	}
	seen.refusal = s.refusal
	evaluations := s.claims.Evaluate(binding)
	if evaluations == nil && len(binding.Spec.APIs) > 0 {
		return nil, errStale // a watch has just shown another version
	}
	apiStatuses := recordedStatuses(binding)
	for i, slot := range slots.ListedBy(binding) {
		seen.apis = append(seen.apis, s.observeAPI(binding, slot, apiStatuses[slot.API()], evaluations[i]))
	}
	return seen, nil
}

func (s *session) observeAPI(binding *signetv1alpha1.SignatureBinding, slot slots.Slot, recorded *signetv1alpha1.APIStatus, evaluation slots.Evaluation) apiObservation {
	seen := apiObservation{
		api: slot.API(), evaluation: evaluation, recorded: recorded,
		publication: publication.State{Published: true}, // true of kind API
	}
	if evaluation.Holder != "" && evaluation.Holder != binding.Name && evaluation.RecordedHolder == "" {
		holder := s.claims.Binding(evaluation.Holder)
		seen.unprotected = holder != nil && !s.refusedWrites.Persisting(holder).IsZero()
	}
	if slot.Kind == signetv1alpha1.APIKindAPI {
		return seen
	}
	var last *int32
	switch {
	case evaluation.Holder == binding.Name && seen.isHeld():
		last = recorded.Gateways
	case evaluation.Holder == binding.Name:
	case evaluation.HolderStatus != nil:
		last = evaluation.HolderStatus.Gateways
	default:
		return seen
	}
	seen.publication = s.Routes.Publication(slot.Kind, slot.Namespace, slot.Name, slot.Environment, last)
	if !seen.publication.Published {
		seen.cause = s.Routes.Cause(slot.Kind, slot.Namespace, slot.Name, slot.Environment)
	}
	if evaluation.Holder == binding.Name {
		seen.rewrites = s.Routes.Rewrites(slot.Kind, slot.Namespace, slot.Name)
	}
	return seen
}

// isHeld reports whether the binding holds the slot by its acknowledged status.
func (a *apiObservation) isHeld() bool {
	return !a.evaluation.HeldSince.IsZero() && a.recorded != nil
}

// recordedStatuses returns the entries of the acknowledged status if it describes
// the environment that the spec names.
func recordedStatuses(binding *signetv1alpha1.SignatureBinding) map[signetv1alpha1.APIReference]*signetv1alpha1.APIStatus {
	recorded := map[signetv1alpha1.APIReference]*signetv1alpha1.APIStatus{}
	if binding.Status.Environment != binding.Spec.Environment {
		return recorded
	}
	for i := range binding.Status.APIs {
		apiStatus := &binding.Status.APIs[i]
		recorded[signetv1alpha1.NewAPIReference(apiStatus.Kind, apiStatus.Name)] = apiStatus
	}
	return recorded
}
