// SPDX-License-Identifier: Apache-2.0

// Command caddy is the Caddy web server with its standard modules.
package main
