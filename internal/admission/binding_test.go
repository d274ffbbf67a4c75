// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	warnNoKey       = `spec.keyRef.name: SignatureKey "orders" does not exist in this namespace, so the binding waits. Create the key or fix the name.`
	warnKeyWaits    = `spec.keyRef.name: SignatureKey "orders" has no material yet, so the binding waits. See the key's condition Ready.`
	warnKeyGoes     = `spec.keyRef.name: SignatureKey "orders" is being deleted and accepts no new bindings. Use another key.`
	takenByHolder   = `HTTPRoute "orders" in environment "RELEASE" is taken by SignatureBinding "holder"`
	adviseTaken     = ". Remove the API from one of the two bindings."
	refuseAdvice    = ": remove the API from one of the two bindings"
	warnTaken       = "spec.apis[0]: " + takenByHolder + adviseTaken
	invalidBy       = `SignatureBinding.signet.dev "late" is invalid: `
	refuseTaken     = invalidBy + "spec.apis[0]: Forbidden: " + takenByHolder + refuseAdvice
	refuseBlindness = "Internal error occurred: the other bindings are not known yet, try again in a few seconds"
)

// late is a binding of two hours after the beginning, which signs in another way
// than the others.
func late(options ...gen.BindingOption) *signetv1alpha1.SignatureBinding {
	return existingBinding("late", append([]gen.BindingOption{createdAt(2 * time.Hour), gen.WithSignatureHeader("X-Signature")}, options...)...)
}

var bindingCreations = map[string]struct {
	binding  *signetv1alpha1.SignatureBinding
	others   []client.Object
	warnings []string
	// rejection is the answer with --reject-taken-slots, which omits
	// the warning about what it refuses.
	rejection string
}{
	"all is well": {binding: late(), others: []client.Object{existingKey("orders")}},
	"no key":      {binding: late(), warnings: []string{warnNoKey}},
	"the key is in another namespace": {
		binding: late(), others: []client.Object{existingKey("orders", elsewhere)}, warnings: []string{warnNoKey},
	},
	"a key without material":      {binding: late(), others: []client.Object{existingKey("orders", notReady)}, warnings: []string{warnKeyWaits}},
	"a key that is being deleted": {binding: late(), others: []client.Object{existingKey("orders", deletedAt(time.Minute))}, warnings: []string{warnKeyGoes}},
	"older than its key's deletion": {
		binding: late(), others: []client.Object{existingKey("orders", deletedAt(3*time.Hour))},
	},
	"older than its key's deletion, which is not protected": {
		binding: late(), others: []client.Object{existingKey("orders", deletedAt(3*time.Hour), unprotected)}, warnings: []string{warnKeyGoes},
	},
	"taken by the holder": {
		binding: late(), others: []client.Object{existingKey("orders"), existingBinding("holder", holding)},
		warnings: []string{warnTaken}, rejection: refuseTaken,
	},
	"taken by an older binding": {
		binding: late(), others: []client.Object{existingKey("orders"), existingBinding("holder")},
		warnings: []string{warnTaken}, rejection: refuseTaken,
	},
	"taken by an older binding without a key": {
		binding: late(), others: []client.Object{existingKey("orders"), existingBinding("holder", gen.WithKey("gone"))},
		warnings: []string{warnTaken}, rejection: refuseTaken,
	},
	"held by one that signs alike": {
		binding: late(gen.WithSignatureHeader("")), others: []client.Object{existingKey("orders"), existingBinding("holder", holding)},
	},
	"claimed by one that will sign alike": {
		binding: late(gen.WithSignatureHeader("")), others: []client.Object{existingKey("orders"), existingBinding("holder")},
	},
	"held by one that signs with another key": {
		binding: late(gen.WithSignatureHeader("")), others: []client.Object{existingKey("orders"), existingBinding("holder", gen.WithKey("payments"), holding)},
		warnings: []string{warnTaken}, rejection: refuseTaken,
	},
	"taken, and no key": {
		binding: late(), others: []client.Object{existingBinding("holder", holding)},
		warnings: []string{warnNoKey, warnTaken}, rejection: refuseTaken,
	},
	"the holder names itself among many": {
		binding: late(gen.ReplacingAPIs(gen.WithHTTPRoutes("free", "orders"))),
		others:  []client.Object{existingKey("orders"), existingBinding("older"), existingBinding("holder", createdAt(90*time.Minute), holding)},
		warnings: []string{
			"spec.apis[1]: " + takenByHolder + adviseTaken,
		},
		rejection: invalidBy + "spec.apis[1]: Forbidden: " + takenByHolder + refuseAdvice,
	},
	"taken in another environment": {
		binding: late(gen.WithEnvironment("staging")), others: []client.Object{existingKey("orders"), existingBinding("holder", holding)},
	},
	"a name of another kind": {
		binding: late(gen.ReplacingAPIs(gen.WithGRPCRoutes("orders"))), others: []client.Object{existingKey("orders"), existingBinding("holder", holding)},
	},
	"taken in another namespace":     {binding: late(), others: []client.Object{existingKey("orders"), existingBinding("holder", holding, elsewhere)}},
	"the holder is being deleted":    {binding: late(), others: []client.Object{existingKey("orders"), existingBinding("holder", holding, leaving)}},
	"the holder has dropped the API": {binding: late(), others: []client.Object{existingKey("orders"), existingBinding("holder", holding, gen.ReplacingAPIs(gen.WithHTTPRoutes("other")))}},
	"the other came after its key's deletion": {
		binding: late(), others: []client.Object{existingKey("orders"), existingKey("old", deletedAt(time.Minute)), existingBinding("holder", gen.WithKey("old"))},
	},
	"the other was bound before its key's deletion": {
		binding: late(), others: []client.Object{existingKey("orders"), existingKey("old", deletedAt(time.Minute)), existingBinding("holder", gen.WithKey("old"), holding)},
		warnings: []string{warnTaken}, rejection: refuseTaken,
	},
	"the other is younger and holds it in the environment that it left": {
		binding: late(), others: []client.Object{existingKey("orders"), existingBinding("younger", createdAt(3*time.Hour), gen.WithEnvironment("staging"), holding, gen.WithEnvironment("RELEASE"))},
	},
	"the other is younger": {
		binding: late(), others: []client.Object{existingKey("orders"), existingBinding("younger", createdAt(3*time.Hour))},
	},
}

func TestBindingIsCreated(t *testing.T) {
	for name, tc := range bindingCreations {
		t.Run(name, func(t *testing.T) {
			reader, claims := newReader(t, tc.others...), newClaims(tc.others...)
			warnings, err := (&bindingValidator{reader: reader, claims: claims}).ValidateCreate(t.Context(), tc.binding)
			expectAnswer(t, warnings, err, tc.warnings, "")
			warnings, err = (&bindingValidator{reader: reader, claims: claims, rejectTaken: true}).ValidateCreate(t.Context(), tc.binding)
			expectAnswer(t, warnings, err, untaken(tc.warnings), tc.rejection)
		})
	}
}

// untaken are the warnings that are none about taken APIs.
func untaken(warnings []string) []string {
	var rest []string
	for _, warning := range warnings {
		if !strings.HasPrefix(warning, "spec.apis") {
			rest = append(rest, warning)
		}
	}
	return rest
}

func TestBindingThatBreaksARule(t *testing.T) {
	const refusal = invalidBy + `spec.environment: Invalid value: "x": must have at least 3 characters`
	old := late()
	broken := late(gen.WithEnvironment("x"))
	validator := &bindingValidator{reader: newReader(t), claims: newClaims()}
	warnings, err := validator.ValidateCreate(t.Context(), broken)
	expectAnswer(t, warnings, err, nil, refusal)
	warnings, err = validator.ValidateUpdate(t.Context(), old, broken)
	expectAnswer(t, warnings, err, nil, refusal)
	warnings, err = validator.ValidateUpdate(t.Context(), old, late(gen.WithEnvironment("x"), leaving))
	expectAnswer(t, warnings, err, nil, "")
	warnings, err = validator.ValidateUpdate(t.Context(), broken, late(gen.WithEnvironment("x"), gen.WithKey("payments")))
	expectAnswer(t, warnings, err, []string{strings.ReplaceAll(warnNoKey, "orders", "payments")}, "")
}

func TestMoreTakenThanAreNamed(t *testing.T) {
	names := make([]string, 12)
	for i := range names {
		names[i] = fmt.Sprintf("api-%02d", i)
	}
	binding := late(gen.ReplacingAPIs(gen.WithAPIs(names...)))
	objects := []client.Object{existingKey("orders"), existingBinding("holder", gen.ReplacingAPIs(gen.WithAPIs(names...)), holding)}
	reader, claims := newReader(t, objects...), newClaims(objects...)
	var warned, refused []string
	for i, name := range names[:10] {
		taken := fmt.Sprintf(`API %q in environment "RELEASE" is taken by SignatureBinding "holder"`, name)
		warned = append(warned, fmt.Sprintf("spec.apis[%d]: %s", i, taken+adviseTaken))
		refused = append(refused, fmt.Sprintf("spec.apis[%d]: Forbidden: %s", i, taken+refuseAdvice))
	}
	warned = append(warned, "spec.apis: 2 more APIs are taken by other SignatureBindings. See status.apis.")
	refused = append(refused, "spec.apis: Forbidden: 2 more APIs are taken by other SignatureBindings")

	warnings, err := (&bindingValidator{reader: reader, claims: claims}).ValidateCreate(t.Context(), binding)
	expectAnswer(t, warnings, err, warned, "")
	warnings, err = (&bindingValidator{reader: reader, claims: claims, rejectTaken: true}).ValidateCreate(t.Context(), binding)
	expectAnswer(t, warnings, err, nil, invalidBy+"["+strings.Join(refused, ", ")+"]")
}

// What was conflicted before does not stop another change; a new claim does,
// under --reject-taken-slots.
func TestBindingIsUpdated(t *testing.T) {
	both := gen.ReplacingAPIs(gen.WithHTTPRoutes("orders", "invoices"))
	labeled := gen.WithLabels(map[string]string{"team": "a"})
	takenInvoices := strings.ReplaceAll(takenByHolder, `"orders"`, `"invoices"`)
	cases := map[string]struct {
		old, binding *signetv1alpha1.SignatureBinding
		warnings     []string
		rejection    string
	}{
		"an unchanged spec was warned about": {old: late(), binding: late(labeled)},
		"an existing conflict": {
			old: late(), binding: late(gen.WithKey("payments")),
			warnings: []string{strings.ReplaceAll(warnNoKey, "orders", "payments"), warnTaken},
		},
		"a new claim in addition to an existing conflict": {
			old: late(), binding: late(both),
			warnings:  []string{warnTaken, "spec.apis[1]: " + takenInvoices + adviseTaken},
			rejection: invalidBy + "spec.apis[1]: Forbidden: " + takenInvoices + refuseAdvice,
		},
		"a move to another environment": {
			old: late(gen.WithEnvironment("staging")), binding: late(),
			warnings: []string{warnTaken}, rejection: refuseTaken,
		},
		"a standby that becomes a conflict": {
			old: late(gen.WithSignatureHeader("")), binding: late(),
			warnings: []string{warnTaken}, rejection: refuseTaken,
		},
		"it holds what it lists": {
			old: late(holding), binding: late(holding, gen.ReplacingAPIs(gen.WithHTTPRoutes("free"))),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{existingKey("orders"), existingBinding("holder", both, holding)}
			reader, claims := newReader(t, objects...), newClaims(objects...)
			warnings, err := (&bindingValidator{reader: reader, claims: claims}).ValidateUpdate(t.Context(), tc.old, tc.binding)
			expectAnswer(t, warnings, err, tc.warnings, "")
			warnings, err = (&bindingValidator{reader: reader, claims: claims, rejectTaken: true}).ValidateUpdate(t.Context(), tc.old, tc.binding)
			want := tc.warnings
			if tc.rejection != "" {
				want = untaken(want)
			}
			expectAnswer(t, warnings, err, want, tc.rejection)
		})
	}
}

// --reject-taken-slots is a promise: what cannot be looked up is refused.
// Without it, it is not worth a refusal.
func TestBindingWithoutACache(t *testing.T) {
	warnings, err := (&bindingValidator{reader: newBlind(t), claims: noClaims()}).ValidateCreate(t.Context(), late())
	expectAnswer(t, warnings, err, nil, "")
	warnings, err = (&bindingValidator{reader: newBlind(t), claims: noClaims(), rejectTaken: true}).ValidateCreate(t.Context(), late())
	expectAnswer(t, warnings, err, nil, refuseBlindness)
}

func TestBindingIsDeleted(t *testing.T) {
	warnings, err := (&bindingValidator{reader: newBlind(t), claims: noClaims()}).ValidateDelete(t.Context(), late())
	expectAnswer(t, warnings, err, nil, "")
}
