// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"os"
	"os/exec"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/signet-dev/signet/internal/testing/env"
)

// Objects with the field names of an earlier draft.
const (
	draftKey = `
apiVersion: signet.dev/v1alpha1
kind: SignatureKey
metadata: {name: draft}
spec:
  type: HMAC
  key: orders_app
  secretRef: {name: own}
  secretName: orders
  secretTemplate: {labels: {team: a}}
  deletionPolicy: Retain
  rotation: {immediate: leak}
`
	draftBinding = `
apiVersion: signet.dev/v1alpha1
kind: SignatureBinding
metadata: {name: draft}
spec:
  keyRef: {name: orders}
  environment: RELEASE
  apis:
  - {group: signet.dev, kind: API, name: orders}
  header: X-Signature
  host: orders.internal
`
	bindingWithoutGroup = `
apiVersion: signet.dev/v1alpha1
kind: SignatureBinding
metadata: {name: draft}
spec:
  keyRef: {name: orders}
  environment: RELEASE
  apis:
  - {kind: API, name: orders}
`
)

// draftFields lists the fields of the drafts that no longer exist.
var draftFields = map[string][]string{
	draftKey: {
		"spec.deletionPolicy", "spec.key", "spec.rotation.immediate", "spec.secretName", "spec.secretRef", "spec.secretTemplate",
	},
	draftBinding: {"spec.header", "spec.host"},
}

// applyManifest runs kubectl apply and returns its output.
func applyManifest(ctx context.Context, namespace, manifest string) (string, error) {
	cmd := exec.CommandContext(ctx, cluster.Kubectl, "apply", "-n", namespace, "-f", "-")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig)
	cmd.Stdin = strings.NewReader(manifest)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

func parseManifest(namespace, manifest string) *unstructured.Unstructured {
	GinkgoHelper()
	object := &unstructured.Unstructured{}
	Expect(yaml.Unmarshal([]byte(manifest), &object.Object)).To(Succeed())
	object.SetNamespace(namespace)
	return object
}

var _ = Describe("field names of an earlier draft", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = env.NewNamespace(ctx, admin) })

	It("are refused by kubectl, which names each", func(ctx SpecContext) {
		for manifest, fields := range draftFields {
			output, err := applyManifest(ctx, namespace, manifest)
			Expect(err).To(HaveOccurred())
			for _, name := range fields {
				Expect(output).To(ContainSubstring(`unknown field "` + name + `"`))
			}
			stored := parseManifest(namespace, manifest)
			Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, stored) }).Should(Succeed())
		}
	})

	It("are dropped for other clients, with a warning of the API server", func(ctx SpecContext) {
		for manifest, fields := range draftFields {
			object := parseManifest(namespace, manifest)
			warnings, err := admin.ask(func() error { return admin.Create(ctx, object) })
			Expect(err).NotTo(HaveOccurred())
			for _, name := range fields {
				Expect(warnings).To(ContainElement(`unknown field "` + name + `"`))
				_, found, err := unstructured.NestedFieldNoCopy(object.Object, strings.Split(name, ".")...)
				Expect(err).NotTo(HaveOccurred())
				Expect(found).To(BeFalse(), name)
			}
		}
	})

	It("do not pass as a binding without a group, which names the field", func(ctx SpecContext) {
		const refusal = "spec.apis[0].group: Required value"
		output, err := applyManifest(ctx, namespace, bindingWithoutGroup)
		Expect(err).To(HaveOccurred())
		Expect(output).To(ContainSubstring(refusal))
		Expect(admin.Create(ctx, parseManifest(namespace, bindingWithoutGroup), client.DryRunAll)).To(MatchError(ContainSubstring(refusal)))
	})
})
