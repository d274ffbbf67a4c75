// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"strings"
	"testing"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// script has the verbs of a script. Names are those of the traces: bindings b, keys k,
// and their Secrets s.
type script struct {
	*world
	t *testing.T
}

// Each script follows a trace as closely as the real code does: the older binding comes
// first, and a key is protected by the binding that gets the API. It violates an
// invariant if the rule that it is named after is missing; only that one write at a time
// is on its way to a key follows from the others, because a release needs a key without
// users and outdates all that was read before it.
var scripts = map[string]func(*script){
	"a grant counts when it is assumed": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.grantOfTheYounger()
		s.returnOfTheOlder()
		s.answer("b2")
		s.answer("b1")
	},
	"a grant whose answer is lost counts": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.grantOfTheYounger()
		s.deliver("b2")
		s.lose("b2")
		s.returnOfTheOlder()
		s.answer("b1")
	},
	"a grant that is late counts": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.grantOfTheYounger()
		s.lose("b2")
		s.returnOfTheOlder()
		s.answer("b1")
		s.arrive()
	},
	"a grant that the client repeats counts": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.grantOfTheYounger()
		s.repeat("b2")
		s.returnOfTheOlder()
		s.answer("b1")
	},
	"a release counts when it is acknowledged": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.holder()
		s.create("b2")
		s.toggle()
		s.see("b1", "b2")
		s.until("b1", "record")
		s.until("b2", "grant")
		s.answer("b2")
	},
	"a move counts when it is acknowledged": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.holder()
		s.edit("b1", func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.KeyRef.Name = "k2" })
		s.see("b1")
		s.until("b1", "grant to b1 with k2")
		s.complete("k1")
	},
	"a manager that does not lead writes nothing": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.holder()
		s.catchUp()
		s.delete(objectOf("b1"))
		s.create("b2")
		s.takeOver()
		s.leader.seeAll()
		s.complete("b2")
		s.deposed.see(objectOf("b2"))
		s.leader, s.deposed = s.deposed, s.leader
		s.complete("b2")
		s.leader, s.deposed = s.deposed, s.leader
	},
	"a grant outdates earlier removals": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.holder()
		s.delete(objectOf("b1"))
		s.see("b1")
		s.until("k1", "unprotect s1")
		s.catchUp()
		s.takeOver()
		s.create("b2")
		s.see("b2")
		s.complete("b2")
		s.arrive()
	},
	"a key that is being released is granted to nobody": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.holder()
		s.delete(objectOf("b1"))
		s.see("b1")
		s.until("k1", "unprotect s1")
		s.create("b2")
		s.see("b2")
		s.complete("b2")
		s.answer("k1")
	},
	"one write at a time is on its way to a key": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.create("b1")
		s.see("b1")
		s.until("b1", "protect k1")
		s.deliver("b1")
		s.delete(objectOf("b1"))
		s.see("b1", "k1")
		s.until("k1", "unprotect k1")
		s.complete("b1")
		s.create("b2")
		s.see("b2")
		s.complete("b2")
		s.complete("k1")
	},
	"a term begins with a quorum list": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.holder()
		s.create("b2")
		s.see("b2")
		s.complete("b2")
		s.catchUp()
		s.delete(objectOf("b1"))
		s.see("b1")
		s.complete("b2")
		s.takeOver()
		s.complete("b2")
	},
	"a term fences what an earlier one may have granted": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.holder()
		s.create("b2")
		s.see("b2")
		s.complete("b2")
		s.toggle()
		s.see("b1")
		s.complete("b1")
		s.until("b2", "grant")
		s.toggle()
		s.catchUp()
		s.takeOver()
		s.complete("b1")
		s.arrive()
	},
	"who blocks a grant is written": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.holder()
		s.create("b2")
		s.see("b2")
		s.complete("b2")
		s.toggle()
		s.see("b1")
		s.complete("b1")
		s.toggle()
		s.catchUp()
		s.takeOver()
	},
	"a binding that is younger than its key's deletion uses it until it is fenced": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.holder()
		s.delete(objectOf("k1"))
		s.delete(objectOf("b1"))
		s.create("b2")
		s.see("b1", "b2")
		s.until("b2", "grant")
		s.catchUp()
		s.takeOver()
		s.complete("k1")
		s.arrive()
	},
	"a binding that is younger than its key's deletion is fenced": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.holder()
		s.delete(objectOf("k1"))
		s.see("k1")
		s.create("b2")
		s.see("b2")
		s.complete("b2")
		s.catchUp()
		s.takeOver()
		s.delete(objectOf("b1"))
	},
	"a binding that may be moving to a key uses it until it is fenced": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyDelete)
		s.holder()
		s.delete(objectOf("k1"))
		s.create("b2")
		s.edit("b2", func(binding *signetv1alpha1.SignatureBinding) {
			toggleAPI(binding)
			binding.Spec.KeyRef.Name = "k2"
		})
		s.leader.seeAll()
		s.complete("b2")
		s.edit("b2", func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.KeyRef.Name = "k1" })
		s.leader.seeAll()
		s.until("b2", "record") // that it moves
		s.delete(objectOf("b1"))
		s.catchUp()
		s.takeOver()
		s.complete("k1")
		s.arrive()
	},
	"a Secret is written before its key is released": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyRetain)
		s.create("b1")
		s.see("b1")
		s.until("b1", "protect s1")
		s.delete(objectOf("k1"))
		s.delete(objectOf("b1"))
		s.catchUp()
		s.takeOver()
		s.complete("k1")
		s.arrive()
	},
	"only a live read shows that a key has no Secret": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyRetain)
		s.delete(objectOf("s1"))
		s.see("s1")
		s.complete("k1") // the live read
		s.see("k1")
		s.catchUp()
		s.complete("k1") // new material
		s.create("b1")
		s.see("b1", "s1", "k1")
		s.until("b1", "protect s1")
		s.delete(objectOf("k1"))
		s.delete(objectOf("b1"))
		s.takeOver()
		s.see("k1", "b1")
		s.complete("k1")
		s.arrive()
	},
	"a key is protected before its Secret": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyRetain)
		s.create("b1")
		s.see("b1")
		s.until("b1", "protect")
		s.deliver("b1")
		for _, name := range []string{"s1", "k1", "b1"} {
			s.delete(objectOf(name))
		}
		s.catchUp()
		s.takeOver()
	},
	"a key is released after its Secret": func(s *script) {
		s.keys(signetv1alpha1.DeletionPolicyRetain)
		s.holder()
		s.delete(objectOf("b1"))
		s.delete(objectOf("k1"))
		s.see("b1", "k1")
		s.until("k1", "unprotect")
		s.deliver("k1")
		s.catchUp()
		s.takeOver()
	},
	"the record of a Secret counts although its answer is lost": func(s *script) {
		s.recordSecret()
		s.deliver("k1")
		s.lose("k1")
		s.replaceSecret()
	},
	"the record of a Secret counts although it is late": func(s *script) {
		s.recordSecret()
		s.lose("k1")
		s.replaceSecret()
		s.arrive()
	},
	"the record of a Secret counts although an earlier leader sent it": func(s *script) {
		s.recordSecret()
		s.catchUp()
		s.takeOver()
		s.replaceSecret()
		s.arrive()
	},
	"material is published although it is late": func(s *script) {
		s.revoke()
		s.lose("k1")
		s.until("k1", "change s1")
		s.arrive()
	},
	"material is published although an earlier leader sent it": func(s *script) {
		s.revoke()
		s.catchUp()
		s.takeOver()
		s.until("k1", "change s1")
		s.arrive()
	},
}

func TestScripts(t *testing.T) {
	for name, run := range scripts {
		t.Run(name, func(t *testing.T) {
			s := &script{newWorld(t.Context()), t}
			run(s)
			s.settle()
			if len(s.judge.violations) > 0 {
				t.Errorf("%s\n%s", s.judge.violations[0], strings.Join(s.history, "\n"))
			}
		})
	}
}

// keys creates k1 and k2 with their material.
func (s *script) keys(policy signetv1alpha1.DeletionPolicy) {
	for _, name := range []string{"k1", "k2"} {
		s.createKey(name, policy)
		s.leader.seeAll()
		s.complete(name)
	}
	s.leader.seeAll()
	s.catchUp()
}

// recordSecret lets the leader send the status that first has the Secret of k1.
func (s *script) recordSecret() {
	s.createKey("k1", signetv1alpha1.DeletionPolicyDelete)
	s.see("k1")
	s.until("k1", "report k1")
	s.catchUp()
}

// replaceSecret deletes the Secret of k1, and lets the leader go on until it sends the
// status about another one.
func (s *script) replaceSecret() {
	s.delete(objectOf("s1"))
	s.see("s1")
	s.until("k1", "report k1")
}

// revoke lets the leader send new material of k1, a key of type PublicKey.
func (s *script) revoke() {
	s.createKey("k1", signetv1alpha1.DeletionPolicyDelete, gen.WithType(signetv1alpha1.KeyTypePublicKey))
	s.leader.seeAll()
	s.complete("k1")
	s.holder()
	s.editKey("k1", func(key *signetv1alpha1.SignatureKey) {
		key.Spec.Rotation = &signetv1alpha1.Rotation{RevokeTrigger: "leak"}
	})
	s.leader.seeAll()
	s.until("k1", "change s1")
}

// holder creates b1, which holds the API with k1.
func (s *script) holder() {
	s.create("b1")
	for _, name := range []string{"b1", "k1"} {
		s.leader.seeAll()
		s.complete(name)
	}
	s.leader.seeAll()
}

// grantOfTheYounger lets the leader send a grant to b2, while b1 lists another API.
func (s *script) grantOfTheYounger() {
	s.create("b1")
	s.create("b2")
	s.toggle()
	s.see("b1", "b2")
	s.complete("b1")
	s.see("b1")
	s.until("b2", "grant")
}

// returnOfTheOlder lets b1 list the API again, and the leader go on with it.
func (s *script) returnOfTheOlder() {
	s.toggle()
	s.see("b1")
	s.until("b1", "grant")
}

func (s *script) create(binding string) {
	s.log("user creates %s with k1", binding)
	s.createBinding(binding, "k1")
}

// toggle lets b1 drop the API, or add it again.
func (s *script) toggle() {
	s.log("user drops or adds the API in b1")
	s.edit("b1", toggleAPI)
}

func (s *script) see(names ...string) {
	for _, name := range names {
		s.log("leader sees %s", name)
		s.leader.see(objectOf(name))
	}
}

// task returns the work on an object that has sent a write; nil if there is none.
func (s *script) task(name string) *task { return s.leader.tasks[objectOf(name)] }

// until lets the leader go on with an object until it sends that write, if its rules
// allow it.
func (s *script) until(name, what string) {
	s.leader.start(s.ctx, objectOf(name))
	for task := s.task(name); task != nil; task = s.task(name) {
		if strings.HasPrefix(describe(task.sent), what) {
			s.log("leader sends: %s", describe(task.sent))
			return
		}
		s.log("leader sends: %s, answered", describe(task.sent))
		s.leader.answer(task)
	}
	s.log("leader does not send: %s %s", name, what)
}

// complete lets the leader go on with an object to the end.
func (s *script) complete(name string) { s.until(name, "nothing") }

func (s *script) network(name, what string, do func(*task)) {
	if task := s.task(name); task != nil {
		s.log("%s: %s", what, describe(task.sent))
		do(task)
	}
}

func (s *script) deliver(name string) { s.network(name, "API server", s.leader.deliver) }
func (s *script) answer(name string)  { s.network(name, "answered", s.leader.answer) }
func (s *script) repeat(name string)  { s.network(name, "repeated by the client", s.leader.repeat) }

func (s *script) lose(name string) {
	s.network(name, "answer lost", func(task *task) {
		if late := s.leader.lose(task); late != nil {
			s.late = append(s.late, late)
		}
	})
}

// arrive delivers what is late.
func (s *script) arrive() {
	for len(s.late) > 0 {
		s.deliverLate(0)
	}
}
