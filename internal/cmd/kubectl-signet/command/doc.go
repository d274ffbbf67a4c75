// SPDX-License-Identifier: Apache-2.0

// Package command has the commands of the plugin. They read the cluster, let
// package view decide what is shown, and print it.
//
// Goals: flags and errors like those of kubectl; an error names the flag or the
// permission to change; output for people as tables, for programs as JSON and YAML.
//
// Non-goals: no decision about what an object's state means. That is in view and
// advice, which need no cluster.
package command
