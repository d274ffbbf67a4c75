package validation

import (
	"regexp"

	"k8s.io/apimachinery/pkg/util/validation/field"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

const (
	maxKeyName    = 62
	secondsPerDay = 86400
)

var (
	displayName = text{3, 64, regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`), "must be letters, digits and underscores, first a letter"}
	specKey     = text{min: 4, max: 32}
	secretName  = text{1, 246, dnsSubdomain, "must be a DNS subdomain: lower-case letters, digits, dashes and dots"}
	objectName  = text{1, 253, dnsSubdomain, "must be a DNS subdomain: lower-case letters, digits, dashes and dots"}
	triggerText = text{max: 253}

	hmacKey  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{7,31}$`)
	basicKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{3,31}$`)
)

// ValidateKey says what is wrong with a new SignatureKey.
func ValidateKey(key *signetv1alpha1.SignatureKey) field.ErrorList {
	return join(
		keyObjectRules(key),
		keySpec(&key.Spec, was[signetv1alpha1.SignatureKeySpec]{}),
	)
}

// ValidateKeyUpdate says what is wrong with the update of a SignatureKey. What
// was wrong before and has not been touched is no error.
func ValidateKeyUpdate(key, old *signetv1alpha1.SignatureKey) field.ErrorList {
	return join(
		keyObjectRules(key),
		keyTransition(&key.Spec, &old.Spec),
		keySpec(&key.Spec, was[signetv1alpha1.SignatureKeySpec]{value: &old.Spec}),
	)
}

// keyObjectRules hang on the object as a whole, which every update changes.
func keyObjectRules(key *signetv1alpha1.SignatureKey) field.ErrorList {
	return join(
		rule(len(key.Name) <= maxKeyName, field.Invalid(field.NewPath("metadata"), key.Name,
			"name must be no more than 62 characters: it is also a label value")),
		rule(key.Spec.SecretRef == nil || key.Spec.SecretRef.Name != key.EffectiveSecretName(),
			field.Invalid(field.NewPath("spec", "secretRef", "name"), key.SourceName(),
				"must not be the managed Secret (spec.secretName, or metadata.name): Signet reads the one and writes the other")),
	)
}

func keyTransition(spec, old *signetv1alpha1.SignatureKeySpec) field.ErrorList {
	path := field.NewPath("spec")
	const moved = " is immutable: create another key and move the bindings to it"
	return join(
		rule(spec.Type == old.Type, field.Invalid(path.Child("type"), spec.Type, "type"+moved)),
		rule(spec.Algorithm == "" || old.Algorithm == "" || spec.Algorithm == old.Algorithm,
			field.Invalid(path.Child("algorithm"), spec.Algorithm, "algorithm"+moved)),
		rule(spec.SecretName == old.SecretName, field.Invalid(path.Child("secretName"), spec.SecretName, "secretName"+moved)),
	)
}

func keySpec(spec *signetv1alpha1.SignatureKeySpec, old was[signetv1alpha1.SignatureKeySpec]) field.ErrorList {
	path := field.NewPath("spec")
	type keySpec = signetv1alpha1.SignatureKeySpec
	errs := join(
		oneOf(path.Child("type"), spec.Type, part(old, func(s *keySpec) *signetv1alpha1.KeyType { return &s.Type }), false,
			signetv1alpha1.KeyTypeHMAC, signetv1alpha1.KeyTypeBasic, signetv1alpha1.KeyTypeAES, signetv1alpha1.KeyTypePublicKey),
		oneOf(path.Child("algorithm"), spec.Algorithm, part(old, func(s *keySpec) *signetv1alpha1.KeyAlgorithm { return &s.Algorithm }), true,
			signetv1alpha1.AlgorithmAES128CFB, signetv1alpha1.AlgorithmAES256CFB),
		displayName.optional(path.Child("displayName"), spec.DisplayName, part(old, func(s *keySpec) *string { return &s.DisplayName })),
		specKey.optional(path.Child("key"), spec.Key, part(old, func(s *keySpec) *string { return &s.Key })),
		secretName.optional(path.Child("secretName"), spec.SecretName, part(old, func(s *keySpec) *string { return &s.SecretName })),
		oneOf(path.Child("deletionPolicy"), spec.DeletionPolicy, part(old, func(s *keySpec) *signetv1alpha1.DeletionPolicy { return &s.DeletionPolicy }), true,
			signetv1alpha1.DeletionPolicyDelete, signetv1alpha1.DeletionPolicyRetain),
	)
	if spec.SecretRef != nil {
		before := part(old, func(s *keySpec) *signetv1alpha1.LocalReference { return s.SecretRef })
		errs = append(errs, objectName.required(path.Child("secretRef", "name"), spec.SecretRef.Name,
			part(before, func(r *signetv1alpha1.LocalReference) *string { return &r.Name }))...)
	}
	if spec.SecretTemplate != nil {
		errs = append(errs, secretTemplate(path.Child("secretTemplate"), spec.SecretTemplate,
			part(old, func(s *keySpec) *signetv1alpha1.SecretTemplate { return s.SecretTemplate }))...)
	}
	if spec.Rotation != nil {
		errs = append(errs, rotation(path.Child("rotation"), spec.Rotation,
			part(old, func(s *keySpec) *signetv1alpha1.Rotation { return s.Rotation }))...)
	}
	if blocking(errs) || old.unchanged(*spec) {
		return errs
	}
	return join(errs, keyUnions(path, spec))
}

// keyUnions hang on the spec: which fields go with which type.
func keyUnions(path *field.Path, spec *signetv1alpha1.SignatureKeySpec) field.ErrorList {
	aes := spec.Type == signetv1alpha1.KeyTypeAES
	hmac, basic := spec.Type == signetv1alpha1.KeyTypeHMAC, spec.Type == signetv1alpha1.KeyTypeBasic
	algorithm, key := path.Child("algorithm"), path.Child("key")
	return join(
		rule(aes || spec.Algorithm == "", field.Forbidden(algorithm, "algorithm goes with type AES alone")),
		rule(!aes || spec.Algorithm != "", field.Required(algorithm, "type AES needs an algorithm: aes-128-cfb or aes-256-cfb")),
		rule(spec.Key == "" || hmac || basic, field.Forbidden(key,
			"key goes with types HMAC and Basic alone: supply both halves in a Secret (spec.secretRef)")),
		rule(spec.Key == "" || !hmac || hmacKey.MatchString(spec.Key), field.Invalid(key, spec.Key,
			"an HMAC key has 8 to 32 letters, digits, underscores and dashes, first a letter or digit")),
		rule(spec.Key == "" || !basic || basicKey.MatchString(spec.Key), field.Invalid(key, spec.Key,
			"a Basic key (user name) has 4 to 32 letters, digits, underscores and dashes, first a letter")),
	)
}

func rotation(path *field.Path, r *signetv1alpha1.Rotation, old was[signetv1alpha1.Rotation]) field.ErrorList {
	type rotation = signetv1alpha1.Rotation
	errs := join(
		between(path.Child("intervalDays"), r.IntervalDays, part(old, func(r *rotation) **int32 { return &r.IntervalDays }), 1, 3650),
		between(path.Child("stageSeconds"), r.StageSeconds, part(old, func(r *rotation) **int32 { return &r.StageSeconds }), 1, 86400),
		between(path.Child("retireSeconds"), r.RetireSeconds, part(old, func(r *rotation) **int32 { return &r.RetireSeconds }), 1, 604800),
		triggerText.optional(path.Child("trigger"), r.Trigger, part(old, func(r *rotation) *string { return &r.Trigger })),
		triggerText.optional(path.Child("immediate"), r.Immediate, part(old, func(r *rotation) *string { return &r.Immediate })),
	)
	if blocking(errs) || r.IntervalDays == nil || old.unchanged(*r) {
		return errs
	}
	stage, retire := int64(signetv1alpha1.DefaultStageSeconds), int64(signetv1alpha1.DefaultRetireSeconds)
	if r.StageSeconds != nil {
		stage = int64(*r.StageSeconds)
	}
	if r.RetireSeconds != nil {
		retire = int64(*r.RetireSeconds)
	}
	return join(errs, rule(stage+retire < int64(*r.IntervalDays)*secondsPerDay, field.Invalid(path.Child("intervalDays"), *r.IntervalDays,
		"stageSeconds and retireSeconds together must be shorter than intervalDays")))
}
