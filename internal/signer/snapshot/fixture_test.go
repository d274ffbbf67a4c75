// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/signer/snapshot"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	namespace   = "team-a"
	environment = gen.Environment
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// inNamespace sets the namespace of all objects in the tests.
var inNamespace = gen.InNamespace(namespace)

func newSet(t testing.TB, key *signetv1alpha1.SignatureKey) *material.Set {
	t.Helper()
	set, err := material.First(key, material.Supplied{}, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// newHolder returns a binding that holds the APIs with the key.
func newHolder(name, key string, apis ...string) *signetv1alpha1.SignatureBinding {
	return gen.SignatureBinding(name, key, inNamespace, gen.WithAPIs(apis...), gen.Holding(now))
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
	f := &fixture{Store: snapshot.New(), key: gen.SignatureKey("orders", inNamespace), binding: newHolder("orders", "orders", "orders")}
	f.set = newSet(t, f.key)
	f.secret = gen.ManagedSecret(f.key, f.set.Encode())
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
