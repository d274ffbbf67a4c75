package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// KeyType is the kind of a signature key: how a request is signed.
// +kubebuilder:validation:Enum=HMAC;Basic;AES;PublicKey
type KeyType string

// The types of signature keys.
const (
	// KeyTypeHMAC signs with HMAC-SHA256. The type to choose.
	KeyTypeHMAC KeyType = "HMAC"
	// KeyTypeBasic sends key and secret as user name and password.
	KeyTypeBasic KeyType = "Basic"
	// KeyTypeAES signs with AES in CFB mode. The key is the cipher key and
	// the secret its vector: both are secret.
	KeyTypeAES KeyType = "AES"
	// KeyTypePublicKey signs with a private key; the backend needs the
	// public half alone. Gated by the manager's flag --public-key-enable.
	KeyTypePublicKey KeyType = "PublicKey"
)

// KeyAlgorithm is the cipher of an AES key.
// +kubebuilder:validation:Enum=aes-128-cfb;aes-256-cfb
type KeyAlgorithm string

// The ciphers of an AES key.
const (
	// AlgorithmAES128CFB takes a key of 16 characters.
	AlgorithmAES128CFB KeyAlgorithm = "aes-128-cfb"
	// AlgorithmAES256CFB takes a key of 32 characters.
	AlgorithmAES256CFB KeyAlgorithm = "aes-256-cfb"
)

// DeletionPolicy says what becomes of the managed Secret when its key goes.
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

// The deletion policies.
const (
	// DeletionPolicyDelete deletes the managed Secret with the key.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyRetain keeps it: a key of the same name adopts it.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// LocalReference names an object in the same namespace.
type LocalReference struct {
	// name of the object, in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`
}

// LabelValue is the value of a label.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`
type LabelValue string

// AnnotationValue is the value of an annotation.
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// SecretTemplate is metadata for the managed Secret.
//
// +kubebuilder:validation:XValidation:rule="!has(self.labels) || self.labels.all(k, k.size() <= 317 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="keys must be qualified names: an optional DNS prefix and /, then at most 63 letters, digits, dashes, underscores and dots",reason="FieldValueInvalid",fieldPath=".labels"
// +kubebuilder:validation:XValidation:rule="!has(self.annotations) || self.annotations.all(k, k.size() <= 317 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="keys must be qualified names: an optional DNS prefix and /, then at most 63 letters, digits, dashes, underscores and dots",reason="FieldValueInvalid",fieldPath=".annotations"
// +kubebuilder:validation:XValidation:rule="!has(self.labels) || self.labels.all(k, !(k in ['app.kubernetes.io/managed-by', 'app.kubernetes.io/instance']) && !k.matches('^(.*[.])?(signet[.]dev|argoproj[.]io|fluxcd[.]io|helm[.]sh|kubectl[.]kubernetes[.]io|applyset[.]kubernetes[.]io|config[.]kubernetes[.]io|config[.]k8s[.]io)/'))",message="keys by which Signet, Argo CD, Flux, Helm or kubectl track objects are refused: these tools would prune the Secret",reason="FieldValueForbidden",fieldPath=".labels"
// +kubebuilder:validation:XValidation:rule="!has(self.annotations) || self.annotations.all(k, !(k in ['app.kubernetes.io/managed-by', 'app.kubernetes.io/instance']) && !k.matches('^(.*[.])?(signet[.]dev|argoproj[.]io|fluxcd[.]io|helm[.]sh|kubectl[.]kubernetes[.]io|applyset[.]kubernetes[.]io|config[.]kubernetes[.]io|config[.]k8s[.]io)/'))",message="keys by which Signet, Argo CD, Flux, Helm or kubectl track objects are refused: these tools would prune the Secret",reason="FieldValueForbidden",fieldPath=".annotations"
type SecretTemplate struct {
	// labels are put on the managed Secret beside Signet's own. At most 32.
	// Refused are the labels by which Argo CD, Flux, Helm and kubectl track
	// what they applied, since these tools would prune the Secret, and
	// everything under signet.dev.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations are put on the managed Secret. At most 32, with values of
	// at most 4096 characters. The same keys are refused as in labels.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// Rotation says when and how material is replaced by new material.
//
// +kubebuilder:validation:XValidation:rule="!has(self.intervalDays) || (has(self.stageSeconds) ? self.stageSeconds : 120) + (has(self.retireSeconds) ? self.retireSeconds : 900) < self.intervalDays * 86400",message="stageSeconds and retireSeconds together must be shorter than intervalDays",reason="FieldValueInvalid",fieldPath=".intervalDays"
type Rotation struct {
	// intervalDays is the number of days that a version signs before what
	// Signet generated of it is renewed, 1 to 3650. Left out: no scheduled
	// renewal.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3650
	IntervalDays *int32 `json:"intervalDays,omitempty"`

	// stageSeconds is how long the next version is published before it signs,
	// in seconds: as long as the slowest backend takes to see a changed
	// Secret. 1 to 86400; left out: 120. A kubelet refreshes a mounted Secret
	// within 90 seconds (its sync period of 60, stretched by up to one half);
	// less than 120 is for backends that do not mount it, and is warned of. A
	// change takes effect on a version that is staged already.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	StageSeconds *int32 `json:"stageSeconds,omitempty"`

	// retireSeconds is how long the previous version still verifies after the
	// switch, in seconds. 1 to 604800; left out: 900, the clock difference that
	// verifiers allow. Fixed at the switch: a change takes effect at the next
	// one. stageSeconds and retireSeconds together are shorter than the
	// interval.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	RetireSeconds *int32 `json:"retireSeconds,omitempty"`

	// trigger is any text; another text rotates once, after a rotation that is
	// under way. Taking it away does nothing, nor does one that is there when
	// material is first made or adopted.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Trigger string `json:"trigger,omitempty"`

	// immediate is any text; another text renews once and drops the old
	// versions at once, for a key that has leaked: requests may fail until
	// backends have seen the change. Supplied halves have to be changed in
	// their source first.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RevokeTrigger string `json:"immediate,omitempty"`
}

// SignatureKeySpec is what is wanted of a signature key.
//
// +kubebuilder:validation:XValidation:rule="self.type == 'AES' || !has(self.algorithm)",message="algorithm goes with type AES alone",reason="FieldValueForbidden",fieldPath=".algorithm"
// +kubebuilder:validation:XValidation:rule="self.type != 'AES' || has(self.algorithm)",message="type AES needs an algorithm: aes-128-cfb or aes-256-cfb",reason="FieldValueRequired",fieldPath=".algorithm"
// +kubebuilder:validation:XValidation:rule="!has(self.key) || self.type in ['HMAC', 'Basic']",message="key goes with types HMAC and Basic alone: supply both halves in a Secret (spec.secretRef)",reason="FieldValueForbidden",fieldPath=".key"
// +kubebuilder:validation:XValidation:rule="!has(self.key) || self.type != 'HMAC' || self.key.matches('^[A-Za-z0-9][A-Za-z0-9_-]{7,31}$')",message="an HMAC key has 8 to 32 letters, digits, underscores and dashes, first a letter or digit",reason="FieldValueInvalid",fieldPath=".key"
// +kubebuilder:validation:XValidation:rule="!has(self.key) || self.type != 'Basic' || self.key.matches('^[A-Za-z][A-Za-z0-9_-]{3,31}$')",message="a Basic key (user name) has 4 to 32 letters, digits, underscores and dashes, first a letter",reason="FieldValueInvalid",fieldPath=".key"
// +kubebuilder:validation:XValidation:rule="has(self.secretName) == has(oldSelf.secretName) && (!has(self.secretName) || self.secretName == oldSelf.secretName)",message="secretName is immutable: create another key and move the bindings to it",reason="FieldValueInvalid",fieldPath=".secretName"
type SignatureKeySpec struct {
	// type of the key: HMAC (recommended), Basic, AES or PublicKey. Immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="type is immutable: create another key and move the bindings to it",reason="FieldValueInvalid"
	Type KeyType `json:"type"`

	// algorithm is the cipher of an AES key: aes-128-cfb or aes-256-cfb.
	// Required for AES, forbidden otherwise, immutable.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="algorithm is immutable: create another key and move the bindings to it",reason="FieldValueInvalid"
	Algorithm KeyAlgorithm `json:"algorithm,omitempty"`

	// displayName is the key's name on the gateway: 3 to 64 letters, digits
	// and underscores, first a letter. Need not be unique. Left out: made of
	// metadata.name, and shown in status.displayName.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_]*$`
	DisplayName string `json:"displayName,omitempty"`

	// key is the public identifier that goes with each signature, for HMAC
	// (8 to 32 of letters, digits, _ and -, first a letter or digit) and
	// Basic (4 to 32, first a letter: the user name). Forbidden for AES, where
	// the key is secret, and for PublicKey, where a pair comes whole. Left
	// out: the source Secret's data "key", else generated.
	// +optional
	// +kubebuilder:validation:MinLength=4
	// +kubebuilder:validation:MaxLength=32
	Identifier string `json:"key,omitempty"`

	// secretRef names a Secret in the same namespace, labelled
	// signet.dev/signature-material: "true", that supplies data "key",
	// "secret" or both (PublicKey: both). Signet reads it and never writes it.
	// Left out: what is not given is generated.
	// +optional
	SecretRef *LocalReference `json:"secretRef,omitempty"`

	// secretName is the name of the managed Secret, which holds the key's
	// material. Left out: metadata.name. Immutable, and not the name in
	// secretRef.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=246
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	SecretName string `json:"secretName,omitempty"`

	// secretTemplate is metadata for the managed Secret.
	// +optional
	SecretTemplate *SecretTemplate `json:"secretTemplate,omitempty"`

	// deletionPolicy says whether the managed Secret goes with the key
	// (Delete) or stays for a key of the same name (Retain). Left out: Delete.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// rotation says when and how material is renewed. Left out: never.
	// +optional
	Rotation *Rotation `json:"rotation,omitempty"`
}

// VersionState is what a version of the material is used for.
// +kubebuilder:validation:Enum=Active;Next;Previous
type VersionState string

// The states of a version.
const (
	// VersionActive signs and verifies.
	VersionActive VersionState = "Active"
	// VersionNext only verifies; it will sign.
	VersionNext VersionState = "Next"
	// VersionPrevious only verifies, until it retires.
	VersionPrevious VersionState = "Previous"
)

// KeyVersion is one version of a key's material. It holds no material.
type KeyVersion struct {
	// id of the version, random.
	// +required
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id"`

	// state of the version: Active signs and verifies, Next and Previous only
	// verify.
	// +required
	State VersionState `json:"state"`

	// created is when the version was made.
	// +optional
	Created *metav1.Time `json:"created,omitempty"`

	// activated is when the version began to sign.
	// +optional
	Activated *metav1.Time `json:"activated,omitempty"`

	// retires is when a previous version ceases to verify.
	// +optional
	Retires *metav1.Time `json:"retires,omitempty"`
}

// KeyBindings says which bindings use a key.
type KeyBindings struct {
	// count of the bindings that use the key.
	// +required
	Count int32 `json:"count"`

	// names of the first ten of them, in alphabetical order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Names []string `json:"names,omitempty"`
}

// SignatureKeyStatus is what has become of a signature key. Set by Signet
// alone; no secret value is ever in it.
type SignatureKeyStatus struct {
	// observedGeneration is the metadata.generation that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// displayName is the key's name on the gateway in force.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	DisplayName string `json:"displayName,omitempty"`

	// key is the public identifier in force (HMAC, Basic).
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Identifier string `json:"key,omitempty"`

	// keyID is the id of the active version. Empty while there is no material
	// to sign with.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	KeyID string `json:"keyID,omitempty"`

	// secretName is the name of the managed Secret.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`

	// versions of the material that the managed Secret holds.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=3
	Versions []KeyVersion `json:"versions,omitempty"`

	// bindings that use the key.
	// +optional
	Bindings *KeyBindings `json:"bindings,omitempty"`

	// lastRotationTime is when the active version last changed.
	// +optional
	LastRotationTime *metav1.Time `json:"lastRotationTime,omitempty"`

	// nextRotationTime is when the next scheduled rotation begins. Left out
	// without a schedule, while a version is staged, where nothing is
	// generated, and while spec or source is not in order.
	// +optional
	NextRotationTime *metav1.Time `json:"nextRotationTime,omitempty"`

	// observedTrigger is the spec.rotation.trigger last acted upon. When the
	// Secret of a bound key is lost, a trigger that differs from it is the
	// consent to generate new material.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ObservedTrigger string `json:"observedTrigger,omitempty"`

	// observedImmediate is the spec.rotation.immediate last acted upon.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ObservedRevokeTrigger string `json:"observedImmediate,omitempty"`

	// conditions: Ready, InUse, Rotating while there is material and, only
	// when true, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SignatureKey is a key and secret with which a gateway proves to a backend
// that a request came through it. Its material is in a Secret, never here.
//
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 62",message="name must be no more than 62 characters: it is also a label value",reason="FieldValueInvalid",fieldPath=".metadata"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.secretRef) || self.spec.secretRef.name != (has(self.spec.secretName) ? self.spec.secretName : self.metadata.name)",message="must not be the managed Secret (spec.secretName, or metadata.name): Signet reads the one and writes the other",reason="FieldValueInvalid",fieldPath=".spec.secretRef.name"
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

	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is wanted of the key.
	// +required
	Spec SignatureKeySpec `json:"spec"`

	// status is what has become of the key. Set by Signet alone. An
	// observedGeneration of -1 says that Signet has not seen the key yet:
	// without a status, Flux and other users of kstatus would take it for ready.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status SignatureKeyStatus `json:"status,omitempty"`
}

// SignatureKeyList is a list of SignatureKeys.
// +kubebuilder:object:root=true
type SignatureKeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SignatureKey `json:"items"`
}
