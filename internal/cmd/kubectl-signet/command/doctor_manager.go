// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// managerName is that of the manager's Deployment, ServiceAccount and lease.
const managerName = "signet-controller-manager"

// permissionsOfManager are those that config/rbac grants the manager in the namespaces
// that it works in, and in its own.
func permissionsOfManager(namespace, system string) []kubeclient.Permission {
	const group, core = "signet.dev", ""
	return []kubeclient.Permission{
		{Namespace: namespace, Group: group, Resource: "signaturekeys", Verbs: []string{"get", "list", "watch", "patch"}},
		{Namespace: namespace, Group: group, Resource: "signaturekeys", Subresource: "status", Verbs: []string{"patch"}},
		{Namespace: namespace, Group: group, Resource: "signaturekeys", Subresource: "finalizers", Verbs: []string{"update"}},
		{Namespace: namespace, Group: group, Resource: "signaturebindings", Verbs: []string{"list", "watch"}},
		{Namespace: namespace, Group: group, Resource: "signaturebindings", Subresource: "status", Verbs: []string{"update"}},
		{Namespace: namespace, Group: core, Resource: "secrets", Verbs: []string{"get", "list", "watch", "create", "patch"}},
		{Namespace: namespace, Group: core, Resource: "configmaps", Verbs: []string{"get", "list", "watch", "create", "patch"}},
		{Namespace: namespace, Group: "events.k8s.io", Resource: "events", Verbs: []string{"create", "patch"}},
		{Namespace: namespace, Group: core, Resource: "namespaces", Verbs: []string{"get"}},
		{Namespace: namespace, Group: "rbac.authorization.k8s.io", Resource: "rolebindings", Name: managerName, Verbs: []string{"list", "watch", "patch"}},
		{Namespace: namespace, Group: gwapiv1.GroupName, Resource: "httproutes", Verbs: []string{"list", "watch"}},
		{Namespace: namespace, Group: gwapiv1.GroupName, Resource: "grpcroutes", Verbs: []string{"list", "watch"}},
		{Namespace: system, Group: "coordination.k8s.io", Resource: "leases", Verbs: []string{"create"}},
		{Namespace: system, Group: "coordination.k8s.io", Resource: "leases", Name: managerName, Verbs: []string{"get", "update"}},
	}
}

// managerPermissions reports what the manager is not allowed to do in the namespace. It
// may have lost a permission after it was started.
func (d *doctor) managerPermissions(ctx context.Context) []view.Finding {
	const action = "apply config/rbac, or the RoleBindings of config/namespaced, again"
	check := "permissions of the manager in namespace " + d.namespace
	missing, granted, err := d.reviewManager(ctx)
	switch {
	case apierrors.IsForbidden(err):
		return []view.Finding{{
			Check: check, Result: view.Unknown, Action: uncheckedAction,
			Message: oneLine(err) + d.refusalsOfManager(ctx),
		}}
	case err != nil:
		return []view.Finding{failure(check, err, action)}
	case len(missing.Permissions) == 0:
		return []view.Finding{fine(check, "as config/rbac grants them")}
	case granted == 0 && d.worksElsewhere(ctx):
		return []view.Finding{found(check, view.Warning, "none: nothing is reconciled in this namespace",
			"add the namespace to --namespaces with its RoleBindings (config/namespaced), or use one that Signet works in (-n)")}
	default:
		return []view.Finding{found(check, view.Failed, missing.Summary(), action)}
	}
}

// reviewManager returns the permissions that the manager lacks, and how many of those
// in the namespace it has.
func (d *doctor) reviewManager(ctx context.Context) (missing *kubeclient.MissingPermissionsError, granted int, err error) {
	missing = &kubeclient.MissingPermissionsError{User: "system:serviceaccount:" + d.system + ":" + managerName}
	for _, permission := range permissionsOfManager(d.namespace, d.system) {
		lacks := permission
		lacks.Verbs = nil
		for _, verb := range permission.Verbs {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:   missing.User,
				Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + d.system, "system:authenticated"},
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: permission.Namespace, Name: permission.Name, Verb: verb,
					Group: permission.Group, Resource: permission.Resource, Subresource: permission.Subresource,
				},
			}}
			if err := d.Create(ctx, review); err != nil {
				return missing, granted, err
			}
			if !review.Status.Allowed {
				lacks.Verbs = append(lacks.Verbs, verb)
			} else if permission.Namespace == d.namespace {
				granted++
			}
		}
		if len(lacks.Verbs) > 0 {
			missing.Permissions = append(missing.Permissions, lacks)
		}
	}
	return missing, granted, nil
}

// refusalsOfManager names the keys and bindings whose conditions report a refused
// write, for users who may not review the manager's permissions.
func (d *doctor) refusalsOfManager(ctx context.Context) string {
	const elsewhere = ". The manager's metric signet_failed_writes_total counts refused writes"
	keys, err := d.keys(ctx, d.namespace)
	if err != nil {
		return elsewhere
	}
	bindings, err := d.bindings(ctx, d.namespace)
	if err != nil {
		return elsewhere
	}
	var refused []string
	for _, problem := range view.StatusOf(keys, bindings).Problems {
		if problem.Reason == signetv1alpha1.ReasonWriteRefused {
			refused = append(refused, problem.Object+": "+problem.Message)
		}
	}
	if len(refused) == 0 {
		return elsewhere
	}
	return ". Refused writes: " + strings.Join(refused, "; ")
}
