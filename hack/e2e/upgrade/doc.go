// SPDX-License-Identifier: Apache-2.0

// Package upgrade takes an installation of Signet through its life on a real
// control plane: it records releases, restores recorded ones, and compares what
// was stored before an upgrade with what is stored after it.
package upgrade
