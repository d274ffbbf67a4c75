// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// KeyType is the type of a signature key: HMAC, Basic, AES or PublicKey.
// +kubebuilder:validation:Enum=HMAC;Basic;AES;PublicKey
type KeyType string

// The types of signature keys.
const (
	// KeyTypeHMAC signs with HMAC-SHA256. It is the recommended type.
	KeyTypeHMAC KeyType = "HMAC"
	// KeyTypeBasic sends identifier and secret as user name and password.
	KeyTypeBasic KeyType = "Basic"
	// KeyTypeAES signs with AES in CFB mode. Its key is the cipher key and its
	// secret the initialization vector: both are secret.
	KeyTypeAES KeyType = "AES"
	// KeyTypePublicKey signs with a private key, so that backends need only the
	// public one. New keys need the manager's flag --public-key-enable.
	KeyTypePublicKey KeyType = "PublicKey"
)

// KeyAlgorithm is the cipher of an AES key: aes-128-cfb or aes-256-cfb.
// +kubebuilder:validation:Enum=aes-128-cfb;aes-256-cfb
type KeyAlgorithm string

// The ciphers of an AES key.
const (
	// AlgorithmAES128CFB takes a cipher key of 16 characters.
	AlgorithmAES128CFB KeyAlgorithm = "aes-128-cfb"
	// AlgorithmAES256CFB takes a cipher key of 32 characters.
	AlgorithmAES256CFB KeyAlgorithm = "aes-256-cfb"
)

// DeletionPolicy decides what happens to the managed Secret when its key is
// deleted: Delete or Retain.
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

// The deletion policies.
const (
	// DeletionPolicyDelete deletes the managed Secret with the key.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyRetain keeps the managed Secret. A key of the same name adopts
	// it.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// KeySource names where supplied components come from.
type KeySource struct {
	// secretRef names a Secret in the same namespace with the label
	// signet.dev/signature-material: "true", the consent of its owner. Its data
	// "key", "secret" or both (PublicKey: both) are used; what it lacks is
	// generated. Signet reads the Secret and never writes it. May be changed: other
	// components are staged like a rotation.
	// +required
	SecretRef *LocalReference `json:"secretRef,omitempty"`
}

// SecretTemplate is metadata for the managed Secret.
//
// +kubebuilder:validation:XValidation:rule="!has(self.labels) || self.labels.all(k, k.size() <= 317 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="keys must be qualified names: an optional DNS prefix and /, then at most 63 letters, digits, dashes, underscores and dots",reason="FieldValueInvalid",fieldPath=".labels"
// +kubebuilder:validation:XValidation:rule="!has(self.annotations) || self.annotations.all(k, k.size() <= 317 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="keys must be qualified names: an optional DNS prefix and /, then at most 63 letters, digits, dashes, underscores and dots",reason="FieldValueInvalid",fieldPath=".annotations"
// +kubebuilder:validation:XValidation:rule="!has(self.labels) || self.labels.all(k, !(k in ['app.kubernetes.io/managed-by', 'app.kubernetes.io/instance']) && !k.matches('^(.*[.])?(signet[.]dev|argoproj[.]io|fluxcd[.]io|helm[.]sh|kubectl[.]kubernetes[.]io|applyset[.]kubernetes[.]io|config[.]kubernetes[.]io|config[.]k8s[.]io)/'))",message="keys by which Signet, Argo CD, Flux, Helm or kubectl track objects are not allowed: these tools would prune the Secret",reason="FieldValueForbidden",fieldPath=".labels"
// +kubebuilder:validation:XValidation:rule="!has(self.annotations) || self.annotations.all(k, !(k in ['app.kubernetes.io/managed-by', 'app.kubernetes.io/instance']) && !k.matches('^(.*[.])?(signet[.]dev|argoproj[.]io|fluxcd[.]io|helm[.]sh|kubectl[.]kubernetes[.]io|applyset[.]kubernetes[.]io|config[.]kubernetes[.]io|config[.]k8s[.]io)/'))",message="keys by which Signet, Argo CD, Flux, Helm or kubectl track objects are not allowed: these tools would prune the Secret",reason="FieldValueForbidden",fieldPath=".annotations"
type SecretTemplate struct {
	// labels are added to the managed Secret, at most 32. The labels by which Argo
	// CD, Flux, Helm and kubectl track what they applied are not allowed, since
	// these tools would prune the Secret; neither is anything under signet.dev.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations are added to the managed Secret, at most 32, with values of at
	// most 4096 characters. The same keys as for labels are not allowed.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// KeyTarget describes the managed Secret.
type KeyTarget struct {
	// name of the managed Secret, which holds the key's material: a DNS subdomain
	// of at most 246 characters. Defaults to metadata.name. Immutable, and never
	// the name in source.secretRef.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=246
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name,omitempty"`

	// template is metadata for the managed Secret. May be changed: labels and
	// annotations that it no longer has are removed from the Secret.
	// +optional
	Template *SecretTemplate `json:"template,omitempty"`

	// deletionPolicy decides whether the managed Secret is deleted with the key
	// (Delete) or kept for a key of the same name (Retain). Defaults to Delete. May
	// be changed.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// Rotation decides when and how generated components are renewed.
//
// +kubebuilder:validation:XValidation:rule="!has(self.intervalDays) || (has(self.stageSeconds) ? self.stageSeconds : 120) + (has(self.retireSeconds) ? self.retireSeconds : 900) < self.intervalDays * 86400",message="stageSeconds and retireSeconds together must be shorter than intervalDays",reason="FieldValueInvalid",fieldPath=".intervalDays"
type Rotation struct {
	// intervalDays is the number of days that a version signs before its generated
	// components are renewed, 1 to 3650. Without it there is no schedule.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3650
	IntervalDays *int32 `json:"intervalDays,omitempty"`

	// stageSeconds is the number of seconds that the next version is published
	// before it signs: the time that the slowest backend needs to see a changed
	// Secret. 1 to 86400. Defaults to 120, since a kubelet refreshes a mounted
	// Secret within 90 seconds (its sync period of 60 seconds, stretched by up to
	// one half). Shorter stages are for backends that do not mount the Secret, and
	// admission warns about them. A change also applies to a version that is
	// already staged.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	StageSeconds *int32 `json:"stageSeconds,omitempty"`

	// retireSeconds is the number of seconds that the previous version still
	// verifies after the switch. 1 to 604800. Defaults to 900, the clock difference
	// that verifiers allow. It is fixed at the switch: a change applies to the next
	// one. stageSeconds and retireSeconds together are shorter than the interval.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	RetireSeconds *int32 `json:"retireSeconds,omitempty"`

	// trigger is an opaque text of at most 253 characters. A new value rotates
	// once, after a rotation that is in progress. Removing it does nothing, and
	// neither does a value that is present when material is first made or adopted.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Trigger string `json:"trigger,omitempty"`

	// revokeTrigger is an opaque text of at most 253 characters. A new value
	// replaces the material at once and drops every other version, for a key that
	// has leaked: requests may fail until backends have read the new version.
	// Supplied components must be changed in their source first.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RevokeTrigger string `json:"revokeTrigger,omitempty"`
}

// SignatureKeySpec is the desired state of a signature key.
//
// +kubebuilder:validation:XValidation:rule="self.type == 'AES' || !has(self.algorithm)",message="algorithm is only allowed for type AES",reason="FieldValueForbidden",fieldPath=".algorithm"
// +kubebuilder:validation:XValidation:rule="self.type != 'AES' || has(self.algorithm)",message="type AES needs an algorithm: aes-128-cfb or aes-256-cfb",reason="FieldValueRequired",fieldPath=".algorithm"
// +kubebuilder:validation:XValidation:rule="!has(self.identifier) || self.type in ['HMAC', 'Basic']",message="identifier is only allowed for types HMAC and Basic: supply both components in a Secret (spec.source.secretRef)",reason="FieldValueForbidden",fieldPath=".identifier"
// +kubebuilder:validation:XValidation:rule="!has(self.identifier) || self.type != 'HMAC' || self.identifier.matches('^[A-Za-z0-9][A-Za-z0-9_-]{7,31}$')",message="an HMAC identifier has 8 to 32 letters, digits, underscores and dashes, starting with a letter or digit",reason="FieldValueInvalid",fieldPath=".identifier"
// +kubebuilder:validation:XValidation:rule="!has(self.identifier) || self.type != 'Basic' || self.identifier.matches('^[A-Za-z][A-Za-z0-9_-]{3,31}$')",message="a Basic identifier (user name) has 4 to 32 letters, digits, underscores and dashes, starting with a letter",reason="FieldValueInvalid",fieldPath=".identifier"
type SignatureKeySpec struct {
	// type of the key: HMAC (recommended), Basic, AES or PublicKey. Immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="type is immutable: create another key and move the bindings to it",reason="FieldValueInvalid"
	Type KeyType `json:"type,omitempty"`

	// algorithm is the cipher of an AES key: aes-128-cfb or aes-256-cfb. Required
	// for type AES, not allowed for other types. Immutable.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="algorithm is immutable: create another key and move the bindings to it",reason="FieldValueInvalid"
	Algorithm KeyAlgorithm `json:"algorithm,omitempty"`

	// displayName is the key's name on the gateway: 3 to 64 letters, digits and
	// underscores, starting with a letter. It need not be unique. Defaults to
	// metadata.name with `-` and `.` as `_`, prefixed with `k_` if it does not
	// start with a letter or is shorter than 3. May be changed.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_]*$`
	DisplayName string `json:"displayName,omitempty"`

	// identifier is the public component of the material, which is sent with each
	// signature. For HMAC it has 8 to 32 letters, digits, underscores and dashes,
	// starting with a letter or digit; for Basic, where it is the user name, 4 to
	// 32, starting with a letter. Not allowed for AES, where the key is secret, and
	// for PublicKey, where a pair is supplied as a whole. Defaults to the data
	// "key" of the source Secret, else it is generated. May be changed: another
	// value is staged like a rotation.
	// +optional
	// +kubebuilder:validation:MinLength=4
	// +kubebuilder:validation:MaxLength=32
	Identifier string `json:"identifier,omitempty"`

	// source names where supplied components come from. Without it all components
	// but the identifier are generated. May be changed.
	// +optional
	Source *KeySource `json:"source,omitempty"`

	// target describes the managed Secret. Its name is immutable; the rest may be
	// changed. Defaults to a Secret with the name of the key, which is deleted with
	// the key.
	// +optional
	Target KeyTarget `json:"target,omitempty,omitzero"`

	// rotation decides when and how generated components are renewed. Without it
	// they are not. May be changed.
	// +optional
	Rotation *Rotation `json:"rotation,omitempty"`
}

// SignatureKey is a key and a secret with which a gateway proves to a backend
// that a request came through it. Its material is in a Secret, never here.
//
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 62",message="name must be no more than 62 characters: it is also a label value",reason="FieldValueInvalid",fieldPath=".metadata"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.source) || self.spec.source.secretRef.name != (has(self.spec.target) && has(self.spec.target.name) ? self.spec.target.name : self.metadata.name)",message="must not be the managed Secret (spec.target.name, or metadata.name): Signet reads the source and writes the target",reason="FieldValueInvalid",fieldPath=".spec.source.secretRef.name"
// +kubebuilder:validation:XValidation:rule="(has(self.spec.target) && has(self.spec.target.name) ? self.spec.target.name : self.metadata.name) == (has(oldSelf.spec.target) && has(oldSelf.spec.target.name) ? oldSelf.spec.target.name : oldSelf.metadata.name)",message="target.name is immutable: create another key and move the bindings to it",reason="FieldValueInvalid",fieldPath=".spec.target.name"
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=sigkey,categories=signet
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Rotation",type=string,JSONPath=`.status.conditions[?(@.type=="Rotating")].reason`
// +kubebuilder:printcolumn:name="Bindings",type=integer,JSONPath=`.status.bindings.count`
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=`.status.secretName`
// +kubebuilder:printcolumn:name="Display Name",type=string,JSONPath=`.status.displayName`,priority=1
// +kubebuilder:printcolumn:name="Key ID",type=string,JSONPath=`.status.keyID`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SignatureKey struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata. The name has at most 62 characters.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the key.
	// +required
	Spec SignatureKeySpec `json:"spec,omitzero"`

	// status is the observed state of the key. Only Signet sets it. An
	// observedGeneration of -1 means that Signet has not seen the key yet: without
	// a status, Flux and other users of kstatus would treat it as ready.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status SignatureKeyStatus `json:"status,omitempty,omitzero"`
}

// SignatureKeyList is a list of SignatureKeys.
// +kubebuilder:object:root=true
type SignatureKeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SignatureKey `json:"items"`
}
