// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	protection = signetv1alpha1.FinalizerProtection
	stage      = signetv1alpha1.DefaultStageSeconds * time.Second
	retire     = signetv1alpha1.DefaultRetireSeconds * time.Second
	day        = 24 * time.Hour

	identifier  = "orders_app"
	secretValue = "active-secret-0123456789"
	saltValue   = "salt-0123456789"

	secretUID    = "secret-uid"
	createdUID   = "created-uid"
	otherSecret  = "other-secret-0123456789"
	sourceSecret = "source-secret-0123456789"
)

var (
	// testNow is the time of every observation.
	testNow = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)
	// earlier is when the material of existing keys was generated.
	earlier = testNow.Add(-time.Hour)
)

// The material and the managed Secret of a key at rest.
var (
	activeSet    = testSet()
	activeSecret = testSecret(testKey(), activeSet)
)

// testRandom is a deterministic source of randomness: the n-th read returns
// bytes with the value n.
type testRandom struct{ reads byte }

func (r *testRandom) Read(p []byte) (int, error) {
	r.reads++
	return copy(p, bytes.Repeat([]byte{r.reads}, len(p))), nil
}

// drawnID is the ID of a version that the n-th read of testRandom has made.
func drawnID(n int) string { return strings.Repeat(fmt.Sprintf("%02x", n), 16) }

// drawnSalt is a salt that the n-th read of testRandom has made.
func drawnSalt(n int) material.Bytes { return material.Bytes(drawnID(n)) }

// drawn is the first HMAC version that testRandom makes.
func drawn() material.Version {
	return material.Version{
		ID: drawnID(4), Key: material.Bytes("B" + strings.Repeat("C", 31)), Secret: material.Bytes(strings.Repeat("D", 64)),
		Created: testNow, Activated: testNow,
	}
}

// testKey returns an HMAC key that Signet has not seen yet.
func testKey(options ...gen.KeyOption) *signetv1alpha1.SignatureKey {
	initial := gen.KeyFunc(func(key *signetv1alpha1.SignatureKey) {
		key.UID, key.ResourceVersion, key.Generation = "key-uid", "10", 1
		key.Status.ObservedGeneration = -1
	})
	return gen.SignatureKey("orders", append([]gen.KeyOption{gen.InNamespace("shop"), initial}, options...)...)
}

// withStatus sets a status that an earlier reconcile has written.
func withStatus(options ...statusOption) gen.KeyFunc {
	return func(key *signetv1alpha1.SignatureKey) { key.Status = statusOf(options...) }
}

// readyKey returns a key that an earlier reconcile has found ready with the
// material.
func readyKey(set *material.Set, options ...gen.KeyOption) *signetv1alpha1.SignatureKey {
	return testKey(append([]gen.KeyOption{withStatus(readyWith(set))}, options...)...)
}

// readyWith is the status of a ready key with the material, at rest since then.
func readyWith(set *material.Set) statusOption {
	return func(s *signetv1alpha1.SignatureKeyStatus) {
		ready(earlier)(s)
		notBound(earlier)(s)
		settled(earlier, set.Active.ID)(s)
		showing(set)(s)
	}
}

// testSet returns HMAC material with one version.
func testSet(options ...func(*material.Set)) *material.Set {
	set := &material.Set{
		Type: signetv1alpha1.KeyTypeHMAC, DisplayName: "orders", Salt: material.Bytes(saltValue),
		Active: material.Version{
			ID: "active-id", Key: material.Bytes(identifier), Secret: material.Bytes(secretValue),
			Created: earlier, Activated: earlier,
		},
	}
	for _, option := range options {
		option(set)
	}
	return set
}

// staged adds a next version that has been published since then.
func staged(since time.Time) func(*material.Set) {
	return func(set *material.Set) {
		set.Next = &material.Version{ID: "next-id", Key: material.Bytes(identifier), Secret: material.Bytes(otherSecret), Created: since}
	}
}

// retiring adds a previous version, from a switch at that time.
func retiring(since time.Time) func(*material.Set) {
	return func(set *material.Set) {
		set.Active.Activated = since
		set.Previous = &material.Version{
			ID: "previous-id", Key: material.Bytes(identifier), Secret: material.Bytes(otherSecret),
			Created: earlier, Activated: earlier, Retires: since.Add(retire),
		}
	}
}

// noting records triggers as acted upon.
func noting(trigger, revokeTrigger string) func(*material.Set) {
	return func(set *material.Set) { set.Trigger, set.RevokeTrigger = trigger, revokeTrigger }
}

// testSecret returns the managed Secret of the key with this material, as the
// cache shows it.
func testSecret(key *signetv1alpha1.SignatureKey, set *material.Set, options ...gen.SecretOption) *corev1.Secret {
	observed := gen.SecretFunc(func(secret *corev1.Secret) { secret.UID, secret.ResourceVersion = secretUID, "20" })
	return gen.ManagedSecret(key, set.Encode(), append([]gen.SecretOption{observed}, options...)...)
}

// newSecret returns the managed Secret as it is created.
func newSecret(key *signetv1alpha1.SignatureKey, set *material.Set, options ...gen.SecretOption) *corev1.Secret {
	return gen.ManagedSecret(key, set.Encode(), options...)
}

// create is the plan to create the managed Secret.
func create(desired *corev1.Secret) *SecretPlan { return write(nil, desired) }

// write is the plan to patch the managed Secret.
func write(observed, desired *corev1.Secret) *SecretPlan {
	set, err := material.Decode(desired.Data)
	if err != nil {
		panic(err)
	}
	return &SecretPlan{Observed: observed, Desired: desired, RotationState: set.RotationState()}
}

// watched is a rotation that has been watched for that long.
func watched(set *material.Set, since time.Duration) material.Watch {
	return material.Watch{State: set.RotationState(), FirstSeen: testNow.Add(-since), Watched: since}
}

type statusOption func(*signetv1alpha1.SignatureKeyStatus)

// statusOf builds the status of a key of generation 1.
func statusOf(options ...statusOption) signetv1alpha1.SignatureKeyStatus {
	s := signetv1alpha1.SignatureKeyStatus{
		ObservedGeneration: 1, DisplayName: "orders", SecretName: "orders", Bindings: &signetv1alpha1.KeyBindings{},
	}
	for _, option := range options {
		option(&s)
	}
	return s
}

// condition sets a condition of generation 1.
func condition(conditionType string, conditionStatus metav1.ConditionStatus, since time.Time, reason, message string) statusOption {
	return func(s *signetv1alpha1.SignatureKeyStatus) {
		kept := s.Conditions[:0:0]
		for _, c := range s.Conditions {
			if c.Type != conditionType {
				kept = append(kept, c)
			}
		}
		kept = append(kept, metav1.Condition{
			Type: conditionType, Status: conditionStatus, Reason: reason, Message: message,
			ObservedGeneration: 1, LastTransitionTime: metav1.NewTime(since),
		})
		s.Conditions = kept
	}
}

func ready(since time.Time) statusOption {
	return readyAs(since, signetv1alpha1.ReasonReady, `The material is in Secret "orders".`)
}

func readyAs(since time.Time, reason, message string) statusOption {
	return condition(signetv1alpha1.ConditionReady, metav1.ConditionTrue, since, reason, message)
}

func waiting(since time.Time, reason, message string) statusOption {
	return condition(signetv1alpha1.ConditionReady, metav1.ConditionUnknown, since, reason, message)
}

func stalled(since time.Time, reason, message string) statusOption {
	return func(s *signetv1alpha1.SignatureKeyStatus) {
		condition(signetv1alpha1.ConditionReady, metav1.ConditionFalse, since, reason, message)(s)
		condition(signetv1alpha1.ConditionStalled, metav1.ConditionTrue, since, reason, message)(s)
	}
}

func notBound(since time.Time) statusOption {
	return condition(signetv1alpha1.ConditionInUse, metav1.ConditionFalse, since, signetv1alpha1.ReasonNotBound, "No binding uses the key.")
}

// boundToShop is the status of a key that the binding "shop" uses.
func boundToShop(since time.Time) statusOption {
	return usedBy(since, signetv1alpha1.ReasonBound, "Used by 1 binding: shop.", 1, "shop")
}

func usedBy(since time.Time, reason, message string, count int32, names ...string) statusOption {
	return func(s *signetv1alpha1.SignatureKeyStatus) {
		condition(signetv1alpha1.ConditionInUse, metav1.ConditionTrue, since, reason, message)(s)
		s.Bindings = &signetv1alpha1.KeyBindings{Count: count, Names: names}
	}
}

func settled(since time.Time, id string) statusOption {
	return notRotating(since, signetv1alpha1.ReasonSettled, "Version "+id+" signs. No other version is accepted.")
}

func resting(since time.Time) statusOption {
	return notRotating(since, signetv1alpha1.ReasonResting,
		"Version active-id signs. No rotation starts until the spec and the source are valid. See the condition Ready.")
}

func notRotating(since time.Time, reason, message string) statusOption {
	return condition(signetv1alpha1.ConditionRotating, metav1.ConditionFalse, since, reason, message)
}

func rotatingAs(since time.Time, reason, message string) statusOption {
	return condition(signetv1alpha1.ConditionRotating, metav1.ConditionTrue, since, reason, message)
}

// creating describes material whose Secret is being created, so that its UID is
// not known yet.
func creating(set *material.Set) statusOption {
	return func(s *signetv1alpha1.SignatureKeyStatus) {
		showing(set)(s)
		s.SecretUID = ""
	}
}

// recording has material on record that is not in effect.
func recording(set *material.Set) statusOption {
	return func(s *signetv1alpha1.SignatureKeyStatus) { s.SecretUID, s.Versions = secretUID, set.Versions() }
}

// showing describes material in a Secret on record as a status does.
func showing(set *material.Set) statusOption {
	return func(s *signetv1alpha1.SignatureKeyStatus) {
		s.Identifier = ""
		if set.Type == signetv1alpha1.KeyTypeHMAC || set.Type == signetv1alpha1.KeyTypeBasic {
			s.Identifier = string(set.Active.Key)
		}
		recording(set)(s)
		s.KeyID = set.Active.ID
		s.LastRotationTime = &metav1.Time{Time: set.Active.Activated}
		s.ObservedTrigger, s.ObservedRevokeTrigger = set.Trigger, set.RevokeTrigger
	}
}

// observed records triggers as acted upon.
func observed(trigger, revokeTrigger string) statusOption {
	return func(s *signetv1alpha1.SignatureKeyStatus) {
		s.ObservedTrigger, s.ObservedRevokeTrigger = trigger, revokeTrigger
	}
}

func nextRotation(at time.Time) statusOption {
	return func(s *signetv1alpha1.SignatureKeyStatus) { s.NextRotationTime = &metav1.Time{Time: at} }
}

func normal(reason, message string) status.Event {
	return status.Event{Type: corev1.EventTypeNormal, Reason: reason, Message: message}
}

func warning(reason, message string) status.Event {
	return status.Event{Type: corev1.EventTypeWarning, Reason: reason, Message: message}
}

// readyEvent is the event about a key that has become ready.
func readyEvent() status.Event {
	return normal(signetv1alpha1.ReasonReady, `The material is in Secret "orders".`)
}
