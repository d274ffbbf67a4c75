// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"regexp"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

const (
	maxKeyName    = 62
	secondsPerDay = 86400
)

var (
	displayName = text{3, 64, regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`), "must consist of letters, digits and underscores, and start with a letter"}
	identifier  = text{min: 4, max: 32}
	secretName  = text{1, 246, dnsSubdomain, "must be a DNS subdomain of lower-case letters, digits, dashes and dots"}
	objectName  = text{1, 253, dnsSubdomain, "must be a DNS subdomain of lower-case letters, digits, dashes and dots"}
	triggerText = text{max: 253}

	hmacKey  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{7,31}$`)
	basicKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{3,31}$`)
)

// ValidateSignatureKey returns the errors of a new SignatureKey.
func ValidateSignatureKey(key *signetv1alpha1.SignatureKey) field.ErrorList {
	return join(
		keyObjectRules(key),
		keySpec(&key.Spec, oldValue[signetv1alpha1.SignatureKeySpec]{}),
	)
}

// ValidateSignatureKeyUpdate returns the errors of an updated SignatureKey. An
// unchanged invalid field is not an error.
func ValidateSignatureKeyUpdate(key, old *signetv1alpha1.SignatureKey) field.ErrorList {
	return join(
		keyObjectRules(key),
		keyTransition(key, old),
		keySpec(&key.Spec, oldValue[signetv1alpha1.SignatureKeySpec]{value: &old.Spec}),
	)
}

// keyObjectRules checks the rules that are attached to the whole object, which
// every update changes.
func keyObjectRules(key *signetv1alpha1.SignatureKey) field.ErrorList {
	return join(
		rule(len(key.Name) <= maxKeyName, field.Invalid(field.NewPath("metadata"), key.Name,
			"name must be no more than 62 characters: it is also a label value")),
		rule(key.SourceName() == "" || key.SourceName() != key.EffectiveTargetName(),
			field.Invalid(field.NewPath("spec", "source", "secretRef", "name"), key.SourceName(),
				"must not be the managed Secret (spec.target.name, or metadata.name): Signet reads the source and writes the target")),
	)
}

func keyTransition(key, old *signetv1alpha1.SignatureKey) field.ErrorList {
	path := field.NewPath("spec")
	const immutable = " is immutable: create another key and move the bindings to it"
	return join(
		rule(key.Spec.Type == old.Spec.Type, field.Invalid(path.Child("type"), key.Spec.Type, "type"+immutable)),
		rule(key.Spec.Algorithm == "" || old.Spec.Algorithm == "" || key.Spec.Algorithm == old.Spec.Algorithm,
			field.Invalid(path.Child("algorithm"), key.Spec.Algorithm, "algorithm"+immutable)),
		rule(key.EffectiveTargetName() == old.EffectiveTargetName(),
			field.Invalid(path.Child("target", "name"), key.Spec.Target.Name, "target.name"+immutable)),
	)
}

func keySpec(spec *signetv1alpha1.SignatureKeySpec, old oldValue[signetv1alpha1.SignatureKeySpec]) field.ErrorList {
	path := field.NewPath("spec")
	type keySpec = signetv1alpha1.SignatureKeySpec
	errs := join(
		oneOf(path.Child("type"), spec.Type, oldField(old, func(s *keySpec) *signetv1alpha1.KeyType { return &s.Type }), false,
			signetv1alpha1.KeyTypeHMAC, signetv1alpha1.KeyTypeBasic, signetv1alpha1.KeyTypeAES, signetv1alpha1.KeyTypePublicKey),
		oneOf(path.Child("algorithm"), spec.Algorithm, oldField(old, func(s *keySpec) *signetv1alpha1.KeyAlgorithm { return &s.Algorithm }), true,
			signetv1alpha1.AlgorithmAES128CFB, signetv1alpha1.AlgorithmAES256CFB),
		displayName.optional(path.Child("displayName"), spec.DisplayName, oldField(old, func(s *keySpec) *string { return &s.DisplayName })),
		identifier.optional(path.Child("identifier"), spec.Identifier, oldField(old, func(s *keySpec) *string { return &s.Identifier })),
	)
	if spec.Source != nil {
		errs = append(errs, source(path.Child("source"), spec.Source, oldField(old, func(s *keySpec) *signetv1alpha1.KeySource { return s.Source }))...)
	}
	errs = append(errs, target(path.Child("target"), &spec.Target, oldField(old, func(s *keySpec) *signetv1alpha1.KeyTarget { return &s.Target }))...)
	if spec.Rotation != nil {
		errs = append(errs, rotation(path.Child("rotation"), spec.Rotation,
			oldField(old, func(s *keySpec) *signetv1alpha1.Rotation { return s.Rotation }))...)
	}
	if blocking(errs) || old.unchanged(*spec) {
		return errs
	}
	return join(errs, keyUnions(path, spec))
}

func source(path *field.Path, source *signetv1alpha1.KeySource, old oldValue[signetv1alpha1.KeySource]) field.ErrorList {
	reference := path.Child("secretRef")
	if source.SecretRef == nil {
		return rule(false, field.Required(reference, ""))
	}
	oldReference := oldField(old, func(s *signetv1alpha1.KeySource) *signetv1alpha1.LocalReference { return s.SecretRef })
	return objectName.required(reference.Child("name"), source.SecretRef.Name,
		oldField(oldReference, func(r *signetv1alpha1.LocalReference) *string { return &r.Name }))
}

func target(path *field.Path, target *signetv1alpha1.KeyTarget, old oldValue[signetv1alpha1.KeyTarget]) field.ErrorList {
	type keyTarget = signetv1alpha1.KeyTarget
	errs := join(
		secretName.optional(path.Child("name"), target.Name, oldField(old, func(t *keyTarget) *string { return &t.Name })),
		oneOf(path.Child("deletionPolicy"), target.DeletionPolicy, oldField(old, func(t *keyTarget) *signetv1alpha1.DeletionPolicy { return &t.DeletionPolicy }), true,
			signetv1alpha1.DeletionPolicyDelete, signetv1alpha1.DeletionPolicyRetain),
	)
	if target.Template == nil {
		return errs
	}
	return join(errs, secretTemplate(path.Child("template"), target.Template,
		oldField(old, func(t *keyTarget) *signetv1alpha1.SecretTemplate { return t.Template })))
}

// keyUnions checks the rules that are attached to the spec: which fields are
// allowed for which type.
func keyUnions(path *field.Path, spec *signetv1alpha1.SignatureKeySpec) field.ErrorList {
	aes := spec.Type == signetv1alpha1.KeyTypeAES
	hmac, basic := spec.Type == signetv1alpha1.KeyTypeHMAC, spec.Type == signetv1alpha1.KeyTypeBasic
	algorithm, identifier := path.Child("algorithm"), path.Child("identifier")
	return join(
		rule(aes || spec.Algorithm == "", field.Forbidden(algorithm, "algorithm is only allowed for type AES")),
		rule(!aes || spec.Algorithm != "", field.Required(algorithm, "type AES needs an algorithm: aes-128-cfb or aes-256-cfb")),
		rule(spec.Identifier == "" || hmac || basic, field.Forbidden(identifier,
			"identifier is only allowed for types HMAC and Basic: supply both components in a Secret (spec.source.secretRef)")),
		rule(spec.Identifier == "" || !hmac || hmacKey.MatchString(spec.Identifier), field.Invalid(identifier, spec.Identifier,
			"an HMAC identifier has 8 to 32 letters, digits, underscores and dashes, starting with a letter or digit")),
		rule(spec.Identifier == "" || !basic || basicKey.MatchString(spec.Identifier), field.Invalid(identifier, spec.Identifier,
			"a Basic identifier (user name) has 4 to 32 letters, digits, underscores and dashes, starting with a letter")),
	)
}

func rotation(path *field.Path, r *signetv1alpha1.Rotation, old oldValue[signetv1alpha1.Rotation]) field.ErrorList {
	type rotation = signetv1alpha1.Rotation
	errs := join(
		between(path.Child("intervalDays"), r.IntervalDays, oldField(old, func(r *rotation) **int32 { return &r.IntervalDays }), 1, 3650),
		between(path.Child("stageSeconds"), r.StageSeconds, oldField(old, func(r *rotation) **int32 { return &r.StageSeconds }), 1, 86400),
		between(path.Child("retireSeconds"), r.RetireSeconds, oldField(old, func(r *rotation) **int32 { return &r.RetireSeconds }), 1, 604800),
		triggerText.optional(path.Child("trigger"), r.Trigger, oldField(old, func(r *rotation) *string { return &r.Trigger })),
		triggerText.optional(path.Child("revokeTrigger"), r.RevokeTrigger, oldField(old, func(r *rotation) *string { return &r.RevokeTrigger })),
	)
	if blocking(errs) || r.IntervalDays == nil || old.unchanged(*r) {
		return errs
	}
	stage := int64(ptr.Deref(r.StageSeconds, signetv1alpha1.DefaultStageSeconds))
	retire := int64(ptr.Deref(r.RetireSeconds, signetv1alpha1.DefaultRetireSeconds))
	return join(errs, rule(stage+retire < int64(*r.IntervalDays)*secondsPerDay, field.Invalid(path.Child("intervalDays"), *r.IntervalDays,
		"stageSeconds and retireSeconds together must be shorter than intervalDays")))
}
