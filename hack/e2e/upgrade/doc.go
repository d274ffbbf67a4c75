// SPDX-License-Identifier: Apache-2.0

// Package upgrade takes an installation of Signet through its life on a real
// control plane: it records baselines, recreates them, upgrades, restores backups
// and removes Signet, and compares what was stored before with what is there
// afterwards.
//
// Goals: no holder, no byte of material and no retained object changes in an
// upgrade, and the documented commands do what their page promises.
//
// Non-goals: it runs no Pods. The manager is the binary, called at its address.
package upgrade
