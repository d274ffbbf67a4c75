// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"slices"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// KeyUse is how the bindings of a namespace use a key. The names are in order.
type KeyUse struct {
	// Users are the bindings that use the key, as acknowledged.
	Users []string
	// Recorded is true if the status of one of them names the key.
	Recorded bool
	// Granted is true if one of them holds an API with the key.
	Granted bool
	// Unsettled are the bindings that may use the key by a write whose outcome is
	// unknown: this leader's, or a late one of an earlier leader.
	Unsettled []string
	// MayHold is true if one of them may hold an API by this leader's write.
	MayHold bool
}

// Use returns how bindings use the key.
func (c *NamespaceCache) Use(key *signetv1alpha1.SignatureKey) KeyUse {
	c.mu.Lock()
	defer c.mu.Unlock()
	var use KeyUse
	for _, e := range c.users[key.Name] {
		if UsesKey(e.binding, key) {
			use.Users = append(use.Users, e.binding.Name)
			use.Recorded = use.Recorded || RecordsKey(e.binding, key.Name)
			use.Granted = use.Granted || HoldsWith(e.binding, key.Name)
		}
		assumes := e.assumes(key.Name)
		use.MayHold = use.MayHold || assumes
		if assumes || e.mayBeGranted(key.Name) {
			use.Unsettled = append(use.Unsettled, e.binding.Name)
		}
	}
	slices.Sort(use.Users)
	slices.Sort(use.Unsettled)
	return use
}

// UsersOf returns the names of the bindings that name the key in spec or status, in no
// particular order.
func (c *NamespaceCache) UsersOf(key string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]string, 0, len(c.users[key]))
	for _, e := range c.users[key] {
		names = append(names, e.binding.Name)
	}
	return names
}

// mayBeGranted reports whether a late write of an earlier leader may still grant the
// binding an API with the key that it names, or move it to that key, whatever the
// binding's age.
func (e *entry) mayBeGranted(key string) bool {
	return !e.fenced && e.binding.Spec.KeyRef.Name == key && e.binding.DeletionTimestamp.IsZero() &&
		slices.ContainsFunc(e.claims, func(c claim) bool {
			return c.listed && (c.boundAt().IsZero() || e.binding.Status.KeyName != key)
		})
}

func (c *NamespaceCache) addUses(e *entry) {
	for _, key := range e.keys() {
		c.users[key] = append(c.users[key], e)
	}
}

func (c *NamespaceCache) removeUses(e *entry) {
	for _, key := range e.keys() {
		users := c.users[key]
		i, last := slices.Index(users, e), len(users)-1
		users[i], users[last] = users[last], nil
		if last == 0 {
			delete(c.users, key)
		} else {
			c.users[key] = users[:last]
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
