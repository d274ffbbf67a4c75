package v1alpha1

// Condition types. Ready is always there once an object has been seen, Rotating
// while a key has material; Stalled and PathRewritten are there only when true.
const (
	// ConditionReady of a key: it has material to sign with and nothing is
	// wrong. Of a binding: its key signs for all of its APIs. Unknown is
	// waiting; waiting turns to False after five minutes.
	ConditionReady = "Ready"
	// ConditionStalled: without somebody's doing this will not get better.
	ConditionStalled = "Stalled"
	// ConditionInUse of a key: bindings use it, and hold its deletion.
	ConditionInUse = "InUse"
	// ConditionRotating of a key: a second version is accepted beside the one
	// that signs.
	ConditionRotating = "Rotating"
	// ConditionPathRewritten of a binding: a route rewrites path or host, and
	// must sign after it does.
	ConditionPathRewritten = "PathRewritten"
)

// Reasons of Ready of a key (Stalled repeats the reason of Ready).
const (
	// ReasonReady: the key has material and nothing is wrong.
	ReasonReady = "Ready"
	// ReasonSourceNotFound: the Secret in spec.secretRef does not exist or
	// lacks the label signet.dev/signature-material: "true".
	ReasonSourceNotFound = "SourceNotFound"
	// ReasonInvalidSource: the Secret in spec.secretRef is a managed one.
	ReasonInvalidSource = "InvalidSource"
	// ReasonInvalidMaterial: what the source supplies breaks a rule.
	ReasonInvalidMaterial = "InvalidMaterial"
	// ReasonInvalidSpec: the spec breaks a rule (it came past the admission).
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonSecretOwnedByOther: the managed Secret's name is taken.
	ReasonSecretOwnedByOther = "SecretOwnedByOther"
	// ReasonSecretLost: the managed Secret of a bound key is gone or broken.
	ReasonSecretLost = "SecretLost"
	// ReasonSecretTerminating: the managed Secret was deleted under a living
	// key; it is held and goes on serving.
	ReasonSecretTerminating = "SecretTerminating"
	// ReasonTypeNotEnabled: the manager runs without --public-key-enable.
	ReasonTypeNotEnabled = "TypeNotEnabled"
	// ReasonNamespaceTerminating: nothing can be made in this namespace.
	ReasonNamespaceTerminating = "NamespaceTerminating"
)

// Reasons of InUse of a key.
const (
	// ReasonBound: bindings use the key.
	ReasonBound = "Bound"
	// ReasonNotBound: no binding uses the key.
	ReasonNotBound = "NotBound"
	// ReasonDeletionBlocked: the key is deleted and waits for its bindings.
	ReasonDeletionBlocked = "DeletionBlocked"
)

// Reasons of Rotating of a key.
const (
	// ReasonStaged: the next version is published and only verifies yet.
	ReasonStaged = "Staged"
	// ReasonRetiring: the next version signs, and the previous one verifies.
	ReasonRetiring = "Retiring"
	// ReasonSettled: one version signs, and no other is accepted.
	ReasonSettled = "Settled"
	// ReasonNothingToRotate: a rotation is asked for, but both halves are
	// supplied, and only generated ones are renewed.
	ReasonNothingToRotate = "NothingToRotate"
	// ReasonResting: no rotation begins while spec or source is not in order.
	ReasonResting = "Resting"
)

// Reasons of Ready of a binding (beside ReasonBound, ReasonSecretLost,
// ReasonTypeNotEnabled and ReasonInvalidSpec).
const (
	// ReasonStandby: another binding holds one of the APIs and signs for it with
	// the same key in the same way.
	ReasonStandby = "Standby"
	// ReasonConflicted: another binding holds one of the APIs, and signs for it
	// with another key or in another way.
	ReasonConflicted = "Conflicted"
	// ReasonKeyTerminating: the key was deleted before this binding was made.
	ReasonKeyTerminating = "KeyTerminating"
	// ReasonKeyNotFound: there is no key of that name.
	ReasonKeyNotFound = "KeyNotFound"
	// ReasonKeyNotReady: the key has no material yet.
	ReasonKeyNotReady = "KeyNotReady"
	// ReasonNotPublished: an API has never been published in the environment.
	ReasonNotPublished = "NotPublished"
	// ReasonPartlyOffline: an API that was published is not any more.
	ReasonPartlyOffline = "PartlyOffline"
)

// Labels, label values and the finalizer that Signet uses.
const (
	// LabelMaterial marks Secrets that hold material: MaterialManaged on those
	// that Signet writes, MaterialSource on those that users lend it.
	LabelMaterial = "signet.dev/signature-material"
	// MaterialManaged is the value of LabelMaterial on managed Secrets.
	MaterialManaged = "managed"
	// MaterialSource is the value of LabelMaterial on source Secrets.
	MaterialSource = "true"
	// LabelKey on a managed Secret or public ConfigMap names its SignatureKey.
	LabelKey = "signet.dev/signature-key"
	// LabelManagedBy is the common label for the managing program.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "signet"
	// LabelEnvironment on a Gateway names the environment it belongs to.
	LabelEnvironment = "signet.dev/environment"
	// FinalizerProtection holds a key and its managed Secret while bindings use it.
	FinalizerProtection = "signet.dev/in-use"
	// SecretType is the type of managed Secrets.
	SecretType = "signet.dev/signature-key"
)
