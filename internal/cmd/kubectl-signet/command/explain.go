// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

type explainOptions struct {
	environment, system string
	gateway             choice
	output              *choice
}

func (p *plugin) explainCommand() *cobra.Command {
	o := &explainOptions{gateway: choice{allowed: view.Gateways}}
	cmd := &cobra.Command{
		Use:   "explain KIND/NAME",
		Short: "Explain which key signs an API, and how to configure its gateway and backend",
		Example: "  kubectl signet explain httproute/orders\n  kubectl signet explain api/legacy-orders\n" +
			"  kubectl signet explain httproute/orders --env RELEASE --gateway traefik",
		Args: one("API", "explain httproute/orders"), ValidArgs: []string{"httproute/", "grpcroute/", "api/"},
	}
	o.output = addOutput(cmd)
	cmd.Flags().StringVar(&o.environment, "env", "", "Environment (default: all environments of the API)")
	addChoice(cmd, &o.gateway, "gateway", "", "Gateway whose configuration is printed instead of the explanation", "")
	cmd.Flags().StringVar(&o.system, "system-namespace", systemNamespace, "Namespace that the signer runs in")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.gateway.value != "" && o.output.value != outputTable {
			return errors.New("--gateway prints the gateway's own format: omit --output")
		}
		reference, err := view.ParseAPI(args[0])
		if err != nil {
			return err
		}
		c, err := p.cluster()
		if err != nil {
			return err
		}
		return p.explain(cmd.Context(), c, reference, o)
	}
	return cmd
}

func (p *plugin) explain(ctx context.Context, c *cluster, reference signetv1alpha1.APIReference, o *explainOptions) error {
	bindings, err := c.bindings(ctx, c.namespace)
	if err != nil {
		return err
	}
	keys, err := c.keys(ctx, c.namespace)
	if err != nil {
		return err
	}
	api, err := c.api(ctx, reference)
	if err != nil {
		return err
	}
	if o.gateway.value != "" {
		text, err := view.GatewayConfig(o.gateway.value, api, o.environment, bindings, o.system)
		if err == nil {
			_, err = fmt.Fprint(p.Out, text)
		}
		return err
	}
	explanation, err := view.Explain(api, o.environment, bindings, keys)
	if err != nil {
		return err
	}
	if o.output.value != outputTable {
		return printReport(p.Out, o.output.value, "Explanation", &explanation)
	}
	return printExplanation(p.Out, &explanation)
}

func printExplanation(out io.Writer, explanation *view.Explanation) error {
	fmt.Fprintf(out, "%s in namespace %s\n", explanation.API, explanation.Namespace)
	if len(explanation.Signed) > 0 {
		s := section{columns: []string{"Environment", "Key", "Binding", "State", "Gateways", "Waiting"}}
		for _, signed := range explanation.Signed {
			s.rows = append(s.rows, []any{
				signed.Environment, orNone(signed.Key), orNone(signed.Binding), signed.State,
				orNone(strings.Join(signed.Gateways, ",")), orNone(strings.Join(signed.Waiting, ",")),
			})
		}
		if err := printTable(out, s.columns, s.rows); err != nil {
			return err
		}
	}
	for _, note := range explanation.Notes {
		fmt.Fprintln(out, "! "+note)
	}
	for i := range explanation.Signed {
		printSigned(out, &explanation.Signed[i])
	}
	if len(explanation.Signed) > 0 {
		fmt.Fprintln(out, "\nTo print the configuration of a gateway, add --gateway "+strings.Join(view.Gateways, "|"))
	}
	return nil
}

func printSigned(out io.Writer, signed *view.Signed) {
	for _, why := range signed.Why {
		fmt.Fprintf(out, "! %s: %s\n", signed.Environment, why)
	}
	if signed.Verifier == nil {
		return
	}
	fmt.Fprintf(out, "\n%s: paths of the signer\n  sign    %s\n  verify  %s\n", signed.Environment, signed.SignPath, signed.VerifyPath)
	fmt.Fprintf(out, "\n%s: code of a backend in Go\n", signed.Environment)
	for _, mount := range signed.Verifier.Mounts {
		fmt.Fprintf(out, "  // mount %s %s at %s\n", mount.Kind, mount.Name, mount.Directory)
	}
	for line := range strings.Lines(signed.Verifier.Go()) {
		fmt.Fprint(out, "  "+line)
	}
}
