package command

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

// doctor looks at an installation.
type doctor struct {
	*cluster
	// system is the namespace that Signet runs in.
	system string
}

func (p *plugin) doctorCommand() *cobra.Command {
	var system string
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Look at the installation: what is missing, broken or unsafe",
		Example: "  kubectl signet doctor -n team-a",
		Args:    cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&system, "system-namespace", "signet-system", "Namespace that Signet runs in")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.cluster()
		if err != nil {
			return err
		}
		diagnosis := (&doctor{cluster: c, system: system}).examine(cmd.Context())
		if output.value != outputTable {
			err = printReport(p.Out, output.value, "Diagnosis", diagnosis)
		} else {
			err = printDiagnosis(p.Out, diagnosis)
		}
		if err == nil && diagnosis.Failures() > 0 {
			err = fmt.Errorf("%d checks failed", diagnosis.Failures())
		}
		return err
	}
	return cmd
}

// examine runs all checks: each tells what it finds, and none stops another.
func (d *doctor) examine(ctx context.Context) *view.Diagnosis {
	diagnosis := &view.Diagnosis{Findings: []view.Finding{}}
	for _, check := range []func(context.Context) []view.Finding{
		d.crds, d.webhooks, d.endpoints, d.admission, d.deployments, d.policy, d.gatewayAPI, d.rights, d.gatewaySettings,
	} {
		diagnosis.Findings = append(diagnosis.Findings, check(ctx)...)
	}
	return diagnosis
}

// failure is the finding on something that could not be read.
func failure(check string, err error, action string) view.Finding {
	switch {
	case apierrors.IsForbidden(err):
		return view.Finding{Check: check, Verdict: view.Unknown, Message: oneLine(err), Action: "ask an administrator to run this"}
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return view.Finding{Check: check, Verdict: view.Failed, Message: "not there", Action: action}
	default:
		return view.Finding{Check: check, Verdict: view.Failed, Message: oneLine(err), Action: action}
	}
}

func fine(check, message string) view.Finding {
	return view.Finding{Check: check, Verdict: view.OK, Message: message}
}

func printDiagnosis(out io.Writer, diagnosis *view.Diagnosis) error {
	s := section{columns: []string{"Check", "Verdict", "Message"}}
	for _, f := range diagnosis.Findings {
		s.rows = append(s.rows, []any{f.Check, string(f.Verdict), f.Message})
	}
	if err := printTable(out, s.columns, s.rows); err != nil {
		return err
	}
	for _, f := range diagnosis.Findings {
		if f.Action != "" {
			fmt.Fprintf(out, "-> %s: %s\n", f.Check, f.Action)
		}
	}
	return nil
}
