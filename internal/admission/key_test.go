// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	plantedSecret = "planted-secret-0123456789"

	warnAES     = "spec.type: AES has no advantage over HMAC, and both of its components are secret. Use HMAC."
	warnNothing = "spec.rotation: Nothing rotates, because both components are supplied and only generated components are renewed. " +
		"Omit one of them, or omit intervalDays, trigger and revokeTrigger."
	warnStage = "spec.rotation.stageSeconds: 119 is shorter than the 120 seconds that a kubelet may need to refresh a mounted Secret: " +
		"backends that mount it may refuse requests after a rotation. Omit the field or set it to at least 120."
	closedGate = `SignatureKey.signet.dev "orders" is invalid: spec.type: Forbidden: ` +
		"type PublicKey is not enabled: run the manager with --public-key-enable, or use HMAC"
)

var interval = signetv1alpha1.Rotation{IntervalDays: ptr.To[int32](90)}

// wholeSource is a source Secret that supplies both components.
func wholeSource(options ...gen.SecretOption) *corev1.Secret {
	data := map[string]string{"key": "orders_app", "secret": plantedSecret}
	return gen.SourceSecret("own", data, append([]gen.SecretOption{inNamespace}, options...)...)
}

var keyCreations = map[string]struct {
	key      *signetv1alpha1.SignatureKey
	source   *corev1.Secret
	enabled  bool
	warnings []string
	refusal  string
}{
	"HMAC": {key: existingKey("orders")},
	"AES": {
		key:      existingKey("orders", gen.WithAES(signetv1alpha1.AlgorithmAES256CFB)),
		warnings: []string{warnAES},
	},
	"PublicKey, closed gate": {key: existingKey("orders", publicKeyType), refusal: closedGate},
	"PublicKey, open gate":   {key: existingKey("orders", publicKeyType), enabled: true},
	"a broken rule": {
		key:     existingKey("orders", gen.WithIdentifier("short")),
		refusal: `SignatureKey.signet.dev "orders" is invalid: spec.identifier: Invalid value: "short": an HMAC identifier has 8 to 32 letters, digits, underscores and dashes, starting with a letter or digit`,
	},
	"two broken rules": {
		key: existingKey("orders", publicKeyType, gen.WithIdentifier("orders_app")),
		refusal: `SignatureKey.signet.dev "orders" is invalid: [spec.identifier: Forbidden: identifier is only allowed for types HMAC and Basic: supply both components in a Secret (spec.source.secretRef), ` +
			"spec.type: Forbidden: type PublicKey is not enabled: run the manager with --public-key-enable, or use HMAC]",
	},
	"rotates what is generated": {
		key: existingKey("orders", gen.WithRotation(interval)),
	},
	"rotates the component that the source omits": {
		key: existingKey("orders", gen.WithRotation(interval), gen.WithSource("own")), source: gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, inNamespace),
	},
	"nothing to rotate": {
		key: existingKey("orders", gen.WithRotation(interval), gen.WithSource("own")), source: wholeSource(),
		warnings: []string{warnNothing},
	},
	"nothing to rotate with spec.identifier": {
		key: existingKey("orders", gen.WithRotation(signetv1alpha1.Rotation{Trigger: "2026-11"}), gen.WithIdentifier("orders_app"), gen.WithSource("own")), source: gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, inNamespace),
		warnings: []string{warnNothing},
	},
	"nothing to rotate with spec.identifier and a future source": {
		key:      existingKey("orders", gen.WithRotation(signetv1alpha1.Rotation{RevokeTrigger: "now"}), gen.WithIdentifier("orders_app"), gen.WithSource("own")),
		warnings: []string{warnNothing},
	},
	"nothing to rotate in a supplied pair": {
		key: existingKey("orders", publicKeyType, gen.WithRotation(interval), gen.WithSource("own")), enabled: true,
		warnings: []string{warnNothing},
	},
	"a future source may omit a component": {
		key: existingKey("orders", gen.WithRotation(interval), gen.WithSource("own")),
	},
	"a Secret without the label is not read": {
		key: existingKey("orders", gen.WithRotation(interval), gen.WithSource("own")), source: wholeSource(unlabeled),
	},
	"a Secret elsewhere is not read": {
		key: existingKey("orders", gen.WithRotation(interval), gen.WithSource("own")), source: wholeSource(elsewhere),
	},
	"a short stage": {
		key:      existingKey("orders", gen.WithRotation(signetv1alpha1.Rotation{StageSeconds: ptr.To[int32](119)})),
		warnings: []string{warnStage},
	},
	"a stage that is long enough": {
		key: existingKey("orders", gen.WithRotation(signetv1alpha1.Rotation{StageSeconds: ptr.To[int32](120)})),
	},
}

func TestKeyIsCreated(t *testing.T) {
	for name, tc := range keyCreations {
		t.Run(name, func(t *testing.T) {
			var objects []client.Object
			if tc.source != nil {
				objects = append(objects, tc.source)
			}
			validator := &keyValidator{reader: newReader(t, objects...), publicKeyEnabled: tc.enabled}
			warnings, err := validator.ValidateCreate(t.Context(), tc.key)
			expectAnswer(t, warnings, err, tc.warnings, tc.refusal)
		})
	}
}

func TestKeyIsUpdated(t *testing.T) {
	aes := gen.WithAES(signetv1alpha1.AlgorithmAES128CFB)
	labeled := gen.WithLabels(map[string]string{"team": "a"})
	cases := map[string]struct {
		old, key *signetv1alpha1.SignatureKey
		warnings []string
		refusal  string
	}{
		"the gate is checked on create only": {old: existingKey("orders", publicKeyType), key: existingKey("orders", publicKeyType, gen.WithSource("own"))},
		"an unchanged spec was warned about": {
			old: existingKey("orders", aes), key: existingKey("orders", aes, labeled),
		},
		"a changed spec is warned about": {
			old: existingKey("orders", aes), key: existingKey("orders", aes, gen.WithRotation(interval)),
			warnings: []string{warnAES},
		},
		"a broken rule": {
			old: existingKey("orders"), key: existingKey("orders", gen.WithType(signetv1alpha1.KeyTypeBasic)),
			refusal: `SignatureKey.signet.dev "orders" is invalid: spec.type: Invalid value: "Basic": type is immutable: create another key and move the bindings to it`,
		},
		"an unchanged broken field": {
			old: existingKey("orders", gen.WithIdentifier("short")), key: existingKey("orders", gen.WithIdentifier("short"), labeled),
		},
		"a key that is being deleted passes": {
			old: existingKey("orders"), key: existingKey("orders", gen.WithIdentifier("short"), deletedAt(time.Hour)),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			validator := &keyValidator{reader: newReader(t)}
			warnings, err := validator.ValidateUpdate(t.Context(), tc.old, tc.key)
			expectAnswer(t, warnings, err, tc.warnings, tc.refusal)
		})
	}
}

func TestKeyIsDeleted(t *testing.T) {
	const inUse = `SignatureKey "orders" is in use and keeps signing until no SignatureBinding uses it. ` +
		"To release it, delete these bindings or change their spec.keyRef: "
	var many []client.Object
	for i := range 12 {
		many = append(many, existingBinding(fmt.Sprintf("binding-%02d", i)))
	}
	moved := existingBinding("moved", holding, gen.WithKey("payments"))
	previous := existingBinding("previous", gen.WithKey("payments"))
	previous.Status.PreviousKeys = []signetv1alpha1.PreviousKey{{Name: "orders"}}
	inOtherNamespace := existingBinding("elsewhere")
	elsewhere(inOtherNamespace)
	cases := map[string]struct {
		bindings []client.Object
		warnings []string
	}{
		"not bound":                     {},
		"bound":                         {bindings: []client.Object{existingBinding("b"), existingBinding("a")}, warnings: []string{inUse + "a, b."}},
		"still used by one that moves":  {bindings: []client.Object{moved}, warnings: []string{inUse + "moved."}},
		"still used by one that moved":  {bindings: []client.Object{previous}, warnings: []string{inUse + "previous."}},
		"bindings of other keys":        {bindings: []client.Object{existingBinding("a", gen.WithKey("payments"))}},
		"bindings of another namespace": {bindings: []client.Object{inOtherNamespace}},
		"more than are named": {bindings: many, warnings: []string{
			inUse + "binding-00, binding-01, binding-02, binding-03, binding-04, binding-05, binding-06, binding-07, binding-08, binding-09 and 2 more.",
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			validator := &keyValidator{claims: newClaims(tc.bindings...)}
			warnings, err := validator.ValidateDelete(t.Context(), existingKey("orders"))
			expectAnswer(t, warnings, err, tc.warnings, "")
		})
	}
}
