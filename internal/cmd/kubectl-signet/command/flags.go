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

// Set refuses what is not allowed, naming what is.
func (c *choice) Set(value string) error {
	if !slices.Contains(c.allowed, value) {
		return fmt.Errorf("allowed are %s", strings.Join(c.allowed, ", "))
	}
	c.value = value
	return nil
}

// addChoice adds a flag with allowed values, and their completion.
func addChoice(cmd *cobra.Command, flag *choice, name, short, usage string) {
	cmd.Flags().VarP(flag, name, short, usage+": "+strings.Join(flag.allowed, ", "))
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(flag.allowed, cobra.ShellCompDirectiveNoFileComp))
}

// addOutput adds -o to a command that reports.
func addOutput(cmd *cobra.Command) *choice {
	output := &choice{value: outputTable, allowed: []string{outputTable, "json", "yaml"}}
	addChoice(cmd, output, "output", "o", "Output format")
	return output
}

// one wants one argument, and says which.
func one(what, example string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("give one %s, as in kubectl signet %s", what, example)
		}
		return nil
	}
}

// none wants no arguments.
func none(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("%s takes no names, and got %s: it shows all that is in the namespace", command, args[0])
		}
		return nil
	}
}
