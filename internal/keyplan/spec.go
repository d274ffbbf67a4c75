// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/validation"
)

// validateSpec checks the spec again, because a webhook can be down. Existing
// material stays in effect.
func (p *planner) validateSpec() (bool, error) {
	if errs := validation.ValidateSignatureKey(p.Key); len(errs) > 0 {
		p.specInvalid = true
		p.markStalled(signetv1alpha1.ReasonInvalidSpec, "Invalid spec: "+validation.Summarize(errs)+".")
	}
	return false, nil
}

// checkTypeGate refuses new material for keys of type PublicKey while that is
// not enabled. Existing material stays in effect.
func (p *planner) checkTypeGate() (bool, error) {
	switch {
	case p.Key.Spec.Type != signetv1alpha1.KeyTypePublicKey || p.PublicKeyEnabled:
	case p.current == nil:
		p.markStalled(signetv1alpha1.ReasonTypeNotEnabled,
			"Keys of type PublicKey are not enabled. Start the manager with --public-key-enable, or use another type.")
	default:
		p.setFallback(status.Ready(signetv1alpha1.ReasonTypeNotEnabled,
			"The key keeps signing, but new keys of type PublicKey are not enabled. "+
				"Start the manager with --public-key-enable, or move the bindings to a key of another type."))
	}
	return false, nil
}
