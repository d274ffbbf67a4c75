// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// choice is a flag with a few allowed values.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) String() string { return c.value }

func (c *choice) Type() string { return "string" }

// Set refuses values that are not allowed, with a list of those that are.
func (c *choice) Set(value string) error {
	if !slices.Contains(c.allowed, value) {
		return fmt.Errorf("must be one of %s", strings.Join(c.allowed, ", "))
	}
	c.value = value
	return nil
}

// addChoice adds a flag with allowed values and their completion. The note follows
// the values in the usage.
func addChoice(cmd *cobra.Command, flag *choice, name, short, usage, note string) {
	cmd.Flags().VarP(flag, name, short, usage+": "+strings.Join(flag.allowed, ", ")+note)
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(flag.allowed, cobra.ShellCompDirectiveNoFileComp))
}

// addOutput adds -o to a command that reports.
func addOutput(cmd *cobra.Command) *choice {
	output := &choice{value: outputTable, allowed: []string{outputTable, "json", "yaml"}}
	addChoice(cmd, output, "output", "o", "Output format", "")
	return output
}

// one requires exactly one argument, and names it in the error.
func one(what, example string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("exactly one %s is required, for example: kubectl signet %s", what, example)
		}
		return nil
	}
}

// none refuses arguments.
func none(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unexpected argument %q: %s takes no names, it covers the whole namespace", args[0], command)
		}
		return nil
	}
}
