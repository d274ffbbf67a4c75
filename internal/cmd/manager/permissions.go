// SPDX-License-Identifier: Apache-2.0

package manager

import (
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// permissions returns those that the manager cannot start without: to lead, and, if it
// works in all namespaces, those of each. With --namespaces, each namespace is checked
// alone, and again while the manager runs.
func (o Options) permissions() []kubeclient.Permission {
	var permissions []kubeclient.Permission
	if len(o.Namespaces) == 0 {
		permissions = namespacePermissions()
	}
	if o.LeaderElect {
		leases := kubeclient.Permission{Namespace: o.OwnNamespace, Group: "coordination.k8s.io", Resource: "leases"}
		create, renew := leases, leases
		create.Verbs = []string{"create"}
		renew.Name, renew.Verbs = leaseName, []string{"get", "update"}
		permissions = append(permissions, create, renew)
	}
	return permissions
}

// namespacePermissions returns those without which no namespace can be served: to fill
// its caches, and to write what is decided. Others, such as those for the routes of the
// Gateway API, are reported when they are needed.
func namespacePermissions() []kubeclient.Permission {
	group := signetv1alpha1.GroupVersion.Group
	return []kubeclient.Permission{
		{Group: group, Resource: "signaturekeys", Verbs: []string{"get", "list", "watch", "patch"}},
		{Group: group, Resource: "signaturekeys", Subresource: "status", Verbs: []string{"patch"}},
		{Group: group, Resource: "signaturebindings", Verbs: []string{"list", "watch"}},
		{Group: group, Resource: "signaturebindings", Subresource: "status", Verbs: []string{"update"}},
		{Resource: "secrets", Verbs: []string{"get", "list", "watch", "create", "patch"}},
		{Resource: "configmaps", Verbs: []string{"list", "watch"}},
	}
}
