// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"net/http"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signet-dev/signet/internal/testing/env"
)

var _ = Describe("A manager that cannot begin", func() {
	It("names the permissions that it lacks, and exits", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		env.Create(ctx, admin, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: env.ManagerAccount}})
		p := startProcess(ctx, namespace, "--leader-elect", "--leader-elect-namespace="+namespace)
		Eventually(p.Ended()).Should(BeClosed())
		Expect(p.ExitCode()).To(Equal(1))
		output := p.Output()
		Expect(output).To(HavePrefix("signet: system:serviceaccount:" + namespace + ":" + env.ManagerAccount + " is not allowed to " +
			"get, list, watch, patch signaturekeys.signet.dev in the whole cluster; "))
		Expect(output).To(ContainSubstring("; get, list, watch, create, patch secrets in the whole cluster; "))
		Expect(output).To(HaveSuffix("get, update leases.coordination.k8s.io signet-controller-manager in namespace " + namespace +
			": bind it to the roles in Signet's config/\n"))
	})

	// Caches that nothing fills, as when the API server does not answer, would
	// keep it waiting in spite of the signal.
	It("ends on a signal while it waits for its caches", func(ctx SpecContext) {
		gate := newGate()
		gate.shut = "/api/v1/secrets"
		p := startProcessThrough(ctx, gate, env.SystemNamespace)
		Eventually(gate.all).Should(ContainElement(http.MethodGet + " " + gate.shut))
		p.Signal(syscall.SIGTERM)
		Eventually(p.Ended()).Should(BeClosed())
		Expect(p.ExitCode()).To(Equal(0))
	})
})
