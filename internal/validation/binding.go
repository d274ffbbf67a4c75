// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

const (
	maxAPIs          = 1000
	maxSignedHeaders = 16
)

var (
	environment  = text{3, 63, regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*[A-Za-z0-9]$`), "must consist of letters, digits, underscores and dashes, start with a letter and end with a letter or digit"}
	apiName      = text{min: 1, max: 253}
	signedHeader = text{1, 64, regexp.MustCompile(`^[a-z0-9-]+$`), "must consist of lower-case letters, digits and dashes"}
	headerName   = text{1, 64, regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"), "must be a token of letters, digits and !#$%&'*+.^_`|~-"}
	hostName     = text{1, 259, regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`), "must be a DNS name or an IP address, optionally with a port"}

	gatewayAPIName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	volatileHeaders = regexp.MustCompile(`^(host|cookie|content-length|accept-encoding|user-agent|via|x-real-ip|traceparent|tracestate|expect|connection|keep-alive|te|trailer|trailers|transfer-encoding|upgrade|forwarded|(x-sdk-|x-forwarded-|x-envoy-|proxy-).*)$`)
)

type bindingSpecType = signetv1alpha1.SignatureBindingSpec

// ValidateSignatureBinding returns the errors of a new SignatureBinding.
func ValidateSignatureBinding(binding *signetv1alpha1.SignatureBinding) field.ErrorList {
	return bindingSpec(&binding.Spec, oldValue[bindingSpecType]{})
}

// ValidateSignatureBindingUpdate returns the errors of an updated SignatureBinding.
// An unchanged invalid field is not an error.
func ValidateSignatureBindingUpdate(binding, old *signetv1alpha1.SignatureBinding) field.ErrorList {
	return bindingSpec(&binding.Spec, oldValue[bindingSpecType]{value: &old.Spec})
}

func bindingSpec(spec *bindingSpecType, old oldValue[bindingSpecType]) field.ErrorList {
	path := field.NewPath("spec")
	errs := join(
		objectName.required(path.Child("keyRef", "name"), spec.KeyRef.Name, oldField(old, func(s *bindingSpecType) *string { return &s.KeyRef.Name })),
		environment.required(path.Child("environment"), spec.Environment, oldField(old, func(s *bindingSpecType) *string { return &s.Environment })),
		apis(path.Child("apis"), spec.APIs, oldField(old, func(s *bindingSpecType) *[]signetv1alpha1.APIReference { return &s.APIs })),
		oneOf(path.Child("payload"), spec.Payload, oldField(old, func(s *bindingSpecType) *signetv1alpha1.Payload { return &s.Payload }), true,
			signetv1alpha1.PayloadUnsigned, signetv1alpha1.PayloadSigned),
		signedHeaders(path.Child("signedHeaders"), spec.SignedHeaders, oldField(old, func(s *bindingSpecType) *[]string { return &s.SignedHeaders })),
		header(path.Child("signatureHeader"), spec.SignatureHeader, oldField(old, func(s *bindingSpecType) *string { return &s.SignatureHeader })),
		hostName.optional(path.Child("backendHost"), spec.BackendHost, oldField(old, func(s *bindingSpecType) *string { return &s.BackendHost })),
	)
	if blocking(errs) || old.unchanged(*spec) {
		return errs
	}
	return join(errs, bindingUnions(path, spec))
}

// bindingUnions checks the rules that are attached to the spec: which values can
// be combined.
func bindingUnions(path *field.Path, spec *bindingSpecType) field.ErrorList {
	carrier := strings.ToLower(signetv1alpha1.DefaultSignatureHeader)
	if spec.SignatureHeader != "" {
		carrier = strings.ToLower(spec.SignatureHeader)
	}
	streams := slices.ContainsFunc(spec.APIs, func(api signetv1alpha1.APIReference) bool {
		return api.Kind == signetv1alpha1.APIKindGRPCRoute
	})
	unsignable := slices.ContainsFunc(spec.SignedHeaders, func(name string) bool {
		return name == "authorization" || name == carrier || volatileHeaders.MatchString(name)
	})
	return join(
		rule(spec.Payload != signetv1alpha1.PayloadSigned || !streams, field.Invalid(path.Child("payload"), spec.Payload,
			"payload Signed is not allowed with GRPCRoute: a stream has no end to sign")),
		rule(!unsignable, field.Invalid(path.Child("signedHeaders"), spec.SignedHeaders,
			"headers that proxies change, that are signed anyway, or that carry the signature are not allowed")),
	)
}

// apis checks a map list: group, kind and name correlate an item with its old
// value.
func apis(path *field.Path, list []signetv1alpha1.APIReference, old oldValue[[]signetv1alpha1.APIReference]) field.ErrorList {
	if old.unchanged(list) {
		return nil
	}
	if len(list) == 0 {
		return field.ErrorList{field.Required(path, "must list at least one API")}
	}
	if len(list) > maxAPIs {
		return field.ErrorList{field.TooMany(path, len(list), maxAPIs)}
	}
	known := map[signetv1alpha1.APIReference]bool{}
	if old.value != nil {
		for _, api := range *old.value {
			known[api] = true
		}
	}
	errs := duplicates(path, list)
	for i, api := range list {
		if !known[api] {
			errs = append(errs, apiReference(path.Index(i), api)...)
		}
	}
	return errs
}

func apiReference(path *field.Path, api signetv1alpha1.APIReference) field.ErrorList {
	name := path.Child("name")
	errs := join(
		oneOf(path.Child("group"), api.Group, oldValue[signetv1alpha1.APIGroup]{}, false,
			signetv1alpha1.APIGroupGateway, signetv1alpha1.APIGroupSignet),
		oneOf(path.Child("kind"), api.Kind, oldValue[signetv1alpha1.APIKind]{}, false,
			signetv1alpha1.APIKindHTTPRoute, signetv1alpha1.APIKindGRPCRoute, signetv1alpha1.APIKindAPI),
		apiName.check(name, api.Name),
	)
	if len(errs) > 0 {
		return errs
	}
	// A binding may list a thousand: errors, which are large, are only built where a
	// rule is broken.
	if api.Group != api.Kind.Group() {
		errs = append(errs, field.Invalid(path.Child("group"), api.Group,
			"group must be signet.dev for kind API, and gateway.networking.k8s.io for HTTPRoute and GRPCRoute"))
	}
	switch own := api.Kind == signetv1alpha1.APIKindAPI; {
	case !own && !dnsSubdomain.MatchString(api.Name):
		errs = append(errs, field.Invalid(name, api.Name,
			"the name of a route is a DNS subdomain: lower-case letters, digits, dashes and dots, starting and ending with a letter or digit"))
	case own && !gatewayAPIName.MatchString(api.Name):
		errs = append(errs, field.Invalid(name, api.Name,
			"the name of an API has 1 to 128 letters, digits, dots, underscores and dashes, starting with a letter or digit"))
	}
	return errs
}

// signedHeaders checks a set, whose items have no old values.
func signedHeaders(path *field.Path, list []string, old oldValue[[]string]) field.ErrorList {
	if old.unchanged(list) {
		return nil
	}
	if len(list) > maxSignedHeaders {
		return field.ErrorList{field.TooMany(path, len(list), maxSignedHeaders)}
	}
	errs := duplicates(path, list)
	for i, name := range list {
		errs = append(errs, signedHeader.check(path.Index(i), name)...)
	}
	return errs
}

// duplicates reports each value that a map list or a set contains twice, at its
// second position.
func duplicates[T comparable](path *field.Path, list []T) field.ErrorList {
	var errs field.ErrorList
	times := map[T]int{}
	for i, item := range list {
		if times[item]++; times[item] == 2 {
			errs = append(errs, field.Duplicate(path.Index(i), item))
		}
	}
	return errs
}

func header(path *field.Path, name string, old oldValue[string]) field.ErrorList {
	if name == "" || old.unchanged(name) {
		return nil
	}
	if errs := headerName.check(path, name); len(errs) > 0 {
		return errs
	}
	return rule(!volatileHeaders.MatchString(strings.ToLower(name)), field.Invalid(path, name,
		"a header that proxies change, or that is signed anyway, cannot carry the signature"))
}
