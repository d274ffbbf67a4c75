package slots

import (
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// NamespaceCache is what the leader knows of the bindings of one namespace: the newest
// of what a quorum list, the watch and the answers to its own writes have told.
// A decision is made under the namespace's lock (Book.Lock); observations may
// come in at any time. The bindings in it are never changed.
type NamespaceCache struct {
	mu      sync.Mutex
	entries map[string]*entry
	claims  map[Slot][]claim
	// environments counts the claims per environment, so that an API can be
	// looked up in each.
	environments map[string]int
	// protected are the keys that carry our finalizer, by name.
	protected map[string]types.UID
	// gone are the bindings whose deletion was seen before Seeded; nil after it.
	gone map[types.UID]struct{}
}

type entry struct {
	binding *signetv1alpha1.SignatureBinding
	// fenced says that the newest write of this binding's status was ours and
	// was acknowledged in this term: whatever a deposed leader, or a request of
	// ours of unknown fate, still has under way carries an older
	// resourceVersion and fails.
	fenced bool
	slots  []Slot
}

// claim is what an entry has to do with one slot.
type claim struct {
	entry *entry
	// listed says that the spec names the slot.
	listed bool
	// lossRecorded says that the acknowledged status calls the slot another's.
	lossRecorded bool
	// apiStatus is the acknowledged status' entry for the slot, or nil.
	apiStatus *signetv1alpha1.APIStatus
}

func (c claim) holds() bool { return c.apiStatus != nil && c.apiStatus.BoundAt != nil }

// NewNamespaceCache is an empty ledger.
func NewNamespaceCache() *NamespaceCache {
	return &NamespaceCache{
		entries: map[string]*entry{}, claims: map[Slot][]claim{},
		environments: map[string]int{}, protected: map[string]types.UID{}, gone: map[types.UID]struct{}{},
	}
}

// Update takes in a binding as a list or watch has shown it, unless something
// newer is known. It returns the slots whose other claimants have to look
// again: also after a write of ours whose answer was lost, or of a leader
// before us.
func (l *NamespaceCache) Update(binding *signetv1alpha1.SignatureBinding) []Slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.put(binding, false)
}

// Prime takes in a binding as a list of its own has shown it, unless a watch has
// shown as much: then the caches hold it, and need not be held beside. A list in
// pages shows what was there when it began: what has been deleted since does not
// come back.
func (l *NamespaceCache) Prime(binding *signetv1alpha1.SignatureBinding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, gone := l.gone[binding.UID]; gone {
		return
	}
	if e := l.entries[binding.Name]; e != nil && !older(e.binding, binding) {
		return
	}
	l.put(binding, false)
}

// Primed ends the time in which deletions are remembered for Seed.
func (l *NamespaceCache) Primed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = nil
}

// Confirm takes in a binding as the API server has answered a write of its
// status. It returns the slots whose other claimants have to look again.
func (l *NamespaceCache) Confirm(binding *signetv1alpha1.SignatureBinding) []Slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The watch may have shown the deletion before the answer was read: then the
	// binding holds nothing, and must not come back.
	if e := l.entries[binding.Name]; e == nil || e.binding.UID != binding.UID {
		return nil
	}
	return l.put(binding, true)
}

// Invalidate notes that a write of the binding's status may or may not have
// happened: another claimant of its slots gets nothing before the binding has
// been written again.
func (l *NamespaceCache) Invalidate(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[name]; e != nil {
		e.fenced = false
	}
}

// Delete drops a binding that has been deleted, unless one of the same name
// has come in its place. It returns the slots that the binding listed or held.
func (l *NamespaceCache) Delete(binding *signetv1alpha1.SignatureBinding) []Slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil {
		l.gone[binding.UID] = struct{}{}
	}
	e := l.entries[binding.Name]
	if e == nil || e.binding.UID != binding.UID {
		return nil
	}
	l.removeClaims(e)
	delete(l.entries, binding.Name)
	return e.slots
}

// Binding is the newest known state of a binding, or nil. It is shared: copy
// before changing it.
func (l *NamespaceCache) Binding(name string) *signetv1alpha1.SignatureBinding {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[name]; e != nil {
		return e.binding
	}
	return nil
}

// Fenced says that the newest write of the binding's status was ours.
func (l *NamespaceCache) Fenced(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[name]
	return e != nil && e.fenced
}

// Claimants are the bindings that list or hold the slot, by name.
func (l *NamespaceCache) Claimants(slot Slot) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.names(slot)
}

// Names are the names of all bindings.
func (l *NamespaceCache) Names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.entries))
}

// Listing are the bindings that list or hold the API in any environment.
func (l *NamespaceCache) Listing(api signetv1alpha1.APIReference) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for environment := range l.environments {
		names = append(names, l.names(Slot{Environment: environment, API: api})...)
	}
	return names
}

func (l *NamespaceCache) names(slot Slot) []string {
	names := make([]string, 0, len(l.claims[slot]))
	for _, c := range l.claims[slot] {
		names = append(names, c.entry.binding.Name)
	}
	return names
}

func (l *NamespaceCache) put(binding *signetv1alpha1.SignatureBinding, ours bool) []Slot {
	e := l.entries[binding.Name]
	switch {
	case e == nil:
		e = &entry{}
		l.entries[binding.Name] = e
	case older(binding, e.binding):
		return nil
	case e.binding.UID != binding.UID:
		e.fenced = false
	}
	before := interestsOf(e.binding)
	l.removeClaims(e)
	e.binding = binding
	e.fenced = e.fenced || ours
	l.addClaims(e)
	return unsettled(before, interestsOf(binding))
}

// older says that a binding is not newer news than what is known. The versions
// of one object are ordered, as Kubernetes guarantees for its own storage; one
// that cannot be read is taken as news.
func older(news, known *signetv1alpha1.SignatureBinding) bool {
	order, err := resourceversion.CompareResourceVersion(news.ResourceVersion, known.ResourceVersion)
	return err == nil && order < 0
}

func (l *NamespaceCache) addClaims(e *entry) {
	binding := e.binding
	marks := make(map[Slot]*signetv1alpha1.APIStatus, len(binding.Status.APIs))
	for i := range binding.Status.APIs {
		mark := &binding.Status.APIs[i]
		marks[slotOf(binding, mark)] = mark
	}
	e.slots = make([]Slot, 0, len(binding.Spec.APIs))
	for _, api := range binding.Spec.APIs {
		slot := Slot{Environment: binding.Spec.Environment, API: api}
		mark := marks[slot]
		delete(marks, slot)
		told := mark != nil && (mark.State == signetv1alpha1.APIConflicted || mark.State == signetv1alpha1.APIStandby)
		l.add(e, slot, claim{entry: e, listed: true, lossRecorded: told, apiStatus: mark})
	}
	for i := range binding.Status.APIs {
		slot := slotOf(binding, &binding.Status.APIs[i])
		if mark := marks[slot]; mark != nil && mark.BoundAt != nil {
			l.add(e, slot, claim{entry: e, apiStatus: mark})
		}
	}
}

// HeldBy are the slots that the binding holds by its status.
func HeldBy(binding *signetv1alpha1.SignatureBinding) []Slot {
	var held []Slot
	for i := range binding.Status.APIs {
		if mark := &binding.Status.APIs[i]; mark.BoundAt != nil {
			held = append(held, slotOf(binding, mark))
		}
	}
	return held
}

func slotOf(binding *signetv1alpha1.SignatureBinding, mark *signetv1alpha1.APIStatus) Slot {
	api := signetv1alpha1.NewAPIReference(mark.Kind, mark.Name)
	return Slot{Environment: binding.Status.Environment, API: api}
}

func (l *NamespaceCache) add(e *entry, slot Slot, c claim) {
	e.slots = append(e.slots, slot)
	l.claims[slot] = append(l.claims[slot], c)
	l.environments[slot.Environment]++
}

func (l *NamespaceCache) removeClaims(e *entry) {
	for _, slot := range e.slots {
		rest := slices.DeleteFunc(l.claims[slot], func(c claim) bool { return c.entry == e })
		if len(rest) == 0 {
			delete(l.claims, slot)
		} else {
			l.claims[slot] = rest
		}
		if l.environments[slot.Environment]--; l.environments[slot.Environment] == 0 {
			delete(l.environments, slot.Environment)
		}
	}
}
