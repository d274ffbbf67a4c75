// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/signet-dev/signet/internal/testing/env"
)

// finding is a line of doctor.
type finding struct{ Check, Result, Message, Action string }

// examine returns what doctor finds about the namespaces of config/namespaced.
func examine(ctx context.Context, plugin string) map[string]finding {
	GinkgoHelper()
	// It fails, because no manager runs in the Deployment's Pods.
	out, _ := exec.CommandContext(ctx, plugin, "--kubeconfig="+cluster.Kubeconfig, "doctor", "-n", "team-a", "-o", "json").Output()
	var diagnosis struct{ Findings []finding }
	Expect(json.Unmarshal(out, &diagnosis)).To(Succeed(), string(out))
	found := map[string]finding{}
	for _, one := range diagnosis.Findings {
		found[one.Check] = one
	}
	return found
}

var _ = It("is explained by doctor which namespaces are not served, and what to do", func(ctx SpecContext) {
	plugin := filepath.Join(cluster.Dir, "kubectl-signet")
	Expect(env.Build(ctx, cluster.Root, "./internal/cmd/kubectl-signet", plugin)).To(Succeed())
	const a, b = "namespace team-a of the manager", "namespace team-b of the manager"
	Expect(examine(ctx, plugin)).To(And(HaveKeyWithValue(a, HaveField("Result", "ok")), HaveKeyWithValue(b, HaveField("Result", "ok"))))

	Expect(admin.Delete(ctx, roleBinding("team-b"))).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { grant(ctx, "team-b") })
	Expect(examine(ctx, plugin)).To(And(
		HaveKeyWithValue(a, HaveField("Result", "ok")),
		HaveKeyWithValue(b, Equal(finding{
			Check: b, Result: "failed", Message: "RoleBinding signet-controller-manager does not exist, so the namespace is not served",
			Action: "apply its RoleBindings (config/namespaced, or the chart), or remove the namespace from --namespaces",
		})),
	))
})
