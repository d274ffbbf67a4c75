// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"reflect"
	"slices"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// binding is the part of a SignatureBinding that the signer uses.
type binding struct {
	name        string
	environment string
	key         string
	// previous are the keys before the latest moves, whose signatures are still
	// accepted.
	previous []previousKey
	policy   Policy
	claims   []claim
}

// previousKey is a key whose signatures are accepted until the given time.
type previousKey struct {
	name  string
	until time.Time
}

// claim is one API of a binding.
type claim struct {
	api signetv1alpha1.APIReference
	// held is true if the binding holds the API: the spec lists it, and the status
	// records it as held in the environment of the spec.
	held       bool
	conflicted bool
}

// claimant is a binding that lists the API of a slot.
type claimant struct {
	binding *binding
	claim   claim
}

// Policy specifies how the requests of a slot are signed.
type Policy struct {
	// Header is the name of the header that carries the signature.
	Header string
	// Host is the Host that the backend receives. If it is empty, the gateway
	// provides it.
	Host string
	// SignedPayload is true if the signature covers the digest of the body.
	SignedPayload bool
	// SignedHeaders are the names of further headers in the signature.
	SignedHeaders []string
}

// newBinding converts a binding. A binding that is being deleted has no claims. The
// status counts only for the environment of the spec, and only for APIs that the
// spec lists: the owner has given up others.
func newBinding(object *signetv1alpha1.SignatureBinding) *binding {
	converted := &binding{
		name:        object.Name,
		environment: object.Spec.Environment,
		key:         object.Status.KeyName,
		policy: Policy{
			Header: object.EffectiveSignatureHeader(), Host: object.Spec.BackendHost,
			SignedPayload: object.EffectivePayload() == signetv1alpha1.PayloadSigned,
			SignedHeaders: slices.Clone(object.Spec.SignedHeaders),
		},
	}
	for _, previous := range object.Status.PreviousKeys {
		converted.previous = append(converted.previous, previousKey{name: previous.Name, until: previous.Until.Time})
	}
	if !object.DeletionTimestamp.IsZero() {
		return converted
	}
	recorded := map[signetv1alpha1.APIReference]claim{}
	if object.Status.Environment == object.Spec.Environment {
		for i := range object.Status.APIs {
			status := &object.Status.APIs[i]
			api := signetv1alpha1.NewAPIReference(status.Kind, status.Name)
			recorded[api] = claim{held: status.BoundAt != nil, conflicted: status.State == signetv1alpha1.APIConflicted}
		}
	}
	converted.claims = make([]claim, 0, len(object.Spec.APIs))
	for _, api := range object.Spec.APIs {
		c := recorded[api]
		c.api = api
		converted.claims = append(converted.claims, c)
	}
	return converted
}

// equal reports whether two bindings are the same to the signer.
func (b *binding) equal(other *binding) bool {
	if b == nil || other == nil {
		return false
	}
	rest, otherRest := *b, *other
	rest.claims, otherRest.claims = nil, nil
	return slices.Equal(b.claims, other.claims) && reflect.DeepEqual(rest, otherRest)
}

// claimsBySlot returns the claims of a binding after it has changed. A removed claim is
// nil.
func claimsBySlot(before, after *binding, namespace string) map[slots.Slot]*claim {
	claims := map[slots.Slot]*claim{}
	slot := func(b *binding, api signetv1alpha1.APIReference) slots.Slot {
		return slots.Slot{Namespace: namespace, Environment: b.environment, Kind: api.Kind, Name: api.Name}
	}
	if before != nil {
		for _, c := range before.claims {
			claims[slot(before, c.api)] = nil
		}
	}
	if after != nil {
		for i := range after.claims {
			claims[slot(after, after.claims[i].api)] = &after.claims[i]
		}
	}
	return claims
}

// withClaim returns the claimants of a slot after one binding, with that name, has
// changed.
func withClaim(claimants []claimant, name string, changed *binding, c *claim) []claimant {
	updated := make([]claimant, 0, len(claimants)+1)
	for _, other := range claimants {
		if other.binding.name != name {
			updated = append(updated, other)
		}
	}
	if c != nil {
		updated = append(updated, claimant{binding: changed, claim: *c})
	}
	return updated
}
