// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	_ "embed"
	"regexp"
	"strings"
	"testing"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

//go:embed testdata/traces.txt
var traces string

var (
	stepPattern = regexp.MustCompile(`^ *\d+ (.*?)  +[BK][12]:`)
	decides     = regexp.MustCompile(`^(?:leader|deposed) decides: (.*)$`)
	named       = regexp.MustCompile(`\b[BKS][123]\b`)
	object      = regexp.MustCompile(`\b([bks])([123])\b`)
)

// Each trace violates an invariant if the rule in its heading is missing. The model
// knows no age of bindings, and leaves out what does not matter to it: each trace is
// replayed with either binding as the older one, with answers that it does not mention
// arriving at once or not, with a new leader that has seen everything or not, and with
// the leader seeing what users do at once or not, in every combination. The real code
// goes as far along it as its rules allow, and violates none.
func TestTraces(t *testing.T) {
	for _, section := range strings.Split(traces, "### ")[1:] {
		heading, text, _ := strings.Cut(section, "\n")
		t.Run(heading, func(t *testing.T) {
			for variant := range 8 << strings.Count(text, " user ") {
				r := &replay{world: newWorld(t.Context()), text: strings.ToLower(text), variant: variant}
				r.policy = signetv1alpha1.DeletionPolicyDelete
				if strings.Contains(heading, "-retain") {
					r.policy = signetv1alpha1.DeletionPolicyRetain
				}
				for line := range strings.SplitSeq(text, "\n") {
					if step := stepPattern.FindStringSubmatch(line); step != nil {
						r.step(named.ReplaceAllStringFunc(strings.TrimSpace(step[1]), strings.ToLower), line)
					}
				}
				r.settle()
				if len(r.judge.violations) > 0 {
					t.Fatalf("variant %d: %s\n%s", variant, r.judge.violations[0], strings.Join(r.history, "\n"))
				}
			}
		})
	}
}

// replay follows a trace.
type replay struct {
	*world
	text   string
	policy signetv1alpha1.DeletionPolicy
	// variant has a bit for the older binding, one for answers that are not mentioned,
	// one for what a new leader has seen, and one for each step of a user.
	variant             int
	answers, seesBefore bool
}

// choice takes the next bit of the variant.
func (r *replay) choice() bool {
	chosen := r.variant&1 == 1
	r.variant >>= 1
	return chosen
}

func (r *replay) step(step, line string) {
	r.log("%s", step)
	name := objectOf(step)
	switch {
	case step == "start":
		r.start(line)
	case step == "the other manager takes over":
		if r.seesBefore {
			r.catchUp()
		}
		r.takeOver()
	case strings.HasPrefix(step, "user creates b"):
		r.createBinding(name.name, "k"+step[len(step)-1:])
	case strings.HasPrefix(step, "user deletes"):
		r.delete(name)
	case strings.HasPrefix(step, "user drops or adds"):
		r.edit(name.name, toggleAPI)
	case strings.HasPrefix(step, "user changes keyRef"):
		r.edit(name.name, func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.KeyRef.Name = "k2" })
	case strings.HasPrefix(step, "leader sees"):
		r.leader.see(name)
	case strings.HasPrefix(step, "deposed sees"):
		r.deposed.see(name)
	case strings.HasPrefix(step, "leader decides: "):
		r.decide(r.leader, decides.FindStringSubmatch(step)[1])
	case strings.HasPrefix(step, "deposed decides: "):
		r.decide(r.deposed, decides.FindStringSubmatch(step)[1])
	default:
		r.network(step)
	}
	if strings.HasPrefix(step, "user") && r.choice() {
		r.log("  leader sees it")
		r.leader.see(name)
	}
}

// objectOf returns the first object that a step names.
func objectOf(step string) objectName {
	found := object.FindStringSubmatch(step)
	switch {
	case found == nil:
		return objectName{}
	case found[1] == "b":
		return objectName{bindingKind, found[0]}
	case found[1] == "s":
		return objectName{secretKind, "k" + found[2]}
	default:
		return objectName{keyKind, found[0]}
	}
}

// start brings the world into the state that the trace begins with, in an earlier term.
func (r *replay) start(line string) {
	r.createKey("k1", r.policy)
	if strings.Contains(line, "K2:") {
		r.createKey("k2", r.policy)
	}
	r.rest("k1", "k2")
	names := []string{"b1", "b2"}
	if r.choice() {
		names = []string{"b2", "b1"}
	}
	for _, name := range names {
		if strings.Contains(line, strings.ToUpper(name)+":ref") {
			r.createBinding(name, "k1")
			if strings.Contains(line, strings.ToUpper(name)+":ref K1,HOLDS") {
				r.rest(name, "k1", name)
			}
		}
	}
	r.answers, r.seesBefore = r.choice(), r.choice()
	r.catchUp()
	r.takeOver()
}

func (r *replay) rest(names ...string) {
	for _, name := range names {
		r.leader.seeAll()
		r.run(objectOf(name))
	}
	r.leader.seeAll()
}

// decide lets a manager go on until it sends the write; other writes on the way are
// answered. Its rules may not allow it.
func (r *replay) decide(m *manager, what string) {
	name := objectOf(what)
	candidates := []objectName{name}
	if name.kind != bindingKind {
		candidates = []objectName{{keyKind, name.name}, {bindingKind, "b1"}, {bindingKind, "b2"}}
	}
	for _, candidate := range candidates {
		m.start(r.ctx, candidate)
		for range 8 {
			task := m.tasks[candidate]
			if task == nil {
				break
			}
			if describe(task.sent) == what {
				return
			}
			if candidate != name || task.applied {
				if !strings.HasPrefix(what, "protect") {
					break
				}
			}
			r.log("  on the way: %s", describe(task.sent))
			m.answer(task)
		}
	}
	r.log("  not allowed")
}

// network decides what becomes of a write that the step names.
func (r *replay) network(step string) {
	_, what, _ := strings.Cut(step, ": ")
	if strings.HasPrefix(step, "API server, late") {
		for i, late := range r.late {
			if describe(late) == what {
				r.deliverLate(i)
				return
			}
		}
	}
	for _, m := range []*manager{r.leader, r.deposed} {
		if m == nil {
			continue
		}
		for _, task := range m.tasks {
			if describe(task.sent) != what {
				continue
			}
			switch {
			case strings.HasPrefix(step, "API server"):
				m.deliver(task)
				if r.answers && strings.Count(r.text, what) < 3 {
					m.answer(task)
				}
			case strings.HasPrefix(step, "answer lost"):
				m.lose(task)
			case strings.HasPrefix(step, "repeated"):
				m.repeat(task)
			default:
				m.answer(task)
			}
			return
		}
	}
	r.log("  not on its way")
}
