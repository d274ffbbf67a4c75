// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"testing"
)

func TestCommandComesFirst(t *testing.T) {
	for args, want := range map[string]string{
		"": "manager", "--leader-elect": "manager", "manager": "manager", "--leader-elect manager": "manager", "signer --help": "signer", "certs": "certs",
	} {
		if chosen, err := choose(strings.Fields(args)); err != nil || chosen.name != want {
			t.Errorf("%q: %s, %v", args, chosen.name, err)
		}
	}
	for args, want := range map[string]string{
		"nothing":                      "unknown command \"nothing\": the commands are manager, signer, certs",
		"signer manager":               "unexpected argument \"manager\": use one command, followed by its flags",
		"--leader-elect signer":        "unexpected argument \"signer\": the command comes first and is one of manager, signer, certs",
		"signer --sign-bind-address x": "--sign-bind-address is \"x\", but must be host:port, :port or 0",
		"certs":                        "exactly one of --out and --secrets is required",
	} {
		if err := run(context.Background(), strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
