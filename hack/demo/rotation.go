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
	// rotateNow starts a rotation with delays that are short enough for a demo.
	rotateNow = `{"spec":{"rotation":{"trigger":"demo","stageSeconds":10,"retireSeconds":10}}}`
)

func (d *demo) showRotation(ctx context.Context) error {
	d.screen.chapter("A rotation")
	d.screen.say("The Secret contains the next version before it signs, and the previous version for some time afterwards: ten seconds each " +
		"here, two minutes and 15 minutes by default, because kubelets need time to refresh mounted Secrets.")
	before, err := d.secret(ctx, rotatedKey)
	if err != nil {
		return fmt.Errorf("read Secret %q: %w", rotatedKey, err)
	}
	if err := d.kubectl.show(ctx, "-n", namespace, "patch", "signaturekey", rotatedKey, "--type=merge", "-p", rotateNow); err != nil {
		return err
	}
	var next []byte
	d.expect(ctx, "the next version is staged and the old one signs", patience, func(ctx context.Context) error {
		secret, err := d.secret(ctx, rotatedKey)
		if err != nil {
			return err
		}
		if next = secret.Data["next.secret"]; len(next) == 0 || !bytes.Equal(secret.Data["secret"], before.Data["secret"]) {
			return errors.New("the next version is not staged")
		}
		return nil
	})
	if err := d.kubectl.show(ctx, "-n", namespace, "get", "signaturekey", rotatedKey); err != nil {
		return err
	}
	d.expect(ctx, "the new version signs and the old one is still accepted", patience, func(ctx context.Context) error {
		secret, err := d.secret(ctx, rotatedKey)
		if err != nil {
			return err
		}
		if !bytes.Equal(secret.Data["secret"], next) || !bytes.Equal(secret.Data["previous.secret"], before.Data["secret"]) {
			return errors.New("the versions have not switched")
		}
		return nil
	})
	d.expect(ctx, "the rotation is complete", patience, d.keyIs(
		rotatedKey, signetv1alpha1.ConditionRotating, metav1.ConditionFalse, signetv1alpha1.ReasonSettled))
	return d.kubectl.show(ctx, "-n", namespace, "get", "signaturekey", rotatedKey)
}
