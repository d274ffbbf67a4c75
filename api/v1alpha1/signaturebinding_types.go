// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Payload decides whether the body is part of the signature: Unsigned or Signed.
// +kubebuilder:validation:Enum=Unsigned;Signed
type Payload string

// The values of payload.
const (
	// PayloadUnsigned omits the body from the signature.
	PayloadUnsigned Payload = "Unsigned"
	// PayloadSigned includes the hash of the body in the signature. The gateway
	// must pass the body to the signer.
	PayloadSigned Payload = "Signed"
)

// SignatureBindingSpec is the desired state of a binding.
//
// +kubebuilder:validation:XValidation:rule="!has(self.payload) || self.payload != 'Signed' || self.apis.all(a, a.kind != 'GRPCRoute')",message="payload Signed is not allowed with GRPCRoute: a stream has no end to sign",reason="FieldValueInvalid",fieldPath=".payload"
// +kubebuilder:validation:XValidation:rule="!has(self.signedHeaders) || self.signedHeaders.all(h, !h.matches('^(authorization|host|cookie|content-length|accept-encoding|user-agent|via|x-real-ip|traceparent|tracestate|expect|connection|keep-alive|te|trailer|trailers|transfer-encoding|upgrade|forwarded|(x-sdk-|x-forwarded-|x-envoy-|proxy-).*)$') && h != (has(self.signatureHeader) ? self.signatureHeader.lowerAscii() : 'authorization'))",message="headers that proxies change, that are signed anyway, or that carry the signature are not allowed",reason="FieldValueInvalid",fieldPath=".signedHeaders"
type SignatureBindingSpec struct {
	// keyRef names the SignatureKey, in the same namespace. May be changed: the
	// binding moves to the other key when that key has material.
	// +required
	KeyRef LocalReference `json:"keyRef,omitzero"`

	// environment in which the APIs are published: 3 to 63 letters, digits,
	// underscores and dashes, starting with a letter and ending with a letter or
	// digit. For routes it is every Gateway with the label
	// signet.dev/environment of this value. May be changed.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_-]*[A-Za-z0-9]$`
	Environment string `json:"environment,omitempty"`

	// apis for which the key signs, 1 to 1000, each once. In an environment an API
	// has one key: the binding that holds it keeps it, and the status of every
	// other one names the holder. May be changed.
	// +required
	// +listType=map
	// +listMapKey=group
	// +listMapKey=kind
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	APIs []APIReference `json:"apis,omitempty"`

	// payload decides whether the signature covers the hash of the body: Signed or
	// Unsigned. Signed needs a gateway that passes the body to the signer, and is
	// not allowed with GRPCRoute. Defaults to Unsigned. May be changed.
	// +optional
	Payload Payload `json:"payload,omitempty"`

	// signedHeaders are request headers that the signature covers in addition to
	// those that it always covers: at most 16 of at most 64 lower-case letters,
	// digits and dashes. Headers that proxies change are not allowed. May be
	// changed.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9-]+$`
	SignedHeaders []string `json:"signedHeaders,omitempty"`

	// signatureHeader carries the signature: a token of at most 64 characters.
	// Defaults to Authorization. May be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern="^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
	// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().matches('^(host|cookie|content-length|accept-encoding|user-agent|via|x-real-ip|traceparent|tracestate|expect|connection|keep-alive|te|trailer|trailers|transfer-encoding|upgrade|forwarded|(x-sdk-|x-forwarded-|x-envoy-|proxy-).*)$')",message="a header that proxies change, or that is signed anyway, cannot carry the signature",reason="FieldValueInvalid"
	SignatureHeader string `json:"signatureHeader,omitempty"`

	// backendHost is the Host that the backend receives, with the port unless it is
	// the default of the scheme, for a gateway that cannot send it to the signer.
	// At most 259 characters. Defaults to the host that the gateway sends. May be
	// changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=259
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`
	BackendHost string `json:"backendHost,omitempty"`
}

// APIState is the state of an API in a binding: Bound, NotPublished, Offline,
// Pending, Standby or Conflicted.
// +kubebuilder:validation:Enum=Bound;NotPublished;Offline;Pending;Standby;Conflicted
type APIState string

// The states of an API in a binding. In the first three the binding holds the
// API and its key signs for it.
const (
	// APIBound means that the binding holds the API, which is published.
	APIBound APIState = "Bound"
	// APINotPublished means that the binding holds the API, which was never
	// published in the environment.
	APINotPublished APIState = "NotPublished"
	// APIOffline means that the binding holds the API, which was published and no
	// longer is.
	APIOffline APIState = "Offline"
	// APIPending means that nothing signs for the API: the key has no material, or
	// accepts no new bindings, or other bindings have yet to acknowledge that they do
	// not hold the API. With a boundAt, the binding holds the API.
	APIPending APIState = "Pending"
	// APIStandby means that another binding holds the API and signs with the same
	// key in the same way. This binding takes over when that one releases it.
	APIStandby APIState = "Standby"
	// APIConflicted means that another binding holds the API and signs with another
	// key or in another way.
	APIConflicted APIState = "Conflicted"
)

// APIStatus is the observed state of one API of a binding.
type APIStatus struct {
	// group of the API's kind.
	// +required
	Group APIGroup `json:"group,omitempty"`

	// kind of the API.
	// +required
	Kind APIKind `json:"kind,omitempty"`

	// name of the API.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// state of the API: Bound, NotPublished, Offline, Pending, Standby or
	// Conflicted.
	// +required
	State APIState `json:"state,omitempty"`

	// boundAt is when this binding came to hold the API in status.environment.
	// While it is set, no other binding holds the API.
	// +optional
	BoundAt *metav1.Time `json:"boundAt,omitempty"`

	// gateways is the number of Gateways of the environment that serve the route.
	// It is omitted while the route was never published, and for kind API.
	// +optional
	Gateways *int32 `json:"gateways,omitempty"`

	// holder is the binding that holds the API while this one is on Standby or
	// Conflicted. It is omitted while no binding holds the API because the key of
	// the one that gets it cannot be protected.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Holder string `json:"holder,omitempty"`

	// message describes the state when the API is not Bound, in at most 128
	// characters.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Message string `json:"message,omitempty"`
}

// PreviousKey is a key that a binding has moved away from.
type PreviousKey struct {
	// name of the key.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// until is when requests that the key signed are no longer accepted.
	// +required
	Until metav1.Time `json:"until"`
}

// SignatureBindingStatus is the observed state of a binding. Only Signet sets it.
type SignatureBindingStatus struct {
	// conditions are Ready and, only while true, Stalled and PathRewritten. At
	// most 8.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// environment that status.apis describes.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Environment string `json:"environment,omitempty"`

	// keyName is the effective key: spec.keyRef.name or, during a move, the key
	// before it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	KeyName string `json:"keyName,omitempty"`

	// previousKeys are the keys before the latest moves, while requests that they
	// signed may still be on their way. At most 8.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	PreviousKeys []PreviousKey `json:"previousKeys,omitempty"`

	// displayName is the name of the effective key on the gateway.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	DisplayName string `json:"displayName,omitempty"`

	// boundAPIs is the number of APIs that are Bound.
	// +optional
	BoundAPIs int32 `json:"boundAPIs"`

	// totalAPIs is the number of APIs that the binding lists.
	// +optional
	TotalAPIs int32 `json:"totalAPIs"`

	// apis are the states of the APIs, in the order of spec.apis.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	APIs []APIStatus `json:"apis,omitempty"`

	// fencingToken counts the writes of this status. Each write thereby changes the
	// object, so that the late write of a deposed leader fails at its
	// resourceVersion.
	// +optional
	FencingToken int64 `json:"fencingToken,omitempty"`
}

// SignatureBinding binds a SignatureKey to APIs in one environment. In an
// environment an API has at most one key: the binding that holds the API keeps it
// until the binding is deleted, drops the API or changes its environment.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=sigbind,categories=signet
// +kubebuilder:selectablefield:JSONPath=`.spec.keyRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.environment`
// +kubebuilder:printcolumn:name="Key",type=string,JSONPath=`.spec.keyRef.name`
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.environment`
// +kubebuilder:printcolumn:name="Bound",type=integer,JSONPath=`.status.boundAPIs`
// +kubebuilder:printcolumn:name="APIs",type=integer,JSONPath=`.status.totalAPIs`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Effective Key",type=string,JSONPath=`.status.keyName`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SignatureBinding struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the binding.
	// +required
	Spec SignatureBindingSpec `json:"spec,omitzero"`

	// status is the observed state of the binding. Only Signet sets it. An
	// observedGeneration of -1 means that Signet has not seen the binding yet:
	// without a status, Flux and other users of kstatus would treat it as ready.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status SignatureBindingStatus `json:"status,omitempty,omitzero"`
}

// SignatureBindingList is a list of SignatureBindings.
// +kubebuilder:object:root=true
type SignatureBindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SignatureBinding `json:"items"`
}
