// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/signet-dev/signet/internal/material"
)

// slack is by how much a delay may seem too short: the judge does not see each
// revision at once.
const slack = time.Second

// stepOf returns the step of a rotation that leads from one set to the next; false if
// none does.
func stepOf(before, after *material.Set) (material.Step, bool) {
	revoked := before.RevokeTrigger != after.RevokeTrigger
	alone := after.Next == nil && after.Previous == nil
	switch {
	case before.Active.ID == after.Active.ID:
		return stepBeside(before, after, revoked)
	case revoked && alone:
		return material.Replaced, true
	case after.Active.ID == idOf(before.Next) && idOf(after.Previous) == before.Active.ID && after.Next == nil && before.Previous == nil:
		return material.Switched, true
	default:
		return material.NoStep, false
	}
}

// stepBeside is stepOf for sets with the same active version.
func stepBeside(before, after *material.Set, revoked bool) (material.Step, bool) {
	sameNext, samePrevious := idOf(before.Next) == idOf(after.Next), idOf(before.Previous) == idOf(after.Previous)
	switch {
	case sameNext && samePrevious:
		return material.NoStep, true
	case after.Previous == nil && before.Previous != nil && (sameNext || revoked):
		return material.Retired, true
	case before.Previous != nil || after.Previous != nil:
		return material.NoStep, false
	case after.Next != nil:
		return material.Staged, true
	default:
		return material.Canceled, true
	}
}

func idOf(v *material.Version) string {
	if v == nil {
		return ""
	}
	return v.ID
}

// checkStep checks that a change of the material is a step of a rotation, that
// there is a cause, and that it comes in time.
func (j *Judge) checkStep(n *namespace, subject string, secret *corev1.Secret, before, after *material.Set) {
	step, known := stepOf(before, after)
	asked := j.ledger.requestsOf(n.name, n.keysOf(secret.Name)[0])
	switch {
	case !known:
		j.report(ruleMaterial, subject, "no step of a rotation leads from version %s to %s", before.Active.ID, after.Active.ID)
	case step == material.Staged:
		j.checkCause(n, subject, asked, before, after)
	case step == material.Switched:
		j.checkDelay(subject, secret, after.Active.ID, "is active", asked.stage)
	case step == material.Replaced:
		j.checkTrigger(subject, asked, after.RevokeTrigger, "replaces all versions")
	case step == material.Retired && before.RevokeTrigger == after.RevokeTrigger && before.Previous != nil:
		j.checkDelay(subject, secret, before.Previous.ID, "is dropped", asked.retire)
	}
	if step != material.NoStep {
		j.States["rotation "+string(step)]++
		j.ledger.begin(secret.UID, after, j.now.Time)
	}
}

// checkCause checks that a trigger or a supplied component has caused a new version.
func (j *Judge) checkCause(n *namespace, subject string, asked *requests, before, after *material.Set) {
	base, next := pairOf(&before.Active), pairOf(after.Next)
	if before.Next != nil {
		base = pairOf(before.Next)
	}
	supplied := j.ledger.supplied[n.name]
	switch {
	case next.key != base.key && supplied[next.key], next.secret != base.secret && supplied[next.secret]:
	case before.Trigger != after.Trigger:
		j.checkTrigger(subject, asked, after.Trigger, "stages a version")
	default:
		j.report(ruleMaterial, subject, "version %s is staged, but no user has asked for it", after.Next.ID)
	}
}

// checkTrigger checks that a user has set the trigger, and that it acts once.
func (j *Judge) checkTrigger(subject string, asked *requests, trigger, what string) {
	switch {
	case !asked.triggers[trigger]:
		j.report(ruleMaterial, subject, "trigger %q %s, but no user has set it", trigger, what)
	case asked.used[trigger]:
		j.report(ruleMaterial, subject, "trigger %q %s a second time", trigger, what)
	}
	asked.used[trigger] = true
}

// checkDelay checks that a version was in its state for the shortest delay that the
// key ever had.
func (j *Judge) checkDelay(subject string, secret *corev1.Secret, version, what string, delay time.Duration) {
	since, known := j.ledger.since[fmt.Sprint(secret.UID, version)]
	if took := j.now.Time.Sub(since); known && took < delay-slack {
		j.report(ruleMaterial, subject, "version %s %s after %s instead of %s", version, what, took.Round(time.Millisecond), delay)
	}
}
