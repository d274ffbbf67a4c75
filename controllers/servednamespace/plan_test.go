// SPDX-License-Identifier: Apache-2.0

package servednamespace

import (
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

func TestPlan(t *testing.T) {
	deleted := &metav1.Time{Time: time.Unix(1, 0)}
	joined := []string{"example.com/other", signetv1alpha1.FinalizerNamespace}
	for name, tc := range map[string]struct {
		roleBinding      *rbacv1.RoleBinding
		want, everywhere action
	}{
		"no RoleBinding":       {nil, keep, keep},
		"a new one":            {&rbacv1.RoleBinding{}, add, keep},
		"one of another owner": {&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Finalizers: joined[:1]}}, add, keep},
		"joined":               {&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Finalizers: joined}}, keep, remove},
		"deleted":              {&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Finalizers: joined, DeletionTimestamp: deleted}}, leave, remove},
		"deleted and left":     {&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Finalizers: joined[:1], DeletionTimestamp: deleted}}, keep, keep},
	} {
		if got := plan(tc.roleBinding, false); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
		if got := plan(tc.roleBinding, true); got != tc.everywhere {
			t.Errorf("%s, with a manager that works in all namespaces: %s, want %s", name, got, tc.everywhere)
		}
	}
}

func TestPlanLeave(t *testing.T) {
	protected := gen.WithFinalizers(signetv1alpha1.FinalizerProtection)
	reported := gen.KeyFunc(func(key *signetv1alpha1.SignatureKey) {
		key.Status.Conditions = []metav1.Condition{{Type: signetv1alpha1.ConditionReady, Reason: signetv1alpha1.ReasonNotServed}}
	})
	left := *gen.SignatureKey("left", reported)
	for name, tc := range map[string]struct {
		keys   []signetv1alpha1.SignatureKey
		others []metav1.ObjectMeta
		want   action
	}{
		"nothing remains":    {nil, nil, remove},
		"what has been left": {[]signetv1alpha1.SignatureKey{left}, []metav1.ObjectMeta{{Finalizers: []string{"example.com/other"}}}, remove},
		"a protected key":    {[]signetv1alpha1.SignatureKey{left, *gen.SignatureKey("orders", reported, protected)}, nil, keep},
		"a key that may yet be protected by a late write": {[]signetv1alpha1.SignatureKey{*gen.SignatureKey("orders")}, nil, keep},
		"a protected Secret":                              {nil, []metav1.ObjectMeta{{}, {Finalizers: []string{signetv1alpha1.FinalizerProtection}}}, keep},
	} {
		if got := planLeave(tc.keys, tc.others); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
