// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// forgery is what another client has written under the name of the managed Secret or
// of the public ConfigMap.
type forgery struct {
	owner, label, data  string
	ours, protected, on bool
}

var (
	forgedOwners = []string{"none", "this key", "earlier key", "other key", "other object"}
	forgedLabels = []string{"none", "this key", "other key", "source"}
	forgedData   = map[string]map[string][]byte{
		"same": activeSet.Encode(), "other": otherSet.Encode(), "garbage": {"key": []byte("x"), "secret": []byte("forged-garbage")},
	}
)

func (f forgery) String() string {
	return fmt.Sprintf("owner %s, label %s, data %s, Signet's type %t, finalizer %t, UID on record %t", f.owner, f.label, f.data, f.ours, f.protected, f.on)
}

func (f forgery) owners() []metav1.OwnerReference {
	reference := *metav1.NewControllerRef(testKey(), material.KeyKind)
	switch f.owner {
	case "none":
		return nil
	case "earlier key":
		reference.UID = "earlier-uid"
	case "other key":
		reference.Name, reference.UID = "payments", "payments-uid"
	case "other object":
		reference.APIVersion, reference.Kind, reference.UID = "apps/v1", "Deployment", "deployment-uid"
	}
	return []metav1.OwnerReference{reference}
}

func (f forgery) labels() map[string]string {
	switch f.label {
	case "this key":
		return map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged, signetv1alpha1.LabelKey: "orders"}
	case "other key":
		return map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged, signetv1alpha1.LabelKey: "payments"}
	case "source":
		return map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource}
	default:
		return nil
	}
}

func (f forgery) secret() *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "orders", UID: "forged-uid", ResourceVersion: "20", Labels: f.labels(), OwnerReferences: f.owners(),
		},
		Type: corev1.SecretTypeOpaque, Data: forgedData[f.data],
	}
	if f.ours {
		secret.Type = signetv1alpha1.SecretType
	}
	if f.on {
		secret.UID = secretUID
	}
	if f.protected {
		secret.Finalizers = []string{protection}
	}
	return secret
}

// forgedKeys are the states of a key, each with a live read.
var forgedKeys = map[string]func() Observation{
	"new":         func() Observation { return Observation{Key: testKey(), Releasing: true} },
	"unbound":     func() Observation { return Observation{Key: readyKey(activeSet), Releasing: true} },
	"bound":       func() Observation { return bound(activeSet) },
	"terminating": func() Observation { return bound(activeSet, deletedNow) },
	"lost": func() Observation {
		return bound(activeSet, withStatus(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing), boundToShop(earlier), recording(activeSet)))
	},
	"consenting": func() Observation {
		return bound(activeSet, gen.WithTrigger("renew"),
			withStatus(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing), boundToShop(earlier), recording(activeSet)))
	},
}

// What a plan does with a forged object.
const (
	inForce    = "its bytes are in force"
	overwrites = "it is overwritten"
	leaves     = "it is left alone"
)

// expectedOf is the contract of ownership for a Secret: what happens to it, and the
// reason of Ready; empty for Ready.
func (f forgery) expectedOf(state string) (what, reason string) {
	switch {
	case f.ours && f.on && state != "new":
		return f.expectedOfRecorded(state)
	case f.owner == "earlier key":
		return leaves, signetv1alpha1.ReasonSecretTerminating
	case !f.ours, f.label != "this key", f.owner != "none" && f.owner != "this key", f.data == "garbage":
		return leaves, signetv1alpha1.ReasonSecretOwnedByOther
	case state == "new", f.owner == "none" && f.data == "same", state == "consenting":
		return inForce, ""
	case state == "unbound":
		return leaves, signetv1alpha1.ReasonSecretOwnedByOther
	default:
		return leaves, signetv1alpha1.ReasonSecretLost
	}
}

// expectedOfRecorded is the contract for the Secret on record: its metadata does not
// count.
func (f forgery) expectedOfRecorded(state string) (what, reason string) {
	switch {
	case f.data != "garbage":
		return inForce, ""
	case state == "consenting":
		return overwrites, ""
	default:
		return leaves, signetv1alpha1.ReasonSecretLost
	}
}

func forEachForgery(visit func(forgery)) {
	for _, owner := range forgedOwners {
		for _, label := range forgedLabels {
			for data := range forgedData {
				for bits := range 8 {
					visit(forgery{owner: owner, label: label, data: data, ours: bits&1 > 0, protected: bits&2 > 0, on: bits&4 > 0})
				}
			}
		}
	}
}

// Whatever another client writes under the name of the managed Secret, its bytes come
// into force only as DESIGN.md allows, and what is not the key's is left alone.
func TestForgedSecrets(t *testing.T) {
	for state, observe := range forgedKeys {
		t.Run(state, func(t *testing.T) {
			forEachForgery(func(f forgery) {
				o := observe()
				o.Secret, o.SecretLive = f.secret(), true
				plan, err := Compute(o, testNow, &testRandom{})
				if err != nil {
					t.Fatalf("%s: %v", f, err)
				}
				what, reason := f.expectedOf(state)
				if gotWhat, gotReason := outcomeOf(o, plan); gotWhat != what || gotReason != reason {
					t.Errorf("%s: %s, %q, want %s, %q", f, gotWhat, gotReason, what, reason)
				}
				if what == leaves && (plan.Status.SecretUID != o.Key.Status.SecretUID || plan.Status.KeyID != "") {
					t.Errorf("%s: UID %q is on record, version %q signs", f, plan.Status.SecretUID, plan.Status.KeyID)
				}
			})
		})
	}
}

// outcomeOf describes a plan: what becomes of the Secret, and the reason of Ready.
func outcomeOf(o Observation, plan Plan) (what, reason string) {
	for _, c := range plan.Status.Conditions {
		if c.Type == signetv1alpha1.ConditionReady && c.Status != metav1.ConditionTrue {
			reason = c.Reason
		}
	}
	bytes := string(o.Secret.Data["secret"])
	switch {
	case plan.Secret != nil && plan.Secret.Observed != o.Secret, plan.Secret == nil && plan.Protection == RemoveProtection && o.Secret.UID != secretUID:
		return "another object is written", reason
	case plan.Secret != nil && string(plan.Secret.Desired.Data["secret"]) != bytes:
		return overwrites, reason
	case plan.Secret != nil || plan.Status.KeyID != "":
		return inForce, reason
	default:
		return leaves, reason
	}
}

// A cache can show a Secret that is older than the one on record. It has no effect
// until a live read has shown that the one on record is gone.
func TestForgedSecretsThatOnlyACacheShows(t *testing.T) {
	for state, observe := range forgedKeys {
		forEachForgery(func(f forgery) {
			o := observe()
			o.Secret = f.secret()
			if reads := NeedsLiveSecret(o); reads != (state != "new" && (!f.ours || !f.on)) {
				t.Errorf("%s, %s: NeedsLiveSecret = %t", state, f, reads)
			}
		})
	}
}

// The public ConfigMap is the key's as soon as a version is on record. Before, only
// what is labeled for the key is. Material never comes from it.
func TestForgedConfigMaps(t *testing.T) {
	for _, owner := range forgedOwners {
		for _, label := range forgedLabels {
			f := forgery{owner: owner, label: label}
			t.Run(fmt.Sprintf("owner %s, label %s", owner, label), func(t *testing.T) {
				left := label == "this key" && owner != "other key" && owner != "other object"
				expectPublic(t, f, Observation{Key: testKey(ofPublic, gen.WithSource("own")), SecretLive: true}, left)
				expectPublic(t, f, Observation{Key: pairKey(), Secret: pairSecret(pairActive)}, true)
			})
		}
	}
}

// expectPublic checks whether a key takes the ConfigMap that another client has
// written, or leaves it alone and creates nothing.
func expectPublic(t *testing.T, f forgery, o Observation, takes bool) {
	t.Helper()
	o.PublicKeyEnabled, o.Source, o.PublicLive = true, pairSource(0), true
	o.Public = &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders-public", UID: "forged-uid", Labels: f.labels(), OwnerReferences: f.owners()},
		Data:       map[string]string{"key": pairs[1].public},
	}
	plan, err := Compute(o, testNow, &testRandom{})
	if err != nil {
		t.Fatal(err)
	}
	_, reason := outcomeOf(Observation{Secret: &corev1.Secret{}}, Plan{Status: plan.Status})
	switch {
	case takes && (reason != "" || plan.Public == nil):
		t.Errorf("Ready is %q", reason)
	case takes:
		if got := plan.Public.BeforeSecret; got.Data["key"] != pairs[0].public || len(got.OwnerReferences) != 1 || got.OwnerReferences[0].UID != "key-uid" {
			t.Errorf("data %v, owners %v", got.Data, got.OwnerReferences)
		}
	case reason != signetv1alpha1.ReasonSecretOwnedByOther || plan.Public != nil || plan.Secret != nil:
		t.Errorf("Ready is %q, ConfigMap %v", reason, plan.Public)
	}
}
