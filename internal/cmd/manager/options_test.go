// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestInvalidShutdownFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--shutdown-delay -1s":                               "--shutdown-delay is -1s, but must not be negative",
		"--graceful-shutdown-timeout -1s":                    "--graceful-shutdown-timeout is -1s, but must not be negative",
		"--shutdown-delay 0s --graceful-shutdown-timeout 0s": "",
	} {
		options := DefaultOptions()
		flags := pflag.NewFlagSet("manager", pflag.ContinueOnError)
		options.Bind(flags)
		if err := flags.Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := options.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
}
