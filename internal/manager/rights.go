package manager

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/apiserver"
)

// rights are those without which the manager does nothing: to fill its caches,
// to lead, and to write what it decides. What it can do without, such as the
// routes of the Gateway API, it misses when it comes to it.
func (o Options) rights() []apiserver.Right {
	namespaces := o.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	group := signetv1alpha1.GroupVersion.Group
	var rights []apiserver.Right
	for _, namespace := range namespaces {
		rights = append(rights,
			apiserver.Right{Namespace: namespace, Group: group, Resource: "signaturekeys", Verbs: []string{"get", "list", "watch", "patch"}},
			apiserver.Right{Namespace: namespace, Group: group, Resource: "signaturekeys", Subresource: "status", Verbs: []string{"patch"}},
			apiserver.Right{Namespace: namespace, Group: group, Resource: "signaturebindings", Verbs: []string{"list", "watch"}},
			apiserver.Right{Namespace: namespace, Group: group, Resource: "signaturebindings", Subresource: "status", Verbs: []string{"update"}},
			apiserver.Right{Namespace: namespace, Resource: "secrets", Verbs: []string{"get", "list", "watch", "create", "patch"}},
		)
	}
	if o.LeaderElect {
		leases := apiserver.Right{Namespace: o.OwnNamespace, Group: "coordination.k8s.io", Resource: "leases"}
		create, renew := leases, leases
		create.Verbs = []string{"create"}
		renew.Name, renew.Verbs = leaseName, []string{"get", "update"}
		rights = append(rights, create, renew)
	}
	return rights
}
