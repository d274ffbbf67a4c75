// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types. Every condition carries the metadata.generation that it was
// set for in observedGeneration.
const (
	// ConditionReady reports whether an object does what its spec asks for. It is
	// set on both kinds from the first reconcile on.
	//
	// On a SignatureKey, possible reasons are:
	//   - True: Ready, TypeNotEnabled (existing material keeps signing),
	//     SecretTerminating (the Secret is protected and keeps working)
	//   - Unknown, and False after five minutes: SourceNotFound,
	//     SecretTerminating, NamespaceTerminating, WriteRefused, WriteFailed
	//   - False: InvalidSpec, InvalidSource, InvalidMaterial, SecretOwnedByOther,
	//     SecretLost, SecretTerminating, TypeNotEnabled, KeyTerminating, NotServed
	//
	// On a SignatureBinding, possible reasons are:
	//   - True: Bound, Standby, PartlyOffline
	//   - Unknown, and False after five minutes: KeyNotFound, KeyNotReady,
	//     NotPublished, WriteRefused, WriteFailed
	//   - False: Conflicted, KeyTerminating, SecretLost, TypeNotEnabled, InvalidSpec
	ConditionReady = "Ready"

	// ConditionStalled is set, with status True, while Ready is False: the state
	// does not improve unless the operator of the cluster acts. It repeats the
	// reason and message of Ready. It is removed in every other state.
	ConditionStalled = "Stalled"

	// ConditionInUse reports whether bindings use a SignatureKey. Possible reasons
	// are:
	//   - True: Bound, DeletionBlocked (the key is being deleted and waits for
	//     the bindings)
	//   - False: NotBound
	ConditionInUse = "InUse"

	// ConditionRotating reports whether a SignatureKey has a version besides the
	// active one. It is set while the key has material. Possible reasons are:
	//   - True: Staged, Retiring
	//   - False: Settled, Resting, NothingToRotate
	ConditionRotating = "Rotating"

	// ConditionPathRewritten is set, with status True, on a SignatureBinding while
	// one of its routes rewrites the path or the host. Its only reason is
	// PathRewritten. It is removed in every other state.
	ConditionPathRewritten = "PathRewritten"
)

// Reasons of Ready on a SignatureKey. Stalled repeats the reason of Ready.
const (
	// ReasonReady means that the key has material and no problem is known.
	ReasonReady = "Ready"
	// ReasonSourceNotFound means that the Secret in spec.source.secretRef does not
	// exist or lacks the label signet.dev/signature-material: "true".
	ReasonSourceNotFound = "SourceNotFound"
	// ReasonInvalidSource means that the Secret in spec.source.secretRef cannot be
	// a source, for example because Signet manages it.
	ReasonInvalidSource = "InvalidSource"
	// ReasonInvalidMaterial means that a component in the source breaks a rule.
	ReasonInvalidMaterial = "InvalidMaterial"
	// ReasonInvalidSpec means that the spec breaks a rule that admission did not
	// enforce.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonSecretOwnedByOther means that an object that the key does not own has
	// the name of the managed Secret or of the public ConfigMap.
	ReasonSecretOwnedByOther = "SecretOwnedByOther"
	// ReasonSecretLost means that the managed Secret of a bound key is missing, holds
	// no usable material, or has been replaced by one that is not proven to be a copy
	// of it.
	ReasonSecretLost = "SecretLost"
	// ReasonSecretTerminating means that the managed Secret is being deleted while
	// its key exists, or that the Secret of an earlier key of the same name is being
	// removed.
	ReasonSecretTerminating = "SecretTerminating"
	// ReasonTypeNotEnabled means that the manager runs without
	// --public-key-enable.
	ReasonTypeNotEnabled = "TypeNotEnabled"
	// ReasonNamespaceTerminating means that the namespace is being deleted, so
	// that nothing can be created in it.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonNotServed means that Signet leaves the namespace, because the RoleBinding
	// that --namespaces needs there is being deleted. The material stays as it is and is
	// no longer protected.
	ReasonNotServed = "NotServed"
	// ReasonWriteRefused means that the API server has been refusing a write for
	// more than 30 seconds, for example because of a quota, a policy or a missing
	// permission. On a SignatureBinding the write is that of the finalizer on its
	// key or on the managed Secret.
	ReasonWriteRefused = "WriteRefused"
	// ReasonWriteFailed means that a write has been failing for more than 30
	// seconds in another way, for example because an admission webhook does not
	// answer.
	ReasonWriteFailed = "WriteFailed"
)

// Reasons of InUse.
const (
	// ReasonBound means that at least one binding uses the key. On a
	// SignatureBinding it is a reason of Ready: the binding holds all its APIs.
	ReasonBound = "Bound"
	// ReasonNotBound means that no binding uses the key.
	ReasonNotBound = "NotBound"
	// ReasonDeletionBlocked means that the key is being deleted but that bindings
	// still use it.
	ReasonDeletionBlocked = "DeletionBlocked"
)

// Reasons of Rotating.
const (
	// ReasonStaged means that the next version is published and does not sign yet.
	ReasonStaged = "Staged"
	// ReasonRetiring means that the next version has become active and that the
	// previous one still verifies.
	ReasonRetiring = "Retiring"
	// ReasonSettled means that the active version is the only one.
	ReasonSettled = "Settled"
	// ReasonNothingToRotate means that a rotation is requested but that both
	// components are supplied, and only generated components are renewed.
	ReasonNothingToRotate = "NothingToRotate"
	// ReasonResting means that no rotation starts until the spec and the source
	// are valid.
	ReasonResting = "Resting"
)

// Reasons of Ready on a SignatureBinding, in addition to Bound, SecretLost,
// TypeNotEnabled, InvalidSpec, WriteRefused and WriteFailed.
const (
	// ReasonStandby means that other bindings hold some APIs and sign for them
	// with the same key in the same way.
	ReasonStandby = "Standby"
	// ReasonConflicted means that another binding holds an API and signs for it
	// with another key or in another way.
	ReasonConflicted = "Conflicted"
	// ReasonKeyTerminating means that the key was deleted before the binding was
	// created. On a SignatureKey it means that no material is made for a key that
	// is being deleted.
	ReasonKeyTerminating = "KeyTerminating"
	// ReasonKeyNotFound means that spec.keyRef names a key that does not exist.
	ReasonKeyNotFound = "KeyNotFound"
	// ReasonKeyNotReady means that the key has no material yet, or that other
	// bindings have yet to acknowledge that they do not hold an API.
	ReasonKeyNotReady = "KeyNotReady"
	// ReasonNotPublished means that an API was never published in the environment.
	ReasonNotPublished = "NotPublished"
	// ReasonPartlyOffline means that an API was published and no longer is.
	ReasonPartlyOffline = "PartlyOffline"
)

// Labels, label values and the finalizers that Signet uses.
const (
	// LabelMaterial marks Secrets and ConfigMaps that hold material. Its value is
	// MaterialManaged on those that Signet writes and MaterialSource on Secrets
	// that users supply.
	LabelMaterial = "signet.dev/signature-material"
	// MaterialManaged is the value of LabelMaterial on objects that Signet writes.
	MaterialManaged = "managed"
	// MaterialSource is the value of LabelMaterial on source Secrets: their
	// owner's consent that Signet reads them.
	MaterialSource = "true"
	// LabelKey on a managed Secret or public ConfigMap names its SignatureKey.
	LabelKey = "signet.dev/signature-key"
	// LabelManagedBy is the recommended label for the managing program.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "signet"
	// LabelEnvironment on a Gateway names the environment that it belongs to.
	LabelEnvironment = "signet.dev/environment"
	// AnnotationFencingToken on a managed Secret or public ConfigMap counts up when a
	// grant or a release has to change the object although nothing else changes, so
	// that a late write of an earlier leader fails.
	AnnotationFencingToken = "signet.dev/fencing-token"
	// FinalizerProtection protects a key, its managed Secret and its public ConfigMap
	// while bindings use the key.
	FinalizerProtection = "signet.dev/in-use"
	// FinalizerNamespace is on the RoleBinding that lets the manager work in a namespace
	// of --namespaces. It keeps the manager's permissions there until Signet's other
	// finalizers have been removed.
	FinalizerNamespace = "signet.dev/serves-namespace"
	// SecretType is the type of managed Secrets.
	SecretType = "signet.dev/signature-key"
)
