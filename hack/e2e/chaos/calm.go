// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/hack/e2e/chaos/judge"
)

// patience is after how long a line is printed about what is not settled.
const patience = 20 * time.Second

// collection is how long the garbage collector may take for the Secret of a deleted key.
const collection = time.Minute

// settle waits, without faults, until all is as it is to be, and returns how long
// that takes. Users do meanwhile what only users can.
func (r *run) settle(ctx context.Context, limit time.Duration, open func(*judge.Judge) []string, help func(context.Context) error) (time.Duration, error) {
	start := time.Now()
	var left []string
	told := start
	for {
		if err := r.history.sync(ctx); err != nil {
			return 0, err
		}
		if err := r.history.ask(func(j *judge.Judge) { left = open(j) }); err != nil {
			return 0, err
		}
		took := time.Since(start)
		if len(left) == 0 {
			return took, nil
		}
		if took > limit {
			return took, &unsettledError{limit: limit, left: left}
		}
		if time.Since(told) > patience {
			told = time.Now()
			fmt.Fprintf(r.options.Out, "seed %d: not settled after %s: %q\n", r.options.Seed, took.Round(time.Second), left)
		}
		if err := help(ctx); err != nil {
			r.journal.note("", "user: helps: %v", err)
		}
		if !pause(ctx, 200*time.Millisecond) {
			return took, fmt.Errorf("wait for the calm: %w", ctx.Err())
		}
	}
}

// unsettledError is what is not as it is to be at the end of a calm.
type unsettledError struct {
	limit time.Duration
	left  []string
}

// Error names it.
func (e *unsettledError) Error() string {
	return fmt.Sprintf("rule 4: not settled after %s:\n  %s", e.limit, strings.Join(e.left, "\n  "))
}

// help does what only users can: it creates namespaces and keys that bindings name,
// gives consent to new material in place of lost material, and deletes what blocks a key.
func (r *run) help(ctx context.Context) error {
	for _, t := range r.tenants {
		if !t.ensureNamespace(ctx) {
			continue
		}
		if err := t.help(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t *tenant) help(ctx context.Context) error {
	var keys signetv1alpha1.SignatureKeyList
	var bindings signetv1alpha1.SignatureBindingList
	for _, list := range []client.ObjectList{&keys, &bindings} {
		if err := t.client.List(ctx, list, client.InNamespace(t.namespace)); err != nil {
			return fmt.Errorf("list what is in %s: %w", t.namespace, err)
		}
	}
	exist := map[string]bool{}
	for i := range keys.Items {
		exist[keys.Items[i].Name] = true
		if err := errors.Join(t.consent(ctx, &keys.Items[i]), t.makeWay(ctx, &keys.Items[i], false), t.collect(ctx, &keys.Items[i])); err != nil {
			return err
		}
	}
	for i := range bindings.Items {
		name := bindings.Items[i].Spec.KeyRef.Name
		if exist[name] {
			continue
		}
		exist[name] = true
		t.journal.note(t.namespace, "user: creates %s", name)
		if err := t.ensureKey(ctx, name); err != nil {
			return fmt.Errorf("create key %s/%s: %w", t.namespace, name, err)
		}
	}
	return nil
}

// consent sets another trigger, once, on a key that has lost its Secret, or whose
// Secret is of an earlier key and being deleted: then only the trigger goes on.
func (t *tenant) consent(ctx context.Context, key *signetv1alpha1.SignatureKey) error {
	ready := meta.FindStatusCondition(key.Status.Conditions, signetv1alpha1.ConditionReady)
	lost := ready != nil && ready.Status == metav1.ConditionFalse &&
		(ready.Reason == signetv1alpha1.ReasonSecretLost || ready.Reason == signetv1alpha1.ReasonSecretTerminating)
	if !lost || key.Trigger() != key.Status.ObservedTrigger {
		return nil
	}
	t.journal.note(t.namespace, "user: consents to new material of %s", key.Name)
	return t.editRotation(ctx, key.Name, fmt.Sprintf(`{"trigger":%q}`, t.unique("t")))
}

// makeWay deletes a Secret that blocks a key because a user has taken its label while
// no key of the name existed: it looks like another client's, also to Signet, which
// would keep its finalizer for a restore. With force, it deletes any that blocks.
func (t *tenant) makeWay(ctx context.Context, key *signetv1alpha1.SignatureKey, force bool) error {
	if readyOf(key.Status.Conditions) != signetv1alpha1.ReasonSecretOwnedByOther {
		return nil
	}
	secret := &corev1.Secret{}
	if err := t.client.Get(ctx, t.named(key.EffectiveTargetName()), secret); err != nil {
		return client.IgnoreNotFound(err)
	}
	if secret.Labels[signetv1alpha1.LabelKey] != "" && !force {
		return nil
	}
	t.journal.note(t.namespace, "user: deletes Secret %s, which blocks its key", secret.Name)
	deletes := secret.DeletionTimestamp.IsZero()
	if signetv1alpha1.IsProtected(secret) {
		return client.IgnoreNotFound(t.strip(ctx, secret, deletes))
	}
	return client.IgnoreNotFound(t.client.Delete(ctx, secret))
}

// collect deletes the Secret of an earlier key that the garbage collector has missed. If
// it does not see that a key is deleted and created again, because its watch is broken
// meanwhile, it takes the two for one that has changed.
func (t *tenant) collect(ctx context.Context, key *signetv1alpha1.SignatureKey) error {
	if readyOf(key.Status.Conditions) != signetv1alpha1.ReasonSecretTerminating || time.Since(key.CreationTimestamp.Time) < collection {
		return nil
	}
	secret := &corev1.Secret{}
	if err := t.client.Get(ctx, t.named(key.EffectiveTargetName()), secret); err != nil {
		return client.IgnoreNotFound(err)
	}
	if owner := metav1.GetControllerOf(secret); owner == nil || owner.UID == key.UID || !secret.DeletionTimestamp.IsZero() {
		return nil
	}
	t.journal.note(t.namespace, "user: deletes Secret %s, which the garbage collector has missed", secret.Name)
	return client.IgnoreNotFound(t.client.Delete(ctx, secret))
}

// makeWayByForce deletes what keeps keys from settling, so that a run goes on after
// the finding.
func (r *run) makeWayByForce(ctx context.Context) error {
	for _, t := range r.tenants {
		var keys signetv1alpha1.SignatureKeyList
		if err := t.client.List(ctx, &keys, client.InNamespace(t.namespace)); err != nil {
			return fmt.Errorf("list keys in %s: %w", t.namespace, err)
		}
		for i := range keys.Items {
			if err := t.makeWay(ctx, &keys.Items[i], true); err != nil {
				return fmt.Errorf("make way for key %s/%s: %w", t.namespace, keys.Items[i].Name, err)
			}
		}
	}
	return nil
}

// deleteAll deletes all bindings and keys.
func (r *run) deleteAll(ctx context.Context) error {
	for _, t := range r.tenants {
		for _, kind := range []client.Object{&signetv1alpha1.SignatureBinding{}, &signetv1alpha1.SignatureKey{}} {
			if err := t.client.DeleteAllOf(ctx, kind, client.InNamespace(t.namespace)); err != nil {
				return fmt.Errorf("delete what is in %s: %w", t.namespace, err)
			}
		}
	}
	return nil
}

// deleteNamespaces deletes the namespaces of all tenants.
func (r *run) deleteNamespaces(ctx context.Context) error {
	for _, t := range r.tenants {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}}
		if err := t.client.Delete(ctx, namespace); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete namespace %s: %w", t.namespace, err)
		}
	}
	return nil
}
