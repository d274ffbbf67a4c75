// SPDX-License-Identifier: Apache-2.0

package slots

import "k8s.io/apimachinery/pkg/types"

// ProtectionState is what the leader knows about the finalizers of a key and its
// Secret.
//
//	Unknown ── a live read finds neither ───────► Free
//	Free, Unknown ── a finalizer is sent ───────► Unknown
//	Free, Unknown ── both are acknowledged ─────► Protected
//	any ── no user is found ────────────────────► Releasing
//	Releasing ── the decision ends ─────────────► Unknown
//
// Only Protected allows a grant without another live read.
type ProtectionState int

const (
	// ProtectionUnknown means that nothing is known in this term, or that a write
	// may or may not have taken effect.
	ProtectionUnknown ProtectionState = iota
	// ProtectionFree means that a live read found neither finalizer.
	ProtectionFree
	// ProtectionProtected means that key and Secret carry the finalizer.
	ProtectionProtected
	// ProtectionReleasing means that the finalizers are about to be removed.
	ProtectionReleasing
)

// String returns the state in lower case.
func (s ProtectionState) String() string {
	switch s {
	case ProtectionFree:
		return "free"
	case ProtectionProtected:
		return "protected"
	case ProtectionReleasing:
		return "releasing"
	default:
		return "unknown"
	}
}

// ObservedProtection returns the state that a live read of key and Secret shows.
func ObservedProtection(keyProtected, secretProtected bool) ProtectionState {
	switch {
	case keyProtected && secretProtected:
		return ProtectionProtected
	case keyProtected || secretProtected:
		return ProtectionUnknown
	default:
		return ProtectionFree
	}
}

// protection is the state of the key of that UID. While a key is released the UID
// is empty: the state then applies to any key of the name.
type protection struct {
	uid   types.UID
	state ProtectionState
}

// Protection returns the state of the key of that name and UID. A key that was
// created again under the same name is another key.
func (c *NamespaceCache) Protection(key string, uid types.UID) ProtectionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.protections[key]
	if known.state != ProtectionReleasing && known.uid != uid {
		return ProtectionUnknown
	}
	return known.state
}

// IsProtected reports whether the key and its Secret are known to carry the
// finalizer.
func (c *NamespaceCache) IsProtected(key string, uid types.UID) bool {
	return uid != "" && c.Protection(key, uid) == ProtectionProtected
}

// SetProtection records the state of the key of that name and UID.
func (c *NamespaceCache) SetProtection(key string, uid types.UID, state ProtectionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == ProtectionUnknown {
		delete(c.protections, key)
		return
	}
	c.protections[key] = protection{uid: uid, state: state}
}
