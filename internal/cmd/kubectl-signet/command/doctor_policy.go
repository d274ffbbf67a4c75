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

// policies are the names of those in config/policy, and of their bindings.
var policies = []string{"signet-managed-secrets", "signet-secret-creation", "signet-key-protection"}

const (
	policyCheck      = "policy for managed Secrets"
	policyParameters = "signet-policy-parameters"
	policyAction     = "apply config/policy: without it, any client with write access to Secrets can change material"
)

// policy reports whether managed Secrets are protected against other clients.
func (d *doctor) policy(ctx context.Context) []view.Finding {
	for _, name := range policies {
		if finding := d.onePolicy(ctx, name); finding != nil {
			return []view.Finding{*finding}
		}
	}
	return []view.Finding{fine(policyCheck, "in effect")}
}

// onePolicy returns why a policy is not in effect; nil if it is.
func (d *doctor) onePolicy(ctx context.Context, name string) *view.Finding {
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
	for _, required := range []struct {
		object  client.Object
		key     client.ObjectKey
		missing string
	}{
		{&admissionregistrationv1.ValidatingAdmissionPolicy{}, client.ObjectKey{Name: name}, "ValidatingAdmissionPolicy " + name + " does not exist"},
		{binding, client.ObjectKey{Name: name}, "ValidatingAdmissionPolicyBinding " + name + " does not exist, so the policy is off"},
		{&corev1.ConfigMap{}, client.ObjectKey{Namespace: d.system, Name: policyParameters}, "ConfigMap " + policyParameters + " does not exist, so the policy is off"},
	} {
		if err := d.Get(ctx, required.key, required.object); err != nil {
			finding := failure(policyCheck, err, policyAction)
			if client.IgnoreNotFound(err) == nil {
				finding.Message = required.missing
			}
			return &finding
		}
	}
	if !slices.Contains(binding.Spec.ValidationActions, admissionregistrationv1.Deny) {
		finding := found(policyCheck, view.Failed, "the binding "+name+" only warns or audits: validationActions lacks Deny", policyAction)
		return &finding
	}
	return nil
}
