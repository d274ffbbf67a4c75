// SPDX-License-Identifier: Apache-2.0

// Package snapshot has the material of every slot at hand: an immutable
// snapshot behind an atomic pointer, made of bindings, keys and managed Secrets
// as they come. It is pure: it knows no client, and clock is an argument.
package snapshot
