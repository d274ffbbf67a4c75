// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/hack/e2e/chaos/judge"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// deleteSecret deletes a managed Secret. If its key is bound, it stays.
func (t *tenant) deleteSecret(ctx context.Context) error {
	secret := &corev1.Secret{}
	if err := t.client.Get(ctx, t.named(t.key()), secret); err != nil {
		return err
	}
	return t.client.Delete(ctx, secret)
}

// deletePublic deletes the public ConfigMap of the PublicKey key.
func (t *tenant) deletePublic(ctx context.Context) error {
	return t.client.Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "k3-public"}})
}

// stripLabel takes a label of Signet's from a managed Secret.
func (t *tenant) stripLabel(ctx context.Context) error {
	secret, label := &corev1.Secret{}, []string{signetv1alpha1.LabelKey, signetv1alpha1.LabelMaterial, signetv1alpha1.LabelManagedBy}[t.dice.below(3)]
	if err := t.client.Get(ctx, t.named(t.key()), secret); err != nil {
		return err
	}
	before := secret.DeepCopy()
	delete(secret.Labels, label)
	return t.client.Patch(ctx, secret, client.MergeFrom(before))
}

// stripSecret takes the finalizer from a managed Secret that has it, and sometimes
// deletes it then.
func (t *tenant) stripSecret(ctx context.Context) error {
	var secrets corev1.SecretList
	if err := t.client.List(ctx, &secrets, client.InNamespace(t.namespace)); err != nil {
		return err
	}
	var objects []client.Object
	for i := range secrets.Items {
		objects = append(objects, &secrets.Items[i])
	}
	return t.stripOne(ctx, objects)
}

// stripKey is stripSecret for a key.
func (t *tenant) stripKey(ctx context.Context) error {
	var keys signetv1alpha1.SignatureKeyList
	if err := t.client.List(ctx, &keys, client.InNamespace(t.namespace)); err != nil {
		return err
	}
	var objects []client.Object
	for i := range keys.Items {
		objects = append(objects, &keys.Items[i])
	}
	return t.stripOne(ctx, objects)
}

// stripOne strips one of the objects that have the finalizer.
func (t *tenant) stripOne(ctx context.Context, objects []client.Object) error {
	chosen, deletes := t.dice.below(keyCount), t.dice.below(2) == 0
	objects = slices.DeleteFunc(objects, func(object client.Object) bool { return !signetv1alpha1.IsProtected(object) })
	if len(objects) == 0 {
		return nil
	}
	return t.strip(ctx, objects[chosen%len(objects)], deletes)
}

// strip takes the finalizer from an object, and marks it for the judge. An object
// that is being deleted is marked before, because it may be gone at once.
func (t *tenant) strip(ctx context.Context, object client.Object, deletes bool) error {
	mark := func() {
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[judge.Mark] = t.unique("m")
		object.SetAnnotations(annotations)
	}
	if !object.GetDeletionTimestamp().IsZero() {
		if err := t.edit(ctx, object, mark); err != nil {
			return err
		}
	}
	err := t.edit(ctx, object, func() {
		mark()
		object.SetFinalizers(slices.DeleteFunc(slices.Clone(object.GetFinalizers()), func(finalizer string) bool {
			return finalizer == signetv1alpha1.FinalizerProtection
		}))
	})
	if err != nil || !deletes {
		return err
	}
	return t.client.Delete(ctx, object)
}

// edit writes a change, if the object is still as it was read.
func (t *tenant) edit(ctx context.Context, object client.Object, change func()) error {
	before := kubeclient.Copy(object)
	change()
	return t.client.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}
