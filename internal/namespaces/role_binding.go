// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/kubeclient"
)

// RoleBindingName is the name of the RoleBinding that lets the manager work in a
// namespace. Its deletion tells Signet to leave the namespace, whether or not the
// namespace is deleted, too.
const RoleBindingName = "signet-controller-manager"

// RoleBindings selects these RoleBindings in the options of a cache.
func RoleBindings() cache.ByObject {
	return cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", RoleBindingName)}
}

// RoleBindingPermissions are those to follow the RoleBinding and to keep it until
// Signet has left. A namespace can be served without them, for example if a
// ClusterRoleBinding grants the others.
func RoleBindingPermissions() []kubeclient.Permission {
	return []kubeclient.Permission{{
		Group: rbacv1.GroupName, Resource: "rolebindings", Name: RoleBindingName, Verbs: []string{"list", "watch", "patch"},
	}}
}

// RoleBinding returns the RoleBinding of a namespace; nil if there is none, or if it
// cannot be read.
func (c *Cache) RoleBinding(ctx context.Context, namespace string) *rbacv1.RoleBinding {
	if c == nil {
		return nil
	}
	found := &rbacv1.RoleBinding{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: RoleBindingName}, found); err != nil {
		return nil
	}
	return found
}

// IsLeaving reports whether Signet is to leave the namespace: its RoleBinding is being deleted.
func (c *Cache) IsLeaving(ctx context.Context, namespace string) bool {
	found := c.RoleBinding(ctx, namespace)
	return found != nil && !found.DeletionTimestamp.IsZero()
}
