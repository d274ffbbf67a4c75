// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
)

// Material that keeps the rules, and that must not appear outside Secrets.
const (
	plantedKey     = "planted_key_1"
	plantedSecret  = "planted-secret-0123456789"
	plantedSecret2 = "planted-secret-9876543210"
)

// bound creates a binding "shop" that holds an API with the key, and writes the status
// that the controller of bindings would write.
func bound(ctx context.Context, key *signetv1alpha1.SignatureKey) *signetv1alpha1.SignatureBinding {
	GinkgoHelper()
	return env.UpdateStatus(ctx, admin, unbound(ctx, key, "shop"), gen.Holding(time.Now()))
}

// unbound creates a binding that names the key and has no status.
func unbound(ctx context.Context, key *signetv1alpha1.SignatureKey, name string) *signetv1alpha1.SignatureBinding {
	GinkgoHelper()
	return env.Create(ctx, admin, gen.SignatureBinding(name, key.Name, gen.InNamespace(key.Namespace), gen.WithAPIs(name)))
}

// managedSecret is the managed Secret of a key.
func managedSecret(g Gomega, ctx context.Context, key *signetv1alpha1.SignatureKey) *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.EffectiveTargetName()}}
	return env.Reload(g, ctx, admin, secret)
}

// readyKey waits until the key is ready.
func readyKey(ctx context.Context, key *signetv1alpha1.SignatureKey) *signetv1alpha1.SignatureKey {
	GinkgoHelper()
	return eventually(ctx, key, match.Ready(metav1.ConditionTrue, signetv1alpha1.ReasonReady))
}

// eventually waits until the key matches, in a status of its present spec.
func eventually(ctx context.Context, key *signetv1alpha1.SignatureKey, matcher types.GomegaMatcher) *signetv1alpha1.SignatureKey {
	GinkgoHelper()
	var fresh *signetv1alpha1.SignatureKey
	Eventually(func(g Gomega) {
		fresh = env.Reload(g, ctx, admin, key)
		g.Expect(fresh.Status.ObservedGeneration).To(Equal(fresh.Generation))
		g.Expect(fresh).To(matcher)
	}).Should(Succeed())
	return fresh
}
