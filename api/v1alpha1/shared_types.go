// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// LocalReference names an object in the same namespace.
type LocalReference struct {
	// name of the object: a DNS subdomain of at most 253 characters.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name,omitempty"`
}

// LabelValue is the value of a label: at most 63 characters.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`
type LabelValue string

// AnnotationValue is the value of an annotation: at most 4096 characters.
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// APIKind is the kind of an API: HTTPRoute, GRPCRoute or API.
// +kubebuilder:validation:Enum=HTTPRoute;GRPCRoute;API
type APIKind string

// The kinds of APIs.
const (
	// APIKindHTTPRoute is an HTTPRoute of the Gateway API.
	APIKindHTTPRoute APIKind = "HTTPRoute"
	// APIKindGRPCRoute is a GRPCRoute of the Gateway API.
	APIKindGRPCRoute APIKind = "GRPCRoute"
	// APIKindAPI is a name that only its gateway knows. No such object exists, and
	// it is treated as published.
	APIKindAPI APIKind = "API"
)

// APIGroup is the group of an API's kind: gateway.networking.k8s.io or signet.dev.
// +kubebuilder:validation:Enum=gateway.networking.k8s.io;signet.dev
type APIGroup string

// The groups of the kinds of APIs.
const (
	// APIGroupGateway is the group of HTTPRoute and GRPCRoute.
	APIGroupGateway APIGroup = "gateway.networking.k8s.io"
	// APIGroupSignet is the group of the kind API.
	APIGroupSignet APIGroup = "signet.dev"
)

// Group returns the group of the kind: each kind belongs to exactly one.
func (k APIKind) Group() APIGroup {
	if k == APIKindAPI {
		return APIGroupSignet
	}
	return APIGroupGateway
}

// APIReference names an API in the namespace of its binding.
//
// +kubebuilder:validation:XValidation:rule="self.group == (self.kind == 'API' ? 'signet.dev' : 'gateway.networking.k8s.io')",message="group must be signet.dev for kind API, and gateway.networking.k8s.io for HTTPRoute and GRPCRoute",reason="FieldValueInvalid",fieldPath=".group"
// +kubebuilder:validation:XValidation:rule="self.kind == 'API' || self.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="the name of a route is a DNS subdomain: lower-case letters, digits, dashes and dots, starting and ending with a letter or digit",reason="FieldValueInvalid",fieldPath=".name"
// +kubebuilder:validation:XValidation:rule="self.kind != 'API' || self.name.matches('^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$')",message="the name of an API has 1 to 128 letters, digits, dots, underscores and dashes, starting with a letter or digit",reason="FieldValueInvalid",fieldPath=".name"
type APIReference struct {
	// group of the kind: gateway.networking.k8s.io for HTTPRoute and GRPCRoute,
	// signet.dev for API.
	// +required
	Group APIGroup `json:"group,omitempty"`

	// kind of the API: HTTPRoute, GRPCRoute, or API for a name that only its
	// gateway knows.
	// +required
	Kind APIKind `json:"kind,omitempty"`

	// name of the API, in the binding's namespace. For kind API it has 1 to 128
	// letters, digits, dots, underscores and dashes, starting with a letter or
	// digit.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// NewAPIReference returns a reference with the group that the kind implies.
func NewAPIReference(kind APIKind, name string) APIReference {
	return APIReference{Group: kind.Group(), Kind: kind, Name: name}
}
