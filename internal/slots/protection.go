// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// ProtectionState is what the leader knows about the finalizers of a key and its
// Secret.
//
//	Unknown ── both finalizers are acknowledged ────────► Protected
//	Protected ── a newer version lacks a finalizer ─────► Unknown
//	any ── no user is found ────────────────────────────► Releasing
//	Releasing ── the writes have been made, or failed ──► Unknown
//
// Only Protected allows a grant without another write of the key's objects.
type ProtectionState int

const (
	// ProtectionUnknown means that nothing is known in this term, or that a write
	// may or may not have taken effect.
	ProtectionUnknown ProtectionState = iota
	// ProtectionProtected means that key and Secret carry the finalizer.
	ProtectionProtected
	// ProtectionReleasing means that the finalizers are about to be removed.
	ProtectionReleasing
)

// String returns the state in lower case.
func (s ProtectionState) String() string {
	switch s {
	case ProtectionProtected:
		return "protected"
	case ProtectionReleasing:
		return "releasing"
	default:
		return "unknown"
	}
}

// ProtectedVersions are the resourceVersions of a key, its Secret and its public
// ConfigMap, if it has one, that carry the finalizer.
type ProtectedVersions struct{ Key, Secret, Public string }

// protection is the state of the key of that UID. While a key is released the UID
// is empty: the state then applies to any key of the name.
type protection struct {
	uid      types.UID
	state    ProtectionState
	versions ProtectedVersions
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

// SetProtected records that key and Secret carry the finalizer in these versions.
func (c *NamespaceCache) SetProtected(key string, uid types.UID, versions ProtectedVersions) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.protections[key] = protection{uid: uid, state: ProtectionProtected, versions: versions}
}

// Unprotected records the versions of a key and its objects in which a finalizer is
// missing; empty for one that has it. If one is newer than what is recorded,
// another client has removed the finalizer.
func (c *NamespaceCache) Unprotected(key string, uid types.UID, versions ProtectedVersions) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.protections[key]
	if known.state != ProtectionProtected || known.uid != uid {
		return
	}
	if isNewer(versions.Key, known.versions.Key) || isNewer(versions.Secret, known.versions.Secret) ||
		isNewer(versions.Public, known.versions.Public) {
		delete(c.protections, key)
	}
}

// isNewer reports whether a version of an object is newer than the known one; not if
// it is empty. A version that cannot be parsed counts as newer.
func isNewer(version, known string) bool {
	order, err := resourceversion.CompareResourceVersion(version, known)
	return version != "" && (err != nil || order > 0)
}
