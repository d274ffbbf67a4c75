package command

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

func (p *plugin) explainCommand() *cobra.Command {
	var system string
	gateway := choice{allowed: view.Gateways}
	cmd := &cobra.Command{
		Use:   "explain KIND/NAME",
		Short: "Say which key signs an API, where, why not, and how gateway and backend are set up",
		Example: "  kubectl signet explain httproute/orders\n  kubectl signet explain api/legacy-orders\n" +
			"  kubectl signet explain httproute/orders --gateway traefik",
		Args: one("API", "explain httproute/orders"), ValidArgs: []string{"httproute/", "grpcroute/", "api/"},
	}
	output := addOutput(cmd)
	addChoice(cmd, &gateway, "gateway", "", "Print the configuration of a gateway that has the API signed, and nothing else")
	cmd.Flags().StringVar(&system, "system-namespace", systemNamespace, "Namespace that the signer runs in")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if gateway.value != "" && output.value != outputTable {
			return errors.New("--gateway prints what the gateway reads: leave out --output")
		}
		reference, err := view.ParseAPI(args[0])
		if err != nil {
			return err
		}
		c, err := p.cluster()
		if err != nil {
			return err
		}
		bindings, err := c.bindings(cmd.Context(), c.namespace)
		if err != nil {
			return err
		}
		keys, err := c.keys(cmd.Context(), c.namespace)
		if err != nil {
			return err
		}
		api, err := c.api(cmd.Context(), reference)
		if err != nil {
			return err
		}
		if gateway.value != "" {
			text, err := view.GatewayConfig(gateway.value, api, bindings, system)
			if err == nil {
				_, err = fmt.Fprint(p.Out, text)
			}
			return err
		}
		explanation := view.Explain(api, bindings, keys)
		if output.value != outputTable {
			return printReport(p.Out, output.value, "Explanation", &explanation)
		}
		return printExplanation(p.Out, &explanation)
	}
	return cmd
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
		fmt.Fprintln(out, "\nThe configuration of a gateway: --gateway "+strings.Join(view.Gateways, "|"))
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
	fmt.Fprintf(out, "\n%s: the signer's paths\n  sign    %s\n  verify  %s\n", signed.Environment, signed.SignPath, signed.VerifyPath)
	fmt.Fprintf(out, "\n%s: a backend in Go verifies with\n", signed.Environment)
	for _, mount := range signed.Verifier.Mounts {
		fmt.Fprintf(out, "  // mount %s %s at %s\n", mount.Kind, mount.Name, mount.Directory)
	}
	for line := range strings.Lines(signed.Verifier.Go()) {
		fmt.Fprint(out, "  "+line)
	}
}
