// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fields omitted from a spec get their defaults here, which status shows; nothing
// is written into the spec, so that Git and cluster never differ.

// Defaults of spec.rotation, in seconds.
const (
	// DefaultStageSeconds is the longest that a kubelet takes to refresh a mounted
	// Secret, plus a margin. It checks each Pod once in its sync period
	// of 60 seconds, which it stretches by up to one half at random: 90. To
	// these come the write itself, the watch by which kubelets learn of it, and
	// the reader's own interval. Kubelets that do not watch but cache
	// (configMapAndSecretChangeDetectionStrategy: Cache) add their cache's time
	// to live, a minute by default: there 180 is right.
	DefaultStageSeconds = 120
	// DefaultRetireSeconds is the clock difference that verifiers allow: the
	// longest that a request may have been under way since it was signed.
	DefaultRetireSeconds = 900
	// DefaultSignatureHeader carries the signature when spec.signatureHeader is omitted.
	DefaultSignatureHeader = "Authorization"
)

const (
	maxIntervalDays  = 3650
	maxStageSeconds  = 86400
	maxRetireSeconds = 604800
)

const (
	displayNamePrefix    = "k_"
	minDisplayNameLength = 3
)

// EffectiveTargetName is the name of the key's managed Secret.
func (k *SignatureKey) EffectiveTargetName() string {
	if k.Spec.Target.Name != "" {
		return k.Spec.Target.Name
	}
	return k.Name
}

// PublicConfigMapSuffix follows the name of the managed Secret in that of the public
// ConfigMap.
const PublicConfigMapSuffix = "-public"

// PublicConfigMapName is the name of the ConfigMap that holds the public
// components of a key of type PublicKey.
func (k *SignatureKey) PublicConfigMapName() string {
	return k.EffectiveTargetName() + PublicConfigMapSuffix
}

// EffectiveDisplayName is the key's name on the gateway: spec.displayName, or
// metadata.name in the letters that gateways allow.
func (k *SignatureKey) EffectiveDisplayName() string {
	if k.Spec.DisplayName != "" {
		return k.Spec.DisplayName
	}
	name := strings.NewReplacer("-", "_", ".", "_").Replace(k.Name)
	if len(name) < minDisplayNameLength || name[0] < 'a' || name[0] > 'z' {
		return displayNamePrefix + name
	}
	return name
}

// EffectiveDeletionPolicy is the deletion policy in effect.
func (k *SignatureKey) EffectiveDeletionPolicy() DeletionPolicy {
	if k.Spec.Target.DeletionPolicy != "" {
		return k.Spec.Target.DeletionPolicy
	}
	return DeletionPolicyDelete
}

// SourceName is the name of the source Secret, or empty.
func (k *SignatureKey) SourceName() string {
	if k.Spec.Source == nil || k.Spec.Source.SecretRef == nil {
		return ""
	}
	return k.Spec.Source.SecretRef.Name
}

// Trigger is spec.rotation.trigger, or empty.
func (k *SignatureKey) Trigger() string {
	if k.Spec.Rotation == nil {
		return ""
	}
	return k.Spec.Rotation.Trigger
}

// RevokeTrigger is spec.rotation.revokeTrigger, or empty.
func (k *SignatureKey) RevokeTrigger() string {
	if k.Spec.Rotation == nil {
		return ""
	}
	return k.Spec.Rotation.RevokeTrigger
}

// EffectiveStage is how long a next version is published before it signs. A value that
// breaks the rules is treated as omitted: the webhook can have been down.
func (k *SignatureKey) EffectiveStage() time.Duration {
	if k.Spec.Rotation == nil {
		return DefaultStageSeconds * time.Second
	}
	return time.Second * time.Duration(within(k.Spec.Rotation.StageSeconds, maxStageSeconds, DefaultStageSeconds))
}

// EffectiveRetire is how long a previous version verifies after the switch.
func (k *SignatureKey) EffectiveRetire() time.Duration {
	if k.Spec.Rotation == nil {
		return DefaultRetireSeconds * time.Second
	}
	return time.Second * time.Duration(within(k.Spec.Rotation.RetireSeconds, maxRetireSeconds, DefaultRetireSeconds))
}

// RotationInterval is how long a version signs before it is renewed by schedule;
// zero without a schedule.
func (k *SignatureKey) RotationInterval() time.Duration {
	if k.Spec.Rotation == nil {
		return 0
	}
	return 24 * time.Hour * time.Duration(within(k.Spec.Rotation.IntervalDays, maxIntervalDays, 0))
}

func within(value *int32, most, otherwise int32) int32 {
	if value == nil || *value < 1 || *value > most {
		return otherwise
	}
	return *value
}

// EffectivePayload is the payload setting in effect.
func (b *SignatureBinding) EffectivePayload() Payload {
	if b.Spec.Payload != "" {
		return b.Spec.Payload
	}
	return PayloadUnsigned
}

// EffectiveSignatureHeader is the header that carries the signature.
func (b *SignatureBinding) EffectiveSignatureHeader() string {
	if b.Spec.SignatureHeader != "" {
		return b.Spec.SignatureHeader
	}
	return DefaultSignatureHeader
}

// IsProtected reports whether the finalizer keeps an object that bindings use.
func IsProtected(object metav1.Object) bool {
	return slices.Contains(object.GetFinalizers(), FinalizerProtection)
}
