// SPDX-License-Identifier: Apache-2.0

// Package proc runs programs for tests, the demo and the benchmarks, on loopback:
// Process is a program at work, Until and Eventually wait with one of two
// timeouts, and Set builds third-party programs from source into a cache outside
// the checkout, so that a second clone builds nothing.
package proc
