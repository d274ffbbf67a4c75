package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// APIKind is the kind of an API.
// +kubebuilder:validation:Enum=HTTPRoute;GRPCRoute;API
type APIKind string

// The kinds of APIs.
const (
	// APIKindHTTPRoute is an HTTPRoute of the Gateway API.
	APIKindHTTPRoute APIKind = "HTTPRoute"
	// APIKindGRPCRoute is a GRPCRoute of the Gateway API.
	APIKindGRPCRoute APIKind = "GRPCRoute"
	// APIKindAPI is a name that only the gateway knows. It is taken as published.
	APIKindAPI APIKind = "API"
)

// Payload says whether the body is part of the signature.
// +kubebuilder:validation:Enum=Unsigned;Signed
type Payload string

// The values of payload.
const (
	// PayloadUnsigned leaves the body out of the signature.
	PayloadUnsigned Payload = "Unsigned"
	// PayloadSigned puts the body's hash into the signature. The gateway must
	// hand the body to the signer.
	PayloadSigned Payload = "Signed"
)

// APIReference names an API of the binding's namespace.
//
// +kubebuilder:validation:XValidation:rule="self.kind == 'API' || self.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="the name of a route is a DNS subdomain: lower-case letters, digits, dashes and dots, first and last a letter or digit",reason="FieldValueInvalid",fieldPath=".name"
// +kubebuilder:validation:XValidation:rule="self.kind != 'API' || self.name.matches('^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$')",message="the name of an API has 1 to 128 letters, digits, dots, underscores and dashes, first a letter or digit",reason="FieldValueInvalid",fieldPath=".name"
type APIReference struct {
	// kind of the API: HTTPRoute, GRPCRoute, or API for a name that only the
	// gateway knows.
	// +required
	Kind APIKind `json:"kind"`

	// name of the API, in the binding's namespace. For kind API: 1 to 128
	// letters, digits, dots, underscores and dashes, first a letter or digit.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// SignatureBindingSpec is what is wanted of a binding.
//
// +kubebuilder:validation:XValidation:rule="!has(self.payload) || self.payload != 'Signed' || self.apis.all(a, a.kind != 'GRPCRoute')",message="payload Signed does not go with GRPCRoute: a stream has no end to sign",reason="FieldValueInvalid",fieldPath=".payload"
// +kubebuilder:validation:XValidation:rule="!has(self.signedHeaders) || self.signedHeaders.all(h, !h.matches('^(authorization|host|cookie|content-length|accept-encoding|user-agent|via|x-real-ip|traceparent|tracestate|expect|connection|keep-alive|te|trailer|trailers|transfer-encoding|upgrade|forwarded|(x-sdk-|x-forwarded-|x-envoy-|proxy-).*)$') && h != (has(self.header) ? self.header.lowerAscii() : 'authorization'))",message="headers that proxies change, that are signed anyway, or that carry the signature are refused",reason="FieldValueInvalid",fieldPath=".signedHeaders"
type SignatureBindingSpec struct {
	// keyRef names the SignatureKey, in the same namespace. May be changed:
	// the binding moves to the other key when that one is in force.
	// +required
	KeyRef LocalReference `json:"keyRef"`

	// environment in which the APIs are published: 3 to 63 letters, digits,
	// underscores and dashes, first a letter, last a letter or digit. For
	// routes it is every Gateway labelled signet.dev/environment with it.
	// May be changed.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_-]*[A-Za-z0-9]$`
	Environment string `json:"environment"`

	// apis for which the key signs, 1 to 1000, each kind and name once. In
	// one environment an API has one key: the binding that is there first
	// keeps it, others are told so in status.
	// +required
	// +listType=map
	// +listMapKey=kind
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	APIs []APIReference `json:"apis"`

	// payload says whether the body's hash is in the signature: Signed or
	// Unsigned. Signed needs a gateway that hands the body to the signer, and
	// does not go with GRPCRoute. Left out: Unsigned.
	// +optional
	Payload Payload `json:"payload,omitempty"`

	// signedHeaders are request headers that are part of the signature beside
	// those that always are: at most 16, in lower case. Headers that proxies
	// change are refused.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9-]+$`
	SignedHeaders []string `json:"signedHeaders,omitempty"`

	// header that carries the signature. Left out: Authorization.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern="^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
	// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().matches('^(host|cookie|content-length|accept-encoding|user-agent|via|x-real-ip|traceparent|tracestate|expect|connection|keep-alive|te|trailer|trailers|transfer-encoding|upgrade|forwarded|(x-sdk-|x-forwarded-|x-envoy-|proxy-).*)$')",message="a header that proxies change, or that is signed anyway, cannot carry the signature",reason="FieldValueInvalid"
	SignatureHeader string `json:"header,omitempty"`

	// host is what the backend gets as Host, with the port if it is not the
	// scheme's own, for a gateway that cannot tell the signer. Left out: the
	// host that the gateway tells.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=259
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`
	BackendHost string `json:"host,omitempty"`
}

// APIState is how an API of a binding stands.
// +kubebuilder:validation:Enum=Bound;NotPublished;Offline;Pending;Standby;Conflicted
type APIState string

// The states of an API in a binding. In the first three the binding holds the
// API and its key signs for it.
const (
	// APIBound: the binding holds the API, which is published.
	APIBound APIState = "Bound"
	// APINotPublished: the binding holds the API, which has never been
	// published in the environment.
	APINotPublished APIState = "NotPublished"
	// APIOffline: the binding holds the API, which was published and is not
	// any more.
	APIOffline APIState = "Offline"
	// APIPending: no other binding holds the API, and the key is not in
	// force yet.
	APIPending APIState = "Pending"
	// APIStandby: another binding holds the API and signs with the same key in
	// the same way. This one takes over when it lets go.
	APIStandby APIState = "Standby"
	// APIConflicted: another binding holds the API, and signs with another key
	// or in another way.
	APIConflicted APIState = "Conflicted"
)

// APIStatus is how one API of a binding stands.
type APIStatus struct {
	// kind of the API.
	// +required
	Kind APIKind `json:"kind"`

	// name of the API.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// state of the API: Bound, NotPublished, Offline, Pending, Standby or
	// Conflicted.
	// +required
	State APIState `json:"state"`

	// boundAt is when this binding came to hold the API in
	// status.environment. As long as it is there no other binding does.
	// +optional
	BoundAt *metav1.Time `json:"boundAt,omitempty"`

	// gateways is the number of Gateways of the environment that serve the
	// route. Left out while it has never been published, and for kind API.
	// +optional
	Gateways *int32 `json:"gateways,omitempty"`

	// holder is the binding that holds the API when this one is on Standby or
	// Conflicted.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Holder string `json:"holder,omitempty"`

	// message says what is wrong and what to do, when the API is not Bound.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Message string `json:"message,omitempty"`
}

// PreviousKeys is the key that a binding has moved away from.
type PreviousKey struct {
	// name of the key.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// until when requests signed with it are still accepted.
	// +required
	Until metav1.Time `json:"until"`
}

// SignatureBindingStatus is what has become of a binding. Set by Signet alone.
type SignatureBindingStatus struct {
	// observedGeneration is the metadata.generation that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// environment that status.apis is about.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Environment string `json:"environment,omitempty"`

	// keyName is the key in force: spec.keyRef.name, or during a move the
	// key before it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	KeyName string `json:"keyName,omitempty"`

	// previousKey is the key before the last move, while requests that were
	// signed with it may still be under way.
	// +optional
	PreviousKeys *PreviousKey `json:"previousKey,omitempty"`

	// displayName is the name on the gateway of the key in force.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	DisplayName string `json:"displayName,omitempty"`

	// boundAPIs is the number of APIs that are Bound.
	// +optional
	BoundAPIs int32 `json:"boundAPIs"`

	// totalAPIs is the number of APIs that the binding lists.
	// +optional
	TotalAPIs int32 `json:"totalAPIs"`

	// apis is how each API stands, in the order of spec.apis.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	APIs []APIStatus `json:"apis,omitempty"`

	// decision counts the writes of this status. It makes each write a change
	// of the object, so that the late write of a leader that has lost its lease
	// is refused by its resourceVersion.
	// +optional
	FencingToken int64 `json:"decision,omitempty"`

	// conditions: Ready and, only when true, Stalled and PathRewritten.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SignatureBinding binds a SignatureKey to APIs in one environment. In an
// environment an API has at most one key: the binding that holds it keeps it
// until it is deleted, drops the API or changes its environment.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=sigbind,categories=signet
// +kubebuilder:printcolumn:name="Key",type=string,JSONPath=`.spec.keyRef.name`
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.environment`
// +kubebuilder:printcolumn:name="Bound",type=integer,JSONPath=`.status.boundAPIs`
// +kubebuilder:printcolumn:name="APIs",type=integer,JSONPath=`.status.totalAPIs`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="In Force",type=string,JSONPath=`.status.keyName`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SignatureBinding struct {
	metav1.TypeMeta `json:",inline"`

	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is wanted of the binding.
	// +required
	Spec SignatureBindingSpec `json:"spec"`

	// status is what has become of the binding. Set by Signet alone. An
	// observedGeneration of -1 says that Signet has not seen the binding yet:
	// without a status, Flux and other users of kstatus would take it for ready.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status SignatureBindingStatus `json:"status,omitempty"`
}

// SignatureBindingList is a list of SignatureBindings.
// +kubebuilder:object:root=true
type SignatureBindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SignatureBinding `json:"items"`
}
