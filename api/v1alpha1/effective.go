package v1alpha1

import "strings"

// What a spec leaves out is decided here and shown in status; nothing is
// written into the spec, so that Git and cluster never differ.

// Defaults of spec.rotation, in seconds.
const (
	// DefaultStageSeconds is what a kubelet needs at most to refresh a
	// mounted Secret: its sync period and its cache's time to live.
	DefaultStageSeconds = 120
	// DefaultRetireSeconds is the clock difference that verifiers allow.
	DefaultRetireSeconds = 900
	// DefaultHeader carries the signature when spec.header is left out.
	DefaultHeader = "Authorization"
)

const (
	displayNamePrefix    = "k_"
	minDisplayNameLength = 3
)

// EffectiveSecretName is the name of the key's managed Secret.
func (k *SignatureKey) EffectiveSecretName() string {
	if k.Spec.SecretName != "" {
		return k.Spec.SecretName
	}
	return k.Name
}

// PublicConfigMapName is the name of the ConfigMap that holds the public
// halves of a key of type PublicKey.
func (k *SignatureKey) PublicConfigMapName() string {
	return k.EffectiveSecretName() + "-public"
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

// EffectiveDeletionPolicy is the deletion policy in force.
func (k *SignatureKey) EffectiveDeletionPolicy() DeletionPolicy {
	if k.Spec.DeletionPolicy != "" {
		return k.Spec.DeletionPolicy
	}
	return DeletionPolicyDelete
}

// SourceName is the name of the source Secret, or empty.
func (k *SignatureKey) SourceName() string {
	if k.Spec.SecretRef == nil {
		return ""
	}
	return k.Spec.SecretRef.Name
}

// Trigger is spec.rotation.trigger, or empty.
func (k *SignatureKey) Trigger() string {
	if k.Spec.Rotation == nil {
		return ""
	}
	return k.Spec.Rotation.Trigger
}

// Immediate is spec.rotation.immediate, or empty.
func (k *SignatureKey) Immediate() string {
	if k.Spec.Rotation == nil {
		return ""
	}
	return k.Spec.Rotation.Immediate
}

// EffectivePayload is the payload setting in force.
func (b *SignatureBinding) EffectivePayload() Payload {
	if b.Spec.Payload != "" {
		return b.Spec.Payload
	}
	return PayloadUnsigned
}

// EffectiveHeader is the header that carries the signature.
func (b *SignatureBinding) EffectiveHeader() string {
	if b.Spec.Header != "" {
		return b.Spec.Header
	}
	return DefaultHeader
}
