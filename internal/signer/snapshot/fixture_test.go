// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/signer/snapshot"
	"github.com/signet-dev/signet/internal/slots"
)

const (
	namespace   = "team-a"
	environment = "RELEASE"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newKey(name string, options ...func(*signetv1alpha1.SignatureKey)) *signetv1alpha1.SignatureKey {
	key := &signetv1alpha1.SignatureKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC},
	}
	for _, change := range options {
		change(key)
	}
	return key
}

func newSet(t testing.TB, key *signetv1alpha1.SignatureKey) *material.Set {
	t.Helper()
	set, err := material.First(key, material.Supplied{}, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func newSecret(key *signetv1alpha1.SignatureKey, set *material.Set, options ...func(*corev1.Secret)) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.EffectiveTargetName(),
			Labels: map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged, signetv1alpha1.LabelKey: key.Name},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(key, signetv1alpha1.GroupVersion.WithKind("SignatureKey")),
			},
		},
		Type: signetv1alpha1.SecretType,
		Data: set.Encode(),
	}
	for _, change := range options {
		change(secret)
	}
	return secret
}

// newBinding returns a binding that holds the APIs with the key.
func newBinding(name, key string, apis ...string) *signetv1alpha1.SignatureBinding {
	binding := &signetv1alpha1.SignatureBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       signetv1alpha1.SignatureBindingSpec{KeyRef: signetv1alpha1.LocalReference{Name: key}, Environment: environment},
		Status:     signetv1alpha1.SignatureBindingStatus{Environment: environment, KeyName: key},
	}
	for _, api := range apis {
		binding.Spec.APIs = append(binding.Spec.APIs, signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, api))
		binding.Status.APIs = append(binding.Status.APIs, signetv1alpha1.APIStatus{
			Kind: signetv1alpha1.APIKindAPI, Name: api, State: signetv1alpha1.APIBound, BoundAt: &metav1.Time{Time: now},
		})
	}
	return binding
}

func slot(api string) slots.Slot {
	return slots.Slot{Namespace: namespace, Environment: environment, Kind: signetv1alpha1.APIKindAPI, Name: api}
}

// fixture is a complete store in which the API orders is signed with the key orders.
type fixture struct {
	*snapshot.Store
	key     *signetv1alpha1.SignatureKey
	set     *material.Set
	secret  *corev1.Secret
	binding *signetv1alpha1.SignatureBinding
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{Store: snapshot.New(), key: newKey("orders"), binding: newBinding("orders", "orders", "orders")}
	f.set = newSet(t, f.key)
	f.secret = newSecret(f.key, f.set)
	f.SetKey(f.key, now)
	f.SetSecret(f.secret, now)
	f.SetBinding(f.binding, now)
	f.Complete(now)
	return f
}

// expectSigned expects that the API orders is signed with the version.
func expectSigned(t testing.TB, store *snapshot.Store, at time.Time, version string) snapshot.Grant {
	t.Helper()
	grant, err := store.Snapshot().Lookup(slot("orders"), at)
	if err != nil {
		t.Fatal(err)
	}
	key, err := grant.SigningKey()
	if err != nil || key.ID() != version {
		t.Fatalf("signed with %v, %v, want version %s", key.ID(), err, version)
	}
	return grant
}

// expectRefused expects that the API is unusable for the reason.
func expectRefused(t testing.TB, store *snapshot.Store, api string, at time.Time, want snapshot.Reason) {
	t.Helper()
	if got := reasonOf(store.Snapshot().Lookup(slot(api), at)); got != want {
		t.Fatalf("refused for %q, want %q", got, want)
	}
}

func accepted(grant snapshot.Grant, at time.Time) []string {
	var ids []string
	for _, key := range grant.Accepted(at) {
		ids = append(ids, key.ID())
	}
	return ids
}

func reasonOf(_ snapshot.Grant, err error) snapshot.Reason {
	if err == nil {
		return ""
	}
	unusable, ok := err.(*snapshot.UnusableError) //nolint:errorlint // it must be exactly this type
	if !ok {
		return snapshot.Reason(fmt.Sprintf("%T", err))
	}
	return unusable.Reason
}
