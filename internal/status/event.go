// SPDX-License-Identifier: Apache-2.0

package status

// Event is something that happened to a key's material, for an Event.
type Event struct {
	Type, Reason, Message string
}
