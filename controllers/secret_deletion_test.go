// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"bytes"
	"context"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
)

// reader reads a Secret over and over, as a kubelet or a signer may at any
// instant.
type reader struct {
	stop  func()
	reads int
	// faults are reads that failed or found other bytes than the first.
	faults []string
}

func readOn(ctx context.Context, secret *corev1.Secret) *reader {
	GinkgoHelper()
	r := &reader{}
	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			now := &corev1.Secret{}
			err := admin.Get(ctx, client.ObjectKeyFromObject(secret), now)
			switch {
			case ctx.Err() != nil:
			case err != nil:
				r.faults = append(r.faults, err.Error())
			case !bytes.Equal(now.Data["secret"], secret.Data["secret"]) || !bytes.Equal(now.Data["key-id"], secret.Data["key-id"]):
				r.faults = append(r.faults, "other bytes")
			}
			r.reads++
		}
	})
	r.stop = sync.OnceFunc(func() { cancel(); reading.Wait() })
	DeferCleanup(r.stop)
	return r
}

var _ = Describe("kubectl delete secret, of a bound key", func() {
	DescribeTable("takes the bytes from no client",
		func(ctx SpecContext, running bool) {
			manager := startBoth()
			namespace := boundNamespace(ctx)
			key := gen.SignatureKey("orders", gen.InNamespace(namespace))
			secret := managedSecret(Default, ctx, key)
			reading := readOn(ctx, secret)
			if !running {
				manager.Stop()
			}
			_, err := cluster.Run(ctx, "--namespace="+namespace, "delete", "secret", "orders", "--wait=false")
			Expect(err).NotTo(HaveOccurred())
			Expect(managedSecret(Default, ctx, key).DeletionTimestamp).NotTo(BeNil())
			if !running {
				manager = startBoth()
			}
			key = eventually(ctx, key, match.Ready(metav1.ConditionTrue, signetv1alpha1.ReasonSecretTerminating))
			Expect(key.Status.KeyID).To(BeEquivalentTo(secret.Data["key-id"]))
			env.ExpectReady(ctx, admin, gen.SignatureBinding("orders", "", gen.InNamespace(namespace)), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
			settled(manager, namespace)
			reading.stop()
			Expect(reading.faults).To(BeEmpty())
			Expect(reading.reads).To(BeNumerically(">", 10))
			Expect(managedSecret(Default, ctx, key).Data).To(Equal(secret.Data))

			By("releasing it in the end")
			Expect(admin.Delete(ctx, gen.SignatureBinding("orders", "", gen.InNamespace(namespace)))).To(Succeed())
			Expect(admin.Delete(ctx, key)).To(Succeed())
			Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, key); env.ExpectGone(g, ctx, admin, secret) }).Should(Succeed())
		},
		Entry("while the manager runs", true),
		Entry("while the manager is stopped", false),
	)
})
