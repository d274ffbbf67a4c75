// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

// triggerLayout formats the time as a trigger. Milliseconds distinguish two rotations in
// one second apart.
const triggerLayout = "2006-01-02T15:04:05.000Z07:00"

type rotateOptions struct {
	trigger               string
	revoke, watch, dryRun bool
}

func (p *plugin) rotateCommand() *cobra.Command {
	o := &rotateOptions{}
	cmd := &cobra.Command{
		Use:   "rotate KEY",
		Short: "Rotate a key by changing spec.rotation.trigger",
		Long: "Renew the generated components of a key. The command changes spec.rotation.trigger of the\n" +
			"SignatureKey, which rotates without a refused request. With --revoke it changes\n" +
			"spec.rotation.revokeTrigger, which replaces all versions of a leaked key at once. If the key is managed\n" +
			"in Git, change the field there: otherwise the change is reverted.",
		Example: "  kubectl signet rotate orders --watch\n\n" +
			"  # The key has leaked: check the change, then make it.\n" +
			"  kubectl signet rotate orders --revoke --dry-run\n  kubectl signet rotate orders --revoke --watch",
		Args: one("key", "rotate orders"), ValidArgsFunction: p.completeKeys,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.trigger, "trigger", "", "Value of the trigger (default: the current time)")
	flags.BoolVar(&o.revoke, "revoke", false, "Replacement of all versions at once, for a leaked key (spec.rotation.revokeTrigger); requests may fail")
	flags.BoolVarP(&o.watch, "watch", "w", false, "Output of the steps until the rotation is complete")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Check by the API server without a change")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.watch && o.dryRun {
			return errors.New("--watch has no effect with --dry-run, which starts no rotation: omit one of them")
		}
		c, err := p.cluster()
		if err != nil {
			return err
		}
		if o.trigger == "" {
			o.trigger = time.Now().UTC().Format(triggerLayout)
		}
		return p.rotate(cmd.Context(), c, args[0], o)
	}
	return cmd
}

func (p *plugin) rotate(ctx context.Context, c *cluster, name string, o *rotateOptions) error {
	key, err := c.key(ctx, name)
	if err != nil {
		return err
	}
	before := key.DeepCopy()
	if key.Spec.Rotation == nil {
		key.Spec.Rotation = &signetv1alpha1.Rotation{}
	}
	field, text := "trigger", &key.Spec.Rotation.Trigger
	if o.revoke {
		field, text = "revokeTrigger", &key.Spec.Rotation.RevokeTrigger
	}
	if *text == o.trigger {
		return fmt.Errorf("spec.rotation.%s of SignatureKey %q is already %q: use another --trigger", field, name, o.trigger)
	}
	*text = o.trigger
	var options []client.PatchOption
	done := "changed"
	if o.dryRun {
		options, done = append(options, client.DryRunAll), "would be changed (dry run)"
	}
	if err := c.Patch(ctx, key, client.MergeFrom(before), options...); err != nil {
		return fmt.Errorf("change spec.rotation.%s of SignatureKey %q in namespace %q: %w", field, name, c.namespace, err)
	}
	fmt.Fprintf(p.Out, "signaturekey.signet.dev/%s: spec.rotation.%s %s to %q\n", name, field, done, o.trigger)
	fmt.Fprintf(p.ErrOut, "Hint: If this key is managed in Git, set spec.rotation.%s: %q there, too.\n", field, o.trigger)
	if !o.watch {
		return nil
	}
	return p.watchRotation(ctx, c, before, o)
}

// watchRotation prints each change until the rotation is complete.
func (p *plugin) watchRotation(ctx context.Context, c *cluster, before *signetv1alpha1.SignatureKey, o *rotateOptions) error {
	last := ""
	err := c.follow(ctx, before.Name, func(key *signetv1alpha1.SignatureKey) (bool, error) {
		if line := view.Progress(key); line != last {
			last = line
			fmt.Fprintln(p.Out, line)
		}
		if refusal := view.Refused(key); refusal != "" {
			return false, fmt.Errorf("SignatureKey %q does not rotate: %s", before.Name, strings.TrimSuffix(refusal, "."))
		}
		if o.revoke {
			return view.Replaced(key, before.Status.KeyID), nil
		}
		return view.Rotated(key, o.trigger), nil
	})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("stopped watching, but the rotation continues: run kubectl get signaturekey %s -n %s --watch to see it", before.Name, c.namespace)
	case err != nil:
		return err
	}
	fmt.Fprintln(p.Out, "The rotation is complete.")
	return nil
}

// follow passes the key and each change of it to done until done returns true.
// Every step of a rotation is a change.
func (c *cluster) follow(ctx context.Context, name string, done func(*signetv1alpha1.SignatureKey) (bool, error)) error {
	for {
		key, err := c.key(ctx, name)
		if err != nil {
			return err
		}
		if over, err := done(key); over || err != nil {
			return err
		}
		changes, err := c.Watch(ctx, &signetv1alpha1.SignatureKeyList{}, &client.ListOptions{
			Namespace: c.namespace, FieldSelector: fields.OneTermEqualSelector("metadata.name", name),
			Raw: &metav1.ListOptions{ResourceVersion: key.ResourceVersion},
		})
		if err != nil {
			return fmt.Errorf("watch SignatureKey %q in namespace %q: %w", name, c.namespace, err)
		}
		over, err := until(ctx, changes, done)
		changes.Stop()
		if over || err != nil {
			return err
		}
	}
}

// until returns false if the watch ended before: the API server ends every watch
// after some minutes.
func until(ctx context.Context, changes watch.Interface, done func(*signetv1alpha1.SignatureKey) (bool, error)) (bool, error) {
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case change, open := <-changes.ResultChan():
			key, isKey := change.Object.(*signetv1alpha1.SignatureKey)
			switch {
			case !open || !isKey:
				return false, nil
			case change.Type == watch.Deleted:
				return false, fmt.Errorf("SignatureKey %q was deleted", key.Name)
			}
			if over, err := done(key); over || err != nil {
				return over, err
			}
		}
	}
}
