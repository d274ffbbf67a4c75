package command

import (
	"context"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

// policy says whether managed Secrets are guarded.
func (d *doctor) policy(ctx context.Context) []view.Finding {
	const check, name, parameters = "policy on managed Secrets", "signet-managed-secrets", "signet-policy-parameters"
	const action = "apply config/policy: without it, anybody with write access to Secrets changes material"
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
	for _, part := range []struct {
		object client.Object
		key    client.ObjectKey
		lacks  string
	}{
		{&admissionregistrationv1.ValidatingAdmissionPolicy{}, client.ObjectKey{Name: name}, "the ValidatingAdmissionPolicy " + name + " is not there"},
		{binding, client.ObjectKey{Name: name}, "the ValidatingAdmissionPolicyBinding " + name + " is not there, and without it the policy is off"},
		{&corev1.ConfigMap{}, client.ObjectKey{Namespace: d.system, Name: parameters}, "ConfigMap " + parameters + " is not there, and without it the policy is off"},
	} {
		if err := d.Get(ctx, part.key, part.object); err != nil {
			finding := failure(check, err, action)
			if client.IgnoreNotFound(err) == nil {
				finding.Message = part.lacks
			}
			return []view.Finding{finding}
		}
	}
	if !slices.Contains(binding.Spec.ValidationActions, admissionregistrationv1.Deny) {
		return []view.Finding{found(check, view.Failed, "its binding only warns or audits: validationActions lacks Deny", action)}
	}
	return []view.Finding{fine(check, "bound")}
}
