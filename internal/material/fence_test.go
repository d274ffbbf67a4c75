// SPDX-License-Identifier: Apache-2.0

package material_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/signet-dev/signet/internal/material"
)

func TestMoveFence(t *testing.T) {
	const name = "signet.dev/fencing-token"
	for title, test := range map[string]struct{ before, after map[string]string }{
		"no token":        {nil, map[string]string{name: "1"}},
		"a token":         {map[string]string{name: "41", "other": "kept"}, map[string]string{name: "42", "other": "kept"}},
		"not a number":    {map[string]string{name: "x"}, map[string]string{name: "1"}},
		"a negative one":  {map[string]string{name: "-5"}, map[string]string{name: "-4"}},
		"the largest one": {map[string]string{name: "9223372036854775807"}, map[string]string{name: "1"}},
	} {
		t.Run(title, func(t *testing.T) {
			secret := &corev1.Secret{}
			secret.Annotations = test.before
			material.MoveFence(secret)
			if diff := cmp.Diff(test.after, secret.Annotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
		})
	}
}
