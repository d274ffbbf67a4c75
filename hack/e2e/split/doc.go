// SPDX-License-Identifier: Apache-2.0

// Package split tests that several managers share one cluster, each for namespaces of
// its own: config/split as installed, with the flags of its Deployments, on a control
// plane with the real garbage collector.
package split
