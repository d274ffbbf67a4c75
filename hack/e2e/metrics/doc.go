// SPDX-License-Identifier: Apache-2.0

// Package metrics tests the metrics of Signet and config/prometheus, which uses
// them, with a real Prometheus that scrapes two managers and a signer.
package metrics
