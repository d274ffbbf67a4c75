// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/proc"
)

const checkOfManager = "permissions of the manager in namespace shop"

// found returns result and message of a check of doctor.
func found(t *testing.T, check string, args ...string) (result, message string) {
	t.Helper()
	out, problems, _ := signet(t, append([]string{"doctor", "-n", "shop", "-o", "json"}, args...)...)
	var diagnosis struct {
		Findings []struct{ Check, Result, Message string }
	}
	if err := json.Unmarshal([]byte(out), &diagnosis); err != nil {
		t.Fatalf("%v: %s%s", err, out, problems)
	}
	for _, finding := range diagnosis.Findings {
		if finding.Check == check {
			return finding.Result, finding.Message
		}
	}
	t.Fatalf("no check %q in %s", check, out)
	return "", ""
}

// The manager may lose a permission while it runs. Doctor names each that the role in
// config/rbac grants.
func TestDoctorNamesPermissionsThatTheManagerHasLost(t *testing.T) {
	if result, message := found(t, checkOfManager); result != "ok" {
		t.Errorf("as installed: %s: %s", result, message)
	}
	if result, message := found(t, checkOfManager, "--as=viewer"); result != "unknown" || !strings.Contains(message, "signet_failed_writes_total") {
		t.Errorf("of a user who may not review: %s: %s", result, message)
	}
	role, binding := &rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{}
	name := client.ObjectKey{Name: "signet-controller-manager"}
	for _, object := range []client.Object{role, binding} {
		if err := cluster.Admin.Get(t.Context(), name, object); err != nil {
			t.Fatal(err)
		}
	}
	if err := cluster.Admin.Delete(t.Context(), binding.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	restored := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: binding.Name}, RoleRef: binding.RoleRef, Subjects: binding.Subjects}
	t.Cleanup(func() {
		if err := cluster.Admin.Create(t.Context(), restored); err != nil {
			t.Log(err)
		}
	})
	proc.Eventually(t, "doctor to name all permissions", func() error {
		result, message := found(t, checkOfManager)
		if result != "failed" || !strings.HasPrefix(message, "system:serviceaccount:signet-system:signet-controller-manager is not allowed to ") {
			return fmt.Errorf("%s: %s", result, message)
		}
		return namesAll(role, message)
	})
}

// namesAll returns an error unless the message names each resource and verb of the
// role's rules.
func namesAll(role *rbacv1.ClusterRole, message string) error {
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			named := func(part string) bool {
				words := strings.Fields(strings.ReplaceAll(part, ",", ""))
				what := slices.IndexFunc(words, func(word string) bool { return word == resource || strings.HasPrefix(word, resource+".") })
				return what >= 0 && !slices.ContainsFunc(rule.Verbs, func(verb string) bool { return !slices.Contains(words[:what], verb) })
			}
			if !slices.ContainsFunc(strings.Split(message, "; "), named) {
				return fmt.Errorf("%v %s is not named in %s", rule.Verbs, resource, message)
			}
		}
	}
	return nil
}
