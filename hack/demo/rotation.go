// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

const (
	rotatedKey = "orders"
	// rotateNow asks for a rotation with delays that a demo can wait for.
	rotateNow = `{"spec":{"rotation":{"trigger":"demo","stageSeconds":10,"retireSeconds":10}}}`
)

func (d *demo) showRotation(ctx context.Context) error {
	d.screen.chapter("A rotation")
	d.screen.say("The Secret has the next version before that one signs, and the previous one for a while after. Ten seconds each here; " +
		"two minutes and a quarter of an hour if nothing else is said, as kubelets need to refresh what they have mounted.")
	before, err := d.secret(ctx, rotatedKey)
	if err != nil {
		return fmt.Errorf("read Secret %s: %w", rotatedKey, err)
	}
	if err := d.kubectl.show(ctx, "-n", namespace, "patch", "signaturekey", rotatedKey, "--type=merge", "-p", rotateNow); err != nil {
		return err
	}
	var next []byte
	d.expect(ctx, "the next version is staged, and the old one signs", patience, func(ctx context.Context) error {
		secret, err := d.secret(ctx, rotatedKey)
		if err != nil {
			return err
		}
		if next = secret.Data["next.secret"]; len(next) == 0 || !bytes.Equal(secret.Data["secret"], before.Data["secret"]) {
			return errors.New("it is not")
		}
		return nil
	})
	if err := d.kubectl.show(ctx, "-n", namespace, "get", "signaturekey", rotatedKey); err != nil {
		return err
	}
	d.expect(ctx, "it signs, and the old one is still accepted", patience, func(ctx context.Context) error {
		secret, err := d.secret(ctx, rotatedKey)
		if err != nil {
			return err
		}
		if !bytes.Equal(secret.Data["secret"], next) || !bytes.Equal(secret.Data["previous.secret"], before.Data["secret"]) {
			return errors.New("it does not")
		}
		return nil
	})
	d.expect(ctx, "the rotation has come to an end", patience, d.keyIs(
		rotatedKey, signetv1alpha1.ConditionRotating, metav1.ConditionFalse, signetv1alpha1.ReasonSettled))
	return d.kubectl.show(ctx, "-n", namespace, "get", "signaturekey", rotatedKey)
}
