// SPDX-License-Identifier: Apache-2.0

package material

import (
	"maps"
	"slices"

	"github.com/signet-dev/signet/internal/validation"
)

const (
	// maxValue is the length up to which caches keep a value: twice that of the longest
	// component. A longer one is cut one byte beyond it, and breaks every rule.
	maxValue = 4096
	// maxOthers is how many keys of the data caches keep that Signet does not know. They
	// are removed from a managed Secret, so many at a time.
	maxOthers = 16
)

// known are the keys of the data of managed and source Secrets.
var known = func() map[string]struct{} {
	names := map[string]struct{}{validation.DataKey: {}, validation.DataSecret: {}}
	for _, name := range slices.Concat(original, []string{dataChecksum, dataUsername, dataPassword, dataCredential}) {
		names[name] = struct{}{}
	}
	return names
}()

// Bounded returns the part of the data of a Secret or ConfigMap that caches keep. Any
// client may label an object as material, and fill it with what it likes. Of keys that
// Signet does not know, the first few are kept without their values.
func Bounded[V ~[]byte | ~string](data map[string]V) map[string]V {
	if data == nil {
		return nil
	}
	kept := make(map[string]V, min(len(data), len(known)))
	for name := range known {
		if value, there := data[name]; there {
			kept[name] = cut(value)
		}
	}
	for _, name := range others(data) {
		var none V
		kept[name] = none
	}
	return kept
}

// cut returns a copy: a slice of a long value would keep all of it.
func cut[V ~[]byte | ~string](value V) V {
	if len(value) <= maxValue {
		return value
	}
	return V(append([]byte(nil), value[:maxValue+1]...))
}

// others returns the first keys that Signet does not know, in order.
func others[V any](data map[string]V) []string {
	if len(data) == 0 {
		return nil
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(data)), func(name string) bool {
		_, isKnown := known[name]
		return isKnown
	})
	return names[:min(len(names), maxOthers)]
}
