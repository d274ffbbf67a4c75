// SPDX-License-Identifier: Apache-2.0

package material_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// What may not be in a text, for every type: each secret component of each version.
func TestSecretValues(t *testing.T) {
	for keyType, want := range map[signetv1alpha1.KeyType][]string{
		signetv1alpha1.KeyTypeHMAC:      {"s1", "s2", "s3"},
		signetv1alpha1.KeyTypePublicKey: {"s1", "s2", "s3"},
		signetv1alpha1.KeyTypeAES:       {"k1", "k2", "k3", "s1", "s2", "s3"},
		signetv1alpha1.KeyTypeBasic:     {"Basic azE6czE=", "s1", "s1", "s2", "s3"},
	} {
		t.Run(string(keyType), func(t *testing.T) {
			version := func(n string) material.Version {
				return material.Version{ID: "id" + n, Key: material.Bytes("k" + n), Secret: material.Bytes("s" + n), Created: time.Unix(1, 0)}
			}
			next, previous := version("2"), version("3")
			set := &material.Set{Type: keyType, DisplayName: "orders", Active: version("1"), Next: &next, Previous: &previous}
			var got []string
			for _, value := range material.SecretValues(set.Encode()) {
				got = append(got, string(value))
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

// Keys that Signet does not know may hold anything.
func TestUnknownDataIsSecret(t *testing.T) {
	got := material.SecretValues(map[string][]byte{"type": []byte("HMAC"), "token": []byte("t"), "empty": nil})
	if len(got) != 1 || string(got[0]) != "t" {
		t.Errorf("%d values", len(got))
	}
}
