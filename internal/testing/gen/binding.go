// SPDX-License-Identifier: Apache-2.0

package gen

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Environment is where bindings are published unless an option names another
// environment.
const Environment = "RELEASE"

// BindingOption changes a SignatureBinding: a BindingFunc or an ObjectOption.
type BindingOption interface {
	applyToBinding(*signetv1alpha1.SignatureBinding)
}

// BindingFunc is a BindingOption and a mutation of an existing binding.
type BindingFunc func(*signetv1alpha1.SignatureBinding)

func (f BindingFunc) applyToBinding(binding *signetv1alpha1.SignatureBinding) { f(binding) }

// SignatureBinding builds a binding to the key in the environment RELEASE. It
// lists no API until an option adds one, which the API server does not accept.
func SignatureBinding(name, key string, options ...BindingOption) *signetv1alpha1.SignatureBinding {
	binding := &signetv1alpha1.SignatureBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: signetv1alpha1.SignatureBindingSpec{
			KeyRef: signetv1alpha1.LocalReference{Name: key}, Environment: Environment,
		},
	}
	for _, option := range options {
		option.applyToBinding(binding)
	}
	return binding
}

// WithKey names another key.
func WithKey(name string) BindingFunc {
	return func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.KeyRef.Name = name }
}

// WithEnvironment names another environment.
func WithEnvironment(name string) BindingFunc {
	return func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.Environment = name }
}

// WithAPIs adds APIs of kind API.
func WithAPIs(names ...string) BindingFunc { return listing(signetv1alpha1.APIKindAPI, names) }

// WithHTTPRoutes adds HTTPRoutes.
func WithHTTPRoutes(names ...string) BindingFunc {
	return listing(signetv1alpha1.APIKindHTTPRoute, names)
}

// WithGRPCRoutes adds GRPCRoutes.
func WithGRPCRoutes(names ...string) BindingFunc {
	return listing(signetv1alpha1.APIKindGRPCRoute, names)
}

func listing(kind signetv1alpha1.APIKind, names []string) BindingFunc {
	return func(binding *signetv1alpha1.SignatureBinding) {
		for _, name := range names {
			binding.Spec.APIs = append(binding.Spec.APIs, signetv1alpha1.NewAPIReference(kind, name))
		}
	}
}

// WithPayload sets what the signature covers.
func WithPayload(payload signetv1alpha1.Payload) BindingFunc {
	return func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.Payload = payload }
}

// WithSignatureHeader sets the header that carries the signature. A binding with
// another header signs differently, so that it is Conflicted where the other one
// holds the API.
func WithSignatureHeader(header string) BindingFunc {
	return func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.SignatureHeader = header }
}

// Holding records in the status that the binding holds every API that it lists,
// since that time. It comes after the options that set the spec.
func Holding(since time.Time) BindingFunc {
	return func(binding *signetv1alpha1.SignatureBinding) {
		status := &binding.Status
		status.Environment, status.KeyName = binding.Spec.Environment, binding.Spec.KeyRef.Name
		listed := int32(len(binding.Spec.APIs)) //nolint:gosec // at most 1000
		status.TotalAPIs, status.BoundAPIs = listed, listed
		status.APIs = nil
		for _, api := range binding.Spec.APIs {
			status.APIs = append(status.APIs, signetv1alpha1.APIStatus{
				Group: api.Group, Kind: api.Kind, Name: api.Name,
				State: signetv1alpha1.APIBound, BoundAt: &metav1.Time{Time: since},
			})
		}
	}
}

// ReplacingAPIs removes the APIs that other options have added before it adds its
// own.
func ReplacingAPIs(option BindingFunc) BindingFunc {
	return func(binding *signetv1alpha1.SignatureBinding) {
		binding.Spec.APIs = nil
		option(binding)
	}
}
