package command

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

type bindOptions struct {
	key, environment, selector, name, containing string
	kind                                         choice
	apply                                        bool
}

func (p *plugin) bindCommand() *cobra.Command {
	o := &bindOptions{kind: choice{allowed: []string{"httproute", "grpcroute"}}}
	cmd := &cobra.Command{
		Use:     "bind KEY --env ENVIRONMENT -l SELECTOR",
		Short:   "Print, or apply, a binding of a key to the routes that have a label or a name",
		Example: "  kubectl signet bind orders --env RELEASE -l app=orders\n  kubectl signet bind orders --env RELEASE --containing orders --kind httproute --apply",
		Args:    one("key", "bind orders --env RELEASE -l app=orders"), ValidArgsFunction: p.completeKeys,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.environment, "env", "", "Environment in which the routes are published")
	flags.StringVarP(&o.selector, "selector", "l", "", "Label selector of the routes")
	flags.StringVar(&o.containing, "containing", "", "Text that the routes' names contain")
	flags.StringVar(&o.name, "name", "", "Name of the binding; left out: key and environment")
	flags.BoolVar(&o.apply, "apply", false, "Create the binding; left out: print it")
	addChoice(cmd, &o.kind, "kind", "", "Kind of the routes, left out: both")
	_ = cmd.MarkFlagRequired("env")
	cmd.MarkFlagsOneRequired("selector", "containing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
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
	apis, err := c.routesWith(ctx, o, selector)
	if err != nil {
		return err
	}
	binding, err := view.NewBinding(c.namespace, o.name, o.key, o.environment, apis)
	if err != nil {
		return err
	}
	if !o.apply {
		object, err := view.Bare(binding)
		if err != nil {
			return err
		}
		return printObject(p.Out, "yaml", object)
	}
	err = c.Create(ctx, binding)
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("SignatureBinding %s exists in namespace %s: give another --name, or leave out --apply and compare", binding.Name, c.namespace)
	}
	if err != nil {
		return fmt.Errorf("create SignatureBinding %s in namespace %s: %w", binding.Name, c.namespace, err)
	}
	fmt.Fprintf(p.Out, "signaturebinding.signet.dev/%s created: key %s, environment %s, %s\n", binding.Name, o.key, o.environment, counted(len(apis), "API"))
	return nil
}

// routesWith lists the routes of the namespace that have label and name.
func (c *cluster) routesWith(ctx context.Context, o *bindOptions, selector labels.Selector) ([]signetv1alpha1.APIReference, error) {
	var apis []signetv1alpha1.APIReference
	add := func(kind signetv1alpha1.APIKind, name string) {
		if strings.Contains(name, o.containing) {
			apis = append(apis, signetv1alpha1.APIReference{Kind: kind, Name: name})
		}
	}
	within := []client.ListOption{client.InNamespace(c.namespace), client.MatchingLabelsSelector{Selector: selector}}
	if cmp.Or(o.kind.value, "httproute") == "httproute" {
		var list gwapiv1.HTTPRouteList
		if err := c.List(ctx, &list, within...); err != nil {
			return nil, fmt.Errorf("list HTTPRoutes: %w", err)
		}
		for i := range list.Items {
			add(signetv1alpha1.APIKindHTTPRoute, list.Items[i].Name)
		}
	}
	if cmp.Or(o.kind.value, "grpcroute") == "grpcroute" {
		var list gwapiv1.GRPCRouteList
		if err := c.List(ctx, &list, within...); err != nil {
			return nil, fmt.Errorf("list GRPCRoutes: %w", err)
		}
		for i := range list.Items {
			add(signetv1alpha1.APIKindGRPCRoute, list.Items[i].Name)
		}
	}
	return apis, nil
}
