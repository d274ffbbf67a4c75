// SPDX-License-Identifier: Apache-2.0

package signer_test

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	cmdsigner "github.com/signet-dev/signet/internal/cmd/signer"
	"github.com/signet-dev/signet/internal/signer"
)

func TestInvalidFlags(t *testing.T) {
	const withTLS = "--tls-cert a --tls-key b --client-ca c "
	for args, want := range map[string]string{
		"--envoy-bind-address 0 --ext-authz-bind-address 0 --verify-bind-address 0":                                                   `--sign-bind-address is ":8443": only loopback addresses are allowed without --tls-cert`,
		"--envoy-bind-address 192.0.2.1:80 --sign-bind-address localhost:0 --ext-authz-bind-address 0 --verify-bind-address [::1]:80": `--envoy-bind-address is "192.0.2.1:80": only loopback addresses are allowed without --tls-cert`,
		"--tls-cert a --tls-key b":                  "--tls-cert, --tls-key and --client-ca must be set together",
		"--client-ca c":                             "--tls-cert, --tls-key and --client-ca must be set together",
		withTLS + "--sign-bind-address 8443":        `--sign-bind-address is "8443", but must be host:port, :port or 0`,
		withTLS + "--metrics-bind-address x":        `--metrics-bind-address is "x", but must be host:port, :port or 0`,
		withTLS + "--verify-bind-address :x":        `--verify-bind-address is ":x", but must have a port from 0 to 65535`,
		withTLS + "--max-body -1":                   "--max-body is -1, but must be from 0 to 1073741824",
		withTLS + "--max-header 1":                  "--max-header is 1, but must be from 4096 to 1048576",
		withTLS + "--max-connections 0":             "--max-connections is 0, but must be at least 1",
		withTLS + "--read-timeout 0s":               "--read-timeout is 0s, but must be longer than 0",
		withTLS + "--verify-failure-rate -1":        "--verify-failure-rate is -1, but must not be negative",
		withTLS + "--verify-failure-burst 0":        "--verify-failure-burst is 0, but must be at least 1",
		withTLS + "--namespaces a,,b":               "--namespaces must be comma-separated names, none of them empty",
		withTLS + "--max-data-age 1m":               "--max-data-age is 1m0s, but must be 0 or at least 2m0s",
		withTLS + "--max-data-age -1m":              "--max-data-age is -1m0s, but must be 0 or at least 2m0s",
		withTLS + "--shutdown-delay -1s":            "--shutdown-delay is -1s, but must not be negative",
		withTLS + "--graceful-shutdown-timeout -1s": "--graceful-shutdown-timeout is -1s, but must not be negative",
		"--sign-bind-address 0 --envoy-bind-address 0 --ext-authz-bind-address 0 --verify-bind-address 0": "at least one of --sign-bind-address, --envoy-bind-address, --ext-authz-bind-address and --verify-bind-address must not be 0",
	} {
		if err := parse(t, args).Validate(); err == nil || err.Error() != want {
			t.Errorf("%q: %v", args, err)
		}
	}
	for args, want := range map[string]string{"--log-level loud": "--log-level", "--log-format xml": "--log-format"} {
		options := parse(t, withTLS+args)
		if err := options.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestDefaultsAreValidWithTLS(t *testing.T) {
	options := cmdsigner.DefaultOptions()
	options.TLS = signer.TLSFiles{Certificate: "a", Key: "b", ClientCA: "c"}
	if err := options.Validate(); err != nil {
		t.Error(err)
	}
}

// parse returns the options of a command line.
func parse(t *testing.T, args string) *cmdsigner.Options {
	t.Helper()
	options := cmdsigner.DefaultOptions()
	flags := pflag.NewFlagSet("signer", pflag.ContinueOnError)
	options.Bind(flags)
	if err := flags.Parse(strings.Fields(args)); err != nil {
		t.Fatal(err)
	}
	return &options
}
