package signaturekey

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
)

// stagePublic tells backends of a version before the Secret does: what signs
// must be among what they accept.
func (r *Reconciler) stagePublic(ctx context.Context, run *keyRun) error {
	if run.key.Spec.Type != signetv1alpha1.KeyTypePublicKey {
		return nil
	}
	if run.current == nil {
		return r.writePublic(ctx, run, run.next.Public())
	}
	return r.writePublic(ctx, run, run.current.Union(run.next).Public())
}

// trimPublic drops from the public ConfigMap what the Secret does not have any
// more.
func (r *Reconciler) trimPublic(ctx context.Context, run *keyRun) error {
	if run.key.Spec.Type != signetv1alpha1.KeyTypePublicKey || run.publicTaken {
		return nil
	}
	return r.writePublic(ctx, run, run.next.Public())
}

func (r *Reconciler) writePublic(ctx context.Context, run *keyRun, data map[string]string) error {
	if err := r.findPublic(ctx, run); err != nil || run.publicTaken {
		return err
	}
	desired := desiredPublic(run, data)
	switch {
	case run.public == nil:
		if err := r.Client.Create(ctx, desired); namespaceRefused(err) {
			run.waitForNamespace()
			return nil
		} else if err != nil {
			return fmt.Errorf("create ConfigMap %s: %w", client.ObjectKeyFromObject(desired), err)
		}
	case equality.Semantic.DeepEqual(run.public, desired):
		return nil
	default:
		patch := client.MergeFromWithOptions(run.public, client.MergeFromWithOptimisticLock{})
		if err := r.Client.Patch(ctx, desired, patch); err != nil {
			return fmt.Errorf("write ConfigMap %s: %w", client.ObjectKeyFromObject(desired), err)
		}
	}
	r.expected.expect(run.key, desired)
	run.public = desired
	return nil
}

// findPublic looks for the public ConfigMap past the cache before one is
// created. If the name is taken by somebody else's, a rotation rests: backends
// could not learn of it.
func (r *Reconciler) findPublic(ctx context.Context, run *keyRun) error {
	if run.public == nil {
		if answer, left := r.liveReads.lookup(run.key); answer.Reason == signetv1alpha1.ReasonSecretOwnedByOther {
			run.again = left
			run.refusePublic(answer)
			return nil
		}
		live, err := r.livePublic(ctx, run.key)
		if err != nil {
			return err
		}
		run.public = live
	}
	if run.public == nil || publicOwnedBy(run.public, run.key) {
		return nil
	}
	other := status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, ownedByOther("ConfigMap", run.public, ""))
	if _, cached := run.public.Labels[signetv1alpha1.LabelMaterial]; !cached {
		r.liveReads.store(run.key, other)
		run.again = liveReadInterval
	}
	run.refusePublic(other)
	return nil
}

func (run *keyRun) refusePublic(v status.Readiness) {
	run.publicTaken = true
	run.say(v)
	switch {
	case run.current == nil:
		run.settle()
	case run.current.RotationState() != run.next.RotationState():
		run.settled = true
	}
}

func (r *Reconciler) livePublic(ctx context.Context, key *signetv1alpha1.SignatureKey) (*corev1.ConfigMap, error) {
	configMap := &corev1.ConfigMap{}
	name := types.NamespacedName{Namespace: key.Namespace, Name: key.PublicConfigMapName()}
	err := r.Live.Get(ctx, name, configMap)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	return configMap, nil
}

// publicOwnedBy says that the ConfigMap is labelled as this key's own.
func publicOwnedBy(configMap *corev1.ConfigMap, key *signetv1alpha1.SignatureKey) bool {
	return configMap.Labels[signetv1alpha1.LabelKey] == key.Name && material.OtherController(configMap, key) == nil
}

func desiredPublic(run *keyRun, data map[string]string) *corev1.ConfigMap {
	desired := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: run.key.Namespace, Name: run.key.PublicConfigMapName()},
	}
	if run.public != nil {
		desired = run.public.DeepCopy()
	}
	keyplan.SetLabels(desired, run.key)
	keyplan.SetOwner(desired, run.key)
	desired.Data, desired.BinaryData = data, nil
	return desired
}
