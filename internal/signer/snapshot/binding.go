// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"slices"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// objectName names an object of any kind.
type objectName struct{ namespace, name string }

// appendKey appends the key of the object in the snapshot.
func (o objectName) appendKey(to []byte) []byte {
	to = slices.Grow(to, len(o.namespace)+len(o.name)+1)
	to = append(append(to, o.namespace...), '/')
	return append(to, o.name...)
}

// binding is what a SignatureBinding says about how to sign, and with which key.
type binding struct {
	environment string
	key         string
	// previous are the keys before the latest moves, which are still accepted.
	previous []previousKey
	policy   Policy
	claims   []claim
}

// previousKey is a key that signatures are accepted of until that time.
type previousKey struct {
	name  string
	until time.Time
}

// claim is one API of a binding.
type claim struct {
	api signetv1alpha1.APIReference
	// held says that the API is the binding's: in its spec, and in its status
	// as acknowledged for the environment that the spec names.
	held       bool
	conflicted bool
}

// claimant is a binding that claims a slot.
type claimant struct {
	binding string
	claim   claim
}

// Policy is how requests of a slot are signed.
type Policy struct {
	// Header carries the signature.
	Header string
	// BackendHost is what the backend gets as Host; empty if the gateway says it.
	Host string
	// SignedPayload says that the body's digest is in the signature.
	SignedPayload bool
	// SignedHeaders are the further headers in the signature.
	SignedHeaders []string
}

// newBinding reads a binding. One that is being deleted claims nothing, nor does
// a status that is about another environment, or about an API that the spec
// does not list any more: their owner has given them up.
func newBinding(object *signetv1alpha1.SignatureBinding) *binding {
	read := &binding{
		environment: object.Spec.Environment,
		key:         object.Status.KeyName,
		policy: Policy{
			Header: object.EffectiveSignatureHeader(), Host: object.Spec.BackendHost,
			SignedPayload: object.EffectivePayload() == signetv1alpha1.PayloadSigned,
			SignedHeaders: slices.Clone(object.Spec.SignedHeaders),
		},
	}
	for _, previous := range object.Status.PreviousKeys {
		read.previous = append(read.previous, previousKey{name: previous.Name, until: previous.Until.Time})
	}
	if !object.DeletionTimestamp.IsZero() {
		return read
	}
	marks := map[signetv1alpha1.APIReference]claim{}
	if object.Status.Environment == object.Spec.Environment {
		for i := range object.Status.APIs {
			mark := &object.Status.APIs[i]
			api := signetv1alpha1.NewAPIReference(mark.Kind, mark.Name)
			marks[api] = claim{held: mark.BoundAt != nil, conflicted: mark.State == signetv1alpha1.APIConflicted}
		}
	}
	read.claims = make([]claim, 0, len(object.Spec.APIs))
	for _, api := range object.Spec.APIs {
		mark := marks[api]
		mark.api = api
		read.claims = append(read.claims, mark)
	}
	return read
}

// changes compares the claims of a binding before and after: nil is a claim that
// is not there. What is the same is left out.
func changes(before, after *binding, namespace string) map[slots.Slot]*claim {
	changed := map[slots.Slot]*claim{}
	slot := func(b *binding, api signetv1alpha1.APIReference) slots.Slot {
		return slots.Slot{Namespace: namespace, Environment: b.environment, Kind: api.Kind, Name: api.Name}
	}
	had := map[slots.Slot]claim{}
	if before != nil {
		for _, c := range before.claims {
			had[slot(before, c.api)] = c
			changed[slot(before, c.api)] = nil
		}
	}
	if after != nil {
		for i := range after.claims {
			c := &after.claims[i]
			at := slot(after, c.api)
			if old, there := had[at]; there && old == *c {
				delete(changed, at)
				continue
			}
			changed[at] = c
		}
	}
	return changed
}

// claimed is the claimants of a slot with the claim of one binding put in place.
func claimed(claimants []claimant, name string, c *claim) []claimant {
	kept := make([]claimant, 0, len(claimants)+1)
	for _, other := range claimants {
		if other.binding != name {
			kept = append(kept, other)
		}
	}
	if c != nil {
		kept = append(kept, claimant{binding: name, claim: *c})
	}
	return kept
}
