// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

// policy reports whether managed Secrets are protected against other clients.
func (d *doctor) policy(ctx context.Context) []view.Finding {
	const check, name, parameters = "policy for managed Secrets", "signet-managed-secrets", "signet-policy-parameters"
	const action = "apply config/policy: without it, any client with write access to Secrets can change material"
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
	for _, required := range []struct {
		object  client.Object
		key     client.ObjectKey
		missing string
	}{
		{&admissionregistrationv1.ValidatingAdmissionPolicy{}, client.ObjectKey{Name: name}, "ValidatingAdmissionPolicy " + name + " does not exist"},
		{binding, client.ObjectKey{Name: name}, "ValidatingAdmissionPolicyBinding " + name + " does not exist, so the policy is off"},
		{&corev1.ConfigMap{}, client.ObjectKey{Namespace: d.system, Name: parameters}, "ConfigMap " + parameters + " does not exist, so the policy is off"},
	} {
		if err := d.Get(ctx, required.key, required.object); err != nil {
			finding := failure(check, err, action)
			if client.IgnoreNotFound(err) == nil {
				finding.Message = required.missing
			}
			return []view.Finding{finding}
		}
	}
	if !slices.Contains(binding.Spec.ValidationActions, admissionregistrationv1.Deny) {
		return []view.Finding{found(check, view.Failed, "the binding only warns or audits: validationActions lacks Deny", action)}
	}
	return []view.Finding{fine(check, "in effect")}
}
