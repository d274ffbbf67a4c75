// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	// patience is how long the demo waits for what usually takes a second or two.
	patience = proc.Soon
	// collection is the timeout for the garbage collector, which discovers new
	// kinds every 30 seconds.
	collection = proc.Long
)

// expect waits until the check returns no error, and prints the outcome. A failed
// expectation does not end the demo.
func (d *demo) expect(ctx context.Context, what string, within time.Duration, check func(context.Context) error) {
	err := proc.Until(ctx, within, what, func() error { return check(ctx) })
	switch {
	case err == nil:
		d.screen.met(what)
	case ctx.Err() != nil:
		d.unmet++
	default:
		d.unmet++
		d.screen.unmet(what, errors.Unwrap(err))
	}
}

// keyIs checks a condition of a key.
func (d *demo) keyIs(name, condition string, status metav1.ConditionStatus, reason string) func(context.Context) error {
	return func(ctx context.Context) error {
		key := &signetv1alpha1.SignatureKey{}
		if err := d.admin.Get(ctx, d.sample(name), key); err != nil {
			return err
		}
		return conditionIs(key.Status.Conditions, condition, status, reason)
	}
}

// bindingIs checks the Ready condition of a binding.
func (d *demo) bindingIs(name string, status metav1.ConditionStatus, reason string) func(context.Context) error {
	return func(ctx context.Context) error {
		binding := &signetv1alpha1.SignatureBinding{}
		if err := d.admin.Get(ctx, d.sample(name), binding); err != nil {
			return err
		}
		return conditionIs(binding.Status.Conditions, signetv1alpha1.ConditionReady, status, reason)
	}
}

func conditionIs(conditions []metav1.Condition, conditionType string, status metav1.ConditionStatus, reason string) error {
	found := meta.FindStatusCondition(conditions, conditionType)
	if found == nil {
		return fmt.Errorf("no condition %s", conditionType)
	}
	if found.Status != status || found.Reason != reason {
		return fmt.Errorf("%s is %s, %s: %s", conditionType, found.Status, found.Reason, found.Message)
	}
	return nil
}

func (d *demo) secret(ctx context.Context, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := d.admin.Get(ctx, d.sample(name), secret); err != nil {
		return nil, err
	}
	return secret, nil
}

func (d *demo) sample(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: name}
}
