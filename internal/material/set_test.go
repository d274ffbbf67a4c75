// SPDX-License-Identifier: Apache-2.0

package material_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/validation"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)

// keys has one key of each type.
func keys() map[string]*signetv1alpha1.SignatureKey {
	all := map[string]*signetv1alpha1.SignatureKey{}
	for name, spec := range map[string]signetv1alpha1.SignatureKeySpec{
		"HMAC":      {Type: signetv1alpha1.KeyTypeHMAC},
		"Basic":     {Type: signetv1alpha1.KeyTypeBasic},
		"AES 128":   {Type: signetv1alpha1.KeyTypeAES, Algorithm: signetv1alpha1.AlgorithmAES128CFB},
		"AES 256":   {Type: signetv1alpha1.KeyTypeAES, Algorithm: signetv1alpha1.AlgorithmAES256CFB},
		"PublicKey": {Type: signetv1alpha1.KeyTypePublicKey},
	} {
		key := &signetv1alpha1.SignatureKey{Spec: spec}
		key.Name = "orders"
		all[name] = key
	}
	return all
}

func first(t testing.TB, key *signetv1alpha1.SignatureKey, supplied material.Supplied) *material.Set {
	t.Helper()
	set, err := material.First(key, supplied, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestGeneratedMaterialKeepsTheRulesAndSurvivesTheSecret(t *testing.T) {
	for name, key := range keys() {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				set := first(t, key, material.Supplied{})
				if errs := validation.ValidateMaterial(key.Spec.Type, key.Spec.Algorithm, set.Active.Key, set.Active.Secret); len(errs) > 0 {
					t.Fatal(errs)
				}
				set.Next, set.Previous = &first(t, key, material.Supplied{}).Active, &first(t, key, material.Supplied{}).Active
				set.Previous.Retires = now.UTC().Truncate(time.Second)
				read, err := material.Decode(set.Encode())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(set, read); diff != "" {
					t.Fatalf("what was read is not what was written:\n%s", diff)
				}
			}
		})
	}
}

func TestChangedDataIsNoticed(t *testing.T) {
	key := keys()["HMAC"]
	data := first(t, key, material.Supplied{}).Encode()
	for name := range data {
		if name == "checksum" {
			continue
		}
		changed := map[string][]byte{}
		for other, value := range data {
			changed[other] = value
		}
		changed[name] = []byte(strings.Repeat("x", 20))
		if _, err := material.Decode(changed); !errors.Is(err, material.ErrModified) && !errors.Is(err, material.ErrBroken) {
			t.Errorf("data[%s] changed: Decode = %v", name, err)
		}
	}
	delete(data, "secret")
	if _, err := material.Decode(data); !errors.Is(err, material.ErrBroken) {
		t.Errorf("without a secret: Decode = %v", err)
	}
}

func TestBasicHasTheDerivedKeys(t *testing.T) {
	set := first(t, keys()["Basic"], material.Supplied{Key: material.Bytes("user"), Secret: material.Bytes("password")})
	data := set.Encode()
	for name, want := range map[string]string{"username": "user", "password": "password", "credential": "Basic dXNlcjpwYXNzd29yZA=="} {
		if got := string(data[name]); got != want {
			t.Errorf("data[%s] = %q, want %q", name, got, want)
		}
	}
}

func TestMaterialIsNeverPrinted(t *testing.T) {
	const planted = "planted_secret_0123456789"
	set := first(t, keys()["HMAC"], material.Supplied{Key: material.Bytes(planted), Secret: material.Bytes(planted)})
	texts := []string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, set), fmt.Sprintf(verb, set.Active), fmt.Sprintf(verb, set.Active.Secret))
	}
	encoded, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	texts = append(texts, string(encoded), fmt.Sprint(set.Active.Secret.LogValue()))
	for _, text := range texts {
		if strings.Contains(text, planted) || strings.Contains(text, fmt.Sprintf("%x", planted)) {
			t.Errorf("material in %q", text)
		}
	}
}
