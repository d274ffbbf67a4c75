// SPDX-License-Identifier: Apache-2.0

package view

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

func TestKeyNames(t *testing.T) {
	for name, test := range map[string]struct {
		spec, effective string
		previous        []string
		want            []string
	}{
		"a new binding":               {spec: "orders", want: []string{"orders"}},
		"bound":                       {spec: "orders", effective: "orders", want: []string{"orders"}},
		"moving":                      {spec: "new", effective: "orders", want: []string{"orders", "new"}},
		"moved":                       {spec: "new", effective: "new", previous: []string{"orders", "older"}, want: []string{"new", "orders", "older"}},
		"moving back to an old key":   {spec: "old", effective: "new", previous: []string{"old"}, want: []string{"new", "old"}},
		"neither spec nor status set": {want: []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			binding := &signetv1alpha1.SignatureBinding{}
			binding.Spec.KeyRef.Name, binding.Status.KeyName = test.spec, test.effective
			for _, name := range test.previous {
				binding.Status.PreviousKeys = append(binding.Status.PreviousKeys, signetv1alpha1.PreviousKey{Name: name})
			}
			if diff := cmp.Diff(test.want, keyNames(binding)); diff != "" {
				t.Errorf("keyNames (-want +got):\n%s", diff)
			}
		})
	}
}
