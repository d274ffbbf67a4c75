// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"encoding/json"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Each entry of a binding is decoded into memory of its own; in the cache the texts
// with few values are shared, and say the same.
func TestCompactSharesTexts(t *testing.T) {
	const text = `{"metadata":{"name":"orders","managedFields":[{"manager":"kubectl"}]},
		"spec":{"apis":[{"group":"signet.dev","kind":"API","name":"a"},{"group":"signet.dev","kind":"API","name":"b"}]},
		"status":{"conditions":[{"type":"Ready","reason":"Bound"},{"type":"Other","reason":"Bound"}],"apis":[{"group":"signet.dev","kind":"API","name":"a","state":"Bound"},{"group":"signet.dev","kind":"API","name":"b","state":"Bound"}]}}`
	decode := func() *signetv1alpha1.SignatureBinding {
		binding := &signetv1alpha1.SignatureBinding{}
		if err := json.Unmarshal([]byte(text), binding); err != nil {
			t.Fatal(err)
		}
		return binding
	}
	want := decode()
	want.ManagedFields = nil
	object, err := compact(decode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, object); diff != "" {
		t.Errorf("the binding has changed (-want +got):\n%s", diff)
	}
	got := object.(*signetv1alpha1.SignatureBinding) //nolint:forcetypeassert // compared above
	spec, status := got.Spec.APIs, got.Status.APIs
	if at(spec[0].Group) != at(spec[1].Group) || at(spec[0].Kind) != at(status[1].Kind) || at(status[0].State) != at(status[1].State) ||
		at(spec[0].Name) != at(status[0].Name) || at(got.Status.Conditions[0].Reason) != at(got.Status.Conditions[1].Reason) {
		t.Error("the entries do not share their texts")
	}
}

// at returns where a text is stored.
func at[T ~string](text T) *byte { return unsafe.StringData(string(text)) } //nolint:gosec // only compared
