// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/validation"
)

// previousKeyFor is the time after a move for which requests that the earlier key
// signed are still accepted.
const previousKeyFor = 60 * time.Second

// maxPreviousKeys is the limit of the schema for status.previousKeys. Another move
// waits until an entry expires.
const maxPreviousKeys = 8

// decision is the planned status of a binding, and what must precede its write.
type decision struct {
	status signetv1alpha1.SignatureBindingStatus
	// grants is true if the status grants the binding a slot, or moves it to another
	// key. Then status.keyName is protected before the status is written.
	grants bool
	// blocked is true if other bindings must be written before this one gets all of its
	// slots.
	blocked bool
	// mustWrite is true if the status must be written even if it has not changed, to
	// make a late write of another writer fail.
	mustWrite bool
	// invalid is true if the spec violates the validation rules.
	invalid bool
	// requeueAfter is the time after which the decision changes without an event;
	// zero for never.
	requeueAfter time.Duration
}

// draft is a decision in progress.
type draft struct {
	decision
	seen      *observation
	key       effectiveKey
	readiness status.Readiness
	// rewrites are the filters of routes that change what is signed.
	rewrites []string
	// nextInLine are the next claimants after holders that sign alike, but sign
	// differently themselves.
	nextInLine []string
	// unheld is the number of APIs on Standby that no binding holds yet.
	unheld int
	// unprotected are the APIs that go to other bindings whose key cannot be protected,
	// with these bindings.
	unprotected []string
	// unpublished are the APIs, held or on Standby, whose route was never published, and
	// offline those that are held and no longer are.
	unpublished, offline []unpublishedAPI
}

// decide is pure: the same observation leads to the same decision.
func decide(seen *observation) *decision {
	d := newDraft(seen)
	if errs := validation.ValidateSignatureBinding(seen.binding); len(errs) > 0 {
		d.invalid = true
		d.readiness = status.Stalled(signetv1alpha1.ReasonInvalidSpec, "Invalid spec: "+validation.Summarize(errs)+".")
	}
	d.setPreviousKeys()
	for i := range seen.apis {
		d.addAPI(&seen.apis[i])
	}
	d.setConditions()
	return &d.decision
}

// releaseAll decides about a binding that is being deleted: it holds nothing, even
// if the finalizer of another client keeps the object.
func releaseAll(binding *signetv1alpha1.SignatureBinding) *decision {
	after := binding.Status.DeepCopy()
	after.APIs, after.BoundAPIs = nil, 0
	return &decision{status: *after}
}

func newDraft(seen *observation) *draft {
	binding, key := seen.binding, newEffectiveKey(seen)
	d := &draft{seen: seen, key: key}
	d.status = signetv1alpha1.SignatureBindingStatus{
		ObservedGeneration: binding.Generation,
		Environment:        binding.Spec.Environment,
		KeyName:            key.name,
		DisplayName:        key.displayName,
		TotalAPIs:          int32(len(binding.Spec.APIs)), //nolint:gosec // at most 1000 by the schema
		APIs:               make([]signetv1alpha1.APIStatus, 0, len(binding.Spec.APIs)),
		FencingToken:       binding.Status.FencingToken,
		Conditions:         append([]metav1.Condition(nil), binding.Status.Conditions...),
	}
	return d
}

// setPreviousKeys records the keys that the binding has moved away from, the latest
// first, for as long as requests that they signed may still be on their way. A key
// with which the binding held nothing has signed nothing.
func (d *draft) setPreviousKeys() {
	before, now := &d.seen.binding.Status, d.seen.now
	if slots.HoldsWith(d.seen.binding, before.KeyName) && before.KeyName != d.key.name {
		d.grants = true
		d.status.PreviousKeys = append(d.status.PreviousKeys,
			signetv1alpha1.PreviousKey{Name: before.KeyName, Until: metav1.NewTime(now.Add(previousKeyFor))})
	}
	d.status.PreviousKeys = append(d.status.PreviousKeys, remainingKeys(d.seen, d.key.name)...)
	for i := range d.status.PreviousKeys {
		d.requeueIn(d.status.PreviousKeys[i].Until.Sub(now))
	}
}

// requeueIn keeps the earliest time at which the decision changes.
func (d *draft) requeueIn(after time.Duration) {
	if after > 0 && (d.requeueAfter == 0 || after < d.requeueAfter) {
		d.requeueAfter = after
	}
}
