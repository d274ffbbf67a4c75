// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// issue writes a serving certificate to the folder, as the kubelet does with
// what cert-manager has issued, and returns the certificate and its authority.
func issue(dir string) []byte {
	GinkgoHelper()
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	Expect(err).NotTo(HaveOccurred())
	for name, content := range map[string][]byte{"tls.key": key, "tls.crt": certificate} {
		Expect(os.WriteFile(filepath.Join(dir, name), content, 0o600)).To(Succeed())
	}
	return certificate
}

// served is the certificate that the manager shows.
func served(ctx context.Context) ([]byte, error) {
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // looks at the certificate only
	connection, err := dialer.DialContext(ctx, "tcp", webhookAddress)
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close() }()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw, nil
}

func configuration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "signet"}}
}

func authority() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: env.SystemNamespace, Name: "signet-webhook-ca"}}
}

// trust does what cert-manager's cainjector does.
func trust(ctx context.Context, bundle []byte) *admissionregistrationv1.ValidatingWebhookConfiguration {
	GinkgoHelper()
	return env.Update(ctx, admin, configuration(), func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
		for i := range c.Webhooks {
			c.Webhooks[i].ClientConfig.CABundle = bundle
		}
	})
}

var _ = Describe("certificates from files", func() {
	It("are served and renewed, and the CA bundle is left alone", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		first := issue(dir)
		DeferCleanup(func(ctx SpecContext) { startManager(ctx, shipped...) })
		launchManager(ctx, "--webhook-cert-dir="+dir)
		untouched := env.Reload(Default, ctx, admin, authority())

		By("leaving a bundle that does not trust them")
		existing := env.Reload(Default, ctx, admin, configuration())
		Consistently(func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, configuration())).To(Equal(existing))
			g.Expect(admin.Create(ctx, gen.SignatureKey("probe", gen.InNamespace("default")), client.DryRunAll)).To(MatchError(ContainSubstring("failed to verify certificate")))
		}).WithTimeout(3 * time.Second).Should(Succeed())

		By("leaving the bundle of others that does")
		injected := trust(ctx, first)
		Eventually(func() error {
			return admin.Create(ctx, gen.SignatureKey("probe", gen.InNamespace("default")), client.DryRunAll)
		}).Should(Succeed())

		By("taking up what is renewed")
		block, _ := pem.Decode(issue(dir))
		Eventually(func(g Gomega) {
			now, err := served(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(now).To(Equal(block.Bytes))
		}).Should(Succeed())
		Expect(env.Reload(Default, ctx, admin, configuration())).To(Equal(injected))
		Expect(env.Reload(Default, ctx, admin, authority())).To(Equal(untouched))

		By("keeping the bundle again without the flag")
		startManager(ctx, shipped...)
		Expect(env.Reload(Default, ctx, admin, configuration()).Webhooks[0].ClientConfig.CABundle).NotTo(Equal(first))
	})
})
