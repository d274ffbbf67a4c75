// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
)

var _ = Describe("Lost material of a bound key", func() {
	It("is replaced only after the trigger has changed", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithTrigger("before"))))
		lost := loseSecret(ctx, key)
		key = eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretLost))
		Expect(key.Status.ObservedTrigger).To(Equal("before"))
		env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) { k.Spec.DisplayName = "another_name" })
		eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretLost))

		env.Update(ctx, admin, key, gen.WithTrigger("renew"))
		key = readyKey(ctx, key)
		secret := managedSecret(Default, ctx, key)
		Expect(secret.Data["secret"]).NotTo(Equal(lost.Data["secret"]))
		Expect(secret.Finalizers).To(ConsistOf(signetv1alpha1.FinalizerProtection))
		Expect(key.Status.KeyID).To(BeEquivalentTo(secret.Data["key-id"]))
		Expect(key.Status.ObservedTrigger).To(Equal("renew"))
	})
})
