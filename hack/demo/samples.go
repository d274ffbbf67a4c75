// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

const (
	deletedKey = "inventory"
	holder     = "orders"
	loser      = "orders-takeover"
)

func (d *demo) applySamples(ctx context.Context) error {
	d.screen.chapter("The samples")
	d.screen.say("An example of each type of key and each kind of binding. Some bindings are applied before their keys, and one lists an API " +
		"that another one holds: this causes warnings, not errors, because the order does not matter in the end.")
	if err := d.kubectl.show(ctx, "apply", "-k", "config/samples"); err != nil {
		return err
	}
	return d.kubectl.show(ctx, "apply", "-k", "config/samples/publickey")
}

func (d *demo) showAll(ctx context.Context) error {
	d.screen.chapter("The state of the samples")
	keys := &signetv1alpha1.SignatureKeyList{}
	if err := d.admin.List(ctx, keys, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list SignatureKeys: %w", err)
	}
	for i := range keys.Items {
		name := keys.Items[i].Name
		d.expect(ctx, "key "+name+" is Ready", patience,
			d.keyIs(name, signetv1alpha1.ConditionReady, metav1.ConditionTrue, signetv1alpha1.ReasonReady))
	}
	bindings := &signetv1alpha1.SignatureBindingList{}
	if err := d.admin.List(ctx, bindings, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list SignatureBindings: %w", err)
	}
	for i := range bindings.Items {
		name := bindings.Items[i].Name
		if name == loser {
			continue
		}
		d.expect(ctx, "binding "+name+" is Bound", patience, d.bindingIs(name, metav1.ConditionTrue, signetv1alpha1.ReasonBound))
	}
	d.expect(ctx, "binding "+loser+" is Conflicted", patience,
		d.bindingIs(loser, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted))
	if err := d.kubectl.show(ctx, "-n", namespace, "get", "signaturekeys"); err != nil {
		return err
	}
	return d.kubectl.show(ctx, "-n", namespace, "get", "signaturebindings")
}

func (d *demo) showGenerated(ctx context.Context) error {
	d.screen.chapter("A generated key")
	d.screen.say("The status has only public data. The material is in the Secret, of which describe shows only the sizes.")
	if err := d.kubectl.show(ctx, "-n", namespace, "describe", "signaturekey", "orders"); err != nil {
		return err
	}
	if err := d.kubectl.show(ctx, "-n", namespace, "describe", "secret", "orders"); err != nil {
		return err
	}
	d.expect(ctx, "identifier and secret are generated", patience, func(ctx context.Context) error {
		secret, err := d.secret(ctx, "orders")
		if err != nil {
			return err
		}
		if len(secret.Data["key"]) == 0 || len(secret.Data["secret"]) == 0 || secret.Type != signetv1alpha1.SecretType {
			return errors.New("the managed Secret is incomplete")
		}
		return nil
	})
	return nil
}

func (d *demo) showSupplied(ctx context.Context) error {
	d.screen.chapter("A supplied key")
	d.screen.say("The material comes from the labeled Secret payments-own. The managed Secret has the same material in the layout of all keys.")
	if err := d.kubectl.show(ctx, "-n", namespace, "describe", "signaturekey", "payments"); err != nil {
		return err
	}
	d.expect(ctx, "the managed Secret has the supplied material", patience, func(ctx context.Context) error {
		source, err := d.secret(ctx, "payments-own")
		if err != nil {
			return err
		}
		managed, err := d.secret(ctx, "payments")
		if err != nil {
			return err
		}
		if !bytes.Equal(source.Data["key"], managed.Data["key"]) || !bytes.Equal(source.Data["secret"], managed.Data["secret"]) {
			return errors.New("source and managed Secret differ")
		}
		return nil
	})
	d.expect(ctx, "the public component of the key pair is in a ConfigMap", patience, func(ctx context.Context) error {
		public := &corev1.ConfigMap{}
		if err := d.admin.Get(ctx, d.sample("statements-public"), public); err != nil {
			return err
		}
		if public.Data["key"] == "" {
			return errors.New("the ConfigMap has no key")
		}
		return nil
	})
	return nil
}

func (d *demo) showConflict(ctx context.Context) error {
	d.screen.chapter("A conflict")
	d.screen.say("Two bindings list the HTTPRoute orders in RELEASE. The first one holds it and keeps it. The second one is Conflicted and names the holder.")
	if err := d.kubectl.show(ctx, "-n", namespace, "describe", "signaturebinding", loser); err != nil {
		return err
	}
	d.expect(ctx, "the conflicting binding names the holder", patience, func(ctx context.Context) error {
		binding := &signetv1alpha1.SignatureBinding{}
		if err := d.admin.Get(ctx, d.sample(loser), binding); err != nil {
			return err
		}
		if len(binding.Status.APIs) != 1 || binding.Status.APIs[0].Holder != holder {
			return errors.New("it does not name the holder")
		}
		return nil
	})
	return nil
}

const brokenKey = `apiVersion: signet.dev/v1alpha1
kind: SignatureKey
metadata:
  name: broken
  namespace: ` + namespace + `
spec:
  type: Basic
  identifier: 7of9
`

func (d *demo) showRefusal(ctx context.Context) error {
	d.screen.chapter("A refusal")
	d.screen.say("The user name of a Basic key must start with a letter.")
	output, err := d.kubectl.showInput(ctx, brokenKey, "apply", "-f", "-")
	d.expect(ctx, "a broken key is refused, naming the field", patience, func(context.Context) error {
		if err == nil {
			return errors.New("the key was admitted")
		}
		if !strings.Contains(output, "spec.identifier: Invalid value") {
			return errors.New("the refusal does not name spec.identifier")
		}
		return nil
	})
	return nil
}

func (d *demo) showBlockedDeletion(ctx context.Context) error {
	d.screen.chapter("A blocked deletion")
	before, err := d.secret(ctx, deletedKey)
	if err != nil {
		return fmt.Errorf("read Secret %q: %w", deletedKey, err)
	}
	if err := d.kubectl.show(ctx, "-n", namespace, "delete", "signaturekey", deletedKey, "--wait=false"); err != nil {
		return err
	}
	d.expect(ctx, "the key is protected while its binding uses it", patience, d.keyIs(
		deletedKey, signetv1alpha1.ConditionInUse, metav1.ConditionTrue, signetv1alpha1.ReasonDeletionBlocked))
	d.expect(ctx, "it still signs with the same material", patience, func(ctx context.Context) error {
		after, err := d.secret(ctx, deletedKey)
		if err != nil {
			return err
		}
		if !bytes.Equal(before.Data["secret"], after.Data["secret"]) {
			return errors.New("the material has changed")
		}
		return d.bindingIs(deletedKey, metav1.ConditionTrue, signetv1alpha1.ReasonBound)(ctx)
	})
	if err := d.kubectl.show(ctx, "-n", namespace, "describe", "signaturekey", deletedKey); err != nil {
		return err
	}
	return d.kubectl.show(ctx, "-n", namespace, "get", "signaturebinding", deletedKey)
}

// release completes the blocked deletion and resolves the conflict.
func (d *demo) release(ctx context.Context) error {
	d.screen.chapter("Release")
	d.screen.say("Without its binding, the key and its Secret are deleted. Without the holder, the other binding takes over.")
	if err := d.kubectl.show(ctx, "-n", namespace, "delete", "signaturebinding", deletedKey, holder); err != nil {
		return err
	}
	d.expect(ctx, "the key is gone", patience, d.gone(deletedKey, &signetv1alpha1.SignatureKey{}))
	d.expect(ctx, "its Secret is gone", collection, d.gone(deletedKey, &corev1.Secret{}))
	d.expect(ctx, "binding "+loser+" is Bound", patience, d.bindingIs(loser, metav1.ConditionTrue, signetv1alpha1.ReasonBound))
	return nil
}

func (d *demo) gone(name string, object client.Object) func(context.Context) error {
	return func(ctx context.Context) error {
		err := d.admin.Get(ctx, d.sample(name), object)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return errors.New("it still exists")
	}
}

// checkNothingLeaks looks for the material outside of Secrets (invariant 3).
func (d *demo) checkNothingLeaks(ctx context.Context) error {
	d.screen.chapter("No material outside of Secrets")
	d.expect(ctx, "no key, binding, ConfigMap or Event contains a secret, and neither does the manager's log", patience, func(ctx context.Context) error {
		secrets := &corev1.SecretList{}
		if err := d.admin.List(ctx, secrets, client.InNamespace(namespace), client.HasLabels{signetv1alpha1.LabelMaterial}); err != nil {
			return err
		}
		public, err := d.everythingElse(ctx)
		if err != nil {
			return err
		}
		for i := range secrets.Items {
			if leaked(public, secrets.Items[i].Data["secret"]) {
				return fmt.Errorf("the material of Secret %q occurs", secrets.Items[i].Name)
			}
		}
		return nil
	})
	return nil
}

// everythingElse returns all data outside of Secrets as text.
func (d *demo) everythingElse(ctx context.Context) ([]byte, error) {
	log := []byte(d.manager.Output())
	lists := []client.ObjectList{
		&signetv1alpha1.SignatureKeyList{}, &signetv1alpha1.SignatureBindingList{}, &corev1.ConfigMapList{}, &corev1.EventList{},
	}
	for _, list := range lists {
		if err := d.admin.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return nil, err
		}
		text, err := json.Marshal(list)
		if err != nil {
			return nil, err
		}
		log = slices.Concat(log, text)
	}
	return log, nil
}

func leaked(text, secret []byte) bool {
	if len(secret) == 0 {
		return false
	}
	return bytes.Contains(text, secret) || bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString(secret)))
}
