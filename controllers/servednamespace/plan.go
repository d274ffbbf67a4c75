// SPDX-License-Identifier: Apache-2.0

package servednamespace

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// action is what to do about the RoleBinding of a namespace.
type action string

const (
	keep   action = "keep"
	add    action = "add the finalizer"
	leave  action = "remove the finalizer if nothing remains"
	remove action = "remove the finalizer"
)

// plan decides from the RoleBinding alone; nil if there is none. After leave, what
// remains in the namespace decides. A manager that works in all namespaces needs none:
// a manager with --namespaces has left it.
func plan(roleBinding *rbacv1.RoleBinding, everywhere bool) action {
	switch {
	case roleBinding == nil || everywhere && !joined(roleBinding):
		return keep
	case everywhere:
		return remove
	case roleBinding.DeletionTimestamp.IsZero() && !joined(roleBinding):
		return add
	case !roleBinding.DeletionTimestamp.IsZero() && joined(roleBinding):
		return leave
	default:
		return keep
	}
}

// planLeave decides from what remains in a namespace that Signet leaves.
func planLeave(keys []signetv1alpha1.SignatureKey, others []metav1.ObjectMeta) action {
	for i := range keys {
		if signetv1alpha1.IsProtected(&keys[i]) || !reportsNotServed(&keys[i]) {
			return keep
		}
	}
	for i := range others {
		if signetv1alpha1.IsProtected(&others[i]) {
			return keep
		}
	}
	return remove
}

func reportsNotServed(key *signetv1alpha1.SignatureKey) bool {
	ready := meta.FindStatusCondition(key.Status.Conditions, signetv1alpha1.ConditionReady)
	return ready != nil && ready.Reason == signetv1alpha1.ReasonNotServed
}

func joined(roleBinding *rbacv1.RoleBinding) bool {
	return slices.Contains(roleBinding.Finalizers, signetv1alpha1.FinalizerNamespace)
}
