// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// checkSlots checks that no slot has two holders, and that what signs is held.
func (j *Judge) checkSlots(n *namespace) {
	holders, found := map[slots.Slot][]string{}, findings{}
	for _, name := range slices.Sorted(maps.Keys(n.bindings)) {
		binding := n.bindings[name]
		for _, slot := range slots.HeldBy(binding) {
			holders[slot] = append(holders[slot], name)
		}
		for i := range binding.Status.APIs {
			if api := &binding.Status.APIs[i]; api.BoundAt == nil && signs(api.State) {
				found["binding "+name] = fmt.Sprintf("%s is %s without a boundAt", api.Name, api.State)
			}
		}
	}
	for slot, names := range holders {
		if len(names) > 1 {
			found["slot "+slot.String()] = "held by " + strings.Join(names, " and ")
		}
	}
	j.settle(ruleSlots, n, found)
}

// checkIncumbent checks that a binding keeps what it holds and lists, and since when.
// A status is written on the version that it was decided on, so that the spec before
// is the one that the decision has seen.
func (j *Judge) checkIncumbent(n *namespace, before, after *signetv1alpha1.SignatureBinding) {
	if before == nil || before.UID != after.UID || !before.DeletionTimestamp.IsZero() {
		return
	}
	since := heldSince(after)
	for slot, boundAt := range heldSince(before) {
		now, holds := since[slot]
		switch {
		case !slices.Contains(slots.ListedBy(before), slot):
		case !holds:
			j.report(ruleSlots, n.name+"/slot "+slot.String(), "%s loses it, although it lists it", after.Name)
		case !now.Equal(boundAt):
			j.report(ruleSlots, n.name+"/slot "+slot.String(), "%s holds it since another time", after.Name)
		}
	}
}

// heldSince returns since when the binding holds each of its slots.
func heldSince(binding *signetv1alpha1.SignatureBinding) map[slots.Slot]time.Time {
	since := map[slots.Slot]time.Time{}
	for i := range binding.Status.APIs {
		if api := &binding.Status.APIs[i]; api.BoundAt != nil {
			slot := slots.Slot{Namespace: binding.Namespace, Environment: binding.Status.Environment, Kind: api.Kind, Name: api.Name}
			since[slot] = api.BoundAt.Time
		}
	}
	return since
}

// signs reports whether an API in this state is signed.
func signs(state signetv1alpha1.APIState) bool {
	return state == signetv1alpha1.APIBound || state == signetv1alpha1.APINotPublished || state == signetv1alpha1.APIOffline
}

// holdersOf returns the bindings that hold an API for which the key signs or
// verifies, in order.
func (n *namespace) holdersOf(key string) []string {
	var names []string
	for name, binding := range n.bindings {
		if slots.HoldsWith(binding, key) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// heldKeys returns the names of the keys that sign or verify for a holder.
func (n *namespace) heldKeys() map[string]bool {
	held := map[string]bool{}
	for _, binding := range n.bindings {
		if len(slots.HeldBy(binding)) == 0 {
			continue
		}
		held[binding.Status.KeyName] = true
		for _, previous := range binding.Status.PreviousKeys {
			held[previous.Name] = true
		}
	}
	return held
}

func readyReason(conditions []metav1.Condition) string {
	ready := meta.FindStatusCondition(conditions, signetv1alpha1.ConditionReady)
	if ready == nil {
		return "without status"
	}
	return ready.Reason
}

func cutPrefix(text, prefix string) (rest string, found bool) { return strings.CutPrefix(text, prefix) }
