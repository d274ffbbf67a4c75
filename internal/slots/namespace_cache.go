// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"maps"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// NamespaceCache has the claims of one namespace: the newest state of each binding
// that a quorum list, the watch or the response to one of the leader's own writes
// has shown. Decisions are made one at a time (ClaimCache.Decide); observations may
// be added at any time. The bindings in it are never changed.
type NamespaceCache struct {
	namespace string

	mu      sync.Mutex
	entries map[string]*entry
	slots   map[slotKey]*slotClaims
	// environments counts the slots in each environment, so that an API can be looked
	// up in all of them.
	environments map[string]int
	// users are the bindings that name a key in spec or status, by the key's name.
	users map[string][]*entry
	// deletedKeys are those that are being deleted, by name.
	deletedKeys map[string]*signetv1alpha1.SignatureKey
	// protections of keys, by name; a key without one is Unknown.
	protections map[string]protection
	// deleted are the bindings whose deletion was seen since BeginList; nil if no list is
	// being read.
	deleted map[types.UID]struct{}
	// primed is true after MarkPrimed, and listVersion is the resourceVersion of the
	// leader's own list.
	primed      bool
	listVersion string
	// round numbers the passes that find each binding once.
	round uint64
}

// NewNamespaceCache returns an empty cache for the namespace.
func NewNamespaceCache(namespace string) *NamespaceCache {
	return &NamespaceCache{
		namespace: namespace,
		entries:   map[string]*entry{}, slots: map[slotKey]*slotClaims{}, environments: map[string]int{},
		users: map[string][]*entry{}, deletedKeys: map[string]*signetv1alpha1.SignatureKey{},
		protections: map[string]protection{},
	}
}

// BeginList precedes the leader's own list: deletions have to be remembered until it is
// complete.
func (c *NamespaceCache) BeginList() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deleted = map[types.UID]struct{}{}
}

// Update adds a binding that a list or watch has shown, unless a newer version is
// known. It returns what that changes for others, also after a write by this leader
// whose response was lost, or by an earlier leader.
func (c *NamespaceCache) Update(binding *signetv1alpha1.SignatureBinding) Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.put(binding)
}

// Prime adds a binding that the leader's own list has shown, unless a watch has
// shown the same or a newer version: the informers hold that object already, and a
// second copy would only cost memory. A paginated list shows the state at its
// start: bindings that have been deleted since do not come back. After MarkPrimed it
// does nothing: another list was faster, and the watch shows what is newer.
func (c *NamespaceCache) Prime(binding *signetv1alpha1.SignatureBinding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, deleted := c.deleted[binding.UID]; deleted || c.primed {
		return
	}
	e := c.entries[binding.Name]
	if e != nil && e.binding.UID == binding.UID && !isOlder(e.binding, binding) {
		e.listed = true
		e.setFenced(isOlder(binding, e.binding))
		return
	}
	c.put(binding)
	c.entries[binding.Name].listed = true
}

// MarkPrimed records that the leader's own list, which has this resourceVersion, is
// complete. A binding that it has not shown was created later, when no earlier leader
// could write it, or was gone already, and a watch that lags has shown it. Only the first
// list counts.
func (c *NamespaceCache) MarkPrimed(listVersion string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.primed {
		return
	}
	c.deleted, c.primed, c.listVersion = nil, true, listVersion
	for name, e := range c.entries {
		switch {
		case e.listed:
		case c.precedesList(e.binding):
			delete(c.entries, name)
			c.replace(e, nil)
		default:
			e.setFenced(true)
		}
	}
}

// IsPrimed reports whether the leader's own list is complete. Before that, what is not
// in the cache may exist.
func (c *NamespaceCache) IsPrimed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.primed
}

// precedesList reports whether this version of a binding is older than the leader's own
// list. One that the list has not shown was gone by then.
func (c *NamespaceCache) precedesList(binding *signetv1alpha1.SignatureBinding) bool {
	order, err := resourceversion.CompareResourceVersion(binding.ResourceVersion, c.listVersion)
	return err == nil && order <= 0
}

// setFenced changes what is known about an entry that is in the cache.
func (e *entry) setFenced(fenced bool) {
	count := func(sign int32) {
		for i := range e.claims {
			if e.claims[i].isUnfenced() {
				e.claims[i].slot.unfenced += sign
			}
		}
	}
	count(-1)
	e.fenced = fenced
	count(1)
}

// Confirm adds a binding from the API server's response to a write of its status.
// It returns what that changes for others.
func (c *NamespaceCache) Confirm(binding *signetv1alpha1.SignatureBinding) Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	// If the watch showed the deletion before the response was read, the binding
	// holds nothing and must not come back.
	if e := c.entries[binding.Name]; e == nil || e.binding.UID != binding.UID {
		return Change{}
	}
	return c.put(binding)
}

// Assume records that the status of the binding is about to be written, on the
// version of the binding that the cache has. What the status holds counts from now
// on, and what it gives up only when a newer version of the binding is seen: an
// error does not prove that the write has not taken effect, or will not.
func (c *NamespaceCache) Assume(binding *signetv1alpha1.SignatureBinding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[binding.Name]
	if e == nil || e.binding.UID != binding.UID || isOlder(binding, e.binding) {
		return // the write fails
	}
	if slices.ContainsFunc(e.assumed, func(status *signetv1alpha1.SignatureBindingStatus) bool {
		return holdsTheSame(status, &binding.Status)
	}) {
		return // a write that keeps failing is repeated
	}
	next := &entry{binding: e.binding, listed: e.listed, fenced: e.fenced, assumed: append(slices.Clone(e.assumed), binding.Status.DeepCopy())}
	c.store(next)
}

// holdsTheSame reports whether two statuses hold the same APIs with the same keys,
// since whenever.
func holdsTheSame(a, b *signetv1alpha1.SignatureBindingStatus) bool {
	held := func(status *signetv1alpha1.SignatureBindingStatus) map[slotKey]*signetv1alpha1.APIStatus {
		return assumedHolds([]*signetv1alpha1.SignatureBindingStatus{status})
	}
	whenever := func(*signetv1alpha1.APIStatus, *signetv1alpha1.APIStatus) bool { return true }
	return slices.Equal(recordedKeys(a), recordedKeys(b)) && maps.EqualFunc(held(a), held(b), whenever)
}

// IsSettled reports whether the outcome of each write of the binding's status is
// known.
func (c *NamespaceCache) IsSettled(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[name]
	return e == nil || len(e.assumed) == 0
}

// Delete removes a binding that has been deleted, unless a successor of the same
// name is known. It returns what that changes for others.
func (c *NamespaceCache) Delete(binding *signetv1alpha1.SignatureBinding) Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deleted != nil {
		c.deleted[binding.UID] = struct{}{}
	}
	e := c.entries[binding.Name]
	if e == nil || e.binding.UID != binding.UID {
		return Change{}
	}
	delete(c.entries, binding.Name)
	return c.replace(e, nil)
}

// ObserveKey records whether a key is being deleted, which decides which bindings are
// claimants. The key is nil if none has the name. It returns what that changes for the
// bindings of the namespace.
func (c *NamespaceCache) ObserveKey(name string, key *signetv1alpha1.SignatureKey) Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.deletedKeys[name]
	switch {
	case key == nil || key.DeletionTimestamp.IsZero():
		if key == nil {
			delete(c.protections, name)
		}
		if known == nil {
			return Change{}
		}
		delete(c.deletedKeys, name)
	case known != nil && known.DeletionTimestamp.Equal(key.DeletionTimestamp):
		return Change{}
	default:
		c.deletedKeys[name] = &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Name: name, DeletionTimestamp: key.DeletionTimestamp}}
	}
	var change Change
	for _, e := range slices.Clone(c.users[name]) {
		if e.ineligible != c.isIneligible(e.binding) {
			next := &entry{binding: e.binding, listed: e.listed, fenced: e.fenced, assumed: e.assumed}
			changed := c.store(next)
			change.Bindings = append(change.Bindings, e.binding.Name)
			change.Bindings = append(change.Bindings, changed.Bindings...)
		}
	}
	return change
}

func (c *NamespaceCache) isIneligible(binding *signetv1alpha1.SignatureBinding) bool {
	key := c.deletedKeys[binding.Spec.KeyRef.Name]
	return key != nil && CreatedAfterDeletion(binding, key)
}

// isEmpty reports whether the cache has neither bindings nor keys.
func (c *NamespaceCache) isEmpty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)+len(c.deletedKeys)+len(c.protections) == 0
}

// Binding returns the newest known state of a binding, or nil. The object is
// shared: copy it before changing it.
func (c *NamespaceCache) Binding(name string) *signetv1alpha1.SignatureBinding {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[name]; e != nil {
		return e.binding
	}
	return nil
}

// IsFenced reports whether the binding has changed since this leader's list: a late
// write of an earlier leader fails.
func (c *NamespaceCache) IsFenced(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[name]
	return e != nil && e.fenced
}

// Names returns the names of all bindings.
func (c *NamespaceCache) Names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.entries))
}

// ClaimantsOf returns the names of the bindings that list or hold the API in any
// environment.
func (c *NamespaceCache) ClaimantsOf(api signetv1alpha1.APIReference) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for environment := range c.environments {
		if slot := c.slots[slotKey{environment: environment, kind: api.Kind, name: api.Name}]; slot != nil {
			for claim := range slot.all() {
				names = append(names, nameOf(claim))
			}
		}
	}
	return names
}

func (c *NamespaceCache) put(binding *signetv1alpha1.SignatureBinding) Change {
	next, e := &entry{binding: binding, fenced: c.primed}, c.entries[binding.Name]
	switch {
	case e != nil && e.binding == binding:
		return Change{} // another handler of the same event
	case c.primed && (e == nil || e.binding.UID != binding.UID) && c.precedesList(binding):
		return Change{} // a watch that lags
	case e == nil, e.binding.UID != binding.UID && !isOlder(binding, e.binding):
	case isOlder(binding, e.binding):
		return Change{}
	case isOlder(e.binding, binding):
		next.listed, next.fenced = e.listed, e.listed || c.primed
	default: // the same version
		next.listed, next.fenced, next.assumed = e.listed, e.fenced, e.assumed
	}
	return c.store(next)
}

// store puts the entry in the place of the present one of the binding.
func (c *NamespaceCache) store(next *entry) Change {
	next.ineligible = c.isIneligible(next.binding)
	next.signs = effectiveOptions(next.binding)
	next.wants = optionsWith(next.binding, next.binding.Spec.KeyRef.Name)
	c.setClaims(next)
	previous := c.entries[next.binding.Name]
	c.entries[next.binding.Name] = next
	return c.replace(previous, next)
}

// isOlder reports whether a version of a binding is older than the known one.
// Kubernetes orders the resourceVersions of one object; a version that cannot be
// parsed counts as newer.
func isOlder(binding, known *signetv1alpha1.SignatureBinding) bool {
	order, err := resourceversion.CompareResourceVersion(binding.ResourceVersion, known.ResourceVersion)
	return err == nil && order < 0
}

// setClaims sets the claims of an entry that is not in the cache yet.
func (c *NamespaceCache) setClaims(e *entry) {
	recorded := make(map[slotKey]*signetv1alpha1.APIStatus, len(e.binding.Status.APIs))
	for i := range e.binding.Status.APIs {
		apiStatus := &e.binding.Status.APIs[i]
		recorded[recordedSlot(e.binding.Namespace, &e.binding.Status, apiStatus).key()] = apiStatus
	}
	assumed := assumedHolds(e.assumed)
	e.claims = make([]claim, 0, len(e.binding.Spec.APIs))
	add := func(key slotKey, listed bool) {
		e.claims = append(e.claims, claim{entry: e, slot: c.slot(key), listed: listed, apiStatus: recorded[key], assumed: assumed[key]})
		delete(recorded, key)
		delete(assumed, key)
	}
	for _, api := range e.binding.Spec.APIs {
		add(listedSlot(e.binding, api).key(), true)
	}
	for key, apiStatus := range recorded {
		if apiStatus.BoundAt != nil {
			add(key, false)
		}
	}
	for key := range assumed {
		add(key, false)
	}
}

// slot returns the claims of a slot. Where it adds one, sweep removes it if it stays
// empty.
func (c *NamespaceCache) slot(key slotKey) *slotClaims {
	slot := c.slots[key]
	if slot == nil {
		slot = &slotClaims{key: key}
		c.slots[key] = slot
		c.environments[key.environment]++
	}
	return slot
}

// assumedHolds returns the entries that hold slots in statuses whose write has an
// unknown outcome.
func assumedHolds(statuses []*signetv1alpha1.SignatureBindingStatus) map[slotKey]*signetv1alpha1.APIStatus {
	held := map[slotKey]*signetv1alpha1.APIStatus{}
	for _, status := range statuses {
		for i := range status.APIs {
			if apiStatus := &status.APIs[i]; apiStatus.BoundAt != nil {
				held[recordedSlot("", status, apiStatus).key()] = apiStatus
			}
		}
	}
	return held
}
