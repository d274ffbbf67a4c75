// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/validation"
)

// resolveSource collects the components that spec and source supply. Without a
// valid source nothing new is made, because what is generated now would be
// replaced when the source appears. Existing material stays in effect.
func (p *planner) resolveSource() (bool, error) {
	problem := p.sourceProblem()
	switch {
	case problem.IsZero():
		var data map[string][]byte
		if p.Source != nil {
			data = p.Source.Data
		}
		supplied := material.SuppliedTo(p.Key, data)
		p.supplied = &supplied
	case problem.Reason == signetv1alpha1.ReasonSourceNotFound:
		p.setReady(problem)
	default:
		p.markStalled(problem.Reason, problem.Message)
	}
	return false, nil
}

// sourceProblem returns what is wrong with the key's source; zero if nothing is,
// or if there is none.
func (p *planner) sourceProblem() status.Readiness {
	name, source := p.Key.SourceName(), p.Source
	switch {
	case name == "":
		return status.Readiness{}
	case source == nil:
		return status.Waiting(signetv1alpha1.ReasonSourceNotFound, sourceNotFound(name))
	case material.IsManaged(source):
		return status.Stalled(signetv1alpha1.ReasonInvalidSource, fmt.Sprintf(
			"Secret %q is managed by Signet. Name another Secret in spec.source.secretRef.", name))
	case source.Labels[signetv1alpha1.LabelMaterial] != signetv1alpha1.MaterialSource:
		return status.Waiting(signetv1alpha1.ReasonSourceNotFound, sourceNotFound(name))
	}
	if errs := validation.ValidateSource(p.Key, source.Data); len(errs) > 0 {
		return status.Stalled(signetv1alpha1.ReasonInvalidMaterial, fmt.Sprintf("Secret %q is invalid: %s.", name, validation.Summarize(errs)))
	}
	if PublishesSource(p.Key, source) && len(p.CipherKeys) > 0 {
		return status.Stalled(signetv1alpha1.ReasonInvalidSource, fmt.Sprintf(
			"Secret %q supplies SignatureKey %q of type AES, whose key is secret, but the key of this type is public. Name another Secret in spec.source.secretRef.",
			name, p.CipherKeys[0]))
	}
	return status.Readiness{}
}

func sourceNotFound(name string) string {
	return fmt.Sprintf("Secret %q does not exist or lacks the label %s: %q. Create or label it.", name,
		signetv1alpha1.LabelMaterial, signetv1alpha1.MaterialSource)
}

// PublishesSource reports whether a status would show the identifier in the
// source, which is the secret cipher key of an AES key with the same source: a
// user who may create keys need not be allowed to read Secrets.
func PublishesSource(key *signetv1alpha1.SignatureKey, source *corev1.Secret) bool {
	return source != nil && key.Spec.Type != signetv1alpha1.KeyTypeAES && source.Data[validation.DataKey] != nil
}
