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
	// callers are the Secrets that gateways' settings name, with the certificates
	// that they call the signer with. The check of gateways' settings fills it.
	callers []string
}

// unseenAction is what to do about what the caller may not see.
const unseenAction = "ask an administrator to run this"

// systemNamespace is where Signet runs if nothing else is said.
const systemNamespace = "signet-system"

func (p *plugin) doctorCommand() *cobra.Command {
	var system string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at the installation: what is missing, broken or unsafe",
		Long: "Look at the installation, at your rights, and at the certificates and settings of gateways in the\n" +
			"namespace. What you may not read is named. Of Secrets, only certificates are looked at.",
		Example: "  kubectl signet doctor -n team-a",
		Args:    none("doctor"), ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&system, "system-namespace", systemNamespace, "Namespace that Signet runs in")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.cluster()
		if err != nil {
			return err
		}
		// Where nothing answers, a dozen checks would say so.
		if err := p.reachable(); err != nil {
			return err
		}
		diagnosis := (&doctor{cluster: c, system: system}).examine(cmd.Context())
		if output.value != outputTable {
			err = printReport(p.Out, output.value, "Diagnosis", diagnosis)
		} else {
			err = printDiagnosis(p.Out, diagnosis)
		}
		if failures := diagnosis.Failures(); err == nil && failures > 0 {
			err = fmt.Errorf("%s failed", counted(failures, "check"))
		}
		return err
	}
	return cmd
}

func counted(number int, what string) string {
	if number == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", number, what)
}

// examine runs all checks: each tells what it finds, and none stops another.
func (d *doctor) examine(ctx context.Context) *view.Diagnosis {
	diagnosis := &view.Diagnosis{Findings: []view.Finding{}}
	for _, check := range []func(context.Context) []view.Finding{
		d.crds, d.webhooks, d.endpoints, d.admission, d.manager, d.leader, d.policy, d.signer,
		d.gatewayAPI, d.rights, d.gatewaySettings, d.callerCertificates,
	} {
		diagnosis.Findings = append(diagnosis.Findings, check(ctx)...)
	}
	return diagnosis
}

// failure is the finding on something that could not be read.
func failure(check string, err error, action string) view.Finding {
	switch {
	case apierrors.IsForbidden(err):
		return view.Finding{Check: check, Verdict: view.Unknown, Message: oneLine(err), Action: unseenAction}
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return view.Finding{Check: check, Verdict: view.Failed, Message: "not there", Action: action}
	default:
		return view.Finding{Check: check, Verdict: view.Failed, Message: oneLine(err), Action: action}
	}
}

func fine(check, message string) view.Finding {
	return view.Finding{Check: check, Verdict: view.OK, Message: message}
}

// found is a finding with what to do unless all is well.
func found(check string, verdict view.Verdict, message, action string) view.Finding {
	if verdict == view.OK {
		action = ""
	}
	return view.Finding{Check: check, Verdict: verdict, Message: message, Action: action}
}

// printDiagnosis has a line for each check, and says below what is not well:
// that takes more room than a column has.
func printDiagnosis(out io.Writer, diagnosis *view.Diagnosis) error {
	s := section{columns: []string{"Verdict", "Check", "Found"}}
	var (
		problems []view.Problem
		unseen   []string
	)
	for _, f := range diagnosis.Findings {
		message := f.Message
		switch f.Verdict {
		case view.OK:
		case view.Unknown:
			message = "see below"
			unseen = append(unseen, f.Check+": "+f.Message)
		default:
			message = "see below"
			problems = append(problems, view.Problem{Object: f.Check, Reason: string(f.Verdict), Message: f.Message, Action: f.Action})
		}
		s.rows = append(s.rows, []any{string(f.Verdict), f.Check, message})
	}
	if err := printTable(out, s.columns, s.rows); err != nil {
		return err
	}
	printProblems(out, problems)
	if len(unseen) > 0 {
		fmt.Fprintln(out, "\nNOT LOOKED AT")
		for _, line := range unseen {
			fmt.Fprintln(out, line)
		}
		fmt.Fprintln(out, "-> "+unseenAction)
	}
	return nil
}
