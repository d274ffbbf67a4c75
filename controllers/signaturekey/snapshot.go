package signaturekey

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
)

// keyRun is one reconcile of a key: what was read, and what became of it.
type keyRun struct {
	// key is a copy: its metadata follow our writes, its status stays as read.
	key *signetv1alpha1.SignatureKey
	// secret is the Secret under the managed Secret's name, as read or as last
	// written; nil if there is none in the cache. Copy before changing it.
	secret *corev1.Secret
	// owned says that the Secret is of our type and labelled for this key,
	// whatever its bytes.
	owned bool
	// source is the Secret that spec.source.secretRef names; nil if the cache has none.
	source *corev1.Secret
	// public is what is under the public ConfigMap's name, for PublicKey keys.
	public *corev1.ConfigMap
	// publicTaken says that the public ConfigMap's name is somebody else's.
	publicTaken bool
	// users are the names of the bindings that use the key, in order.
	users []string
	// held says that one of them holds an API with the key's material.
	held                 bool
	namespaceTerminating bool

	// current is the material in force and next what is to be; nil as long as
	// there is none.
	current, next *material.Set
	// supplied are the halves that spec and source give; nil as long as these
	// are not in order.
	supplied *material.Supplied
	// shown is the material that the status tells of; nil for none.
	shown *material.Set
	// specBroken says that the spec breaks a rule: it is not followed.
	specBroken bool
	// consented says that the spec allows new material in place of lost one.
	consented bool
	// change is what a write of the Secret will have done to the material.
	change *status.Event
	// settled says that the phases have come to an end.
	settled bool

	// status is what is to be written in the end.
	status  signetv1alpha1.SignatureKeyStatus
	verdict status.Readiness
	// remark is the verdict if all is well.
	remark status.Readiness
	// refused says that only somebody's doing will change the verdict.
	refused bool
	// news are events to be sent when the status is written.
	news []status.Event
	// again is when to look again by the clock; zero for never.
	again time.Duration
	// gone says that the key is no more, and has no status to write.
	gone bool
}

// say sets the verdict, unless something worse has been said before.
func (run *keyRun) say(v status.Readiness) {
	if run.verdict.IsZero() {
		run.verdict = v
	}
}

// refuse says that the key stalls until somebody does what the message says.
func (run *keyRun) refuse(reason, message string) {
	if run.verdict.IsZero() {
		run.refused = true
	}
	run.say(status.Stalled(reason, message))
}

// settle ends the run without material to sign with.
func (run *keyRun) settle() {
	run.hide()
	run.settled = true
}

func (run *keyRun) terminating() bool { return !run.key.DeletionTimestamp.IsZero() }

// objects are those of the key that the controller writes.
func (run *keyRun) objects() []client.Object {
	objects := []client.Object{run.key}
	if run.secret != nil {
		objects = append(objects, run.secret)
	}
	if run.public != nil {
		objects = append(objects, run.public)
	}
	return objects
}

// snapshot reads all that a reconcile of the key depends on, from the caches.
func (r *Reconciler) snapshot(ctx context.Context, key *signetv1alpha1.SignatureKey) (*keyRun, error) {
	run := &keyRun{key: key, status: *key.Status.DeepCopy()}
	var err error
	if run.secret, err = r.cachedSecret(ctx, key.Namespace, key.EffectiveTargetName()); err != nil {
		return nil, err
	}
	run.owned = material.IsOwnedBy(run.secret, key)
	if name := key.SourceName(); name != "" {
		if run.source, err = r.cachedSecret(ctx, key.Namespace, name); err != nil {
			return nil, err
		}
	}
	if key.Spec.Type == signetv1alpha1.KeyTypePublicKey {
		if run.public, err = r.cachedPublic(ctx, key); err != nil {
			return nil, err
		}
	}
	if err := r.readUsers(ctx, run); err != nil {
		return nil, err
	}
	run.namespaceTerminating, err = r.namespaceTerminating(ctx, key.Namespace, run.terminating() || (run.owned && !run.secret.DeletionTimestamp.IsZero()))
	return run, err
}

// cachedSecret returns nil for a Secret that the cache does not have: one
// without the label signet.dev/signature-material is none.
func (r *Reconciler) cachedSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s/%s: %w", namespace, name, err)
	}
	return secret, nil
}

func (r *Reconciler) cachedPublic(ctx context.Context, key *signetv1alpha1.SignatureKey) (*corev1.ConfigMap, error) {
	configMap := &corev1.ConfigMap{}
	name := types.NamespacedName{Namespace: key.Namespace, Name: key.PublicConfigMapName()}
	err := r.Client.Get(ctx, name, configMap)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	return configMap, nil
}

// readUsers finds the bindings that use the key. They are not copied: a key may
// have many, with a thousand APIs each.
func (r *Reconciler) readUsers(ctx context.Context, run *keyRun) error {
	var bindings signetv1alpha1.SignatureBindingList
	err := r.Client.List(ctx, &bindings, client.InNamespace(run.key.Namespace),
		client.MatchingFields{index.BindingKeys: run.key.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("list SignatureBindings of SignatureKey %s: %w", client.ObjectKeyFromObject(run.key), err)
	}
	for i := range bindings.Items {
		binding := &bindings.Items[i]
		if slots.UsesKey(binding, run.key) {
			run.users = append(run.users, binding.Name)
			run.held = run.held || slots.HoldsWith(binding, run.key.Name)
		}
	}
	slices.Sort(run.users)
	return nil
}

// namespaceTerminating says whether the namespace is being deleted. Where the
// manager may not watch namespaces it is asked live, and only if something in
// it is being deleted.
func (r *Reconciler) namespaceTerminating(ctx context.Context, name string, suspected bool) (bool, error) {
	reader := client.Reader(r.Client)
	if !r.ClusterWide {
		if !suspected {
			return false, nil
		}
		if terminating, known := r.liveReads.lookupNamespace(name); known {
			return terminating, nil
		}
		reader = r.Live
	}
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := reader.Get(ctx, types.NamespacedName{Name: name}, namespace); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("read Namespace %s: %w", name, err)
	}
	terminating := !namespace.DeletionTimestamp.IsZero()
	if !r.ClusterWide {
		r.liveReads.storeNamespace(name, terminating)
	}
	return terminating, nil
}
