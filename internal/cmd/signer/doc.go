// SPDX-License-Identifier: Apache-2.0

// Package signer is the command `signet signer`: it reads the flags (options.go),
// checks the permissions of its identity, and runs the server of internal/signer
// (run.go).
package signer
