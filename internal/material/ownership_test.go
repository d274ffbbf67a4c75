// SPDX-License-Identifier: Apache-2.0

package material_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// The facts that a writer of Secrets can forge, and what is on record about them.
type (
	forgedOwner string
	forgedLabel string
	forgedData  string
	record      string
)

const (
	noOwner    forgedOwner = "none"
	thisKey    forgedOwner = "this key"
	earlierKey forgedOwner = "an earlier key"
	otherKey   forgedOwner = "another key"
	otherOwner forgedOwner = "another object"
	twoOwners  forgedOwner = "an earlier key and another object"

	noLabel    forgedLabel = "none"
	labeled    forgedLabel = "this key"
	labelOther forgedLabel = "another key"
	labelOwn   forgedLabel = "source"

	sameBytes  forgedData = "the bytes on record"
	otherBytes forgedData = "other bytes"
	otherType  forgedData = "another type"
	changed    forgedData = "a wrong checksum"
	garbage    forgedData = "garbage"

	noRecord  record = "no"
	itsUID    record = "its UID"
	otherUID  record = "another UID"
	oldRecord record = "another UID, without digests"
)

// expectedOwnership is the contract, in the order of DESIGN.md: identity first, then
// what only Signet and backups leave, else another owner.
func expectedOwnership(secretType corev1.SecretType, owner forgedOwner, label forgedLabel, data forgedData, on record) material.Ownership {
	ours := secretType == signetv1alpha1.SecretType
	switch {
	case ours && on == itsUID:
		return material.Own
	case owner == earlierKey:
		return material.Collected
	case !ours, label != labeled, owner != noOwner && owner != thisKey:
		return material.OfOther
	case data == changed, data == garbage:
		return material.NoMaterial
	case data == otherType:
		return material.OtherType
	case on == noRecord, on == otherUID && owner == noOwner && data == sameBytes:
		return material.Adoptable
	default:
		return material.Unproven
	}
}

func ownerOf(owner forgedOwner, key *signetv1alpha1.SignatureKey) []metav1.OwnerReference {
	reference := *metav1.NewControllerRef(key, material.KeyKind)
	with := func(kind, name string, uid types.UID) metav1.OwnerReference {
		other := reference
		other.Kind, other.Name, other.UID = kind, name, uid
		return other
	}
	earlier, object := with(reference.Kind, reference.Name, "earlier-uid"), with("Deployment", reference.Name, "object-uid")
	switch owner {
	case thisKey:
		return []metav1.OwnerReference{reference}
	case earlierKey:
		return []metav1.OwnerReference{earlier}
	case otherKey:
		return []metav1.OwnerReference{with(reference.Kind, "payments", "other-uid")}
	case otherOwner:
		return []metav1.OwnerReference{object}
	case twoOwners:
		object.Controller = nil
		return []metav1.OwnerReference{earlier, object}
	default:
		return nil
	}
}

func labelsOf(label forgedLabel) map[string]string {
	switch label {
	case labeled:
		return map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged, signetv1alpha1.LabelKey: "orders"}
	case labelOther:
		return map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged, signetv1alpha1.LabelKey: "payments"}
	case labelOwn:
		return map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource}
	default:
		return nil
	}
}

// Every combination of what another client can write has one result, and only the
// UID or the bytes on record make a Secret the key's own once something is on record.
func TestOwnershipOfForgedSecrets(t *testing.T) {
	key := keys()["HMAC"]
	key.UID = "key-uid"
	set := first(t, key, material.Supplied{})
	other := first(t, key, material.Supplied{})
	other.Active.ID = set.Active.ID
	basic := first(t, keys()["Basic"], material.Supplied{})
	bytes := map[forgedData]func() map[string][]byte{
		sameBytes:  set.Encode,
		otherBytes: other.Encode,
		otherType:  basic.Encode,
		changed:    func() map[string][]byte { data := set.Encode(); data["secret"] = other.Active.Secret; return data },
		garbage:    func() map[string][]byte { return map[string][]byte{"key": []byte("x")} },
	}
	unsalted := set.Clone()
	unsalted.Salt = nil
	records := map[record]signetv1alpha1.SignatureKeyStatus{
		noRecord:  {},
		itsUID:    {SecretUID: "secret-uid", Versions: set.Versions()},
		otherUID:  {SecretUID: "gone-uid", Versions: set.Versions()},
		oldRecord: {SecretUID: "gone-uid", Versions: unsalted.Versions()},
	}
	for _, secretType := range []corev1.SecretType{signetv1alpha1.SecretType, corev1.SecretTypeOpaque} {
		for _, owner := range []forgedOwner{noOwner, thisKey, earlierKey, otherKey, otherOwner, twoOwners} {
			for _, label := range []forgedLabel{noLabel, labeled, labelOther, labelOwn} {
				for data, encode := range bytes {
					for on, status := range records {
						key := key.DeepCopy()
						key.Status = status
						secret := &corev1.Secret{
							ObjectMeta: metav1.ObjectMeta{
								Namespace: key.Namespace, Name: key.Name, UID: "secret-uid",
								Labels: labelsOf(label), OwnerReferences: ownerOf(owner, key),
							},
							Type: secretType, Data: encode(),
						}
						name := fmt.Sprintf("type %s, owner %s, label %s, data %s, record %s", secretType, owner, label, data, on)
						want := expectedOwnership(secretType, owner, label, data, on)
						if got := material.OwnershipOf(secret, key); got != want {
							t.Errorf("%s: %s, want %s", name, got, want)
						}
						expectSameOwner(t, name, secret, key, on, want)
					}
				}
			}
		}
	}
}

// expectSameOwner checks that a Secret that comes into force unasked also is the
// key's by its metadata alone, and that no other is once a UID is on record.
func expectSameOwner(t *testing.T, name string, secret *corev1.Secret, key *signetv1alpha1.SignatureKey, on record, ownership material.Ownership) {
	t.Helper()
	owned := material.IsOwnedBy(secret, key)
	switch {
	case on != noRecord && owned != (ownership == material.Own),
		on == noRecord && ownership == material.Adoptable && !owned,
		on == noRecord && (ownership == material.OfOther || ownership == material.Collected) && owned:
		t.Errorf("%s: IsOwnedBy = %t, but the Secret is %s", name, owned, ownership)
	}
}

func TestDescribeOwner(t *testing.T) {
	key := &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Name: "orders", UID: "key-uid"}}
	weak := ownerOf(otherOwner, key)
	weak[0].Controller = nil
	for want, secret := range map[string]*corev1.Secret{
		"its owner is unknown": {},
		`type signet.dev/signature-key, without the label signet.dev/signature-key, controlled by SignatureKey "orders"`: {
			ObjectMeta: metav1.ObjectMeta{OwnerReferences: ownerOf(thisKey, key)}, Type: signetv1alpha1.SecretType,
		},
		`type Opaque, owned by Deployment "orders"`:                          {ObjectMeta: metav1.ObjectMeta{OwnerReferences: weak}, Type: corev1.SecretTypeOpaque},
		`type signet.dev/signature-key, created for SignatureKey "payments"`: {ObjectMeta: metav1.ObjectMeta{Labels: labelsOf(labelOther)}, Type: signetv1alpha1.SecretType},
	} {
		if got := material.DescribeOwner(secret, secret.Type); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
