// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// sum stands for a component, so that no finding can print it.
type sum [sha256.Size]byte

// pair stands for the components of a version.
type pair struct{ key, secret sum }

func pairOf(v *material.Version) pair { return pair{sha256.Sum256(v.Key), sha256.Sum256(v.Secret)} }

// ledger has what was ever seen of material and of its causes.
type ledger struct {
	// versions are the components that an ID stands for, and components the Secrets
	// that each component was first seen in.
	versions   map[string]pair
	components map[sum]types.UID
	// supplied are the components that users have supplied in a namespace.
	supplied map[string]map[sum]bool
	// keys have what users have asked of each key, by namespace and name.
	keys map[string]*requests
	// since is when a version reached its state in its Secret.
	since map[string]time.Time
	// active are the components that a key last signed with, by namespace and name.
	active map[string]pair
}

// requests are what users have asked of a key.
type requests struct {
	triggers map[string]bool
	// used are the triggers that have changed the material of a Secret.
	used map[string]bool
	// stage and retire are the shortest delays since a version was last staged.
	stage, retire time.Duration
}

func newLedger() *ledger {
	return &ledger{
		versions: map[string]pair{}, components: map[sum]types.UID{}, supplied: map[string]map[sum]bool{},
		keys: map[string]*requests{}, since: map[string]time.Time{}, active: map[string]pair{},
	}
}

// noteKey records what the spec of a key asks for.
func (l *ledger) noteKey(namespace string, key *signetv1alpha1.SignatureKey, _ time.Time) {
	asked := l.requestsOf(namespace, key.Name)
	asked.triggers[key.Trigger()], asked.triggers[key.RevokeTrigger()] = true, true
	asked.stage, asked.retire = min(asked.stage, key.EffectiveStage()), min(asked.retire, key.EffectiveRetire())
	if key.Spec.Identifier != "" {
		l.supply(namespace, []byte(key.Spec.Identifier))
	}
}

// noteSource records the components in a Secret of a user.
func (l *ledger) noteSource(namespace string, secret *corev1.Secret) {
	for _, component := range secret.Data {
		l.supply(namespace, component)
	}
}

func (l *ledger) supply(namespace string, component []byte) {
	if l.supplied[namespace] == nil {
		l.supplied[namespace] = map[sum]bool{}
	}
	l.supplied[namespace][sha256.Sum256(component)] = true
}

func (l *ledger) requestsOf(namespace, key string) *requests {
	asked := l.keys[namespace+"/"+key]
	if asked == nil {
		asked = &requests{triggers: map[string]bool{}, used: map[string]bool{}, stage: time.Hour, retire: time.Hour}
		l.keys[namespace+"/"+key] = asked
	}
	return asked
}

// checkMaterial checks a revision of a managed Secret.
func (j *Judge) checkMaterial(n *namespace, before, after *corev1.Secret) {
	if after == nil {
		j.States["Secret deleted"]++
		return
	}
	subject := n.name + "/secret " + after.Name
	set, err := material.Decode(after.Data)
	if err != nil {
		j.report(ruleMaterial, subject, "it does not hold what Signet writes: %v", err)
		return
	}
	var held *material.Set
	if before != nil && before.UID == after.UID {
		held, _ = material.Decode(before.Data)
		j.checkOwner(subject, before, after)
	}
	j.checkVersions(n, subject, after, set, held)
	if held == nil {
		j.States["Secret created"]++
		j.ledger.begin(after.UID, set, j.now.Time)
		return
	}
	j.checkStep(n, subject, after, held, set)
}

// checkOwner checks that a key does not take over what belongs to an earlier one of
// its name.
func (j *Judge) checkOwner(subject string, before, after *corev1.Secret) {
	old, owner := metav1.GetControllerOf(before), metav1.GetControllerOf(after)
	if old != nil && owner != nil && old.UID != owner.UID {
		j.report(ruleMaterial, subject, "it passes from key %s to another one of the name, %s", old.UID, owner.UID)
	}
}

// checkVersions checks that an ID stands for the same components forever, and that
// what Signet generates is new.
func (j *Judge) checkVersions(n *namespace, subject string, secret *corev1.Secret, set, held *material.Set) {
	for _, v := range versionsOf(set) {
		components := pairOf(v)
		if known, seen := j.ledger.versions[v.ID]; seen {
			if known != components {
				j.report(ruleMaterial, subject, "version %s has other bytes than before", v.ID)
			}
			continue
		}
		j.ledger.versions[v.ID] = components
		for what, component := range map[string]sum{"key": components.key, "secret": components.secret} {
			first, seen := j.ledger.components[component]
			if !seen {
				j.ledger.components[component] = secret.UID
				continue
			}
			kept := held != nil && slices.ContainsFunc(versionsOf(held), func(old *material.Version) bool {
				return pairOf(old).key == component || pairOf(old).secret == component
			})
			if !kept && !j.ledger.supplied[n.name][component] {
				j.report(ruleMaterial, subject, "version %s is new, but its %s is the one of Secret %s", v.ID, what, first)
			}
		}
	}
}

// checkRecord checks that a key in use takes another Secret into force only with
// consent, or if it is a copy.
func (j *Judge) checkRecord(n *namespace, before, after *signetv1alpha1.SignatureKey) {
	name := n.name + "/" + after.Name
	if after.Status.KeyID == "" {
		return
	}
	now, known := j.ledger.versions[after.Status.KeyID]
	last, signed := j.ledger.active[name]
	if known {
		j.ledger.active[name] = now
	}
	observed, recorded := "", ""
	if before != nil && before.UID == after.UID {
		observed, recorded = before.Status.ObservedTrigger, before.Status.SecretUID
	}
	if recorded == after.Status.SecretUID || !n.stays() || !signed || now == last || len(n.holdersOf(after.Name)) == 0 {
		return
	}
	if after.Status.ObservedTrigger == observed {
		j.report(ruleMaterial, n.name+"/key "+after.Name, "it takes other material into force without consent, while %q hold with it", n.holdersOf(after.Name))
	}
}

func versionsOf(set *material.Set) []*material.Version {
	versions := []*material.Version{&set.Active}
	for _, v := range []*material.Version{set.Next, set.Previous} {
		if v != nil {
			versions = append(versions, v)
		}
	}
	return versions
}

// begin records since when each version of a Secret has been in its state.
func (l *ledger) begin(secret types.UID, set *material.Set, now time.Time) {
	for _, v := range versionsOf(set) {
		l.since[fmt.Sprint(secret, v.ID)] = now
	}
}
