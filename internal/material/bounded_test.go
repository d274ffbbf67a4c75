// SPDX-License-Identifier: Apache-2.0

package material_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/validation"
)

// Caches keep all of what Signet writes and of what it accepts as a source.
func TestBoundedKeepsWhatCounts(t *testing.T) {
	for name, key := range keys() {
		set := first(t, key, material.Supplied{})
		data := set.Encode()
		if diff := cmp.Diff(data, material.Bounded(data)); diff != "" {
			t.Errorf("%s (-data +kept):\n%s", name, diff)
		}
		if diff := cmp.Diff(set.Public(), material.Bounded(set.Public())); diff != "" {
			t.Errorf("public data of %s (-data +kept):\n%s", name, diff)
		}
	}
	source := map[string][]byte{"key": []byte("own-key-0"), "secret": bytes.Repeat([]byte("s"), 2048)}
	if diff := cmp.Diff(source, material.Bounded(source)); diff != "" {
		t.Errorf("source (-data +kept):\n%s", diff)
	}
}

// Of anything else they keep little, and enough to refuse or to remove it.
func TestBoundedDropsTheRest(t *testing.T) {
	long := bytes.Repeat([]byte("a"), 1<<20)
	data := map[string][]byte{"secret": long, "key": []byte("own-key-0")}
	for i := range 1000 {
		data[fmt.Sprintf("zz-%03d", i)] = long[:512]
	}
	kept, size := material.Bounded(data), 0
	for name, value := range kept {
		size += len(name) + cap(value)
	}
	if size > 6000 || len(kept) != 18 {
		t.Errorf("%d bytes under %d names are kept", size, len(kept))
	}
	key := gen.SignatureKey("orders")
	if errs := validation.ValidateSource(key, kept); len(errs) == 0 || strings.Contains(errs.ToAggregate().Error(), "aaaa") {
		t.Errorf("the cut value is refused with %v", errs)
	}
	if material.Bounded[[]byte](nil) != nil {
		t.Error("no data becomes empty data")
	}
}
