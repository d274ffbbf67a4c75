// SPDX-License-Identifier: Apache-2.0

// Command assets prints the folder of the control plane's programs, after
// building them if need be.
package main
