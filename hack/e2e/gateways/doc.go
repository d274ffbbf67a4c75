// SPDX-License-Identifier: Apache-2.0

// Package gateways finds or builds nginx, Caddy and Traefik, and tests the signer
// behind them with the configurations in config/gateways, as they are shipped.
package gateways
