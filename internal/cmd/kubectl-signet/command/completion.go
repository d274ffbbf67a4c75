// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
)

// completeKeys completes the first argument with the names of keys.
func (p *plugin) completeKeys(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := p.cluster()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	keys, err := c.keys(cmd.Context(), c.namespace)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, 0, len(keys))
	for i := range keys {
		names = append(names, keys[i].Name)
	}
	return startingWith(prefix, names), cobra.ShellCompDirectiveNoFileComp
}

func (p *plugin) completeNamespaces(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	c, err := p.cluster()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var list corev1.NamespaceList
	if err := c.List(cmd.Context(), &list); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return startingWith(prefix, names), cobra.ShellCompDirectiveNoFileComp
}

func startingWith(prefix string, names []string) []string {
	var found []string
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			found = append(found, name)
		}
	}
	return found
}
