// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// VersionState is the use of a version: Active, Next or Previous.
// +kubebuilder:validation:Enum=Active;Next;Previous
type VersionState string

// The states of a version.
const (
	// VersionActive signs and verifies.
	VersionActive VersionState = "Active"
	// VersionNext only verifies. It becomes active at the switch.
	VersionNext VersionState = "Next"
	// VersionPrevious only verifies, until it is dropped.
	VersionPrevious VersionState = "Previous"
)

// KeyVersion describes one version of a key's material. It holds no material.
type KeyVersion struct {
	// id of the version: random, at most 64 characters.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	// state of the version: Active signs and verifies, Next and Previous only
	// verify.
	// +required
	State VersionState `json:"state,omitempty"`

	// digest identifies the version's bytes: a hash that is salted with a value
	// that only the managed Secret holds. At most 64 characters. It is omitted
	// until the Secret has such a value.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`

	// created is when the version was made.
	// +optional
	Created *metav1.Time `json:"created,omitempty"`

	// activated is when the version started to sign.
	// +optional
	Activated *metav1.Time `json:"activated,omitempty"`

	// retires is when a previous version stops verifying.
	// +optional
	Retires *metav1.Time `json:"retires,omitempty"`
}

// KeyBindings summarizes the bindings that use a key.
type KeyBindings struct {
	// count is the number of bindings that use the key.
	// +required
	Count int32 `json:"count"`

	// names are the first ten of them in alphabetical order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=253
	Names []string `json:"names,omitempty"`
}

// SignatureKeyStatus is the observed state of a signature key. Only Signet sets
// it. It never holds a secret value.
type SignatureKeyStatus struct {
	// conditions are Ready, InUse, Rotating while the key has material and, only
	// while true, Stalled. At most 8.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// displayName is the key's effective name on the gateway.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	DisplayName string `json:"displayName,omitempty"`

	// identifier is the public component of the active version (HMAC, Basic).
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Identifier string `json:"identifier,omitempty"`

	// keyID is the ID of the active version. It is empty while there is no
	// material to sign with.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	KeyID string `json:"keyID,omitempty"`

	// secretName is the name of the managed Secret.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`

	// secretUID is the UID of the managed Secret. While there is no material to sign
	// with, it is that of the last one: a Secret with another UID has to prove by its
	// digest that it is a copy of it.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	SecretUID string `json:"secretUID,omitempty"`

	// versions are the versions of the material in the managed Secret, at most 3.
	// While there is no material to sign with, it is the version that was last
	// active.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=3
	Versions []KeyVersion `json:"versions,omitempty"`

	// bindings summarizes the bindings that use the key.
	// +optional
	Bindings *KeyBindings `json:"bindings,omitempty"`

	// lastRotationTime is when the active version last changed.
	// +optional
	LastRotationTime *metav1.Time `json:"lastRotationTime,omitempty"`

	// nextRotationTime is when the next scheduled rotation starts. It is omitted
	// without a schedule, while a version is staged, if nothing is generated, and
	// while the spec or the source is invalid.
	// +optional
	NextRotationTime *metav1.Time `json:"nextRotationTime,omitempty"`

	// observedTrigger is the spec.rotation.trigger last acted upon. When the Secret
	// of a bound key is lost, a trigger that differs from it is the consent to
	// generate new material.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ObservedTrigger string `json:"observedTrigger,omitempty"`

	// observedRevokeTrigger is the spec.rotation.revokeTrigger last acted upon.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ObservedRevokeTrigger string `json:"observedRevokeTrigger,omitempty"`

	// fencingToken counts up when a grant has to change the object although
	// nothing else changes, so that a late write of an earlier leader fails.
	// +optional
	FencingToken int64 `json:"fencingToken,omitempty"`
}
