// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

func keyWith(rotation *signetv1alpha1.Rotation) *signetv1alpha1.SignatureKey {
	return &signetv1alpha1.SignatureKey{Spec: signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC, Rotation: rotation}}
}

func TestRotationWarnings(t *testing.T) {
	both := components{identifier: true, secret: true}
	for name, c := range map[string]struct {
		rotation *signetv1alpha1.Rotation
		supplied components
		want     []string
	}{
		"none":                     {nil, both, nil},
		"a schedule":               {&signetv1alpha1.Rotation{IntervalDays: ptr.To[int32](90)}, components{identifier: true}, nil},
		"nothing to rotate":        {&signetv1alpha1.Rotation{Trigger: "2026-11"}, both, []string{"spec.rotation: Nothing rotates"}},
		"delays only":              {&signetv1alpha1.Rotation{RetireSeconds: ptr.To[int32](60)}, both, nil},
		"as long as a kubelet":     {&signetv1alpha1.Rotation{StageSeconds: ptr.To[int32](120)}, both, nil},
		"not as long as a kubelet": {&signetv1alpha1.Rotation{StageSeconds: ptr.To[int32](119)}, both, []string{"spec.rotation.stageSeconds: 119 is shorter than the 120 seconds"}},
		"revoked from the start":   {&signetv1alpha1.Rotation{RevokeTrigger: "leak"}, components{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := keyWarnings(keyWith(c.rotation), c.supplied)
			if len(got) != len(c.want) {
				t.Fatalf("warnings: %q, want %q", got, c.want)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("%q, want %q", got[i], want)
				}
			}
		})
	}
}

func TestRevokeWarning(t *testing.T) {
	leak, none := keyWith(&signetv1alpha1.Rotation{RevokeTrigger: "leak"}), keyWith(nil)
	for name, c := range map[string]struct {
		key, old *signetv1alpha1.SignatureKey
		warns    bool
	}{
		"set":       {leak, none, true},
		"changed":   {leak, keyWith(&signetv1alpha1.Rotation{RevokeTrigger: "earlier"}), true},
		"unchanged": {leak, leak, false},
		"removed":   {none, leak, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := revokeWarning(c.key, c.old)
			if strings.HasPrefix(got, "spec.rotation.revokeTrigger: The old version is dropped at once, so requests may fail") != c.warns {
				t.Errorf("%q", got)
			}
		})
	}
}
