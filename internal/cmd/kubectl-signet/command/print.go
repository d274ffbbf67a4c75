// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
)

// outputTable is the human-readable output.
const outputTable = "table"

// reportVersion is the apiVersion of what the plugin prints as JSON and YAML.
const reportVersion = "cli.signet.dev/v1alpha1"

// printReport prints a report as JSON or YAML.
func printReport(out io.Writer, format, kind string, report any) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(report)
	if err != nil {
		return fmt.Errorf("convert report: %w", err)
	}
	object := &unstructured.Unstructured{Object: content}
	object.SetAPIVersion(reportVersion)
	object.SetKind(kind)
	return printObject(out, format, object)
}

func printObject(out io.Writer, format string, object runtime.Object) error {
	var printer printers.ResourcePrinter = &printers.YAMLPrinter{}
	if format == "json" {
		printer = &printers.JSONPrinter{}
	}
	if err := printer.PrintObj(object, out); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// printTable prints rows under a heading, as kubectl does.
func printTable(out io.Writer, columns []string, rows [][]any) error {
	table := &metav1.Table{}
	for _, column := range columns {
		table.ColumnDefinitions = append(table.ColumnDefinitions, metav1.TableColumnDefinition{Name: column, Type: "string"})
	}
	for _, row := range rows {
		table.Rows = append(table.Rows, metav1.TableRow{Cells: row})
	}
	if err := printers.NewTablePrinter(printers.PrintOptions{}).PrintObj(table, out); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// orNone returns the text, or the placeholder for an empty cell.
func orNone(text string) string {
	if text == "" {
		return "<none>"
	}
	return text
}
