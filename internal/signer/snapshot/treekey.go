// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"slices"

	"github.com/signet-dev/signet/internal/slots"
)

// keyBuffer has room for the keys of most lookups. Longer keys are allocated.
type keyBuffer [256]byte

// slotKey appends the key of a slot in a tree. Keys are unique because names
// contain no slashes.
func slotKey(to []byte, s slots.Slot) []byte {
	to = slices.Grow(to, len(s.Namespace)+len(s.Environment)+len(s.Kind)+len(s.Name)+3)
	to = append(append(to, s.Namespace...), '/')
	to = append(append(to, s.Environment...), '/')
	to = append(append(to, s.Kind...), '/')
	return append(to, s.Name...)
}

// objectName is the name of an object of any kind.
type objectName struct{ namespace, name string }

// appendKey appends the key of the object in a tree.
func (o objectName) appendKey(to []byte) []byte {
	to = slices.Grow(to, len(o.namespace)+len(o.name)+1)
	to = append(append(to, o.namespace...), '/')
	return append(to, o.name...)
}
