// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"
	"slices"

	"github.com/signet-dev/signet/internal/slots"
)

// keyBuffer has room for the keys of most lookups; a longer key is allocated.
type keyBuffer [256]byte

// slotKey appends the key of a slot in the snapshot. No two slots share one:
// names have no slashes.
func slotKey(to []byte, s slots.Slot) []byte {
	to = slices.Grow(to, len(s.Namespace)+len(s.Environment)+len(s.Kind)+len(s.Name)+3)
	to = append(append(to, s.Namespace...), '/')
	to = append(append(to, s.Environment...), '/')
	to = append(append(to, s.Kind...), '/')
	return append(to, s.Name...)
}

// Reason is why a slot cannot be signed for. It is for whoever operates the
// signer: callers are not told it (invariant 7).
type Reason string

// The reasons.
const (
	// ReasonIncomplete: the first snapshot is not complete yet.
	ReasonIncomplete Reason = "Incomplete"
	// ReasonNoBinding: no binding lists the API in that environment.
	ReasonNoBinding Reason = "NoBinding"
	// ReasonNotBound: bindings list the API, and none holds it yet.
	ReasonNotBound Reason = "NotBound"
	// ReasonConflicted: the binding that lists the API has lost it to one that
	// is not there any more, or has not got it yet.
	ReasonConflicted Reason = "Conflicted"
	// ReasonContested: more than one binding says that it holds the slot. A
	// restored backup can bring that about, until the manager has decided.
	ReasonContested Reason = "Contested"
	// ReasonNoKey: the binding has no key in force, or the key is gone.
	ReasonNoKey Reason = "NoKey"
	// ReasonSecretMissing: there is no managed Secret under the key's name.
	ReasonSecretMissing Reason = "SecretMissing"
	// ReasonSecretForeign: the Secret under the name is not that of the key.
	ReasonSecretForeign Reason = "SecretForeign"
	// ReasonSecretBroken: the managed Secret holds no usable material.
	ReasonSecretBroken Reason = "SecretBroken"
	// ReasonSecretMismatch: the Secret's type or algorithm is not the key's.
	ReasonSecretMismatch Reason = "SecretMismatch"
)

// UnusableError is the error for a slot that cannot be signed for now. Its text names
// objects, and never material.
type UnusableError struct {
	Slot   slots.Slot
	Reason Reason
	// Detail names the object that is in the way, if there is one.
	Detail string
}

// Error says what is in the way.
func (u *UnusableError) Error() string {
	if u.Detail == "" {
		return fmt.Sprintf("slot %s: %s", u.Slot, u.Reason)
	}
	return fmt.Sprintf("slot %s: %s: %s", u.Slot, u.Reason, u.Detail)
}
