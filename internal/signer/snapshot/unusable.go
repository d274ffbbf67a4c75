// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"

	"github.com/signet-dev/signet/internal/slots"
)

// Reason is why a slot is unusable. It is only for operators of the signer: a
// caller does not receive it (invariant 7).
type Reason string

// The reasons.
const (
	// ReasonIncomplete means that the first snapshot is not complete yet.
	ReasonIncomplete Reason = "Incomplete"
	// ReasonNotServed means that the signer does not serve the namespace, or not now,
	// because it or a permission in it is missing.
	ReasonNotServed Reason = "NotServed"
	// ReasonNoBinding means that no binding lists the API in the environment.
	ReasonNoBinding Reason = "NoBinding"
	// ReasonNotBound means that bindings list the API, but none holds it yet.
	ReasonNotBound Reason = "NotBound"
	// ReasonConflicted means that a binding lists the API as Conflicted, but no
	// holder is known: it no longer exists, or the slot was not passed on yet.
	ReasonConflicted Reason = "Conflicted"
	// ReasonContested means that the statuses of several bindings claim to hold the
	// slot. A restored backup can cause this until the manager has decided.
	ReasonContested Reason = "Contested"
	// ReasonNoKey means that the binding has no effective key, or that this key no
	// longer exists.
	ReasonNoKey Reason = "NoKey"
	// ReasonSecretMissing means that the key's managed Secret does not exist.
	ReasonSecretMissing Reason = "SecretMissing"
	// ReasonSecretNotOwned means that the Secret is not managed by the key.
	ReasonSecretNotOwned Reason = "SecretNotOwned"
	// ReasonSecretReplaced means that the Secret has another UID than the one on
	// record in the key's status.
	ReasonSecretReplaced Reason = "SecretReplaced"
	// ReasonSecretBroken means that the managed Secret has no valid material.
	ReasonSecretBroken Reason = "SecretBroken"
	// ReasonSecretMismatch means that the Secret has another type or algorithm than
	// the key.
	ReasonSecretMismatch Reason = "SecretMismatch"
)

// UnusableError is the error for a slot that currently cannot be signed. Its text
// names objects, but never contains material.
type UnusableError struct {
	Slot   slots.Slot
	Reason Reason
	// Detail names the objects that cause it. It can be empty.
	Detail string
}

// Error returns the slot, the reason and the detail.
func (u *UnusableError) Error() string {
	if u.Detail == "" {
		return fmt.Sprintf("slot %s: %s", u.Slot, u.Reason)
	}
	return fmt.Sprintf("slot %s: %s: %s", u.Slot, u.Reason, u.Detail)
}
