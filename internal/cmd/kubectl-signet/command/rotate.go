package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

// watchInterval is how often --watch looks: a step of a rotation takes minutes.
const watchInterval = 2 * time.Second

type rotateOptions struct {
	trigger                  string
	immediate, watch, dryRun bool
}

func (p *plugin) rotateCommand() *cobra.Command {
	o := &rotateOptions{}
	cmd := &cobra.Command{
		Use:   "rotate KEY",
		Short: "Renew a key's material by changing spec.rotation.trigger",
		Long: "Renew what Signet generates of a key. The command changes spec.rotation.trigger of your\n" +
			"SignatureKey. If the key is in Git, change the trigger there: otherwise it is changed back.",
		Example: "  kubectl signet rotate orders --watch\n  kubectl signet rotate orders --immediate --dry-run",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: p.completeKeys,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.trigger, "trigger", "", "The trigger's new text; left out: the present time")
	flags.BoolVar(&o.immediate, "immediate", false, "The key has leaked: drop the old version at once (spec.rotation.immediate); requests may fail")
	flags.BoolVarP(&o.watch, "watch", "w", false, "Show the steps until the rotation is over")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Have the API server check the change and throw it away")
	cmd.MarkFlagsMutuallyExclusive("watch", "dry-run")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.cluster()
		if err != nil {
			return err
		}
		if o.trigger == "" {
			o.trigger = time.Now().UTC().Format(time.RFC3339)
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
	before, field := key.DeepCopy(), "trigger"
	if key.Spec.Rotation == nil {
		key.Spec.Rotation = &signetv1alpha1.Rotation{}
	}
	if o.immediate {
		field = "immediate"
		key.Spec.Rotation.Immediate = o.trigger
	} else {
		key.Spec.Rotation.Trigger = o.trigger
	}
	var options []client.PatchOption
	done := "changed"
	if o.dryRun {
		options, done = append(options, client.DryRunAll), "would be changed (dry run)"
	}
	if err := c.Patch(ctx, key, client.MergeFrom(before), options...); err != nil {
		return fmt.Errorf("change spec.rotation.%s of SignatureKey %s in namespace %s: %w", field, name, c.namespace, err)
	}
	fmt.Fprintf(p.Out, "signaturekey.signet.dev/%s: spec.rotation.%s %s to %q\n", name, field, done, o.trigger)
	fmt.Fprintf(p.ErrOut, "Hint: if this key is kept in Git, set spec.rotation.%s: %q there, too.\n", field, o.trigger)
	if !o.watch {
		return nil
	}
	return p.watchRotation(ctx, c, before, o)
}

// watchRotation prints what changes until the rotation is over.
func (p *plugin) watchRotation(ctx context.Context, c *cluster, before *signetv1alpha1.SignatureKey, o *rotateOptions) error {
	last := ""
	err := wait.PollUntilContextCancel(ctx, watchInterval, true, func(ctx context.Context) (bool, error) {
		key, err := c.key(ctx, before.Name)
		if err != nil {
			return false, err
		}
		if line := view.Progress(key); line != last {
			last = line
			fmt.Fprintln(p.Out, line)
		}
		if refusal := view.Refused(key); refusal != "" {
			return false, errors.New(refusal)
		}
		if o.immediate {
			return view.Replaced(key, before.Status.KeyID), nil
		}
		return view.Rotated(key, o.trigger), nil
	})
	if err != nil {
		return fmt.Errorf("watch the rotation: %w", err)
	}
	fmt.Fprintln(p.Out, "The rotation is over.")
	return nil
}
