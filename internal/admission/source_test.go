// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	hmacSecretRule  = "an HMAC secret has 16 to 64 letters, digits and any of _ - ! @ # $ %, starting with a letter or digit"
	basicKeyRule    = "a Basic key (user name) has 4 to 32 letters, digits and any of _ -, starting with a letter"
	invalidSource   = `Secret "own" is invalid: `
	refuseShort     = invalidSource + "data[secret]: Invalid value: " + hmacSecretRule + " (for SignatureKey \"orders\")"
	refuseBlindRead = "Internal error occurred: list SignatureKeys that reference the Secret: the cache cannot be read"
)

var sourceCreations = map[string]struct {
	source  *corev1.Secret
	keys    []client.Object
	refusal string
}{
	"named by none": {source: gen.SourceSecret("own", map[string]string{"secret": "short"}, inNamespace)},
	"named by a key elsewhere": {
		source: gen.SourceSecret("own", map[string]string{"secret": "short"}, inNamespace), keys: []client.Object{existingKey("orders", gen.WithSource("own"), elsewhere)},
	},
	"not named": {
		source: gen.SourceSecret("own", map[string]string{"secret": "short"}, inNamespace), keys: []client.Object{existingKey("orders", gen.WithSource("other"))},
	},
	"valid": {
		source: gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, inNamespace), keys: []client.Object{existingKey("orders", gen.WithSource("own"))},
	},
	"invalid": {
		source: gen.SourceSecret("own", map[string]string{"secret": "short"}, inNamespace), keys: []client.Object{existingKey("orders", gen.WithSource("own"))},
		refusal: refuseShort,
	},
	"no longer a source": {source: gen.SourceSecret("own", map[string]string{"secret": "short"}, inNamespace, labeledManaged), keys: []client.Object{existingKey("orders", gen.WithSource("own"))}},
	"a trailing newline": {
		source: gen.SourceSecret("own", map[string]string{"secret": plantedSecret + "\n"}, inNamespace), keys: []client.Object{existingKey("orders", gen.WithSource("own"))},
		refusal: invalidSource + "data[secret]: Invalid value: ends with a newline. Create the value without one, " +
			"using printf or kubectl create secret --from-literal (for SignatureKey \"orders\")",
	},
	"differs from spec.identifier": {
		source: gen.SourceSecret("own", map[string]string{"key": "other_app"}, inNamespace), keys: []client.Object{existingKey("orders", gen.WithSource("own"), gen.WithIdentifier("orders_app"))},
		refusal: invalidSource + "data[key]: Invalid value: differs from spec.identifier of SignatureKey \"orders\". Supply only one of them, or equal values (for SignatureKey \"orders\")",
	},
	"neither component": {
		source: gen.SourceSecret("own", map[string]string{"token": plantedSecret}, inNamespace), keys: []client.Object{existingKey("orders", gen.WithSource("own"))},
		refusal: invalidSource + "data: Required value: must contain key, secret or both (for SignatureKey \"orders\")",
	},
	"one component of a pair": {
		source: gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, inNamespace), keys: []client.Object{existingKey("orders", gen.WithSource("own"), publicKeyType)},
		refusal: invalidSource + "data[key]: Required value: a key of type PublicKey needs both components: key and secret (for SignatureKey \"orders\")",
	},
	"for every key that names it": {
		source: gen.SourceSecret("own", map[string]string{"key": "12345678", "secret": "ten_digits"}, inNamespace),
		keys: []client.Object{
			existingKey("basic", gen.WithSource("own"), gen.WithType(signetv1alpha1.KeyTypeBasic)),
			existingKey("hmac", gen.WithSource("own")),
			existingKey("other"),
		},
		refusal: invalidSource + "[data[key]: Invalid value: " + basicKeyRule + " (for SignatureKey \"basic\"), " +
			"data[secret]: Invalid value: " + hmacSecretRule + " (for SignatureKey \"hmac\")]",
	},
}

func TestSourceIsCreated(t *testing.T) {
	for name, tc := range sourceCreations {
		t.Run(name, func(t *testing.T) {
			validator := &sourceValidator{reader: newReader(t, tc.keys...)}
			warnings, err := validator.ValidateCreate(t.Context(), tc.source)
			expectAnswer(t, warnings, err, nil, tc.refusal)
		})
	}
}

func TestSourceIsUpdated(t *testing.T) {
	valid := gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, inNamespace)
	broken := gen.SourceSecret("own", map[string]string{"secret": "short"}, inNamespace)
	unmarked := broken.DeepCopy()
	unlabeled(unmarked)
	annotated := broken.DeepCopy()
	annotated.Annotations = map[string]string{"team": "a"}
	leaving := broken.DeepCopy()
	when := metav1.NewTime(born.Add(time.Hour))
	leaving.DeletionTimestamp = &when
	cases := map[string]struct {
		old, source *corev1.Secret
		refusal     string
	}{
		"becomes invalid":                       {old: valid, source: broken, refusal: refuseShort},
		"becomes valid":                         {old: broken, source: valid},
		"becomes a source":                      {old: unmarked, source: broken, refusal: refuseShort},
		"stops being a source":                  {old: broken, source: unmarked},
		"was invalid before and is unchanged":   {old: broken, source: annotated},
		"a Secret that is being deleted passes": {old: valid, source: leaving},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			validator := &sourceValidator{reader: newReader(t, existingKey("orders", gen.WithSource("own")))}
			warnings, err := validator.ValidateUpdate(t.Context(), tc.old, tc.source)
			expectAnswer(t, warnings, err, nil, tc.refusal)
		})
	}
}

func TestSourceWithoutACache(t *testing.T) {
	validator := &sourceValidator{reader: newBlind(t)}
	source := gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, inNamespace)
	warnings, err := validator.ValidateCreate(t.Context(), source)
	expectAnswer(t, warnings, err, nil, refuseBlindRead)
	warnings, err = validator.ValidateDelete(t.Context(), source)
	expectAnswer(t, warnings, err, nil, "")
}
