// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/status"
)

// LiveReadInterval is how long the answer of a live read stands for a key that
// has not changed: no watch reports objects that the caches exclude.
const LiveReadInterval = time.Minute

// unsettledInterval is how long a key waits for the outcome of a write that may grant
// it to a binding. The watch that shows the outcome wakes the key, perhaps before the
// claim cache has taken it in.
const unsettledInterval = time.Second

// StepInterval is the time to the next pass if that may have another step to take. No
// watch wakes the key: its own writes are no news to it.
const StepInterval = time.Millisecond

// Plan is what to do about a key: writes in the order of the fields, then the
// status and the events.
type Plan struct {
	// RotationState is the state from which the rotation was examined, to be
	// watched from now on; empty if it was not.
	RotationState string
	// Answer is what the live reads of this pass have found, to be remembered for
	// LiveReadInterval; zero if nothing.
	Answer status.Readiness

	// Public is nil if the public ConfigMap does not change.
	Public *ConfigMapPlan
	// Secret is nil if the managed Secret does not change.
	Secret *SecretPlan
	// Protection is what becomes of the finalizers.
	Protection Protection
	// ReleasePublic reports whether the public ConfigMap loses its finalizer before
	// Secret and key do.
	ReleasePublic bool

	// Status is the whole status, for the case that all writes succeed.
	Status signetv1alpha1.SignatureKeyStatus
	// Terminal reports whether only a change of another object improves Ready, so
	// that retrying is useless.
	Terminal bool
	// Events are emitted after the status has been written.
	Events []status.Event
	// RequeueAfter is when to examine the key again on a timer; zero for never.
	RequeueAfter time.Duration
}

// SecretPlan is one write of the managed Secret.
type SecretPlan struct {
	// Observed is the version to patch; nil to create the Secret.
	Observed *corev1.Secret
	// Desired is the whole Secret.
	Desired *corev1.Secret
	// RotationState is the state of the rotation in Desired, to be watched from
	// the acknowledgment of the write on.
	RotationState string
}

// ConfigMapPlan is up to two writes of the public ConfigMap: what signs must be
// among what backends accept, so a version is added before the Secret has it and
// removed after the Secret has dropped it.
type ConfigMapPlan struct {
	// Observed is the version to patch; nil to create the ConfigMap.
	Observed *corev1.ConfigMap
	// BeforeSecret is the whole ConfigMap to write before the Secret; nil if
	// Observed is as desired.
	BeforeSecret *corev1.ConfigMap
	// AfterSecret is its data to write after the Secret; nil if it stays the same.
	AfterSecret map[string]string
}

// Protection is what becomes of the finalizers of key and Secret. That of Secret and
// ConfigMap is added as part of their desired state.
type Protection string

// What can become of the finalizers. A removal is planned only for a key that is
// Releasing.
const (
	// KeepProtection changes nothing.
	KeepProtection Protection = ""
	// RestoreProtection adds the key's finalizer.
	RestoreProtection Protection = "Restore"
	// RemoveProtection removes the Secret's finalizer, or writes a Secret that has
	// none, and then removes the key's: a crash in between leaves a key that does it
	// again.
	RemoveProtection Protection = "Remove"
	// ReleaseCollected removes the finalizer of a deleted Secret that an earlier key
	// of the same name has left.
	ReleaseCollected Protection = "ReleaseCollected"
	// RemoveKeyProtection removes the key's finalizer: it has no Secret.
	RemoveKeyProtection Protection = "RemoveFromKey"
)
