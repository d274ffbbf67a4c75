// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// plugin has what all commands share.
type plugin struct {
	genericiooptions.IOStreams
	config *genericclioptions.ConfigFlags
}

// Run runs the plugin and returns its exit code: 0, or 1 if the command or a check
// failed.
func Run(streams genericiooptions.IOStreams, version string, args []string) int {
	// Without a logger, controller-runtime prints a warning with a stack in commands
	// that take long.
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := New(streams, version)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(streams.ErrOut, "error: %s\n", explainError(err))
		return 1
	}
	return 0
}

// New returns the plugin's root command.
func New(streams genericiooptions.IOStreams, version string) *cobra.Command {
	p := &plugin{IOStreams: streams, config: genericclioptions.NewConfigFlags(true)}
	root := &cobra.Command{
		Use:           "kubectl-signet",
		Short:         "Show, explain, bind, rotate and verify signature keys",
		Version:       version,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl signet"},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	p.config.AddFlags(root.PersistentFlags())
	root.SetUsageTemplate(withoutGlobalFlags(root.UsageTemplate()))
	_ = root.RegisterFlagCompletionFunc("namespace", p.completeNamespaces)
	root.AddCommand(p.statusCommand(), p.explainCommand(), p.bindCommand(), p.rotateCommand(), p.verifyCommand(), p.doctorCommand())
	return root
}

// withoutGlobalFlags lists kubectl's own flags, about twenty, only in the help of
// the root command.
func withoutGlobalFlags(template string) string {
	return strings.Replace(template, "Global Flags:\n{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}",
		"kubectl's own flags work, too (-n, --context, --kubeconfig, --as): kubectl signet --help lists them.", 1)
}
