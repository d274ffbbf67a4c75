package snapshot

import (
	"hash/maphash"
	"math/bits"
	"slices"
)

// tree is an immutable map: with and without make another that shares all but a
// few nodes with it. It is a hash trie of 32 branches a node, so that a change
// costs the same in a small map as in one of 100,000 entries.
type tree[K comparable, V any] struct {
	root *node[K, V]
	size int
	hash func(K) uint64
}

const (
	branchBits = 5
	branchMask = 1<<branchBits - 1
	hashBits   = 64
)

var seed = maphash.MakeSeed()

func newTree[K comparable, V any]() tree[K, V] {
	return tree[K, V]{hash: func(key K) uint64 { return maphash.Comparable(seed, key) }}
}

// node has a child for each bit that is set, in the order of the bits.
type node[K comparable, V any] struct {
	bitmap   uint32
	children []child[K, V]
}

// child is either a node or a leaf.
type child[K comparable, V any] struct {
	node *node[K, V]
	leaf *leaf[K, V]
}

// leaf is an entry; next is another one with the very same hash.
type leaf[K comparable, V any] struct {
	hash  uint64
	key   K
	value V
	next  *leaf[K, V]
}

// get finds a value.
func (t tree[K, V]) get(key K) (value V, found bool) {
	hash := t.hash(key)
	at := t.root
	for shift := 0; at != nil && shift < hashBits; shift += branchBits {
		position, bit := at.position(hash, shift)
		if at.bitmap&bit == 0 {
			return value, false
		}
		next := at.children[position]
		if next.leaf != nil {
			return next.leaf.get(key)
		}
		at = next.node
	}
	return value, false
}

// with is the tree with the value under the key.
func (t tree[K, V]) with(key K, value V) tree[K, V] {
	if _, found := t.get(key); !found {
		t.size++
	}
	t.root = t.root.with(&leaf[K, V]{hash: t.hash(key), key: key, value: value}, 0)
	return t
}

// without is the tree with nothing under the key.
func (t tree[K, V]) without(key K) tree[K, V] {
	if _, found := t.get(key); !found {
		return t
	}
	t.size--
	t.root = t.root.without(t.hash(key), key, 0)
	return t
}

// all calls yield with every entry, in no order.
func (t tree[K, V]) all(yield func(K, V) bool) { t.root.all(yield) }

func (n *node[K, V]) position(hash uint64, shift int) (position int, bit uint32) {
	bit = 1 << (hash >> shift & branchMask)
	return bits.OnesCount32(n.bitmap & (bit - 1)), bit
}

func (n *node[K, V]) with(entry *leaf[K, V], shift int) *node[K, V] {
	if n == nil {
		n = &node[K, V]{}
	}
	position, bit := n.position(entry.hash, shift)
	if n.bitmap&bit == 0 {
		// At its exact length: append would round up, for every node there is.
		children := make([]child[K, V], len(n.children)+1)
		copy(children, n.children[:position])
		children[position].leaf = entry
		copy(children[position+1:], n.children[position:])
		return &node[K, V]{bitmap: n.bitmap | bit, children: children}
	}
	there := n.children[position]
	switch {
	case there.node != nil:
		there.node = there.node.with(entry, shift+branchBits)
	case there.leaf.hash == entry.hash:
		there.leaf = there.leaf.with(entry)
	default:
		var both *node[K, V]
		both = both.with(there.leaf, shift+branchBits)
		there = child[K, V]{node: both.with(entry, shift+branchBits)}
	}
	return n.replaced(position, there)
}

// without is called only with keys that are there.
func (n *node[K, V]) without(hash uint64, key K, shift int) *node[K, V] {
	position, bit := n.position(hash, shift)
	there := n.children[position]
	if there.leaf != nil {
		there.leaf = there.leaf.without(key)
	} else {
		there.node = there.node.without(hash, key, shift+branchBits)
		if only := there.node.onlyLeaf(); only != nil {
			there = child[K, V]{leaf: only}
		}
	}
	if there.leaf != nil || there.node != nil {
		return n.replaced(position, there)
	}
	if len(n.children) == 1 {
		return nil
	}
	return &node[K, V]{bitmap: n.bitmap &^ bit, children: slices.Concat(n.children[:position], n.children[position+1:])}
}

func (n *node[K, V]) replaced(position int, by child[K, V]) *node[K, V] {
	children := make([]child[K, V], len(n.children))
	copy(children, n.children)
	children[position] = by
	return &node[K, V]{bitmap: n.bitmap, children: children}
}

// onlyLeaf is the one leaf of a node that has nothing else: a place higher up
// is enough for it.
func (n *node[K, V]) onlyLeaf() *leaf[K, V] {
	if n == nil || len(n.children) != 1 {
		return nil
	}
	return n.children[0].leaf
}

func (n *node[K, V]) all(yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	for _, next := range n.children {
		if !next.node.all(yield) {
			return false
		}
		for entry := next.leaf; entry != nil; entry = entry.next {
			if !yield(entry.key, entry.value) {
				return false
			}
		}
	}
	return true
}

func (l *leaf[K, V]) get(key K) (value V, found bool) {
	for entry := l; entry != nil; entry = entry.next {
		if entry.key == key {
			return entry.value, true
		}
	}
	return value, false
}

func (l *leaf[K, V]) with(entry *leaf[K, V]) *leaf[K, V] {
	replaced := *entry
	replaced.next = l.without(entry.key)
	return &replaced
}

func (l *leaf[K, V]) without(key K) *leaf[K, V] {
	if l == nil {
		return nil
	}
	if l.key == key {
		return l.next
	}
	kept := *l
	kept.next = l.next.without(key)
	return &kept
}
