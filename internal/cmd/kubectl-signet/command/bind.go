// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

const bindExample = "bind orders --env RELEASE -l app=orders"

type bindOptions struct {
	key, environment, selector, name, containing string
	kind                                         choice
	apply                                        bool
}

func (p *plugin) bindCommand() *cobra.Command {
	o := &bindOptions{kind: choice{allowed: []string{"httproute", "grpcroute"}}}
	cmd := &cobra.Command{
		Use: "bind KEY --env ENVIRONMENT -l SELECTOR",
		Long: "Print or apply a binding of a key to the routes that have a label (-l), a text in their name\n" +
			"(--containing), or both. The API server checks a printed binding in a dry run: its warnings and errors\n" +
			"go to standard error.",
		Short:   "Print or apply a binding of a key to routes, selected by label or name",
		Example: "  kubectl signet bind orders --env RELEASE -l app=orders\n  kubectl signet bind orders --env RELEASE --containing orders --kind httproute --apply",
		Args:    one("key", bindExample), ValidArgsFunction: p.completeKeys,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.environment, "env", "", "Environment in which the routes are published")
	flags.StringVarP(&o.selector, "selector", "l", "", "Label selector of the routes, narrowed by --containing")
	flags.StringVar(&o.containing, "containing", "", "Text in the names of the routes, narrowed by -l")
	flags.StringVar(&o.name, "name", "", "Name of the binding (default: KEY-ENVIRONMENT)")
	flags.BoolVar(&o.apply, "apply", false, "Creation of the binding (default: print it)")
	addChoice(cmd, &o.kind, "kind", "", "Kind of the routes", " (default: both)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case o.environment == "":
			return errors.New("--env is required, for example: kubectl signet " + bindExample)
		case !cmd.Flags().Changed("selector") && o.containing == "":
			return errors.New("--selector or --containing is required, for example: kubectl signet " + bindExample)
		}
		o.key = args[0]
		c, err := p.cluster()
		if err != nil {
			return err
		}
		return p.bind(cmd.Context(), c, o)
	}
	return cmd
}

func (p *plugin) bind(ctx context.Context, c *cluster, o *bindOptions) error {
	selector, err := labels.Parse(o.selector)
	if err != nil {
		return fmt.Errorf("--selector: %w", err)
	}
	apis, err := c.routes(ctx, o.kind.value, selector)
	if err != nil {
		return err
	}
	apis = slices.DeleteFunc(apis, func(api signetv1alpha1.APIReference) bool { return !strings.Contains(api.Name, o.containing) })
	if len(apis) == 0 {
		existing, err := c.routes(ctx, o.kind.value, labels.Everything())
		if err != nil {
			return err
		}
		return view.NoRoute(c.namespace, o.kind.value, o.selector, o.containing, existing)
	}
	binding, err := view.NewBinding(c.namespace, o.name, o.key, o.environment, apis)
	if err != nil {
		return err
	}
	if !o.apply {
		return p.printBinding(ctx, c, binding)
	}
	err = c.Create(ctx, binding)
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("SignatureBinding %q already exists in namespace %q: use another --name, or omit --apply to print the binding and compare", binding.Name, c.namespace)
	}
	if err != nil {
		return fmt.Errorf("create SignatureBinding %q in namespace %q: %w", binding.Name, c.namespace, err)
	}
	fmt.Fprintf(p.Out, "signaturebinding.signet.dev/%s created: key %s, environment %s, %s\n", binding.Name, o.key, o.environment, count(len(apis), "API"))
	return nil
}

// printBinding prints a binding and lets the API server check it if the user is
// allowed to create it.
func (p *plugin) printBinding(ctx context.Context, c *cluster, binding *signetv1alpha1.SignatureBinding) error {
	object, err := view.Bare(binding)
	if err != nil {
		return err
	}
	if err := printObject(p.Out, "yaml", object); err != nil {
		return err
	}
	err = c.Create(ctx, binding.DeepCopy(), client.DryRunAll)
	_, isMissing := missingPermission(err)
	switch {
	case isMissing:
		fmt.Fprintln(p.ErrOut, "Not checked: "+oneLine(err))
	case apierrors.IsAlreadyExists(err):
		fmt.Fprintf(p.ErrOut, "Not checked: SignatureBinding %q already exists in namespace %q, and applying this changes it\n", binding.Name, c.namespace)
	case err != nil:
		return fmt.Errorf("check binding: %w", err)
	}
	return nil
}

// routes lists the routes of the namespace that match the selector. An empty kind
// means both kinds.
func (c *cluster) routes(ctx context.Context, kind string, selector labels.Selector) ([]signetv1alpha1.APIReference, error) {
	var apis []signetv1alpha1.APIReference
	within := []client.ListOption{client.InNamespace(c.namespace), client.MatchingLabelsSelector{Selector: selector}}
	if cmp.Or(kind, "httproute") == "httproute" {
		var list gwapiv1.HTTPRouteList
		if err := c.List(ctx, &list, within...); err != nil {
			return nil, fmt.Errorf("list HTTPRoutes: %w", err)
		}
		for i := range list.Items {
			apis = append(apis, signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindHTTPRoute, list.Items[i].Name))
		}
	}
	if cmp.Or(kind, "grpcroute") == "grpcroute" {
		var list gwapiv1.GRPCRouteList
		if err := c.List(ctx, &list, within...); err != nil {
			return nil, fmt.Errorf("list GRPCRoutes: %w", err)
		}
		for i := range list.Items {
			apis = append(apis, signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindGRPCRoute, list.Items[i].Name))
		}
	}
	return apis, nil
}
