package manager

import (
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// permissions are those without which the manager does nothing: to fill its caches,
// to lead, and to write what it decides. What it can do without, such as the
// routes of the Gateway API, it misses when it comes to it.
func (o Options) permissions() []kubeclient.Permission {
	group := signetv1alpha1.GroupVersion.Group
	rights := kubeclient.ForNamespaces(o.Namespaces,
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
		rights = append(rights, create, renew)
	}
	return rights
}
