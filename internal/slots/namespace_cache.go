// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// NamespaceCache has the claims of one namespace: the newest state of each binding
// that a quorum list, the watch or the response to one of the leader's own writes
// has shown. Decisions are made under the namespace's lock (ClaimCache.Lock);
// observations may be added at any time. The bindings in it are never changed.
type NamespaceCache struct {
	namespace string

	mu      sync.Mutex
	entries map[string]*entry
	claims  map[Slot][]claim
	// environments counts the claims in each environment, so that an API can be
	// looked up in all of them.
	environments map[string]int
	// users are the bindings that name a key in spec or status, by the key's name.
	users map[string][]*entry
	// protections of keys, by name; a key without one is Unknown.
	protections map[string]protection
	// deleted are the bindings whose deletion was seen before MarkPrimed; nil
	// after it.
	deleted map[types.UID]struct{}
	// primed is true after MarkPrimed.
	primed bool
}

// NewNamespaceCache returns an empty cache for the namespace.
func NewNamespaceCache(namespace string) *NamespaceCache {
	return &NamespaceCache{
		namespace: namespace,
		entries:   map[string]*entry{}, claims: map[Slot][]claim{},
		environments: map[string]int{}, users: map[string][]*entry{}, protections: map[string]protection{}, deleted: map[types.UID]struct{}{},
	}
}

// Update adds a binding that a list or watch has shown, unless a newer version is
// known. It returns the slots whose other claimants must be reconciled, also after
// a write by this leader whose response was lost, or by an earlier leader.
func (c *NamespaceCache) Update(binding *signetv1alpha1.SignatureBinding) []Slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.put(binding)
}

// Prime adds a binding that the leader's own list has shown, unless a watch has
// shown the same or a newer version: the informers hold that object already, and a
// second copy would only cost memory. A paginated list shows the state at its
// start: bindings that have been deleted since do not come back.
func (c *NamespaceCache) Prime(binding *signetv1alpha1.SignatureBinding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, deleted := c.deleted[binding.UID]; deleted {
		return
	}
	e := c.entries[binding.Name]
	if e != nil && e.binding.UID == binding.UID && !isOlder(e.binding, binding) {
		e.listed, e.fenced = true, isOlder(binding, e.binding)
		return
	}
	c.put(binding)
	c.entries[binding.Name].listed = true
}

// MarkPrimed records that the leader's own list is complete. A binding that it has
// not shown was created later, when no earlier leader could write it.
func (c *NamespaceCache) MarkPrimed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deleted, c.primed = nil, true
	for _, e := range c.entries {
		e.fenced = e.fenced || !e.listed
	}
}

// Confirm adds a binding from the API server's response to a write of its status.
// It returns the slots whose other claimants must be reconciled.
func (c *NamespaceCache) Confirm(binding *signetv1alpha1.SignatureBinding) []Slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	// If the watch showed the deletion before the response was read, the binding
	// holds nothing and must not come back.
	if e := c.entries[binding.Name]; e == nil || e.binding.UID != binding.UID {
		return nil
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
	c.removeClaims(e)
	e.assumed = append(e.assumed, binding.Status.DeepCopy())
	c.addClaims(e)
}

// holdsTheSame reports whether two statuses hold the same APIs with the same keys,
// since whenever.
func holdsTheSame(a, b *signetv1alpha1.SignatureBindingStatus) bool {
	held := func(status *signetv1alpha1.SignatureBindingStatus) map[Slot]*signetv1alpha1.APIStatus {
		return assumedHolds("", []*signetv1alpha1.SignatureBindingStatus{status})
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
// name is known. It returns the slots that the binding listed or held.
func (c *NamespaceCache) Delete(binding *signetv1alpha1.SignatureBinding) []Slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deleted != nil {
		c.deleted[binding.UID] = struct{}{}
	}
	e := c.entries[binding.Name]
	if e == nil || e.binding.UID != binding.UID {
		return nil
	}
	c.removeClaims(e)
	delete(c.entries, binding.Name)
	return e.slots
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

// Claimants returns the names of the bindings that list or hold the slot.
func (c *NamespaceCache) Claimants(slot Slot) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.claimantNames(slot)
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
		slot := Slot{Namespace: c.namespace, Environment: environment, Kind: api.Kind, Name: api.Name}
		names = append(names, c.claimantNames(slot)...)
	}
	return names
}

func (c *NamespaceCache) claimantNames(slot Slot) []string {
	names := make([]string, 0, len(c.claims[slot]))
	for _, claim := range c.claims[slot] {
		names = append(names, claim.entry.binding.Name)
	}
	return names
}

func (c *NamespaceCache) put(binding *signetv1alpha1.SignatureBinding) []Slot {
	e := c.entries[binding.Name]
	if e == nil {
		e = &entry{binding: binding, fenced: c.primed}
		c.entries[binding.Name] = e
		c.addClaims(e)
		return changedSlots(nil, interestsOf(binding))
	}
	if isOlder(binding, e.binding) {
		return nil
	}
	before := interestsOf(e.binding)
	c.removeClaims(e)
	switch {
	case e.binding.UID != binding.UID:
		e.listed, e.fenced, e.assumed = false, c.primed, nil
	case isOlder(e.binding, binding):
		e.fenced, e.assumed = e.listed || c.primed, nil
	}
	e.binding = binding
	c.addClaims(e)
	return changedSlots(before, interestsOf(binding))
}

// isOlder reports whether a version of a binding is older than the known one.
// Kubernetes orders the resourceVersions of one object; a version that cannot be
// parsed counts as newer.
func isOlder(binding, known *signetv1alpha1.SignatureBinding) bool {
	order, err := resourceversion.CompareResourceVersion(binding.ResourceVersion, known.ResourceVersion)
	return err == nil && order < 0
}

func (c *NamespaceCache) addClaims(e *entry) {
	binding := e.binding
	c.addUses(e)
	recorded := make(map[Slot]*signetv1alpha1.APIStatus, len(binding.Status.APIs))
	for i := range binding.Status.APIs {
		apiStatus := &binding.Status.APIs[i]
		recorded[recordedSlot(binding.Namespace, &binding.Status, apiStatus)] = apiStatus
	}
	assumed := assumedHolds(binding.Namespace, e.assumed)
	e.slots = make([]Slot, 0, len(binding.Spec.APIs))
	add := func(slot Slot, listed bool) {
		apiStatus := recorded[slot]
		c.addClaim(e, slot, claim{
			entry: e, listed: listed, lossRecorded: listed && recordsLoss(apiStatus),
			apiStatus: apiStatus, assumed: assumed[slot],
		})
		delete(recorded, slot)
		delete(assumed, slot)
	}
	for _, slot := range ListedBy(binding) {
		add(slot, true)
	}
	for _, slot := range HeldBy(binding) {
		if recorded[slot] != nil {
			add(slot, false)
		}
	}
	for slot := range assumed {
		add(slot, false)
	}
}

// assumedHolds returns the entries that hold slots in statuses whose write has an
// unknown outcome.
func assumedHolds(namespace string, statuses []*signetv1alpha1.SignatureBindingStatus) map[Slot]*signetv1alpha1.APIStatus {
	held := map[Slot]*signetv1alpha1.APIStatus{}
	for _, status := range statuses {
		for i := range status.APIs {
			if apiStatus := &status.APIs[i]; apiStatus.BoundAt != nil {
				held[recordedSlot(namespace, status, apiStatus)] = apiStatus
			}
		}
	}
	return held
}

func (c *NamespaceCache) addClaim(e *entry, slot Slot, added claim) {
	e.slots = append(e.slots, slot)
	c.claims[slot] = append(c.claims[slot], added)
	c.environments[slot.Environment]++
}

func (c *NamespaceCache) removeClaims(e *entry) {
	c.removeUses(e)
	for _, slot := range e.slots {
		rest := slices.DeleteFunc(c.claims[slot], func(of claim) bool { return of.entry == e })
		if len(rest) == 0 {
			delete(c.claims, slot)
		} else {
			c.claims[slot] = rest
		}
		if c.environments[slot.Environment]--; c.environments[slot.Environment] == 0 {
			delete(c.environments, slot.Environment)
		}
	}
}
