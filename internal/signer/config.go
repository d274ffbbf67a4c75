// SPDX-License-Identifier: Apache-2.0

package signer

import "time"

// Disabled is the address of a listener that is not opened.
const Disabled = "0"

// Config configures a Server. internal/cmd/signer reads it from flags and
// validates it.
type Config struct {
	// Namespaces to sign for. Empty means all namespaces.
	Namespaces []string

	// The addresses of the endpoints, as host:port, or Disabled.
	SignBindAddress     string
	EnvoyBindAddress    string
	ExtAuthzBindAddress string
	VerifyBindAddress   string

	// TLS names the files for the endpoints. Without it they serve plain text, on
	// loopback addresses only.
	TLS    TLSFiles
	Limits Limits

	// The addresses of metrics and probes, which never have TLS.
	MetricsBindAddress     string
	HealthProbeBindAddress string

	// MaxDataAge is how long the API server may not be heard from before the signer
	// reports not ready. Zero means forever: requests are still answered with what was
	// read before.
	MaxDataAge time.Duration

	// ShutdownDelay is how long the server still accepts requests after its
	// context has ended, while it is not ready.
	ShutdownDelay time.Duration
	// GracefulShutdown is how long requests in progress may take after that.
	GracefulShutdown time.Duration
}

// TLSFiles are the paths of the files for TLS. Either all are set or none.
type TLSFiles struct {
	// Certificate and Key are the server certificate and its private key.
	Certificate, Key string
	// ClientCA has the authorities that may issue client certificates.
	ClientCA string
}

// Enabled reports whether any file is set.
func (f TLSFiles) Enabled() bool { return f != TLSFiles{} }
