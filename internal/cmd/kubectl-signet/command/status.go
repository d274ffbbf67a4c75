// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

func (p *plugin) statusCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show keys, bindings, the holder of each API, problems and what to do",
		Example: "  kubectl signet status\n  kubectl signet status -A -o json",
		Args:    none("status"), ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "Output for all namespaces")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.cluster()
		if err != nil {
			return err
		}
		namespace := c.namespace
		if all {
			namespace = metav1.NamespaceAll
		}
		keys, err := c.keys(cmd.Context(), namespace)
		if err != nil {
			return err
		}
		bindings, err := c.bindings(cmd.Context(), namespace)
		if err != nil {
			return err
		}
		status := view.StatusOf(keys, bindings)
		if output.value != outputTable {
			return printReport(p.Out, output.value, "Status", &status)
		}
		if len(status.Keys)+len(status.Bindings) == 0 {
			fmt.Fprintln(p.ErrOut, "No keys or bindings found"+inNamespace(namespace)+".")
			return nil
		}
		return printStatus(p.Out, &status, all)
	}
	return cmd
}

func inNamespace(namespace string) string {
	if namespace == metav1.NamespaceAll {
		return ""
	}
	return " in namespace " + namespace
}

// section is a table with a title.
type section struct {
	title   string
	columns []string
	rows    [][]any
}

func printStatus(out io.Writer, status *view.Status, namespaces bool) error {
	first := true
	for _, s := range []section{keySection(status), bindingSection(status), slotSection(status)} {
		if len(s.rows) == 0 {
			continue
		}
		if !first {
			fmt.Fprintln(out)
		}
		first = false
		if !namespaces {
			s = s.withoutNamespaces()
		}
		fmt.Fprintln(out, s.title)
		if err := printTable(out, s.columns, s.rows); err != nil {
			return err
		}
	}
	printProblems(out, status.Problems)
	return nil
}

// withoutNamespaces drops the first column.
func (s section) withoutNamespaces() section {
	rows := make([][]any, 0, len(s.rows))
	for _, row := range s.rows {
		rows = append(rows, row[1:])
	}
	return section{title: s.title, columns: s.columns[1:], rows: rows}
}

func keySection(status *view.Status) section {
	s := section{title: "KEYS", columns: []string{"Namespace", "Name", "Type", "Ready", "Reason", "Bindings", "Secret", "Rotation"}}
	for _, k := range status.Keys {
		s.rows = append(s.rows, []any{k.Namespace, k.Name, k.Type, k.Ready, k.Reason, k.Bindings, orNone(k.SecretName), orNone(k.Rotation)})
	}
	return s
}

func bindingSection(status *view.Status) section {
	s := section{title: "BINDINGS", columns: []string{"Namespace", "Name", "Key", "Environment", "Bound", "Ready", "Reason"}}
	for _, b := range status.Bindings {
		s.rows = append(s.rows, []any{b.Namespace, b.Name, b.Key, b.Environment, fmt.Sprintf("%d/%d", b.BoundAPIs, b.TotalAPIs), b.Ready, b.Reason})
	}
	return s
}

func slotSection(status *view.Status) section {
	s := section{title: "APIS", columns: []string{"Namespace", "Environment", "API", "State", "Holder", "Key", "Waiting"}}
	for _, slot := range status.Slots {
		s.rows = append(s.rows, []any{
			slot.Namespace, slot.Environment, slot.API, slot.State,
			orNone(slot.Holder), orNone(slot.Key), orNone(strings.Join(slot.Waiting, ",")),
		})
	}
	return s
}

func printProblems(out io.Writer, problems []view.Problem) {
	if len(problems) == 0 {
		return
	}
	fmt.Fprintln(out, "\nTO DO")
	for _, problem := range problems {
		fmt.Fprintf(out, "%s: %s\n%s", problem.Object, problem.Reason, wrapped("  ", problem.Message))
		if problem.Action != "" && !problem.MessageHasAction {
			fmt.Fprint(out, wrapped("  -> ", problem.Action))
		}
	}
}

// lineWidth is the maximum width of prose.
const lineWidth = 100

// wrapped breaks a text into lines with a hanging indent.
func wrapped(prefix, text string) string {
	var lines strings.Builder
	line := prefix
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			line += word
		case len(line)+1+len(word) > lineWidth:
			lines.WriteString(line + "\n")
			line = strings.Repeat(" ", len(prefix)) + word
		default:
			line += " " + word
		}
	}
	return lines.String() + line + "\n"
}
