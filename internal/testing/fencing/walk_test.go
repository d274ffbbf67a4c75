// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// walks is how many walks the test takes, of so many steps each. SIGNET_WALKS overrides
// it.
const (
	walks = 150
	steps = 120
)

// Whatever the network, the watches, the lease and the users do, the invariants hold.
func TestRandomWalks(t *testing.T) {
	count := walks
	if more, err := strconv.Atoi(os.Getenv("SIGNET_WALKS")); err == nil {
		count = more
	}
	states := 0
	for seed := range uint64(count) {
		w := &walk{world: newWorld(t.Context()), Rand: rand.New(rand.NewPCG(seed, 1))}
		w.begin()
		for range steps {
			w.step()
			if len(w.judge.violations) > 0 {
				break
			}
		}
		if len(w.judge.violations) == 0 {
			w.log("settle")
			w.settle()
		}
		states += w.server.versions
		if len(w.judge.violations) > 0 {
			t.Fatalf("walk %d: %s\n%s", seed, w.judge.violations[0], strings.Join(w.history, "\n"))
		}
	}
	t.Logf("%d walks, %d versions", count, states)
}

// walk is a script that is drawn at random.
type walk struct {
	*world
	*rand.Rand
	takeovers int
}

func (w *walk) begin() {
	w.newKey("k1")
	w.newKey("k2")
	w.leader.seeAll()
	w.run(objectName{keyKind, "k1"})
	w.run(objectName{keyKind, "k2"})
	w.createBinding("b1", "k1")
	w.createBinding("b2", w.key())
	w.leader.seeAll()
	w.catchUp()
	if w.IntN(2) == 0 {
		for _, name := range []string{"b1", "b2"} {
			w.run(objectName{bindingKind, name})
		}
		w.leader.seeAll()
	}
}

func (w *walk) binding() string { return []string{"b1", "b1", "b1", "b2", "b2", "b2", "b3"}[w.IntN(7)] }
func (w *walk) key() string     { return []string{"k1", "k1", "k1", "k2"}[w.IntN(4)] }

// newKey creates a key: k1 is deleted with its Secret, k2 has a public ConfigMap.
func (w *walk) newKey(name string) {
	if name == "k2" {
		w.createKey(name, signetv1alpha1.DeletionPolicyRetain, gen.WithType(signetv1alpha1.KeyTypePublicKey))
	} else {
		w.createKey(name, signetv1alpha1.DeletionPolicyDelete)
	}
}

func (w *walk) step() {
	switch n := w.IntN(100); {
	case n < 12:
		w.user()
	case n < 28:
		w.see()
	case n < 48:
		w.reconcile()
	case n < 51:
		w.log("leader sees everything")
		w.leader.seeAll()
	case n < 52:
		w.log("the other manager sees everything")
		w.catchUp()
	case n < 56 && len(w.late) > 0:
		w.deliverLate(w.IntN(len(w.late)))
	case n < 58 && w.takeovers < 3:
		w.takeovers++
		w.log("the other manager takes over")
		if w.IntN(2) == 0 {
			w.catchUp()
		}
		w.takeOver()
	default:
		w.network()
	}
}

func (w *walk) user() {
	name, key := w.binding(), w.key()
	switch w.IntN(10) {
	case 0, 1:
		w.log("user creates %s with %s", name, key)
		w.createBinding(name, key)
	case 2:
		w.log("user deletes %s", name)
		w.delete(objectName{bindingKind, name})
	case 3, 4:
		w.log("user drops or adds the API in %s", name)
		w.edit(name, toggleAPI)
	case 5:
		w.log("user moves %s to %s", name, key)
		w.edit(name, func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.KeyRef.Name = key })
	case 6:
		w.log("user deletes %s", key)
		w.delete(objectName{keyKind, key})
	case 7:
		w.log("user creates %s", key)
		w.newKey(key)
	case 8:
		w.log("user deletes the Secret of %s", key)
		w.delete(objectName{secretKind, key})
	case 9:
		w.log("user replaces the material of %s", key)
		w.editKey(key, func(key *signetv1alpha1.SignatureKey) {
			key.Spec.Rotation = &signetv1alpha1.Rotation{RevokeTrigger: strconv.Itoa(w.server.versions)}
		})
	}
}

// see shows the leader one object.
func (w *walk) see() {
	name := objectName{bindingKind, w.binding()}
	switch w.IntN(5) {
	case 0:
		name = objectName{keyKind, w.key()}
	case 1:
		name = objectName{secretKind, w.key()}
	case 2:
		name = objectName{configMapKind, "k2" + signetv1alpha1.PublicConfigMapSuffix}
	}
	who, m := w.actor()
	w.log("%s sees %s %s", who, name.kind, name.name)
	m.see(name)
}

func (w *walk) reconcile() {
	name := objectName{bindingKind, w.binding()}
	if w.IntN(3) == 0 {
		name = objectName{keyKind, w.key()}
	}
	who, m := w.actor()
	m.start(w.ctx, name)
	if task := m.tasks[name]; task != nil {
		w.log("%s sends: %s", who, describe(task.sent))
	}
}

// actor is the leader, or sometimes the manager that does not know yet that it no longer
// leads.
func (w *walk) actor() (string, *manager) {
	if w.deposed != nil && w.IntN(5) == 0 {
		return "deposed", w.deposed
	}
	return "leader", w.leader
}

// network decides what becomes of a write of the leader.
func (w *walk) network() {
	_, m := w.actor()
	tasks := make([]*task, 0, len(m.tasks))
	for _, task := range m.tasks {
		tasks = append(tasks, task)
	}
	if len(tasks) == 0 {
		return
	}
	slices.SortFunc(tasks, func(a, b *task) int {
		return strings.Compare(a.object.kind.String()+a.object.name, b.object.kind.String()+b.object.name)
	})
	task := tasks[w.IntN(len(tasks))]
	what := describe(task.sent)
	switch w.IntN(12) {
	case 0, 1:
		m.deliver(task)
		w.log("API server: %s: %v", what, task.err)
	case 2:
		if late := m.lose(task); late != nil {
			w.late = append(w.late, late)
		}
		w.log("answer lost: %s", what)
	case 3:
		w.log("repeated by the client: %s", what)
		m.repeat(task)
	default:
		w.log("answered: %s", what)
		m.answer(task)
	}
}
