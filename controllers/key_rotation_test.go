// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	stage  = signetv1alpha1.DefaultStageSeconds * time.Second
	retire = signetv1alpha1.DefaultRetireSeconds * time.Second
	day    = 24 * time.Hour
)

var _ = Describe("The rotation of a key", func() {
	var (
		namespace string
		clock     *clocktesting.FakePassiveClock
		manager   *env.Manager
	)
	BeforeEach(func(ctx SpecContext) {
		namespace = env.NewNamespace(ctx, admin)
		clock = clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second))
		manager = cluster.StartManager(env.ManagerOptions{Clock: clock, PublicKeyEnabled: true, Bindings: true, Routes: &scriptedRoutes{}})
	})
	bind := func(ctx context.Context, key *signetv1alpha1.SignatureKey, name string) {
		GinkgoHelper()
		binding := env.Create(ctx, admin, gen.SignatureBinding(name, key.Name, gen.InNamespace(namespace), gen.WithAPIs(name)))
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
	}
	// pass advances the clock and triggers the reconciliation that the timer would.
	pass := func(ctx context.Context, key *signetv1alpha1.SignatureKey, d time.Duration) {
		GinkgoHelper()
		clock.SetTime(clock.Now().Add(d))
		env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) {
			k.Annotations = map[string]string{"example.com/at": clock.Now().String()}
		})
	}
	// unmoved asserts that a reconciliation changes nothing.
	unmoved := func(ctx context.Context, key *signetv1alpha1.SignatureKey) {
		GinkgoHelper()
		version := managedSecret(Default, ctx, key).ResourceVersion
		Consistently(func(g Gomega) {
			g.Expect(managedSecret(g, ctx, key).ResourceVersion).To(Equal(version))
		}, 10*proc.Poll, proc.Poll).Should(Succeed())
		Expect(reconcileMany(ctx, manager, key)).To(BeEmpty())
	}
	rotated := func(ctx context.Context, key *signetv1alpha1.SignatureKey) *signetv1alpha1.SignatureKey {
		GinkgoHelper()
		eventually(ctx, key, match.Rotating(metav1.ConditionTrue, signetv1alpha1.ReasonStaged))
		pass(ctx, key, stage)
		eventually(ctx, key, match.Rotating(metav1.ConditionTrue, signetv1alpha1.ReasonRetiring))
		pass(ctx, key, retire)
		return eventually(ctx, key, match.Rotating(metav1.ConditionFalse, signetv1alpha1.ReasonSettled))
	}

	DescribeTable("takes three steps and six writes", func(ctx SpecContext, bindings int) {
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		for i := range bindings {
			bind(ctx, key, fmt.Sprintf("shop-%d", i))
		}
		eventually(ctx, key, And(match.Ready(metav1.ConditionTrue, signetv1alpha1.ReasonReady), beUsedBy(bindings)))
		Eventually(func(g Gomega) { g.Expect(env.Reload(g, ctx, admin, key).Finalizers).NotTo(BeEmpty()) }).Should(Succeed())
		first := managedSecret(Default, ctx, key)
		settled(manager, namespace)
		begin, before := clock.Now().UTC(), len(manager.Requests.Writes(namespace))

		By("staging the next version")
		env.Update(ctx, admin, key, gen.WithTrigger("2026-11"))
		key = eventually(ctx, key, match.Rotating(metav1.ConditionTrue, signetv1alpha1.ReasonStaged,
			"Version "+string(first.Data["key-id"])+" signs.", "is also accepted and starts signing at "+begin.Add(stage).Format(time.RFC3339)+"."))
		staged := managedSecret(Default, ctx, key)
		for _, name := range []string{"key", "secret", "key-id", "activated"} {
			Expect(staged.Data[name]).To(Equal(first.Data[name]), name)
		}
		Expect(staged.Data["next.secret"]).To(And(HaveLen(64), Not(Equal(first.Data["secret"]))))
		Expect(key.Status.Versions).To(HaveLen(2))
		Expect(key.Status.Versions[1].State).To(Equal(signetv1alpha1.VersionNext))
		Expect(key.Status.ObservedTrigger).To(Equal("2026-11"))
		Expect(key).To(match.Ready(metav1.ConditionTrue, signetv1alpha1.ReasonReady))
		pass(ctx, key, stage-time.Second)
		unmoved(ctx, key)

		By("switching to it")
		pass(ctx, key, time.Second)
		retires := begin.Add(stage + retire).Format(time.RFC3339)
		key = eventually(ctx, key, match.Rotating(metav1.ConditionTrue, signetv1alpha1.ReasonRetiring, "is still accepted until "+retires+"."))
		switched := managedSecret(Default, ctx, key)
		for _, name := range []string{"key", "secret", "key-id"} {
			Expect(switched.Data[name]).To(Equal(staged.Data["next."+name]), name)
			Expect(switched.Data["previous."+name]).To(Equal(first.Data[name]), name)
		}
		Expect(switched.Data).To(HaveKeyWithValue("previous.retires", []byte(retires)))
		Expect(switched.Data).NotTo(HaveKey(HavePrefix("next.")))
		Expect(key.Status.KeyID).To(BeEquivalentTo(staged.Data["next.key-id"]))
		Expect(key.Status.LastRotationTime.UTC()).To(Equal(begin.Add(stage)))
		pass(ctx, key, retire-time.Second)
		unmoved(ctx, key)

		By("dropping the previous version")
		pass(ctx, key, time.Second)
		key = eventually(ctx, key, match.Rotating(metav1.ConditionFalse, signetv1alpha1.ReasonSettled, "Version "+key.Status.KeyID+" signs. No other version is accepted."))
		Expect(managedSecret(Default, ctx, key).Data).NotTo(Or(HaveKey(HavePrefix("next.")), HaveKey(HavePrefix("previous."))))
		Expect(key.Status.Versions).To(HaveLen(1))
		unmoved(ctx, key)

		const secret, status = "patch secrets/orders", "patch signaturekeys/orders/status"
		expectWrites(manager, namespace, before, secret, status, secret, status, secret, status)
		Eventually(func(g Gomega) {
			reported := env.Events(g, ctx, admin, key)
			for _, reason := range []string{"Staged", "Retiring", "Settled"} {
				g.Expect(reported).To(ContainElement(HavePrefix("Normal "+reason+": Version ")), reason)
			}
		}).Should(Succeed())
	},
		Entry("with one binding", 1),
		Entry("with fifty bindings", 50),
	)

	It("publishes a version in the ConfigMap before the Secret, and drops it there after the Secret", func(ctx SpecContext) {
		source := env.Create(ctx, admin, gen.SourceSecret("own", pair(), gen.InNamespace(namespace)))
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithType(signetv1alpha1.KeyTypePublicKey), gen.WithSource("own"))))
		settled(manager, namespace)
		before, next := len(manager.Requests.Writes(namespace)), pair()
		env.Update(ctx, admin, source, func(s *corev1.Secret) { s.Data["key"], s.Data["secret"] = []byte(next["key"]), []byte(next["secret"]) })
		staged := eventually(ctx, key, match.Rotating(metav1.ConditionTrue, signetv1alpha1.ReasonStaged))
		public := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders-public"}}
		Expect(env.Reload(Default, ctx, admin, public).Data).To(And(
			HaveKeyWithValue("key-id", key.Status.KeyID), HaveKeyWithValue("next.key-id", staged.Status.Versions[1].ID),
			HaveKeyWithValue("next.key", next["key"]), Not(HaveKey(HaveSuffix("secret")))))
		key = rotated(ctx, key)
		Expect(env.Reload(Default, ctx, admin, public).Data).To(Equal(map[string]string{"type": "PublicKey", "key-id": key.Status.KeyID, "key": next["key"]}))
		const configMap, secret, status = "patch configmaps/orders-public", "patch secrets/orders",
			"patch signaturekeys/orders/status"
		expectWrites(manager, namespace, before, configMap, secret, status, configMap, secret, status, secret, configMap, status)
	})
})

var _ = Describe("A rotation during which the manager ends", func() {
	It("continues from the Secret alone, one step for each write", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		clock := clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second))
		var mute atomic.Bool
		fault := func(request *http.Request) error {
			if mute.Load() && strings.HasSuffix(request.URL.Path, "/status") && strings.Contains(request.URL.Path, namespace) {
				return errors.New("no status today")
			}
			return nil
		}
		manager := cluster.StartManager(env.ManagerOptions{Clock: clock, Fault: fault})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		for _, step := range []struct {
			do   func()
			data string
			then string
		}{
			{func() { env.Update(ctx, admin, key, gen.WithTrigger("1")) }, "next.key-id", signetv1alpha1.ReasonStaged},
			{func() { clock.SetTime(clock.Now().Add(stage)); touch(ctx, key) }, "previous.key-id", signetv1alpha1.ReasonRetiring},
			{func() { clock.SetTime(clock.Now().Add(retire)); touch(ctx, key) }, "", signetv1alpha1.ReasonSettled},
		} {
			before := managedSecret(Default, ctx, key)
			mute.Store(true)
			step.do()
			var written *corev1.Secret
			Eventually(func(g Gomega) {
				written = managedSecret(g, ctx, key)
				g.Expect(written.ResourceVersion).NotTo(Equal(before.ResourceVersion))
			}).Should(Succeed())
			manager.Stop()
			if step.data != "" {
				Expect(written.Data).To(HaveKey(step.data))
			}

			mute.Store(false)
			manager = cluster.StartManager(env.ManagerOptions{Clock: clock, Fault: fault})
			status := metav1.ConditionTrue
			if step.data == "" {
				status = metav1.ConditionFalse
			}
			eventually(ctx, key, match.Rotating(status, step.then))
			Expect(managedSecret(Default, ctx, key).Data).To(Equal(written.Data))
			expectWrites(manager, namespace, 0, "patch signaturekeys/orders/status")
			env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) { k.Annotations = nil })
		}
	})
})

func beUsedBy(bindings int) types.GomegaMatcher {
	return HaveField("Status.Bindings.Count", BeEquivalentTo(bindings))
}
