// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/validation"
)

// previousKeyFor is how long requests that were signed with the key before a
// move are still accepted.
const previousKeyFor = 60 * time.Second

// maxPreviousKeys is the most that the schema allows in status.previousKeys.
const maxPreviousKeys = 8

// decision is what the status of a binding is to be, and what has to come
// before it is written.
type decision struct {
	binding *signetv1alpha1.SignatureBinding
	key     bindingKey
	now     time.Time
	status  signetv1alpha1.SignatureBindingStatus
	// apiStatuses are the entries of the status as acknowledged, of the environment
	// that the spec names.
	apiStatuses map[signetv1alpha1.APIReference]*signetv1alpha1.APIStatus
	// grants says that the status gives the binding a slot, or another key.
	grants bool
	// blockers are the bindings that have to be written before this one gets
	// all that belongs to it.
	blockers []string
	// fence says that the status has to be written even if nothing changes, to
	// make a late write of somebody else fail.
	fence bool
	// invalid says that the spec breaks the rules.
	invalid   bool
	readiness status.Readiness
	rewrites  []string
	// nextInLine are who comes next, after a holder that signs as this one wants.
	nextInLine []string
	// unheld are the APIs on standby that nobody holds yet, unpublished those of
	// routes that have never been published.
	unheld      int
	unpublished []string
	// again is when to look again by the clock; zero for never.
	again time.Duration
}

func newDecision(binding *signetv1alpha1.SignatureBinding, key bindingKey, now time.Time) *decision {
	d := &decision{binding: binding, key: key, now: now, apiStatuses: map[signetv1alpha1.APIReference]*signetv1alpha1.APIStatus{}}
	old := &binding.Status
	d.status = signetv1alpha1.SignatureBindingStatus{
		ObservedGeneration: binding.Generation,
		Environment:        binding.Spec.Environment,
		KeyName:            key.name,
		DisplayName:        key.displayName,
		TotalAPIs:          int32(len(binding.Spec.APIs)), //nolint:gosec // at most 1000 by the schema
		APIs:               make([]signetv1alpha1.APIStatus, 0, len(binding.Spec.APIs)),
		FencingToken:       old.FencingToken,
		Conditions:         append([]metav1.Condition(nil), old.Conditions...),
	}
	if old.Environment == binding.Spec.Environment {
		for i := range old.APIs {
			d.apiStatuses[signetv1alpha1.NewAPIReference(old.APIs[i].Kind, old.APIs[i].Name)] = &old.APIs[i]
		}
	}
	d.movePrevious()
	return d
}

// leaving is the status of a binding that is being deleted: it holds nothing,
// even if somebody's finalizer keeps the object.
func leaving(binding *signetv1alpha1.SignatureBinding) *decision {
	status := binding.Status.DeepCopy()
	status.APIs, status.BoundAPIs = nil, 0
	return &decision{binding: binding, status: *status}
}

// movePrevious records the keys that the binding has moved away from, the
// latest first, for as long as requests that they signed may be on their way.
func (d *decision) movePrevious() {
	old := &d.binding.Status
	if old.KeyName != "" && old.KeyName != d.key.name {
		d.grants = true
		d.status.PreviousKeys = append(d.status.PreviousKeys,
			signetv1alpha1.PreviousKey{Name: old.KeyName, Until: metav1.NewTime(d.now.Add(previousKeyFor))})
	}
	for _, previous := range old.PreviousKeys {
		if previous.Until.After(d.now) && previous.Name != d.key.name && previous.Name != old.KeyName {
			d.status.PreviousKeys = append(d.status.PreviousKeys, previous)
		}
	}
	d.status.PreviousKeys = d.status.PreviousKeys[:min(len(d.status.PreviousKeys), maxPreviousKeys)]
	for i := range d.status.PreviousKeys {
		d.lookAgain(d.status.PreviousKeys[i].Until.Sub(d.now))
	}
}

func (d *decision) lookAgain(after time.Duration) {
	if after > 0 && (d.again == 0 || after < d.again) {
		d.again = after
	}
}

func (d *decision) refuseSpec(errs field.ErrorList) {
	d.invalid = true
	d.readiness = status.Stalled(signetv1alpha1.ReasonInvalidSpec, "Mend the spec: "+validation.Summarize(errs)+".")
}

// addAPI adds an API to the status, as the ledger has it.
func (d *decision) addAPI(api signetv1alpha1.APIReference, verdict slots.Evaluation, routes Routes) {
	mark := signetv1alpha1.APIStatus{Group: api.Kind.Group(), Kind: api.Kind, Name: api.Name, State: signetv1alpha1.APIPending}
	old := d.apiStatuses[api]
	mine := verdict.Holder == d.binding.Name
	switch {
	case !mine && !verdict.Eligible:
		mark.Message = "the key is being deleted: name another one"
	case !mine && verdict.Standby:
		d.standBy(&mark, verdict, routes)
	case !mine && verdict.NextInLine != "":
		d.nextInLine = append(d.nextInLine, verdict.NextInLine)
		mark.State, mark.Holder = signetv1alpha1.APIConflicted, verdict.Holder
		mark.Message = "the holder signs as this binding wants, but who comes next does not"
	case !mine:
		mark.State, mark.Holder = signetv1alpha1.APIConflicted, verdict.Holder
		mark.Message = "held by another binding: delete the API from one of the two"
	case !verdict.HeldSince.IsZero() && old != nil:
		mark.BoundAt, mark.Gateways = old.BoundAt, old.Gateways
		d.publish(&mark, routes)
	case !d.key.inForce:
		mark.Message = "no other binding holds it; waits for the key"
	case len(verdict.Blockers) > 0:
		d.blockers = append(d.blockers, verdict.Blockers...)
		mark.Message = "waits for another binding to be told"
		if verdict.RecordedHolder != "" {
			mark.State, mark.Holder = signetv1alpha1.APIConflicted, verdict.RecordedHolder
			mark.Message = "about to be given up by its holder"
		}
		if verdict.RecordedHolderAlike {
			mark.State = signetv1alpha1.APIStandby
		}
	default:
		d.grants = true
		mark.BoundAt = &metav1.Time{Time: d.now}
		d.publish(&mark, routes)
	}
	d.status.APIs = append(d.status.APIs, mark)
}

// standBy says how an API stands that another binding holds, or is about to, and
// signs for as this one wants.
func (d *decision) standBy(mark *signetv1alpha1.APIStatus, verdict slots.Evaluation, routes Routes) {
	mark.State, mark.Holder = signetv1alpha1.APIStandby, verdict.Holder
	mark.Message = "the holder signs with the same key in the same way; this binding takes over when it lets go"
	switch {
	case verdict.HolderStatus == nil:
		d.unheld++
	case mark.Kind == signetv1alpha1.APIKindAPI:
	case routes.Publication(mark.Kind, d.binding.Namespace, mark.Name, d.binding.Spec.Environment, verdict.HolderStatus.Gateways).Gateways == nil:
		d.unpublished = append(d.unpublished, string(mark.Kind)+" "+mark.Name)
	}
}

// publish says how an API stands that the binding holds.
func (d *decision) publish(mark *signetv1alpha1.APIStatus, routes Routes) {
	if !d.key.inForce {
		mark.State, mark.Message = signetv1alpha1.APIPending, "held, but the key has no material to sign with"
		return
	}
	found := publication.State{Published: true}
	if mark.Kind != signetv1alpha1.APIKindAPI {
		found = routes.Publication(mark.Kind, d.binding.Namespace, mark.Name, d.binding.Spec.Environment, mark.Gateways)
		for _, rewrite := range routes.Rewrites(mark.Kind, d.binding.Namespace, mark.Name) {
			d.rewrites = append(d.rewrites, string(mark.Kind)+" "+mark.Name+": "+rewrite.String())
		}
	}
	mark.Gateways = found.Gateways
	switch {
	case found.Published:
		mark.State = signetv1alpha1.APIBound
		d.status.BoundAPIs++
	case found.Gateways == nil:
		mark.State = signetv1alpha1.APINotPublished
		mark.Message = "no Gateway of the environment has accepted the route yet"
	default:
		mark.State = signetv1alpha1.APIOffline
		mark.Message = "no Gateway of the environment serves the route any more"
	}
}
