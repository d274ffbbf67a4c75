package controllers_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gcustom"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Material that keeps the rules, and that nobody may see outside Secrets.
const (
	plantedKey     = "planted_key_1"
	plantedSecret  = "planted-secret-0123456789"
	plantedSecret2 = "planted-secret-9876543210"
)

type keyOption func(*signetv1alpha1.SignatureKey)

func newKey(namespace, name string, options ...keyOption) *signetv1alpha1.SignatureKey {
	key := &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	key.Spec.Type = signetv1alpha1.KeyTypeHMAC
	for _, option := range options {
		option(key)
	}
	return key
}

func withType(t signetv1alpha1.KeyType) keyOption {
	return func(key *signetv1alpha1.SignatureKey) { key.Spec.Type = t }
}

func withSource(name string) keyOption {
	return func(key *signetv1alpha1.SignatureKey) {
		key.Spec.Source = &signetv1alpha1.KeySource{SecretRef: &signetv1alpha1.LocalReference{Name: name}}
	}
}

func withRetain(key *signetv1alpha1.SignatureKey) {
	key.Spec.Target.DeletionPolicy = signetv1alpha1.DeletionPolicyRetain
}

func withTrigger(trigger string) keyOption {
	return func(key *signetv1alpha1.SignatureKey) {
		key.Spec.Rotation = &signetv1alpha1.Rotation{Trigger: trigger}
	}
}

// withShortDelays has rotations take as little time as may be.
func withShortDelays(key *signetv1alpha1.SignatureKey) {
	key.Spec.Rotation = &signetv1alpha1.Rotation{StageSeconds: ptr.To[int32](1), RetireSeconds: ptr.To[int32](1)}
}

// newSource is a source Secret with the halves of data.
func newSource(namespace, name string, data map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name,
			Labels: map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource},
		},
		StringData: data,
	}
}

func create[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	Expect(admin.Create(ctx, object)).To(Succeed())
	return object
}

// bound makes a binding that holds an API with the key, as the controller of
// bindings tells it.
func bound(ctx context.Context, key *signetv1alpha1.SignatureKey, name string) *signetv1alpha1.SignatureBinding {
	GinkgoHelper()
	return changeStatus(ctx, unbound(ctx, key, name), func(b *signetv1alpha1.SignatureBinding) {
		now := metav1.Now()
		b.Status.KeyName, b.Status.Environment = key.Name, "RELEASE"
		b.Status.APIs = []signetv1alpha1.APIStatus{{Group: signetv1alpha1.APIKindAPI.Group(), Kind: signetv1alpha1.APIKindAPI, Name: name, State: signetv1alpha1.APIBound, BoundAt: &now}}
	})
}

// unbound makes a binding that names the key and has been told nothing.
func unbound(ctx context.Context, key *signetv1alpha1.SignatureKey, name string) *signetv1alpha1.SignatureBinding {
	GinkgoHelper()
	binding := &signetv1alpha1.SignatureBinding{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: name}}
	binding.Spec.KeyRef.Name, binding.Spec.Environment = key.Name, "RELEASE"
	binding.Spec.APIs = []signetv1alpha1.APIReference{signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, name)}
	return create(ctx, binding)
}

// managedSecret is the managed Secret of a key.
func managedSecret(g Gomega, ctx context.Context, key *signetv1alpha1.SignatureKey) *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.EffectiveTargetName()}}
	return reload(g, ctx, secret)
}

// readyKey waits until the key is ready.
func readyKey(ctx context.Context, key *signetv1alpha1.SignatureKey) *signetv1alpha1.SignatureKey {
	GinkgoHelper()
	return eventually(ctx, key, beReady(metav1.ConditionTrue, signetv1alpha1.ReasonReady))
}

// eventually waits until the key matches, in a status of its present spec.
func eventually(ctx context.Context, key *signetv1alpha1.SignatureKey, matcher types.GomegaMatcher) *signetv1alpha1.SignatureKey {
	GinkgoHelper()
	var fresh *signetv1alpha1.SignatureKey
	Eventually(func(g Gomega) {
		fresh = reload(g, ctx, key)
		g.Expect(fresh.Status.ObservedGeneration).To(Equal(fresh.Generation))
		g.Expect(fresh).To(matcher)
	}).Should(Succeed())
	return fresh
}

// beReady matches a key whose Ready has this status and reason; False goes with
// Stalled. Words are parts of the message.
func beReady(status metav1.ConditionStatus, reason string, words ...string) types.GomegaMatcher {
	return haveCondition(signetv1alpha1.ConditionReady, status, reason, words...)
}

func beInUse(status metav1.ConditionStatus, reason string, words ...string) types.GomegaMatcher {
	return haveCondition(signetv1alpha1.ConditionInUse, status, reason, words...)
}

func haveCondition(conditionType string, status metav1.ConditionStatus, reason string, words ...string) types.GomegaMatcher {
	return gcustom.MakeMatcher(func(key *signetv1alpha1.SignatureKey) (bool, error) {
		condition := meta.FindStatusCondition(key.Status.Conditions, conditionType)
		if condition == nil || condition.Status != status || condition.Reason != reason {
			return false, nil
		}
		for _, word := range words {
			if ok, err := ContainSubstring(word).Match(condition.Message); !ok {
				return false, err
			}
		}
		stalled := meta.IsStatusConditionTrue(key.Status.Conditions, signetv1alpha1.ConditionStalled)
		if conditionType == signetv1alpha1.ConditionReady && stalled != (status == metav1.ConditionFalse) {
			return false, fmt.Errorf("Stalled is %t beside Ready=%s", stalled, status)
		}
		return condition.ObservedGeneration == key.Generation, nil
	}).WithTemplate("Expected\n{{.FormattedActual}}\n{{.To}} have {{.Data}}", fmt.Sprintf("%s=%s %s %q", conditionType, status, reason, words))
}
