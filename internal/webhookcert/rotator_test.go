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

func fixture(t *testing.T) (client.WithWatch, *clocktesting.FakeClock) {
	t.Helper()
	return fake.NewClientBuilder().WithObjects(configuration()).Build(), clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
}

func keeper(c client.Client, clock *clocktesting.FakeClock) *Rotator {
	return New(c, Options{
		Namespace: secretName.Namespace, SecretName: secretName.Name, WebhookConfiguration: "signet",
		Hosts: []string{host, "127.0.0.1"}, Clock: clock,
	})
}

func published(g *WithT, c client.Client) [][]byte {
	found := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	g.Expect(c.Get(context.Background(), configurationName, found)).To(Succeed())
	var bundles [][]byte
	for i := range found.Webhooks {
		bundles = append(bundles, found.Webhooks[i].ClientConfig.CABundle)
	}
	return bundles
}

// trusted says that what the keeper serves is trusted by what is published.
func trusted(g *WithT, c client.Client, k *Rotator) {
	g.THelper()
	serving, err := k.GetCertificate(nil)
	g.Expect(err).NotTo(HaveOccurred())
	for _, bundle := range published(g, c) {
		roots := x509.NewCertPool()
		g.Expect(roots.AppendCertsFromPEM(bundle)).To(BeTrue())
		for _, name := range []string{host, "127.0.0.1"} {
			_, err = serving.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: k.options.Clock.Now()})
			g.Expect(err).NotTo(HaveOccurred())
		}
	}
}

func authorityIn(g *WithT, c client.Client) *Authority {
	secret := &corev1.Secret{}
	g.Expect(c.Get(context.Background(), secretName, secret)).To(Succeed())
	found, err := DecodeAuthority(secret.Data)
	g.Expect(err).NotTo(HaveOccurred())
	return found
}

func TestReplicasShareOneAuthority(t *testing.T) {
	g := NewWithT(t)
	c, clock := fixture(t)
	one, two := keeper(c, clock), keeper(c, clock)
	g.Expect(one.Check(nil)).To(MatchError(ContainSubstring("no valid serving certificate")))
	_, err := one.GetCertificate(nil)
	g.Expect(err).To(MatchError("there is no serving certificate yet"))
	g.Expect(one.Sync(t.Context())).To(Succeed())
	g.Expect(two.Sync(t.Context())).To(Succeed())
	g.Expect(one.issuer.certificate.Equal(two.issuer.certificate)).To(BeTrue())
	trusted(g, c, one)
	trusted(g, c, two)
	g.Expect(one.Check(nil)).To(Succeed())
	g.Expect(expiries(g)).To(Equal(map[string]time.Time{
		"serving":   clock.Now().Add(servingLife),
		"authority": clock.Now().Add(authorityLife),
	}))
}

// expiries are what the metric says, by the value of its label.
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

// Both have seen that there is no Secret before either writes one.
func TestFirstReplicaWins(t *testing.T) {
	g := NewWithT(t)
	inner, clock := fixture(t)
	var bothHaveLooked sync.WaitGroup
	bothHaveLooked.Add(2)
	c := interceptor.NewClient(inner, interceptor.Funcs{
		Create: func(ctx context.Context, inner client.WithWatch, object client.Object, options ...client.CreateOption) error {
			bothHaveLooked.Done()
			bothHaveLooked.Wait()
			return inner.Create(ctx, object, options...)
		},
	})
	keepers := []*Rotator{keeper(c, clock), keeper(c, clock)}
	var done sync.WaitGroup
	for _, k := range keepers {
		done.Go(func() {
			for k.Sync(context.Background()) != nil { // the patch of the bundle may conflict
			}
		})
	}
	done.Wait()
	for _, k := range keepers {
		trusted(g, inner, k)
		g.Expect(k.issuer.certificate.Equal(authorityIn(g, inner).certificate)).To(BeTrue())
	}
}

func TestRotationNeverBreaksTrust(t *testing.T) {
	g := NewWithT(t)
	c, clock := fixture(t)
	one, two := keeper(c, clock), keeper(c, clock)
	authorities, serving := map[string]bool{}, map[string]bool{}
	for range 800 {
		for _, k := range []*Rotator{one, two} {
			g.Expect(k.Sync(t.Context())).To(Succeed())
			g.Expect(k.Check(nil)).To(Succeed())
			for _, other := range []*Rotator{one, two} {
				if other.serving != nil {
					trusted(g, c, other) // one of them has not looked since
				}
			}
		}
		authorities[one.issuer.certificate.SerialNumber.String()] = true
		serving[one.serving.Leaf.SerialNumber.String()] = true
		clock.Step(day)
	}
	g.Expect(authorities).To(HaveLen(4), "authorities in 800 days, renewed after 245")
	g.Expect(len(serving)).To(BeNumerically("~", 800/20, 5), "serving certificates in 800 days, renewed after 20")
}

func TestNewAuthorityServesWhenTheBundleIsInPlace(t *testing.T) {
	g := NewWithT(t)
	c, clock := fixture(t)
	k := keeper(c, clock)
	g.Expect(k.Sync(t.Context())).To(Succeed())
	first := k.issuer.certificate
	clock.SetTime(k.issuer.dueAt())
	g.Expect(k.Sync(t.Context())).To(Succeed())
	g.Expect(authorityIn(g, c).certificate.Equal(first)).To(BeFalse())
	g.Expect(k.issuer.certificate.Equal(first)).To(BeTrue(), "the API server may not know the new one yet")
	g.Expect(bytes.Count(published(g, c)[0], []byte("BEGIN CERTIFICATE"))).To(Equal(2))

	g.Expect(k.Sync(t.Context())).To(Succeed())
	g.Expect(k.issuer.certificate.Equal(authorityIn(g, c).certificate)).To(BeTrue())

	clock.Step(authorityOverlap)
	g.Expect(k.Sync(t.Context())).To(Succeed())
	g.Expect(bytes.Count(published(g, c)[0], []byte("BEGIN CERTIFICATE"))).To(Equal(1), "the overlap is over")
	trusted(g, c, k)
}

func TestDroppedBundleComesBack(t *testing.T) {
	g := NewWithT(t)
	c, clock := fixture(t)
	k := keeper(c, clock)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- k.Start(ctx) }()
	g.Eventually(func() error { return k.Check(nil) }).Should(Succeed())
	found := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	g.Expect(c.Get(ctx, configurationName, found)).To(Succeed())
	found.Webhooks[1].ClientConfig.CABundle = nil
	g.Expect(c.Update(ctx, found)).To(Succeed())
	g.Eventually(clock.HasWaiters).Should(BeTrue())
	clock.Step(lookEvery)
	g.Eventually(func(g Gomega) {
		g.Expect(c.Get(ctx, configurationName, found)).To(Succeed())
		g.Expect(found.Webhooks[1].ClientConfig.CABundle).NotTo(BeEmpty())
	}).Should(Succeed())
	trusted(g, c, k)
	stop()
	g.Eventually(ended).Should(Receive(Succeed()))
}

func TestLostOrBrokenAuthorityIsReplaced(t *testing.T) {
	for name, lose := range map[string]func(*WithT, client.Client, *corev1.Secret){
		"deleted": func(g *WithT, c client.Client, secret *corev1.Secret) {
			g.Expect(c.Delete(context.Background(), secret)).To(Succeed())
		},
		"broken": func(g *WithT, c client.Client, secret *corev1.Secret) {
			secret.Data[dataKey] = []byte("broken")
			g.Expect(c.Update(context.Background(), secret)).To(Succeed())
		},
		"emptied": func(g *WithT, c client.Client, secret *corev1.Secret) {
			secret.Data = nil
			g.Expect(c.Update(context.Background(), secret)).To(Succeed())
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, clock := fixture(t)
			one, two := keeper(c, clock), keeper(c, clock)
			g.Expect(one.Sync(t.Context())).To(Succeed())
			g.Expect(two.Sync(t.Context())).To(Succeed())
			secret := &corev1.Secret{}
			g.Expect(c.Get(t.Context(), secretName, secret)).To(Succeed())
			lose(g, c, secret)
			for range 2 {
				g.Expect(one.Sync(t.Context())).To(Succeed())
				trusted(g, c, one)
				trusted(g, c, two) // has not looked yet
			}
			g.Expect(two.Sync(t.Context())).To(Succeed())
			trusted(g, c, two)
			g.Expect(one.issuer.certificate.Equal(two.issuer.certificate)).To(BeTrue())
		})
	}
}

func TestNothingToDoCostsNoWrite(t *testing.T) {
	g := NewWithT(t)
	inner, clock := fixture(t)
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
	one, two := keeper(c, clock), keeper(c, clock)
	for range 100 {
		g.Expect(one.Sync(t.Context())).To(Succeed())
		g.Expect(two.Sync(t.Context())).To(Succeed())
		clock.Step(lookEvery)
	}
	g.Expect(writes).To(Equal(2), "the Secret and the bundle, once")
}

func TestFailuresLaterOnDoNotStopServing(t *testing.T) {
	g := NewWithT(t)
	inner, clock := fixture(t)
	down := false
	c := interceptor.NewClient(inner, interceptor.Funcs{
		Get: func(ctx context.Context, inner client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if down {
				return errors.New("the API server is away")
			}
			return inner.Get(ctx, key, object, options...)
		},
	})
	k := keeper(c, clock)
	g.Expect(k.Sync(t.Context())).To(Succeed())
	down = true
	for range 40 {
		clock.Step(day)
		err := k.Sync(t.Context())
		g.Expect(err).To(MatchError(ContainSubstring("the API server is away")))
		k.note(err)
		g.Expect(k.Check(nil)).To(Succeed())
		trusted(g, inner, k)
	}
	clock.Step(authorityLife)
	g.Expect(k.Check(nil)).To(MatchError(And(ContainSubstring("no valid serving certificate"), ContainSubstring("the API server is away"))))
}

func TestNotReadyWithoutWebhookConfiguration(t *testing.T) {
	g := NewWithT(t)
	c, clock := fixture(t)
	g.Expect(c.Delete(t.Context(), configuration())).To(Succeed())
	k := keeper(c, clock)
	err := k.Sync(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("read ValidatingWebhookConfiguration signet")))
	k.note(err)
	g.Expect(k.Check(nil)).To(MatchError(ContainSubstring("not in the webhook configuration yet")))
	g.Expect(c.Create(t.Context(), configuration())).To(Succeed())
	g.Expect(k.Sync(t.Context())).To(Succeed())
	g.Expect(k.Check(nil)).To(Succeed())
	trusted(g, c, k)

	g.Expect(c.Delete(t.Context(), configuration())).To(Succeed())
	g.Expect(apierrors.IsNotFound(k.Sync(t.Context()))).To(BeTrue())
	g.Expect(k.Check(nil)).To(Succeed(), "nobody asks a webhook that is not configured")
}
