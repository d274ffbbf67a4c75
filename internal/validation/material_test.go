// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/validation"
)

// componentCase is what a gateway allows in one component of material.
type componentCase struct {
	keyType     signetv1alpha1.KeyType
	algorithm   signetv1alpha1.KeyAlgorithm
	component   validation.Component
	least, most int
	// first and rest are the special characters that may come first, or later.
	first, rest string
	// digitFirst is true if a digit may come first.
	digitFirst bool
}

var components = map[string]componentCase{
	"HMAC key":         {signetv1alpha1.KeyTypeHMAC, "", validation.Key, 8, 32, "", "_-", true},
	"HMAC secret":      {signetv1alpha1.KeyTypeHMAC, "", validation.Secret, 16, 64, "", "_-!@#$%", true},
	"Basic key":        {signetv1alpha1.KeyTypeBasic, "", validation.Key, 4, 32, "", "_-", false},
	"Basic secret":     {signetv1alpha1.KeyTypeBasic, "", validation.Secret, 8, 64, "", "_-!@#$%", true},
	"AES 128 key":      {signetv1alpha1.KeyTypeAES, signetv1alpha1.AlgorithmAES128CFB, validation.Key, 16, 16, "+/", "_-!@#$%+/=", true},
	"AES 256 key":      {signetv1alpha1.KeyTypeAES, signetv1alpha1.AlgorithmAES256CFB, validation.Key, 32, 32, "+/", "_-!@#$%+/=", true},
	"AES secret":       {signetv1alpha1.KeyTypeAES, signetv1alpha1.AlgorithmAES128CFB, validation.Secret, 16, 16, "+/", "_-!@#$%+/=", true},
	"PublicKey key":    {signetv1alpha1.KeyTypePublicKey, "", validation.Key, 8, 512, "+/", "_-+/=", true},
	"PublicKey secret": {signetv1alpha1.KeyTypePublicKey, "", validation.Secret, 16, 2048, "+/", "_-!@#$%+/=", true},
}

const special = "_-!@#$%+/=.:;, \t\n\"'\\|&*()[]{}<>?~^`\x00é"

func (tc componentCase) check(value string) field.ErrorList {
	return validation.ValidateComponent(field.NewPath("data"), tc.keyType, tc.algorithm, tc.component, []byte(value))
}

func TestComponents(t *testing.T) {
	for name, tc := range components {
		t.Run(name, func(t *testing.T) {
			want := func(value string, valid bool) {
				t.Helper()
				errs := tc.check(value)
				if (len(errs) == 0) != valid {
					t.Errorf("%q: %v, want valid: %v", value, errs, valid)
				}
				if len(errs) > 0 && len(value) > 3 && strings.Contains(errs.ToAggregate().Error(), value) {
					t.Errorf("the value is in %v", errs)
				}
			}
			want("", false)
			for _, n := range []int{tc.least - 1, tc.least, tc.least + 1, tc.most - 1, tc.most, tc.most + 1} {
				want(strings.Repeat("a", n), n >= tc.least && n <= tc.most)
			}
			for _, c := range special {
				tail := strings.Repeat("a", tc.least-1)
				want(string(c)+tail, strings.ContainsRune(tc.first, c))
				want(tail+string(c), strings.ContainsRune(tc.rest, c))
			}
			want("1"+strings.Repeat("a", tc.least-1), tc.digitFirst)
			if errs := tc.check(strings.Repeat("a", tc.least) + "\n"); len(errs) != 1 || !strings.Contains(errs[0].Detail, "newline") {
				t.Errorf("trailing newline: %v", errs)
			}
		})
	}
}

func TestSource(t *testing.T) {
	for name, test := range map[string]struct {
		spec signetv1alpha1.SignatureKeySpec
		data map[string][]byte
		path string
	}{
		"neither component":       {signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC}, map[string][]byte{"other": nil}, "data"},
		"a secret":                {signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC}, map[string][]byte{"secret": []byte("0123456789abcdef")}, ""},
		"the key of spec":         {signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC, Identifier: "abcdefgh"}, map[string][]byte{"key": []byte("abcdefgh")}, ""},
		"another than spec":       {signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC, Identifier: "abcdefgh"}, map[string][]byte{"key": []byte("12345678")}, "data[key]"},
		"one component of a pair": {signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypePublicKey}, map[string][]byte{"key": []byte("abcdefgh")}, "data[secret]"},
		"no pair":                 {signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypePublicKey}, map[string][]byte{"key": []byte("abcdefgh"), "secret": []byte("0123456789abcdef")}, "data[key]"},
		"a secret too short":      {signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeBasic}, map[string][]byte{"secret": []byte("1234567")}, "data[secret]"},
	} {
		t.Run(name, func(t *testing.T) {
			errs := validation.ValidateSource(&signetv1alpha1.SignatureKey{Spec: test.spec}, test.data)
			if (test.path == "") != (len(errs) == 0) || (len(errs) > 0 && errs[0].Field != test.path) {
				t.Errorf("errors %v, want one at %q", errs, test.path)
			}
		})
	}
}
