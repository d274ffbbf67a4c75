// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/command"
)

// version is set when the program is built.
var version = "dev"

func main() {
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	os.Exit(command.Run(streams, version, os.Args[1:]))
}
