// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// damagedPart is a part of what protects a holder's material.
type damagedPart struct{ kind, key string }

// grantLimit is how long a grant may be on its way whose key was protected before a
// user has damaged that.
const grantLimit = 15 * time.Second

const (
	kindKey    = "SignatureKey"
	kindSecret = "Secret"
)

// damage is a part that a user has taken away, for Signet to repair.
type damage struct {
	since time.Time
	// gone is true while the object does not exist: then it takes a user again.
	gone bool
}

// noteDamage records what a user has taken from an object, and what Signet has
// repaired.
func noteDamage[T client.Object](j *Judge, n *namespace, part damagedPart, before, after T) {
	existed, exists := !isNil(before), !isNil(after)
	if existed {
		marked := exists && before.GetUID() == after.GetUID() && markOf(before) != markOf(after)
		loses := isProtected(before) && (!exists || !isProtected(after))
		if loses && (marked || !exists && n.goesByUser(part, before)) {
			j.noteLoss(n, part, !exists)
		}
		delete(n.marked, before.GetUID())
		if marked {
			n.marked[before.GetUID()] = true
		}
	}
	known := n.damages[part]
	switch {
	case known == nil:
	case exists && isProtected(after):
		j.Healed = append(j.Healed, j.now.Time.Sub(known.since))
		delete(n.damages, part)
	case known.gone == exists:
		known.gone, known.since = !exists, j.now.Time
	}
}

func (j *Judge) noteLoss(n *namespace, part damagedPart, gone bool) {
	n.damages[part] = &damage{since: j.now.Time, gone: gone}
	j.States["stripped "+part.kind]++
	if part.kind == kindKey {
		n.killed[part.key] = true
	}
}

// goesByUser reports whether an object that is gone was a user's to end. Signet
// deletes nothing, so one that was not being deleted went by a user's request that
// the API server had read it for before the finalizer came: it does not compare
// versions (measured with kube-apiserver 1.37). The Secret of an earlier key that is
// being deleted goes with the consent of a trigger.
func (n *namespace) goesByUser(part damagedPart, before client.Object) bool {
	return n.marked[before.GetUID()] || before.GetDeletionTimestamp().IsZero() || part.kind == kindSecret && n.consents(part.key)
}

// consents reports whether the spec of a key has it replace the Secret of an earlier
// key.
func (n *namespace) consents(name string) bool {
	key := n.keys[name]
	if key == nil || key.Trigger() == "" || key.Trigger() == key.Status.ObservedTrigger {
		return false
	}
	ready := meta.FindStatusCondition(key.Status.Conditions, signetv1alpha1.ConditionReady)
	return ready != nil && ready.Reason == signetv1alpha1.ReasonSecretTerminating && ready.Status == metav1.ConditionFalse
}

// checkProtection checks that the key of each holder, and its Secret, exist with the
// finalizer. What a user has damaged is exempt until Signet has had the time to
// repair it.
func (j *Judge) checkProtection(n *namespace) {
	found, held := findings{}, n.heldKeys()
	for part, known := range n.damages {
		if !held[part.key] && j.now.Time.Sub(known.since) > grantLimit {
			delete(n.damages, part) // the next grant protects the key again
		}
	}
	if !n.stays() {
		j.settle(ruleProtection, n, found)
		return
	}
	for name := range held {
		j.findUnprotected(n, name, found)
	}
	j.settle(ruleProtection, n, found)
}

func (j *Judge) findUnprotected(n *namespace, name string, found findings) {
	keyPart, secretPart := damagedPart{kindKey, name}, damagedPart{kindSecret, name}
	key := n.keys[name]
	if detail := unprotected(key); detail != "" && !j.isExempt(n, keyPart) {
		found["key "+name] = fmt.Sprintf("%s, while %q hold with it", detail, n.holdersOf(name))
	}
	secretName := name
	if key != nil {
		secretName = key.EffectiveTargetName()
	}
	if detail := unprotected(n.secrets[secretName]); detail != "" && !j.isExempt(n, secretPart) {
		found["secret "+secretName] = fmt.Sprintf("%s, while %q hold with key %s", detail, n.holdersOf(name), name)
	}
}

// isExempt reports whether a user has taken the part away, and Signet may still be
// repairing it. An object that is gone, only a user can bring back.
func (j *Judge) isExempt(n *namespace, part damagedPart) bool {
	known := n.damages[part]
	return known != nil && (known.gone || j.now.Time.Sub(known.since) <= j.options.HealLimit || n.isTerminating(part))
}

// isTerminating reports whether the object is being deleted: it accepts no new
// finalizer.
func (n *namespace) isTerminating(part damagedPart) bool {
	if part.kind == kindKey {
		key := n.keys[part.key]
		return key != nil && !key.DeletionTimestamp.IsZero()
	}
	key := n.keys[part.key]
	if key == nil {
		return false
	}
	secret := n.secrets[key.EffectiveTargetName()]
	return secret != nil && !secret.DeletionTimestamp.IsZero()
}

func unprotected[T client.Object](object T) string {
	switch {
	case isNil(object):
		return "it does not exist"
	case !isProtected(object):
		return "it lacks the finalizer"
	default:
		return ""
	}
}

func isProtected(object client.Object) bool {
	return slices.Contains(object.GetFinalizers(), signetv1alpha1.FinalizerProtection)
}

func markOf(object client.Object) string { return object.GetAnnotations()[Mark] }

// isNil reports whether there is no object: a nil pointer in an interface is not nil.
func isNil(object client.Object) bool {
	return object == nil || reflect.ValueOf(object).IsNil()
}
