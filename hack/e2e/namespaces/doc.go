// SPDX-License-Identifier: Apache-2.0

// Package namespaces tests that each namespace of --namespaces is served, fails and is
// left alone: the binary under the roles of config/namespaced, on a control plane with
// the real namespace controller and the webhooks as installed.
package namespaces
