// SPDX-License-Identifier: Apache-2.0

// Package publication decides whether a route of the Gateway API is published
// in an environment. It is pure: it reads what it is given and nothing else.
package publication
