// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"errors"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

var errNotSynced = errors.New("the other bindings are not known yet, try again in a few seconds")

// Claims are those of all bindings, as the caches of this replica show them. The
// leader's decide; these only inform users early.
type Claims struct {
	*slots.ClaimCache
	// Synced reports whether they are complete.
	Synced func() bool
}

// taken returns the APIs of a binding that another one holds or will hold, except for
// those that are signed exactly as the binding would.
func (c Claims) taken(binding *signetv1alpha1.SignatureBinding) ([]taken, error) {
	if !c.Synced() {
		return nil, errNotSynced
	}
	var found []taken
	for i, evaluation := range c.Preview(binding) {
		if evaluation.Holder != "" && evaluation.Holder != binding.Name && !evaluation.Standby {
			found = append(found, taken{position: i, api: binding.Spec.APIs[i], holder: evaluation.Holder})
		}
	}
	return found, nil
}
