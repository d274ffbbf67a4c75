// SPDX-License-Identifier: Apache-2.0

package status

// Event is the content of an Event: its type (corev1.EventTypeNormal or
// EventTypeWarning), its reason, and a message without material.
type Event struct {
	Type, Reason, Message string
}
