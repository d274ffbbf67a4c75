// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// newKey builds a key. Its type follows from its name, so that a key that is created
// again can adopt what an earlier one has left.
func (t *tenant) newKey(name string) *signetv1alpha1.SignatureKey {
	options := []gen.KeyOption{gen.InNamespace(t.namespace), gen.WithRotation(signetv1alpha1.Rotation{
		StageSeconds: ptr.To(int32(1 + t.dice.below(3))), RetireSeconds: ptr.To(int32(1 + t.dice.below(3))), //nolint:gosec // small
	})}
	switch name {
	case "k0":
		if t.dice.below(3) == 0 {
			options = append(options, gen.WithIdentifier(t.unique("supplied")))
		}
	case "k1":
		options = append(options, gen.WithType(signetv1alpha1.KeyTypeBasic), gen.WithSource("source"))
	case "k2":
		options = append(options, gen.WithAES(signetv1alpha1.AlgorithmAES256CFB))
	default:
		options = append(options, gen.WithType(signetv1alpha1.KeyTypePublicKey))
	}
	if t.dice.below(3) == 0 {
		options = append(options, gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain))
	}
	return gen.SignatureKey(name, options...)
}

func (t *tenant) createKey(ctx context.Context) error { return t.ensureKey(ctx, t.key()) }

// ensureKey creates a key with its source, unless they exist.
func (t *tenant) ensureKey(ctx context.Context, name string) error {
	key := t.newKey(name)
	if key.Spec.Source != nil {
		source := gen.SourceSecret("source", t.sourceData(), gen.InNamespace(t.namespace))
		if err := t.client.Create(ctx, source); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	if err := t.client.Create(ctx, key); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// sourceData supplies the secret of a Basic key, and sometimes its user name.
func (t *tenant) sourceData() map[string]string {
	data := map[string]string{"secret": t.unique("password-")}
	if t.dice.below(2) == 0 {
		data["key"] = t.unique("user-")
	}
	return data
}

func (t *tenant) changeSource(ctx context.Context) error {
	source := gen.SourceSecret("source", t.sourceData(), gen.InNamespace(t.namespace))
	return t.client.Update(ctx, source)
}

var propagations = []metav1.DeletionPropagation{
	metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan,
}

func (t *tenant) deleteKey(ctx context.Context) error {
	how := propagations[t.dice.below(len(propagations))]
	return t.client.Delete(ctx, gen.SignatureKey(t.key(), gen.InNamespace(t.namespace)), client.PropagationPolicy(how))
}

func (t *tenant) newBinding(name, key string) *signetv1alpha1.SignatureBinding {
	binding := gen.SignatureBinding(name, key, gen.InNamespace(t.namespace), gen.WithEnvironment(t.environment()), gen.WithAPIs(t.apis()...))
	if t.dice.below(3) == 0 {
		gen.WithSignatureHeader("X-Signature")(binding)
	}
	return binding
}

func (t *tenant) createBinding(ctx context.Context) error {
	return t.client.Create(ctx, t.newBinding(t.binding(), t.key()))
}

func (t *tenant) deleteBinding(ctx context.Context) error {
	return t.client.Delete(ctx, gen.SignatureBinding(t.binding(), "", gen.InNamespace(t.namespace)))
}

// rebind deletes the bindings of a key and binds it again at once, to an API of its
// own: what is decided when the last user goes meets the next one.
func (t *tenant) rebind(ctx context.Context) error {
	key, successor, wait := t.key(), t.newBinding(t.binding(), ""), t.dice.between(0, 120*time.Millisecond)
	var bindings signetv1alpha1.SignatureBindingList
	if err := t.client.List(ctx, &bindings, client.InNamespace(t.namespace)); err != nil {
		return err
	}
	for i := range bindings.Items {
		binding := &bindings.Items[i]
		if binding.Spec.KeyRef.Name != key && binding.Status.KeyName != key && binding.Name != successor.Name {
			continue
		}
		if err := t.client.Delete(ctx, binding); err != nil {
			return err
		}
	}
	if wait < 80*time.Millisecond {
		pause(ctx, wait)
	}
	if err := t.ensureKey(ctx, key); err != nil {
		return err
	}
	successor.Spec.KeyRef.Name = key
	gen.ReplacingAPIs(gen.WithAPIs("own-" + successor.Name))(successor)
	return t.client.Create(ctx, successor)
}

func (t *tenant) moveBinding(ctx context.Context) error {
	key := t.key()
	return t.editBinding(ctx, func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.KeyRef.Name = key })
}

func (t *tenant) changeAPIs(ctx context.Context) error {
	names := t.apis()
	return t.editBinding(ctx, gen.ReplacingAPIs(gen.WithAPIs(names...)))
}

func (t *tenant) changeEnvironment(ctx context.Context) error {
	environment := t.environment()
	return t.editBinding(ctx, func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.Environment = environment })
}

func (t *tenant) editBinding(ctx context.Context, edit func(*signetv1alpha1.SignatureBinding)) error {
	binding := &signetv1alpha1.SignatureBinding{}
	if err := t.client.Get(ctx, t.named(t.binding()), binding); err != nil {
		return err
	}
	before := binding.DeepCopy()
	edit(binding)
	return t.client.Patch(ctx, binding, client.MergeFrom(before))
}

func (t *tenant) trigger(ctx context.Context) error {
	return t.editRotation(ctx, t.key(), fmt.Sprintf(`{"trigger":%q}`, t.unique("t")))
}

func (t *tenant) revoke(ctx context.Context) error {
	return t.editRotation(ctx, t.key(), fmt.Sprintf(`{"revokeTrigger":%q}`, t.unique("r")))
}

func (t *tenant) editRotation(ctx context.Context, key, rotation string) error {
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"rotation":`+rotation+`}}`))
	return t.client.Patch(ctx, gen.SignatureKey(key, gen.InNamespace(t.namespace)), patch)
}

func (t *tenant) changePolicy(ctx context.Context) error {
	policy := []signetv1alpha1.DeletionPolicy{signetv1alpha1.DeletionPolicyDelete, signetv1alpha1.DeletionPolicyRetain}[t.dice.below(2)]
	patch := client.RawPatch("application/merge-patch+json", []byte(fmt.Sprintf(`{"spec":{"target":{"deletionPolicy":%q}}}`, policy)))
	return t.client.Patch(ctx, gen.SignatureKey(t.key(), gen.InNamespace(t.namespace)), patch)
}
