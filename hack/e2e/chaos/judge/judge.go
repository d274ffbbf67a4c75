// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Mark is the annotation by which users of the workload mark the objects that they
// damage.
const Mark = "chaos.example.com/mark"

// The rules, as doc.go lists them.
const (
	ruleSlots      = 1
	ruleProtection = 2
	ruleMaterial   = 3
)

// Revision is one change of one object in etcd.
type Revision struct {
	Number int64
	// Time is when the change was seen.
	Time            time.Time
	Namespace, Name string
	// Object is the state after the change, and Deleted the kind of an object that is
	// gone.
	Object, Deleted client.Object
}

// Violation is a promise that was not kept.
type Violation struct {
	// Rule is the number of the rule, and Subject what it is broken for.
	Rule    int
	Subject string
	// Detail describes how, without material.
	Detail string
	// Since is the first revision that shows it, and Until the first one that no longer
	// does; zero if it never ended, or is about one revision.
	Since, Until int64
	// Lasted is the time between the two.
	Lasted time.Duration

	began time.Time
}

// String describes the violation in one line.
func (v Violation) String() string {
	text := fmt.Sprintf("rule %d: %s: %s (revision %d", v.Rule, v.Subject, v.Detail, v.Since)
	if v.Until != 0 {
		text += fmt.Sprintf(" to %d, %s", v.Until, v.Lasted.Round(time.Millisecond))
	}
	return text + ")"
}

// Options are the limits of the judge.
type Options struct {
	// HealLimit is how long Signet may take to protect what a user has stripped.
	HealLimit time.Duration
}

// Judge has the state of the cluster at the newest revision, and what it has found
// on the way.
type Judge struct {
	options    Options
	now        Revision
	namespaces map[string]*namespace
	ledger     *ledger
	// open are violations that the newest revision still shows, by rule and subject.
	open   map[string]*Violation
	closed []Violation

	// Revisions counts the revisions of objects that rules are about, and States
	// what was seen in them.
	Revisions int
	States    map[string]int
	// Healed are the times that Signet took to protect what a user had stripped.
	Healed []time.Duration
}

// namespace has the objects of a namespace.
type namespace struct {
	name string
	// object is nil while the namespace does not exist.
	object   *corev1.Namespace
	bindings map[string]*signetv1alpha1.SignatureBinding
	keys     map[string]*signetv1alpha1.SignatureKey
	secrets  map[string]*corev1.Secret
	publics  map[string]*corev1.ConfigMap
	// marked are the objects whose newest revision changed the mark.
	marked map[types.UID]bool
	// damages are what users have taken from the protection of a key, by the key's
	// name and the kind of the object.
	damages map[damagedPart]*damage
	// killed are the keys that a user has taken the finalizer from, by name. What
	// they leave is kept for a restore.
	killed map[string]bool
}

// New returns a judge that has seen nothing.
func New(options Options) *Judge {
	return &Judge{
		options: options, namespaces: map[string]*namespace{}, ledger: newLedger(),
		open: map[string]*Violation{}, States: map[string]int{},
	}
}

// Observe takes the next revision.
func (j *Judge) Observe(r Revision) {
	j.now = r
	n := j.namespace(cmp.Or(r.Namespace, r.Name))
	object := r.Object
	if object == nil {
		object = r.Deleted
	}
	switch object := object.(type) {
	case *corev1.Namespace:
		n.object = nil
		if r.Object != nil {
			n.object = object
		}
	case *signetv1alpha1.SignatureBinding:
		j.observeBinding(n, r, object)
	case *signetv1alpha1.SignatureKey:
		j.observeKey(n, r, object)
	case *corev1.Secret:
		j.observeSecret(n, r, object)
	case *corev1.ConfigMap:
		replace(n.publics, r, object)
	default:
		return
	}
	j.Revisions++
	j.checkSlots(n)
	j.checkProtection(n)
	j.checkPublic(n)
}

func (j *Judge) observeBinding(n *namespace, r Revision, binding *signetv1alpha1.SignatureBinding) {
	before := replace(n.bindings, r, binding)
	if r.Object != nil {
		j.checkIncumbent(n, before, binding)
	}
	for i := range binding.Status.APIs {
		j.States["API "+string(binding.Status.APIs[i].State)]++
	}
}

func (j *Judge) observeKey(n *namespace, r Revision, key *signetv1alpha1.SignatureKey) {
	before := replace(n.keys, r, key)
	var after *signetv1alpha1.SignatureKey
	if r.Object != nil {
		after = key
		j.States["key "+readyReason(after.Status.Conditions)]++
		j.ledger.noteKey(n.name, after, r.Time)
		j.checkRecord(n, before, after)
	}
	noteDamage(j, n, damagedPart{kindKey, r.Name}, before, after)
	if after != nil && isProtected(after) {
		delete(n.killed, r.Name)
	}
}

func (j *Judge) observeSecret(n *namespace, r Revision, secret *corev1.Secret) {
	if r.Object != nil && secret.Type != signetv1alpha1.SecretType {
		j.ledger.noteSource(n.name, secret)
		return
	}
	before := replace(n.secrets, r, secret)
	var after *corev1.Secret
	if r.Object != nil {
		after = secret
	}
	if before == nil && after == nil {
		return // it was a source
	}
	j.checkMaterial(n, before, after)
	if after == nil {
		delete(n.killed, keyOf(before))
	}
	for _, key := range n.keysOf(r.Name) {
		noteDamage(j, n, damagedPart{kindSecret, key}, before, after)
	}
}

// keysOf returns the names of the keys whose managed Secret has this name: those that
// exist and, if there is none, those that holders name.
func (n *namespace) keysOf(secret string) []string {
	var names []string
	for name, key := range n.keys {
		if key.EffectiveTargetName() == secret {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = append(names, secret)
	}
	return names
}

// replace records the newest state of an object and returns the one before, or nil.
func replace[T any, P interface {
	*T
	client.Object
}](objects map[string]P, r Revision, object P) P {
	before := objects[r.Name]
	delete(objects, r.Name)
	if r.Object != nil {
		objects[r.Name] = object
	}
	return before
}

func (j *Judge) namespace(name string) *namespace {
	n := j.namespaces[name]
	if n == nil {
		n = &namespace{
			name: name, bindings: map[string]*signetv1alpha1.SignatureBinding{}, keys: map[string]*signetv1alpha1.SignatureKey{},
			secrets: map[string]*corev1.Secret{}, publics: map[string]*corev1.ConfigMap{}, marked: map[types.UID]bool{},
			damages: map[damagedPart]*damage{}, killed: map[string]bool{},
		}
		j.namespaces[name] = n
	}
	return n
}

// stays reports whether the namespace exists and is not being deleted: in one that
// is, finalizers are removed at once.
func (n *namespace) stays() bool { return n.object != nil && n.object.DeletionTimestamp.IsZero() }

// report records a violation that one revision shows.
func (j *Judge) report(rule int, subject, format string, args ...any) {
	j.closed = append(j.closed, Violation{Rule: rule, Subject: subject, Detail: fmt.Sprintf(format, args...), Since: j.now.Number})
}

// findings are the violations of a rule in a namespace that a revision shows, by
// subject.
type findings map[string]string

// settle opens the violations that a revision shows, and ends those of the rule and
// namespace that it no longer does.
func (j *Judge) settle(rule int, n *namespace, found findings) {
	prefix := fmt.Sprintf("%d %s/", rule, n.name)
	for subject, detail := range found {
		if j.open[prefix+subject] == nil {
			j.open[prefix+subject] = &Violation{
				Rule: rule, Subject: n.name + "/" + subject, Detail: detail, Since: j.now.Number, began: j.now.Time,
			}
		}
	}
	for id, violation := range j.open {
		subject, ours := cutPrefix(id, prefix)
		if _, still := found[subject]; ours && !still {
			violation.Until, violation.Lasted = j.now.Number, j.now.Time.Sub(violation.began)
			j.closed = append(j.closed, *violation)
			delete(j.open, id)
		}
	}
}

// Violations returns all violations so far, in the order of their revisions.
func (j *Judge) Violations() []Violation {
	all := slices.Clone(j.closed)
	for _, violation := range j.open {
		all = append(all, *violation)
	}
	slices.SortFunc(all, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.Subject, b.Subject))
	})
	return all
}
