// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"fmt"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const signerMetric = "signet_signer_namespace_served"

// sign has a signer sign a request of the API orders, and returns the status.
func sign(ctx context.Context, signer *env.SignerProcess, namespace string) int {
	GinkgoHelper()
	url := fmt.Sprintf("http://%s/sign/%s/%s/API/orders", signer.Sign, namespace, gen.Environment)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	request.Header = http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/"}, "X-Forwarded-Host": {"orders.example"}}
	response, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	Expect(response.Body.Close()).To(Succeed())
	return response.StatusCode
}

var _ = Describe("A signer for several namespaces", func() {
	It("signs for those that are served, whatever happens to the others", func(ctx SpecContext) {
		names := []string{"signed", "unsigned"}
		for _, name := range names {
			create(ctx, name)
			grant(ctx, name)
		}
		startManager(ctx, names)
		for _, name := range names {
			_, binding := apply(ctx, name, "orders")
			expectBound(ctx, binding)
		}
		Expect(admin.Delete(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "unsigned", Name: env.SignerAccount}})).To(Succeed())
		signer, err := cluster.StartSignerProcess(ctx, env.SignerOptions{ProcessOptions: env.ProcessOptions{
			Binary: binary, Output: GinkgoWriter, Flags: []string{"--namespaces=signed,unsigned,missing"},
		}})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { _ = signer.Stop() })

		Expect(sign(ctx, signer, "signed")).To(Equal(http.StatusOK))
		Expect(sign(ctx, signer, "unsigned")).To(Equal(http.StatusServiceUnavailable))
		Expect(sign(ctx, signer, "missing")).To(Equal(http.StatusServiceUnavailable))
		expectServed(ctx, signer.Metrics, signerMetric, "unsigned", false)

		grant(ctx, "unsigned")
		expectServed(ctx, signer.Metrics, signerMetric, "unsigned", true)
		Eventually(func() int { return sign(ctx, signer, "unsigned") }).Should(Equal(http.StatusOK))
		Expect(sign(ctx, signer, "signed")).To(Equal(http.StatusOK))
	})
})
