package slots_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

var (
	orders = signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "orders")
	slot   = slots.Slot{Environment: "RELEASE", API: orders}
)

func everybody(*signetv1alpha1.SignatureBinding) bool { return true }

// binding lists the API orders in RELEASE, with a key of its own name.
func binding(name string, created, version int, state signetv1alpha1.APIState) *signetv1alpha1.SignatureBinding {
	b := &signetv1alpha1.SignatureBinding{}
	b.Spec.KeyRef.Name = name
	b.Name, b.UID, b.ResourceVersion = name, types.UID(name), strconv.Itoa(version)
	b.CreationTimestamp = metav1.NewTime(at(created))
	b.Spec.Environment, b.Spec.APIs = "RELEASE", []signetv1alpha1.APIReference{orders}
	if state != "" {
		b.Status.Environment = "RELEASE"
		mark := signetv1alpha1.APIStatus{Group: orders.Kind.Group(), Kind: orders.Kind, Name: orders.Name, State: state}
		if state == signetv1alpha1.APIBound {
			mark.BoundAt = &metav1.Time{Time: at(created)}
			b.Status.KeyName = b.Spec.KeyRef.Name
		}
		b.Status.APIs = []signetv1alpha1.APIStatus{mark}
	}
	return b
}

// judge expects a verdict on a binding that claims the slot.
func judge(t *testing.T, ledger *slots.NamespaceCache, name string, want slots.Evaluation) {
	t.Helper()
	want.Eligible = true
	got := ledger.Evaluate(name, slot, everybody)
	slices.Sort(got.Blockers)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("verdict on %s (-want +got):\n%s", name, diff)
	}
}

// acknowledge has the API server answer a write to a binding that is known.
func acknowledge(ledger *slots.NamespaceCache, binding *signetv1alpha1.SignatureBinding) {
	ledger.Update(binding)
	ledger.Confirm(binding)
}

func TestLoserIsToldBeforeTheSlotIsGiven(t *testing.T) {
	ledger := slots.NewNamespaceCache()
	ledger.Update(binding("old", 1, 10, ""))
	judge(t, ledger, "old", slots.Evaluation{Holder: "old"})
	ledger.Update(binding("young", 2, 11, ""))
	judge(t, ledger, "old", slots.Evaluation{Holder: "old", Blockers: []string{"young"}})
	judge(t, ledger, "young", slots.Evaluation{Holder: "old", Blockers: []string{"old"}})
	acknowledge(ledger, binding("young", 2, 12, signetv1alpha1.APIConflicted))
	judge(t, ledger, "old", slots.Evaluation{Holder: "old"})
}

// A binding that an earlier leader has told must be written again: that leader
// may still have a write under way which would make it Bound.
func TestWhatAnotherLeaderWroteIsWrittenAgain(t *testing.T) {
	ledger := slots.NewNamespaceCache()
	ledger.Update(binding("old", 1, 10, ""))
	ledger.Update(binding("young", 2, 12, signetv1alpha1.APIConflicted))
	judge(t, ledger, "old", slots.Evaluation{Holder: "old", Blockers: []string{"young"}})
	acknowledge(ledger, binding("young", 2, 13, signetv1alpha1.APIConflicted))
	judge(t, ledger, "old", slots.Evaluation{Holder: "old"})
	ledger.Invalidate("young")
	judge(t, ledger, "old", slots.Evaluation{Holder: "old", Blockers: []string{"young"}})
}

func TestIncumbentKeepsTheSlot(t *testing.T) {
	ledger := slots.NewNamespaceCache()
	acknowledge(ledger, binding("young", 2, 12, signetv1alpha1.APIBound))
	ledger.Update(binding("old", 1, 13, ""))
	judge(t, ledger, "young", slots.Evaluation{Holder: "young", HeldSince: at(2), Blockers: []string{"old"}})
	judge(t, ledger, "old", slots.Evaluation{Holder: "young", RecordedHolder: "young", Blockers: []string{"young"}})
}

// The watch is late: what it brings is older than the answer to our own write.
func TestOlderNewsChangesNothing(t *testing.T) {
	ledger := slots.NewNamespaceCache()
	ledger.Update(binding("young", 2, 11, ""))
	acknowledge(ledger, binding("young", 2, 12, signetv1alpha1.APIBound))
	ledger.Update(binding("young", 2, 11, ""))
	judge(t, ledger, "young", slots.Evaluation{Holder: "young", HeldSince: at(2)})
}

func TestHolderThatDropsTheAPIBlocksUntilItIsWritten(t *testing.T) {
	ledger := slots.NewNamespaceCache()
	acknowledge(ledger, binding("old", 1, 10, signetv1alpha1.APIBound))
	acknowledge(ledger, binding("young", 2, 11, signetv1alpha1.APIConflicted))
	dropped := binding("old", 1, 12, signetv1alpha1.APIBound)
	dropped.Spec.APIs = nil
	ledger.Update(dropped)
	judge(t, ledger, "young", slots.Evaluation{Holder: "young", RecordedHolder: "old", Blockers: []string{"old"}})
	released := binding("old", 1, 13, "")
	released.Spec.APIs = nil
	acknowledge(ledger, released)
	judge(t, ledger, "young", slots.Evaluation{Holder: "young"})
}

func TestDeletedHolder(t *testing.T) {
	ledger := slots.NewNamespaceCache()
	old := binding("old", 1, 10, signetv1alpha1.APIBound)
	acknowledge(ledger, old)
	acknowledge(ledger, binding("young", 2, 11, signetv1alpha1.APIConflicted))
	going := binding("old", 1, 12, signetv1alpha1.APIBound)
	going.DeletionTimestamp = &metav1.Time{Time: at(9)}
	ledger.Update(going)
	judge(t, ledger, "young", slots.Evaluation{Holder: "young", RecordedHolder: "old", Blockers: []string{"old"}})
	if freed := ledger.Delete(going); !slices.Contains(freed, slot) {
		t.Errorf("Forget freed %v, want %v among it", freed, slot)
	}
	judge(t, ledger, "young", slots.Evaluation{Holder: "young"})
}

func TestForgetSparesTheSuccessor(t *testing.T) {
	ledger := slots.NewNamespaceCache()
	first := binding("orders", 1, 10, "")
	second := binding("orders", 2, 12, "")
	second.UID = "another"
	ledger.Update(first)
	ledger.Update(second)
	ledger.Delete(first)
	if got := ledger.Binding("orders"); got != second {
		t.Errorf("Binding = %v, want the successor", got)
	}
}

func TestSeedKeepsWhatAWatchHasShown(t *testing.T) {
	ledger := slots.NewNamespaceCache()
	watched := binding("orders", 1, 10, "")
	ledger.Update(watched)
	ledger.Prime(binding("orders", 1, 10, ""))
	ledger.Prime(binding("orders", 1, 9, ""))
	if ledger.Binding("orders") != watched {
		t.Error("a list has replaced what the caches hold")
	}
	newer := binding("orders", 1, 11, signetv1alpha1.APIBound)
	ledger.Prime(newer)
	if ledger.Binding("orders") != newer {
		t.Error("a list that is ahead of the watch was not taken in")
	}
	cached := binding("orders", 1, 11, signetv1alpha1.APIBound)
	ledger.Update(cached)
	if ledger.Binding("orders") != cached {
		t.Error("what the caches hold is held twice")
	}
}

func TestTheDeletedDoNotComeBack(t *testing.T) {
	t.Run("by an answer that is late", func(t *testing.T) {
		ledger := slots.NewNamespaceCache()
		first := binding("first", 1, 10, "")
		ledger.Update(first)
		ledger.Delete(first)
		if unsettled := ledger.Confirm(binding("first", 1, 11, signetv1alpha1.APIBound)); unsettled != nil || ledger.Binding("first") != nil {
			t.Error("the answer to a write has brought back what is deleted")
		}
		ledger.Update(binding("second", 2, 12, ""))
		judge(t, ledger, "second", slots.Evaluation{Holder: "second"})
	})
	t.Run("by a list that is late", func(t *testing.T) {
		book := slots.NewClaimCache()
		gone := binding("first", 1, 10, signetv1alpha1.APIBound)
		book.Namespace("").Delete(gone)
		book.Prime(gone)
		if book.Namespace("").Binding("first") != nil {
			t.Error("a page of an old list has brought back what is deleted")
		}
		book.Primed()
		again := binding("first", 1, 20, "")
		again.UID = "another"
		book.Update(again)
		if book.Namespace("").Binding("first") != again {
			t.Error("a new binding of the name is not known")
		}
	})
	t.Run("as another of the same name", func(t *testing.T) {
		ledger := slots.NewNamespaceCache()
		again := binding("first", 1, 20, "")
		again.UID = "another"
		ledger.Update(again)
		ledger.Confirm(binding("first", 1, 21, signetv1alpha1.APIBound))
		if ledger.Binding("first") != again {
			t.Error("the answer to a write has replaced a binding of another life")
		}
	})
}

func TestAKeyMadeAgainIsNotHeld(t *testing.T) {
	book := slots.NewClaimCache()
	ledger, unlock := book.Lock("shop")
	ledger.SetProtected("orders", "first")
	unlock()
	for uid, want := range map[types.UID]bool{"first": true, "second": false, "": false} {
		if got := ledger.IsProtected("orders", uid); got != want {
			t.Errorf("Held(%q) = %v, want %v", uid, got, want)
		}
	}
	book.Release("shop", "orders")()
	if ledger.IsProtected("orders", "first") {
		t.Error("a key whose finalizer is about to go counts as held")
	}
}
