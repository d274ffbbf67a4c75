// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const namespace = "shop"

var (
	bindingKind = reflect.TypeFor[*signetv1alpha1.SignatureBinding]()
	keyKind     = reflect.TypeFor[*signetv1alpha1.SignatureKey]()
	secretKind  = reflect.TypeFor[*corev1.Secret]()

	configMapKind = reflect.TypeFor[*corev1.ConfigMap]()
)

// world is the API server, the manager that leads and the one before it, and the writes
// that are on their way.
type world struct {
	ctx    context.Context //nolint:containedctx // lives as long as the test
	server *store
	judge  *judge
	clock  *clocktesting.FakePassiveClock
	leader *manager
	// deposed is the manager that has led before; nil at first.
	deposed *manager
	// standby is what the watches of the next manager have shown.
	standby objects
	late    []*write
	// created are the names of Secrets that a late write of the leader has created.
	created []string
	history []string
}

func newWorld(ctx context.Context) *world {
	start := time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)
	w := &world{ctx: ctx, judge: &judge{}, clock: clocktesting.NewFakePassiveClock(start)}
	w.server = &store{objects: objects{}, gone: objects{}, now: start}
	w.server.changed = func(before, after client.Object) { w.judge.check(w.server, before, after) }
	w.leader = newManager(w.server, nil, w.clock)
	return w
}

// tick lets time pass, so that the order of what users do shows.
func (w *world) tick(passed time.Duration) {
	w.server.now = w.server.now.Add(passed)
	w.clock.SetTime(w.server.now)
}

func (w *world) log(format string, args ...any) {
	w.history = append(w.history, fmt.Sprintf(format, args...))
}

func (w *world) createKey(name string, policy signetv1alpha1.DeletionPolicy, options ...gen.KeyOption) {
	w.tick(time.Second)
	if get[*signetv1alpha1.SignatureKey](w.server.objects, name) == nil {
		w.server.create(gen.SignatureKey(name, append(options, gen.WithGeneration(1), gen.WithDeletionPolicy(policy))...))
	}
}

// editKey changes the spec of a key.
func (w *world) editKey(name string, change func(*signetv1alpha1.SignatureKey)) {
	w.tick(time.Second)
	key := get[*signetv1alpha1.SignatureKey](w.server.objects, name)
	if key == nil {
		return
	}
	next := key.DeepCopy()
	change(next)
	next.Generation++
	w.server.put(key, next)
}

func (w *world) createBinding(name, key string) {
	w.tick(time.Second)
	if get[*signetv1alpha1.SignatureBinding](w.server.objects, name) == nil {
		w.server.create(gen.SignatureBinding(name, key, gen.WithAPIs("a"), gen.WithSignatureHeader("X-"+name)))
	}
}

// edit changes the spec of a binding.
func (w *world) edit(name string, change func(*signetv1alpha1.SignatureBinding)) {
	w.tick(time.Second)
	if binding := get[*signetv1alpha1.SignatureBinding](w.server.objects, name); binding != nil {
		next := binding.DeepCopy()
		change(next)
		next.Generation++
		w.server.put(binding, next)
	}
}

func toggleAPI(binding *signetv1alpha1.SignatureBinding) {
	api := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "a")
	if len(binding.Spec.APIs) > 0 {
		api.Name = "b-" + binding.Name
		if binding.Spec.APIs[0].Name != "a" {
			api.Name = "a"
		}
	}
	binding.Spec.APIs = []signetv1alpha1.APIReference{api}
}

func (w *world) delete(name objectName) {
	w.tick(time.Second)
	if object := w.server.objects[name]; object != nil {
		w.server.delete(object)
	}
}

// takeOver lets the other manager lead, whose watches may lag.
func (w *world) takeOver() {
	w.late = append(w.late, w.leader.depose()...)
	for _, write := range w.late {
		write.deposed = true
	}
	w.judge.unproven = append(w.judge.unproven, w.created...)
	w.deposed, w.leader = w.leader, newManager(w.server, w.standby, w.clock)
}

// catchUp shows the next manager everything.
func (w *world) catchUp() { w.standby = maps.Clone(w.server.objects) }

func (w *world) deliverLate(i int) {
	late := w.late[i]
	w.late = slices.Delete(w.late, i, i+1)
	created, err := w.server.apply(late)
	switch {
	case err != nil || late.verb != "create":
	case late.deposed:
		w.judge.unproven = append(w.judge.unproven, created.GetName())
	default:
		w.created = append(w.created, created.GetName())
	}
	w.log("late: %s: %v", describe(late), err)
}

// settle lets the faults end and everything come to rest.
func (w *world) settle() {
	for _, t := range w.leader.tasks {
		for t.sent != nil {
			w.leader.answer(t)
		}
	}
	defer w.logObjects()
	for len(w.late) > 0 {
		w.deliverLate(0)
	}
	for range 30 {
		w.tick(2 * time.Minute)
		before := w.server.versions
		for range 3 {
			w.leader.seeAll()
			for _, name := range []string{"b1", "b2", "b3"} {
				w.run(objectName{bindingKind, name})
			}
			for _, name := range []string{"k1", "k2"} {
				w.run(objectName{keyKind, name})
			}
		}
		if w.server.versions == before {
			w.judge.checkRest(w.server)
			return
		}
	}
	w.judge.report("nothing comes to rest")
}

// logObjects adds what is left to the history.
func (w *world) logObjects() {
	for _, object := range w.server.sorted() {
		w.log("%T %s: deleted %v, finalizers %v", object, object.GetName(), object.GetDeletionTimestamp(), object.GetFinalizers())
		switch object := object.(type) {
		case *signetv1alpha1.SignatureBinding:
			w.log("  created %v, keyRef %s, lists %v, status %+v", object.CreationTimestamp, object.Spec.KeyRef.Name, object.Spec.APIs, object.Status)
		case *signetv1alpha1.SignatureKey:
			w.log("  %s, status %+v", object.UID, object.Status)
		}
	}
}

// run reconciles an object; each write is answered.
func (w *world) run(name objectName) {
	w.leader.start(w.ctx, name)
	for t := w.leader.tasks[name]; t != nil && t.sent != nil; {
		w.leader.answer(t)
	}
}

// describe names a write as the model of the protocol does.
func describe(w *write) string {
	protects := strings.Contains(string(w.patch), signetv1alpha1.FinalizerProtection)
	name := w.object.GetName()
	switch object := w.object.(type) {
	case *signetv1alpha1.SignatureBinding:
		for i := range object.Status.APIs {
			if object.Status.APIs[i].BoundAt != nil && object.Status.APIs[i].Name == "a" {
				return fmt.Sprintf("grant to %s with %s", name, object.Status.KeyName)
			}
		}
		return "record not-holder on " + name
	case *corev1.Secret:
		name = strings.Replace(name, "k", "s", 1)
	}
	fences := strings.Contains(string(w.patch), "fencingToken") || strings.Contains(string(w.patch), "fencing-token")
	switch {
	case w.verb == "create":
		return "create " + name
	case w.status && !fences:
		return "report " + name
	case protects, fences && !w.unprotects():
		return "protect " + name
	case w.unprotects():
		return "unprotect " + name
	default:
		return "change " + name
	}
}

// unprotects reports whether the write takes the finalizers away.
func (w *write) unprotects() bool { return strings.Contains(string(w.patch), `"finalizers":null`) }

func labelsOf(object client.Object) labels.Set { return object.GetLabels() }
