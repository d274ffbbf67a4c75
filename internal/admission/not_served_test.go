// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/signet-dev/signet/internal/namespaces"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// unread is the cache of a manager that does not serve the namespace.
type unread struct{ client.Reader }

func (unread) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return &namespaces.NotServedError{Namespace: namespace}
}

func (unread) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return &namespaces.NotServedError{Namespace: namespace}
}

func TestObjectsInANamespaceThatIsNotServed(t *testing.T) {
	const (
		outside = `metadata.namespace: Namespace "team-a" is not served by Signet, so nothing happens to this object: it is not in --namespaces.`
		refused = `signaturebindings.signet.dev "late" is forbidden: taken APIs are refused (--reject-taken-slots), which cannot be checked: the namespace is not served now`
	)
	state := func(configured bool) stateOf {
		return func(string) namespaces.State {
			return namespaces.State{Configured: configured, Problem: "it is not in --namespaces"}
		}
	}
	keys := &keyValidator{reader: unread{}, claims: newClaims(), stateOf: state(false)}
	warned := []string{outside}
	for name, tc := range map[string]struct {
		validate  func(context.Context) (admission.Warnings, error)
		warnings  []string
		rejection string
	}{
		"a key": {func(ctx context.Context) (admission.Warnings, error) {
			return keys.ValidateCreate(ctx, existingKey("orders"))
		}, warned, ""},
		"a key with a source": {func(ctx context.Context) (admission.Warnings, error) {
			return keys.ValidateCreate(ctx, existingKey("orders", gen.WithSource("own")))
		}, warned, ""},
		"a key is deleted": {func(ctx context.Context) (admission.Warnings, error) {
			return keys.ValidateDelete(ctx, existingKey("orders"))
		}, nil, ""},
		"a binding": {func(ctx context.Context) (admission.Warnings, error) {
			return (&bindingValidator{reader: unread{}, claims: newClaims(), stateOf: state(false)}).ValidateCreate(ctx, late())
		}, warned, ""},
		"a binding, where taken APIs are refused": {func(ctx context.Context) (admission.Warnings, error) {
			return (&bindingValidator{reader: unread{}, claims: newClaims(), stateOf: state(false), rejectTaken: true}).ValidateCreate(ctx, late())
		}, warned, ""},
		"a binding that cannot be checked": {func(ctx context.Context) (admission.Warnings, error) {
			return (&bindingValidator{reader: unread{}, claims: newClaims(), stateOf: state(true), rejectTaken: true}).ValidateCreate(ctx, late())
		}, warned, refused},
		"an update of a binding": {func(ctx context.Context) (admission.Warnings, error) {
			return (&bindingValidator{reader: unread{}, claims: newClaims(), stateOf: state(false)}).ValidateUpdate(ctx, late(), late(gen.WithEnvironment("staging")))
		}, warned, ""},
		"a source": {func(ctx context.Context) (admission.Warnings, error) {
			source := gen.SourceSecret("own", map[string]string{"secret": "no"}, gen.InNamespace(namespace))
			return (&sourceValidator{reader: unread{}}).ValidateCreate(ctx, source)
		}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			warnings, err := tc.validate(t.Context())
			expectAnswer(t, warnings, err, tc.warnings, tc.rejection)
		})
	}
}
