// SPDX-License-Identifier: Apache-2.0

// Package view turns objects of the cluster into what the plugin shows: states,
// problems, explanations, configurations of gateways and findings of doctor.
//
// Goals: it is pure, objects and times in, values out, so that tests need no
// cluster. The exported types are the plugin's JSON and YAML output.
//
// Non-goals: it reads no cluster and prints nothing.
package view
