// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"slices"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// KeyUse is how the bindings of a namespace use a key, as far as acknowledged statuses
// do not show it, and whether one of these grants an API with the key.
type KeyUse struct {
	// Unsettled are the bindings that may use the key by a write whose outcome is
	// unknown: this leader's, or a late one of an earlier leader. They are in order.
	Unsettled []string
	// MayHold is true if one of them may hold an API by this leader's write.
	MayHold bool
	// Granted is true if a binding holds an API with the key, as acknowledged.
	Granted bool
}

// Use returns how bindings use the key.
func (c *NamespaceCache) Use(key *signetv1alpha1.SignatureKey) KeyUse {
	c.mu.Lock()
	defer c.mu.Unlock()
	var use KeyUse
	for _, e := range c.users[key.Name] {
		assumed := slices.ContainsFunc(e.assumed, func(status *signetv1alpha1.SignatureBindingStatus) bool {
			return statusRecordsKey(status, key.Name)
		})
		use.Granted = use.Granted || HoldsWith(e.binding, key.Name)
		use.MayHold = use.MayHold || assumed
		if assumed || e.mayBeGranted(key.Name) {
			use.Unsettled = append(use.Unsettled, e.binding.Name)
		}
	}
	slices.Sort(use.Unsettled)
	return use
}

// mayBeGranted reports whether a late write of an earlier leader may still grant the
// binding an API with the key that it names, whatever the binding's age.
func (e *entry) mayBeGranted(key string) bool {
	return !e.fenced && e.binding.Spec.KeyRef.Name == key && e.binding.DeletionTimestamp.IsZero() &&
		slices.ContainsFunc(ListedBy(e.binding), func(slot Slot) bool { return !slices.Contains(HeldBy(e.binding), slot) })
}

func (c *NamespaceCache) addUses(e *entry) {
	for _, key := range e.keys() {
		c.users[key] = append(c.users[key], e)
	}
}

func (c *NamespaceCache) removeUses(e *entry) {
	for _, key := range e.keys() {
		rest := slices.DeleteFunc(c.users[key], func(user *entry) bool { return user == e })
		if len(rest) == 0 {
			delete(c.users, key)
		} else {
			c.users[key] = rest
		}
	}
}

// keys returns the names of the keys that the binding names in spec or status, each
// once.
func (e *entry) keys() []string {
	keys := append([]string{e.binding.Spec.KeyRef.Name}, recordedKeys(&e.binding.Status)...)
	for _, status := range e.assumed {
		keys = append(keys, recordedKeys(status)...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// recordedKeys returns the keys that sign or verify by the status.
func recordedKeys(status *signetv1alpha1.SignatureBindingStatus) []string {
	var keys []string
	if status.KeyName != "" {
		keys = append(keys, status.KeyName)
	}
	for _, previous := range status.PreviousKeys {
		keys = append(keys, previous.Name)
	}
	return keys
}
