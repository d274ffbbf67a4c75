// SPDX-License-Identifier: Apache-2.0

// Package interop compares the signatures of api/signature with those of
// two signers that have nothing to do with it. It is a module of its own, since
// they are large: run it with `make test-interop`.
package interop
