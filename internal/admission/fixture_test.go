// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/index"
)

const namespace = "team-a"

// born is when the first objects of a test were made.
var born = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// indexer gives the fake client the indexes that the manager's cache has.
type indexer struct{ *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, object client.Object, field string, values client.IndexerFunc) error {
	i.WithIndex(object, field, values)
	return nil
}

func newBuilder(t *testing.T) *fake.ClientBuilder {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), signetv1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme)
	if err := index.Setup(t.Context(), indexer{builder}); err != nil {
		t.Fatal(err)
	}
	return builder
}

// newReader reads these objects as the manager's cache would have them.
func newReader(t *testing.T, objects ...client.Object) client.Reader {
	t.Helper()
	return newBuilder(t).WithObjects(objects...).Build()
}

// newBlind is a cache that cannot be read.
func newBlind(t *testing.T) client.Reader {
	t.Helper()
	blind := errors.New("the cache cannot be read")
	return newBuilder(t).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return blind
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return blind },
	}).Build()
}

// expectAnswer compares the warnings and the error of an answer. An empty
// refusal is an admission.
func expectAnswer(t *testing.T, warnings []string, err error, wantWarnings []string, refusal string) {
	t.Helper()
	if diff := cmp.Diff(wantWarnings, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	got := ""
	if err != nil {
		got = err.Error()
	}
	if diff := cmp.Diff(refusal, got); diff != "" {
		t.Errorf("refusal (-want +got):\n%s", diff)
	}
	if refusal != "" && !apierrors.IsInvalid(err) && !apierrors.IsInternalError(err) {
		t.Errorf("the refusal is not an API error with a reason: %#v", err)
	}
}

type keyOption func(*signetv1alpha1.SignatureKey)

// newKey returns an HMAC key with material.
func newKey(name string, options ...keyOption) *signetv1alpha1.SignatureKey {
	key := &signetv1alpha1.SignatureKey{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(born),
			Finalizers: []string{signetv1alpha1.FinalizerProtection},
		},
		Spec:   signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC},
		Status: signetv1alpha1.SignatureKeyStatus{KeyID: "8f14e45f"},
	}
	for _, option := range options {
		option(key)
	}
	return key
}

func withType(t signetv1alpha1.KeyType, algorithm signetv1alpha1.KeyAlgorithm) keyOption {
	return func(key *signetv1alpha1.SignatureKey) { key.Spec.Type, key.Spec.Algorithm = t, algorithm }
}

func withIdentifier(value string) keyOption {
	return func(key *signetv1alpha1.SignatureKey) { key.Spec.Identifier = value }
}

func withSource(name string) keyOption {
	return func(key *signetv1alpha1.SignatureKey) {
		key.Spec.Source = &signetv1alpha1.KeySource{SecretRef: &signetv1alpha1.LocalReference{Name: name}}
	}
}

func withRotation(rotation signetv1alpha1.Rotation) keyOption {
	return func(key *signetv1alpha1.SignatureKey) { key.Spec.Rotation = &rotation }
}

func elsewhere(object client.Object) { object.SetNamespace("team-b") }

// notReady is a key without material.
func notReady(key *signetv1alpha1.SignatureKey) { key.Status.KeyID = "" }

// deletedAt deletes a key, which Signet's finalizer protects.
func deletedAt(after time.Duration) keyOption {
	return func(key *signetv1alpha1.SignatureKey) {
		when := metav1.NewTime(born.Add(after))
		key.DeletionTimestamp = &when
	}
}

// unprotected removes Signet's finalizer from a key.
func unprotected(key *signetv1alpha1.SignatureKey) {
	key.Finalizers = []string{metav1.FinalizerDeleteDependents}
}

type bindingOption func(*signetv1alpha1.SignatureBinding)

// newBinding binds the key orders to the HTTPRoute orders in RELEASE, an hour
// after the beginning.
func newBinding(name string, options ...bindingOption) *signetv1alpha1.SignatureBinding {
	binding := &signetv1alpha1.SignatureBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(born.Add(time.Hour))},
		Spec: signetv1alpha1.SignatureBindingSpec{
			KeyRef: signetv1alpha1.LocalReference{Name: "orders"}, Environment: "RELEASE",
			APIs: []signetv1alpha1.APIReference{signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindHTTPRoute, "orders")},
		},
	}
	for _, option := range options {
		option(binding)
	}
	return binding
}

func withHeader(header string) bindingOption {
	return func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.SignatureHeader = header }
}

func createdAt(after time.Duration) bindingOption {
	return func(binding *signetv1alpha1.SignatureBinding) {
		binding.CreationTimestamp = metav1.NewTime(born.Add(after))
	}
}

func inEnvironment(name string) bindingOption {
	return func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.Environment = name }
}

func withKey(name string) bindingOption {
	return func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.KeyRef.Name = name }
}

func withAPIs(kind signetv1alpha1.APIKind, names ...string) bindingOption {
	return func(binding *signetv1alpha1.SignatureBinding) {
		binding.Spec.APIs = nil
		for _, name := range names {
			binding.Spec.APIs = append(binding.Spec.APIs, signetv1alpha1.NewAPIReference(kind, name))
		}
	}
}

// holding says in the status that the binding holds all that it lists.
func holding(binding *signetv1alpha1.SignatureBinding) {
	binding.Status.Environment = binding.Spec.Environment
	binding.Status.KeyName = binding.Spec.KeyRef.Name
	since := metav1.NewTime(binding.CreationTimestamp.Add(time.Second))
	for _, api := range binding.Spec.APIs {
		binding.Status.APIs = append(binding.Status.APIs, signetv1alpha1.APIStatus{
			Kind: api.Kind, Name: api.Name, State: signetv1alpha1.APIBound, BoundAt: &since,
		})
	}
}

// leaving is a binding that is being deleted and has another client's finalizer.
func leaving(binding *signetv1alpha1.SignatureBinding) {
	when := metav1.NewTime(born.Add(2 * time.Hour))
	binding.DeletionTimestamp = &when
	binding.Finalizers = []string{"example.com/audit"}
}

func newSource(name string, data map[string]string) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name,
			Labels: map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource},
		},
		Data: map[string][]byte{},
	}
	for name, value := range data {
		secret.Data[name] = []byte(value)
	}
	return secret
}
