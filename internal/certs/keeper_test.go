package certs

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

const host = "signet-webhook.signet-system.svc"

func fixture(t *testing.T) (client.Client, *clocktesting.FakeClock) {
	t.Helper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "signet"},
		Webhooks:   []admissionregistrationv1.ValidatingWebhook{{Name: "a.signet.dev"}, {Name: "b.signet.dev"}},
	}
	return fake.NewClientBuilder().WithObjects(configuration).Build(), clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
}

func keeper(c client.Client, clock *clocktesting.FakeClock) *Keeper {
	return New(c, Options{
		Namespace: "signet-system", SecretName: "signet-webhook-ca", WebhookConfiguration: "signet",
		Hosts: []string{host, "127.0.0.1"}, Clock: clock,
	})
}

// trusted says that what the keeper serves is trusted by what is published.
func trusted(g *WithT, c client.Client, k *Keeper, now time.Time) {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	g.Expect(c.Get(context.Background(), client.ObjectKey{Name: "signet"}, configuration)).To(Succeed())
	for i := range configuration.Webhooks {
		roots := x509.NewCertPool()
		g.Expect(roots.AppendCertsFromPEM(configuration.Webhooks[i].ClientConfig.CABundle)).To(BeTrue())
		serving, err := k.GetCertificate(nil)
		g.Expect(err).NotTo(HaveOccurred())
		for _, name := range []string{host, "127.0.0.1"} {
			_, err = serving.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now})
			g.Expect(err).NotTo(HaveOccurred())
		}
	}
}

func TestReplicasShareOneAuthority(t *testing.T) {
	g := NewWithT(t)
	c, clock := fixture(t)
	one, two := keeper(c, clock), keeper(c, clock)
	g.Expect(one.Check(nil)).NotTo(Succeed())
	g.Expect(one.Keep(t.Context())).To(Succeed())
	g.Expect(two.Keep(t.Context())).To(Succeed())
	trusted(g, c, one, clock.Now())
	trusted(g, c, two, clock.Now())
}

func TestRotationNeverBreaksTrust(t *testing.T) {
	g := NewWithT(t)
	c, clock := fixture(t)
	one, two := keeper(c, clock), keeper(c, clock)
	serials := map[string]bool{}
	for range 400 {
		g.Expect(one.Keep(t.Context())).To(Succeed())
		one.note(nil)
		trusted(g, c, one, clock.Now())
		if two.serving != nil {
			trusted(g, c, two, clock.Now()) // has not looked since yesterday
		}
		g.Expect(two.Keep(t.Context())).To(Succeed())
		g.Expect(one.Check(nil)).To(Succeed())
		serials[one.issuer.certificate.SerialNumber.String()] = true
		clock.Step(24 * time.Hour)
	}
	g.Expect(len(serials)).To(Equal(2), "authorities in 400 days")
}

func TestDroppedBundleComesBack(t *testing.T) {
	g := NewWithT(t)
	c, clock := fixture(t)
	k := keeper(c, clock)
	g.Expect(k.Keep(t.Context())).To(Succeed())
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	g.Expect(c.Get(t.Context(), client.ObjectKey{Name: "signet"}, configuration)).To(Succeed())
	configuration.Webhooks[1].ClientConfig.CABundle = nil
	g.Expect(c.Update(t.Context(), configuration)).To(Succeed())
	g.Expect(k.Keep(t.Context())).To(Succeed())
	trusted(g, c, k, clock.Now())
}

func TestBrokenAuthorityIsReplaced(t *testing.T) {
	g := NewWithT(t)
	c, clock := fixture(t)
	k := keeper(c, clock)
	g.Expect(k.Keep(t.Context())).To(Succeed())
	secret := &corev1.Secret{}
	g.Expect(c.Get(t.Context(), client.ObjectKey{Namespace: "signet-system", Name: "signet-webhook-ca"}, secret)).To(Succeed())
	secret.Data[dataKey] = []byte("broken")
	g.Expect(c.Update(t.Context(), secret)).To(Succeed())
	g.Expect(k.Keep(t.Context())).To(Succeed())
	trusted(g, c, k, clock.Now())
}
