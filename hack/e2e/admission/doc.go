// SPDX-License-Identifier: Apache-2.0

// Package admission tests what reaches Signet from outside, as it is installed:
// config/default on a real control plane, and the manager's binary under its own
// role.
package admission
