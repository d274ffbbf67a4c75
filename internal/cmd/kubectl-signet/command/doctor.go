// SPDX-License-Identifier: Apache-2.0

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

// doctor checks an installation.
type doctor struct {
	*cluster
	// system is the namespace that Signet runs in.
	system string
	// callers are the Secrets with client certificates that gateway settings name.
	// The check of gateway settings fills it.
	callers []string
}

// uncheckedAction is what to do about objects that the user may not read.
const uncheckedAction = "ask an administrator to run this"

// notFound is the message about a missing object.
const notFound = "not found"

// systemNamespace is the default namespace of Signet.
const systemNamespace = "signet-system"

func (p *plugin) doctorCommand() *cobra.Command {
	var system string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the installation for what is missing, broken or unsafe",
		Long: "Check the installation, your permissions, and the certificates and settings of gateways in the\n" +
			"namespace. Objects that you may not read are listed. Of Secrets, only certificates are read.",
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
		// Without a response, every check would report the same.
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
			err = fmt.Errorf("%s failed", count(failures, "check"))
		}
		return err
	}
	return cmd
}

func count(number int, what string) string {
	if number == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", number, what)
}

// examine runs all checks. No failure stops another check.
func (d *doctor) examine(ctx context.Context) *view.Diagnosis {
	diagnosis := &view.Diagnosis{Findings: []view.Finding{}}
	for _, check := range []func(context.Context) []view.Finding{
		d.crds, d.webhooks, d.endpoints, d.admission, d.manager, d.leader, d.servedNamespaces, d.managerPermissions, d.policy, d.signer,
		d.gatewayAPI, d.permissions, d.gatewaySettings, d.callerCertificates,
	} {
		diagnosis.Findings = append(diagnosis.Findings, check(ctx)...)
	}
	return diagnosis
}

// failure is the finding for an object that could not be read.
func failure(check string, err error, action string) view.Finding {
	switch {
	case apierrors.IsForbidden(err):
		return view.Finding{Check: check, Result: view.Unknown, Message: oneLine(err), Action: uncheckedAction}
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return view.Finding{Check: check, Result: view.Failed, Message: notFound, Action: action}
	default:
		return view.Finding{Check: check, Result: view.Failed, Message: oneLine(err), Action: action}
	}
}

func fine(check, message string) view.Finding {
	return view.Finding{Check: check, Result: view.OK, Message: message}
}

// found is a finding with an action unless the result is OK.
func found(check string, result view.Result, message, action string) view.Finding {
	if result == view.OK {
		action = ""
	}
	return view.Finding{Check: check, Result: result, Message: message, Action: action}
}

// printDiagnosis prints a line for each check, and the messages of problems below,
// because they are longer than a column.
func printDiagnosis(out io.Writer, diagnosis *view.Diagnosis) error {
	s := section{columns: []string{"Result", "Check", "Found"}}
	var (
		problems  []view.Problem
		unchecked []string
	)
	for _, f := range diagnosis.Findings {
		message := f.Message
		switch f.Result {
		case view.OK:
		case view.Unknown:
			message = "see below"
			unchecked = append(unchecked, f.Check+": "+f.Message)
		default:
			message = "see below"
			problems = append(problems, view.Problem{Object: f.Check, Reason: string(f.Result), Message: f.Message, Action: f.Action})
		}
		s.rows = append(s.rows, []any{string(f.Result), f.Check, message})
	}
	if err := printTable(out, s.columns, s.rows); err != nil {
		return err
	}
	printProblems(out, problems)
	if len(unchecked) > 0 {
		fmt.Fprintln(out, "\nNOT CHECKED")
		for _, line := range unchecked {
			fmt.Fprintln(out, line)
		}
		fmt.Fprintln(out, "-> "+uncheckedAction)
	}
	return nil
}
