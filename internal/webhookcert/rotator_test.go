// SPDX-License-Identifier: Apache-2.0

package webhookcert

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/signet-dev/signet/internal/pki"
)

const host = "signet-webhook.signet-system.svc"

var (
	secretName        = client.ObjectKey{Namespace: "signet-system", Name: "signet-webhook-ca"}
	configurationName = client.ObjectKey{Name: "signet"}
)

func configuration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "signet"},
		Webhooks:   []admissionregistrationv1.ValidatingWebhook{{Name: "a.signet.dev"}, {Name: "b.signet.dev"}},
	}
}

func newFixture(t *testing.T) (client.WithWatch, *clocktesting.FakeClock) {
	t.Helper()
	return fake.NewClientBuilder().WithObjects(configuration()).Build(), clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
}

func newRotator(c client.Client, clock *clocktesting.FakeClock) *Rotator {
	return New(c, Options{
		Namespace: secretName.Namespace, SecretName: secretName.Name, WebhookConfiguration: "signet",
		Hosts: []string{host, "127.0.0.1"}, Clock: clock,
	})
}

func publishedBundles(g *WithT, c client.Client) [][]byte {
	found := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	g.Expect(c.Get(context.Background(), configurationName, found)).To(Succeed())
	var bundles [][]byte
	for i := range found.Webhooks {
		bundles = append(bundles, found.Webhooks[i].ClientConfig.CABundle)
	}
	return bundles
}

// expectTrusted expects that the published bundles trust the serving certificate.
func expectTrusted(g *WithT, c client.Client, r *Rotator) {
	g.THelper()
	serving, err := r.GetCertificate(nil)
	g.Expect(err).NotTo(HaveOccurred())
	for _, bundle := range publishedBundles(g, c) {
		roots := x509.NewCertPool()
		g.Expect(roots.AppendCertsFromPEM(bundle)).To(BeTrue())
		for _, name := range []string{host, "127.0.0.1"} {
			_, err = serving.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: r.options.Clock.Now()})
			g.Expect(err).NotTo(HaveOccurred())
		}
	}
}

func authorityIn(g *WithT, c client.Client) *pki.Authority {
	secret := &corev1.Secret{}
	g.Expect(c.Get(context.Background(), secretName, secret)).To(Succeed())
	found, err := pki.DecodeAuthority(secret.Data)
	g.Expect(err).NotTo(HaveOccurred())
	return found
}

func TestReplicasShareOneAuthority(t *testing.T) {
	g := NewWithT(t)
	c, clock := newFixture(t)
	one, two := newRotator(c, clock), newRotator(c, clock)
	g.Expect(one.Check(nil)).To(MatchError(ContainSubstring("no valid serving certificate")))
	_, err := one.GetCertificate(nil)
	g.Expect(err).To(MatchError("no serving certificate yet"))
	g.Expect(one.Sync(t.Context())).To(Succeed())
	g.Expect(two.Sync(t.Context())).To(Succeed())
	g.Expect(one.issuer.Certificate().Equal(two.issuer.Certificate())).To(BeTrue())
	expectTrusted(g, c, one)
	expectTrusted(g, c, two)
	g.Expect(one.Check(nil)).To(Succeed())
	g.Expect(expiries(g)).To(Equal(map[string]time.Time{
		"serving":   clock.Now().Add(servingLife),
		"authority": clock.Now().Add(authorityLife),
	}))
}

// expiries returns the samples of the metric by the value of its label.
func expiries(g *WithT) map[string]time.Time {
	families, err := metrics.Registry.Gather()
	g.Expect(err).NotTo(HaveOccurred())
	found := map[string]time.Time{}
	for _, family := range families {
		if family.GetName() != "signet_webhook_certificate_expiry_timestamp_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			found[metric.GetLabel()[0].GetValue()] = time.Unix(int64(metric.GetGauge().GetValue()), 0).UTC()
		}
	}
	return found
}

// Both replicas find no Secret before either of them writes one.
func TestFirstReplicaWins(t *testing.T) {
	g := NewWithT(t)
	inner, clock := newFixture(t)
	var bothHaveRead sync.WaitGroup
	bothHaveRead.Add(2)
	c := interceptor.NewClient(inner, interceptor.Funcs{
		Create: func(ctx context.Context, inner client.WithWatch, object client.Object, options ...client.CreateOption) error {
			bothHaveRead.Done()
			bothHaveRead.Wait()
			return inner.Create(ctx, object, options...)
		},
	})
	rotators := []*Rotator{newRotator(c, clock), newRotator(c, clock)}
	var done sync.WaitGroup
	for _, r := range rotators {
		done.Go(func() {
			for r.Sync(context.Background()) != nil { // the patch of the bundle may conflict
			}
		})
	}
	done.Wait()
	for _, r := range rotators {
		expectTrusted(g, inner, r)
		g.Expect(r.issuer.Certificate().Equal(authorityIn(g, inner).Certificate())).To(BeTrue())
	}
}

func TestRotationNeverBreaksTrust(t *testing.T) {
	g := NewWithT(t)
	c, clock := newFixture(t)
	one, two := newRotator(c, clock), newRotator(c, clock)
	authorities, serving := map[string]bool{}, map[string]bool{}
	for range 800 {
		for _, r := range []*Rotator{one, two} {
			g.Expect(r.Sync(t.Context())).To(Succeed())
			g.Expect(r.Check(nil)).To(Succeed())
			for _, other := range []*Rotator{one, two} {
				if other.serving != nil {
					expectTrusted(g, c, other) // one of them has not synced since
				}
			}
		}
		authorities[one.issuer.Certificate().SerialNumber.String()] = true
		serving[one.serving.Leaf.SerialNumber.String()] = true
		clock.Step(day)
	}
	g.Expect(authorities).To(HaveLen(4), "authorities in 800 days, renewed after 245")
	g.Expect(len(serving)).To(BeNumerically("~", 800/20, 5), "serving certificates in 800 days, renewed after 20")
}

func TestNewAuthorityIssuesOnceItsBundleIsInPlace(t *testing.T) {
	g := NewWithT(t)
	c, clock := newFixture(t)
	r := newRotator(c, clock)
	g.Expect(r.Sync(t.Context())).To(Succeed())
	first := r.issuer.Certificate()
	clock.SetTime(renewalTime(r.issuer))
	g.Expect(r.Sync(t.Context())).To(Succeed())
	g.Expect(authorityIn(g, c).Certificate().Equal(first)).To(BeFalse())
	g.Expect(r.issuer.Certificate().Equal(first)).To(BeTrue(), "the API server may not know the new one yet")
	g.Expect(bytes.Count(publishedBundles(g, c)[0], []byte("BEGIN CERTIFICATE"))).To(Equal(2))

	g.Expect(r.Sync(t.Context())).To(Succeed())
	g.Expect(r.issuer.Certificate().Equal(authorityIn(g, c).Certificate())).To(BeTrue())

	clock.Step(authorityOverlap)
	g.Expect(r.Sync(t.Context())).To(Succeed())
	g.Expect(bytes.Count(publishedBundles(g, c)[0], []byte("BEGIN CERTIFICATE"))).To(Equal(1), "the overlap is over")
	expectTrusted(g, c, r)
}

func TestRemovedBundleIsRestored(t *testing.T) {
	g := NewWithT(t)
	c, clock := newFixture(t)
	r := newRotator(c, clock)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Start(ctx) }()
	g.Eventually(func() error { return r.Check(nil) }).Should(Succeed())
	found := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	g.Expect(c.Get(ctx, configurationName, found)).To(Succeed())
	found.Webhooks[1].ClientConfig.CABundle = nil
	g.Expect(c.Update(ctx, found)).To(Succeed())
	g.Eventually(clock.HasWaiters).Should(BeTrue())
	clock.Step(syncInterval)
	g.Eventually(func(g Gomega) {
		g.Expect(c.Get(ctx, configurationName, found)).To(Succeed())
		g.Expect(found.Webhooks[1].ClientConfig.CABundle).NotTo(BeEmpty())
	}).Should(Succeed())
	expectTrusted(g, c, r)
	stop()
	g.Eventually(ended).Should(Receive(Succeed()))
}

func TestLostOrBrokenAuthorityIsReplaced(t *testing.T) {
	for name, lose := range map[string]func(*WithT, client.Client, *corev1.Secret){
		"deleted": func(g *WithT, c client.Client, secret *corev1.Secret) {
			g.Expect(c.Delete(context.Background(), secret)).To(Succeed())
		},
		"broken": func(g *WithT, c client.Client, secret *corev1.Secret) {
			secret.Data[pki.DataPrivateKey] = []byte("broken")
			g.Expect(c.Update(context.Background(), secret)).To(Succeed())
		},
		"emptied": func(g *WithT, c client.Client, secret *corev1.Secret) {
			secret.Data = nil
			g.Expect(c.Update(context.Background(), secret)).To(Succeed())
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, clock := newFixture(t)
			one, two := newRotator(c, clock), newRotator(c, clock)
			g.Expect(one.Sync(t.Context())).To(Succeed())
			g.Expect(two.Sync(t.Context())).To(Succeed())
			secret := &corev1.Secret{}
			g.Expect(c.Get(t.Context(), secretName, secret)).To(Succeed())
			lose(g, c, secret)
			for range 2 {
				g.Expect(one.Sync(t.Context())).To(Succeed())
				expectTrusted(g, c, one)
				expectTrusted(g, c, two) // has not synced yet
			}
			g.Expect(two.Sync(t.Context())).To(Succeed())
			expectTrusted(g, c, two)
			g.Expect(one.issuer.Certificate().Equal(two.issuer.Certificate())).To(BeTrue())
		})
	}
}

func TestSyncWithoutChangesWritesNothing(t *testing.T) {
	g := NewWithT(t)
	inner, clock := newFixture(t)
	writes := 0
	c := interceptor.NewClient(inner, interceptor.Funcs{
		Create: func(ctx context.Context, inner client.WithWatch, object client.Object, options ...client.CreateOption) error {
			writes++
			return inner.Create(ctx, object, options...)
		},
		Update: func(ctx context.Context, inner client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			writes++
			return inner.Update(ctx, object, options...)
		},
		Patch: func(ctx context.Context, inner client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			writes++
			return inner.Patch(ctx, object, patch, options...)
		},
	})
	one, two := newRotator(c, clock), newRotator(c, clock)
	for range 100 {
		g.Expect(one.Sync(t.Context())).To(Succeed())
		g.Expect(two.Sync(t.Context())).To(Succeed())
		clock.Step(syncInterval)
	}
	g.Expect(writes).To(Equal(2), "the Secret and the bundle, once")
}

func TestLaterFailuresDoNotStopServing(t *testing.T) {
	g := NewWithT(t)
	inner, clock := newFixture(t)
	down := false
	c := interceptor.NewClient(inner, interceptor.Funcs{
		Get: func(ctx context.Context, inner client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if down {
				return errors.New("API server unreachable")
			}
			return inner.Get(ctx, key, object, options...)
		},
	})
	r := newRotator(c, clock)
	g.Expect(r.Sync(t.Context())).To(Succeed())
	down = true
	for range 40 {
		clock.Step(day)
		err := r.Sync(t.Context())
		g.Expect(err).To(MatchError(ContainSubstring("API server unreachable")))
		r.recordProblem(err)
		g.Expect(r.Check(nil)).To(Succeed())
		expectTrusted(g, inner, r)
	}
	clock.Step(authorityLife)
	g.Expect(r.Check(nil)).To(MatchError(And(ContainSubstring("no valid serving certificate"), ContainSubstring("API server unreachable"))))
}

func TestNotReadyWithoutWebhookConfiguration(t *testing.T) {
	g := NewWithT(t)
	c, clock := newFixture(t)
	g.Expect(c.Delete(t.Context(), configuration())).To(Succeed())
	r := newRotator(c, clock)
	err := r.Sync(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("read ValidatingWebhookConfiguration signet")))
	r.recordProblem(err)
	g.Expect(r.Check(nil)).To(MatchError(ContainSubstring("CA bundle not published in the webhook configuration yet")))
	g.Expect(c.Create(t.Context(), configuration())).To(Succeed())
	g.Expect(r.Sync(t.Context())).To(Succeed())
	g.Expect(r.Check(nil)).To(Succeed())
	expectTrusted(g, c, r)

	g.Expect(c.Delete(t.Context(), configuration())).To(Succeed())
	g.Expect(apierrors.IsNotFound(r.Sync(t.Context()))).To(BeTrue())
	g.Expect(r.Check(nil)).To(Succeed(), "no API server calls a webhook that is not configured")
}
