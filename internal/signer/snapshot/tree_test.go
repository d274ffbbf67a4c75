package snapshot

import (
	"maps"
	"testing"
)

// FuzzTree does what the bytes say to a tree and to a map, and keeps every tree
// on the way: none may change afterwards.
func FuzzTree(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 128, 129, 1, 130}, uint8(0))
	f.Add([]byte{7, 39, 71, 103, 7 | 128, 39 | 128, 71 | 128, 103 | 128}, uint8(1))
	f.Add([]byte{1, 2, 3, 4, 5, 131, 130, 129, 1}, uint8(2))
	hashes := []func(byte) uint64{
		func(key byte) uint64 { return uint64(key) * 0x9E3779B97F4A7C15 },
		func(key byte) uint64 { return uint64(key&31) | uint64(key)<<58 }, // alike but for the last level
		func(key byte) uint64 { return uint64(key & 1) },                  // the very same
	}
	f.Fuzz(func(t *testing.T, steps []byte, which uint8) {
		built := tree[byte, int]{hash: hashes[int(which)%len(hashes)]}
		want := map[byte]int{}
		type moment struct {
			tree tree[byte, int]
			want map[byte]int
		}
		var history []moment
		for i, step := range steps {
			key := step & 127
			if step < 128 {
				built, want[key] = built.with(key, i), i
			} else {
				built = built.without(key)
				delete(want, key)
			}
			history = append(history, moment{built, maps.Clone(want)})
		}
		for _, at := range history {
			same(t, at.tree, at.want)
		}
	})
}

func same(t *testing.T, got tree[byte, int], want map[byte]int) {
	t.Helper()
	if got.size != len(want) {
		t.Fatalf("size %d, want %d", got.size, len(want))
	}
	if len(want) == 0 && got.root != nil {
		t.Fatal("an empty tree has a node left")
	}
	seen := map[byte]int{}
	got.all(func(key byte, value int) bool { seen[key] = value; return true })
	if !maps.Equal(seen, want) {
		t.Fatalf("all: %v, want %v", seen, want)
	}
	for key := range byte(128) {
		value, found := got.get(key)
		if wanted, there := want[key]; found != there || value != wanted {
			t.Fatalf("get(%d) = %d, %t, want %d, %t", key, value, found, wanted, there)
		}
	}
}
