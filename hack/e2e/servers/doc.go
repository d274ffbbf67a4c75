// SPDX-License-Identifier: Apache-2.0

// Package servers_test runs the example at the top of each verifier under the servers
// that it names, and sends signed requests as a gateway does. Run it with
// `make test-servers`.
//
// programs has a server around each example, with a line EXAMPLE in place of the
// example. The folder cache, which the Makefile fills, has the servers that are no
// Debian packages.
package servers_test
