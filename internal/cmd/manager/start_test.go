package manager_test

import (
	"net/http"
	"os"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var _ = Describe("A manager that cannot start", func() {
	It("names the permissions that it lacks, and exits", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: serviceAccount}})
		p := startProcess(ctx, namespace, "--namespaces="+namespace, "--leader-elect", "--leader-elect-namespace="+namespace)
		Eventually(p.ended).Should(BeClosed())
		Expect(p.cmd.ProcessState.ExitCode()).To(Equal(1))
		output, err := os.ReadFile(p.log)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(output)).To(HavePrefix("signet: system:serviceaccount:" + namespace + ":" + serviceAccount + " is not allowed to " +
			"get, list, watch, patch signaturekeys.signet.dev in namespace " + namespace + "; "))
		Expect(string(output)).To(ContainSubstring("; get, list, watch, create, patch secrets in namespace " + namespace + "; "))
		Expect(string(output)).To(HaveSuffix("get, update leases.coordination.k8s.io signet-controller-manager in namespace " + namespace +
			": bind it to the roles in Signet's config/\n"))
	})

	// Caches that never fill, for example because the API server does not answer,
	// would keep it waiting in spite of the signal.
	It("exits on SIGTERM while it waits for its caches", func(ctx SpecContext) {
		gate := newGate()
		gate.shut = "/api/v1/secrets"
		p := startProcessThrough(ctx, gate, systemNamespace)
		Eventually(gate.all).Should(ContainElement(http.MethodGet + " " + gate.shut))
		p.signal(syscall.SIGTERM)
		Eventually(p.ended).Should(BeClosed())
		Expect(p.cmd.ProcessState.ExitCode()).To(Equal(0))
	})
})
