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
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
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

// newClaims has the bindings among these objects, and knows which keys are being deleted.
func newClaims(objects ...client.Object) Claims {
	claims := slots.NewClaimCache()
	for _, object := range objects {
		switch object := object.(type) {
		case *signetv1alpha1.SignatureKey:
			claims.ObserveKey(object.Namespace, object.Name, object)
		case *signetv1alpha1.SignatureBinding:
			claims.Update(object)
		}
	}
	return Claims{claims, func() bool { return true }}
}

// noClaims are not known yet.
func noClaims() Claims { return Claims{slots.NewClaimCache(), func() bool { return false }} }

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
	if refusal != "" && !apierrors.IsInvalid(err) && !apierrors.IsInternalError(err) && !apierrors.IsForbidden(err) {
		t.Errorf("the refusal is not an API error with a reason: %#v", err)
	}
}

// existingKey builds an HMAC key with material, as old as the first objects.
func existingKey(name string, options ...gen.KeyOption) *signetv1alpha1.SignatureKey {
	return gen.SignatureKey(name, append([]gen.KeyOption{
		inNamespace, gen.CreatedAt(born), gen.WithFinalizers(signetv1alpha1.FinalizerProtection), gen.WithKeyID("8f14e45f"),
	}, options...)...)
}

// existingBinding binds the key orders to the HTTPRoute orders in RELEASE, an hour
// after the first objects.
func existingBinding(name string, options ...gen.BindingOption) *signetv1alpha1.SignatureBinding {
	return gen.SignatureBinding(name, "orders", append([]gen.BindingOption{
		inNamespace, createdAt(time.Hour), gen.WithHTTPRoutes("orders"),
	}, options...)...)
}

var (
	inNamespace   = gen.InNamespace(namespace)
	elsewhere     = gen.InNamespace("team-b")
	publicKeyType = gen.WithType(signetv1alpha1.KeyTypePublicKey)
	// unlabeled is a Secret without the label of source Secrets.
	unlabeled = gen.SecretFunc(func(secret *corev1.Secret) { secret.Labels = nil })
	// labeledManaged is a Secret that carries the label of managed Secrets.
	labeledManaged = gen.WithLabels(map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged})
	// notReady is a key without material.
	notReady = gen.WithKeyID("")
	// unprotected removes Signet's finalizer from a key.
	unprotected = gen.WithFinalizers(metav1.FinalizerDeleteDependents)
	// holding is a binding that holds all that it lists, since it exists.
	holding = gen.BindingFunc(func(binding *signetv1alpha1.SignatureBinding) {
		gen.Holding(binding.CreationTimestamp.Add(time.Second))(binding)
	})
	// leaving is a binding that is being deleted and has another client's finalizer.
	leaving = gen.BindingFunc(func(binding *signetv1alpha1.SignatureBinding) {
		deletedAt(2 * time.Hour)(binding)
		gen.WithFinalizers("example.com/audit")(binding)
	})
)

func createdAt(after time.Duration) gen.ObjectOption { return gen.CreatedAt(born.Add(after)) }

// deletedAt deletes an object that a finalizer keeps.
func deletedAt(after time.Duration) gen.ObjectOption { return gen.DeletedAt(born.Add(after)) }
