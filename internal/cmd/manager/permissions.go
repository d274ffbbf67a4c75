// SPDX-License-Identifier: Apache-2.0

package manager

import (
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// permissions returns those that the manager cannot work without: to fill its
// caches, to lead, and to write what it decides. Others, such as those for the
// routes of the Gateway API, are reported when they are needed.
func (o Options) permissions() []kubeclient.Permission {
	group := signetv1alpha1.GroupVersion.Group
	permissions := kubeclient.ForNamespaces(o.Namespaces,
		kubeclient.Permission{Group: group, Resource: "signaturekeys", Verbs: []string{"get", "list", "watch", "patch"}},
		kubeclient.Permission{Group: group, Resource: "signaturekeys", Subresource: "status", Verbs: []string{"patch"}},
		kubeclient.Permission{Group: group, Resource: "signaturebindings", Verbs: []string{"list", "watch"}},
		kubeclient.Permission{Group: group, Resource: "signaturebindings", Subresource: "status", Verbs: []string{"update"}},
		kubeclient.Permission{Resource: "secrets", Verbs: []string{"get", "list", "watch", "create", "patch"}},
	)
	if o.LeaderElect {
		leases := kubeclient.Permission{Namespace: o.OwnNamespace, Group: "coordination.k8s.io", Resource: "leases"}
		create, renew := leases, leases
		create.Verbs = []string{"create"}
		renew.Name, renew.Verbs = leaseName, []string{"get", "update"}
		permissions = append(permissions, create, renew)
	}
	return permissions
}
