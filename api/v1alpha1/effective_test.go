// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"testing"
	"time"
)

func TestEffectiveDelays(t *testing.T) {
	of := func(value int32) *int32 { return &value }
	type delays struct{ interval, stage, retire time.Duration }
	for name, c := range map[string]struct {
		rotation *Rotation
		want     delays
	}{
		"none":    {nil, delays{0, 2 * time.Minute, 15 * time.Minute}},
		"omitted": {&Rotation{Trigger: "2026-11"}, delays{0, 2 * time.Minute, 15 * time.Minute}},
		"least":   {&Rotation{IntervalDays: of(1), StageSeconds: of(1), RetireSeconds: of(1)}, delays{24 * time.Hour, time.Second, time.Second}},
		"most": {&Rotation{IntervalDays: of(3650), StageSeconds: of(86400), RetireSeconds: of(604800)},
			delays{3650 * 24 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}},
		"less than least": {&Rotation{IntervalDays: of(0), StageSeconds: of(0), RetireSeconds: of(-1)}, delays{0, 2 * time.Minute, 15 * time.Minute}},
		"more than most": {&Rotation{IntervalDays: of(3651), StageSeconds: of(86401), RetireSeconds: of(604801)},
			delays{0, 2 * time.Minute, 15 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			key := &SignatureKey{Spec: SignatureKeySpec{Rotation: c.rotation}}
			if got := (delays{key.RotationInterval(), key.EffectiveStage(), key.EffectiveRetire()}); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
