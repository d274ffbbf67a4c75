// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"math/rand/v2"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Maker generates objects that keep or break the rules by a narrow margin. The
// objects follow from its seed.
type Maker struct{ *rand.Rand }

// NewMaker returns a maker with this seed.
func NewMaker(seed uint64) Maker { return Maker{rand.New(rand.NewPCG(seed, seed))} }

func pick[T any](m Maker, from ...T) T { return from[m.IntN(len(from))] }

// characters that a rule allows, forbids, or does not expect. Each draw comes
// from one of these.
const (
	plain   = "abcxyz019"
	upper   = "ABCXYZ"
	marks   = "-_."
	odd     = "!@#$%+/=:~ ;\"'\\*|"
	strange = "\n\t\u00e9\u6771\U0001f511"
)

// text makes a string about as long as one of the lengths, mostly of
// characters that are allowed about everywhere.
func (m Maker) text(lengths ...int) string {
	length := max(1, pick(m, lengths...)+pick(m, -1, 0, 0, 1))
	alphabet := pick(m, plain, plain, plain+upper, plain+upper+marks, plain+marks, plain+odd, plain+strange)
	letters := []rune(alphabet)
	var b strings.Builder
	for range length {
		b.WriteRune(pick(m, letters...))
	}
	return b.String()
}

// labelKey makes the key of a label or annotation.
func (m Maker) labelKey() string {
	return pick(m, "team", "example.com/team", "app.kubernetes.io/managed-by", "app.kubernetes.io/name",
		"argocd.argoproj.io/instance", "kustomize.toolkit.fluxcd.io/name", "signet.dev/x", "helm.sh/chart",
		"meta.helm.sh/release-name", "notsignet.dev/x", "signet.dev.example.com/x", m.text(1, 63), m.text(3)+"/"+m.text(63),
		m.text(253)+"/"+m.text(3), "a/b/c", "/a", "a/")
}

func (m Maker) entries() any {
	if m.IntN(20) == 0 {
		return long("k", pick(m, 31, 32, 33), "map")
	}
	entries := map[string]any{}
	for range m.IntN(3) {
		entries[m.labelKey()] = pick(m, "", m.text(1, 5, 63), m.text(4096))
	}
	return entries
}

func (m Maker) number(edges ...int64) any { return pick(m, edges...) + pick[int64](m, -1, 0, 1) }

func (m Maker) headerName() string {
	return pick(m, "content-type", "x-tenant", "host", "cookie", "X-Upper", "via", "x-forwarded-for", "x-sdk-date",
		"x-signature", "te", "expect", "authorization", "proxy-status", "x-envoy", m.text(1, 64))
}

func (m Maker) api() any {
	kind := pick(m, "API", "HTTPRoute", "GRPCRoute", "API", "HTTPRoute", "Route")
	group := string(signetv1alpha1.APIKind(kind).Group())
	if m.IntN(8) == 0 {
		group = pick(m, "signet.dev", "gateway.networking.k8s.io", "apps")
	}
	return map[string]any{
		"group": group, "kind": kind,
		"name": pick(m, "orders", "orders", "Orders", "a.b", "a..b", "-a", "a-", m.text(1, 128, 253)),
	}
}

// somewhere is a field and what may be put there. Nothing takes the field away.
type somewhere struct {
	path string
	make func(Maker) any
}

func anyOf(values ...any) func(Maker) any { return func(m Maker) any { return pick(m, values...) } }

func textOf(lengths ...int) func(Maker) any {
	return func(m Maker) any { return m.text(lengths...) }
}

func listOf(item func(Maker) any, long ...int) func(Maker) any {
	return func(m Maker) any {
		length := m.IntN(4)
		if m.IntN(10) == 0 {
			length = pick(m, long...) + pick(m, -1, 0, 1)
		}
		list := make([]any, length)
		for i := range list {
			list[i] = item(m)
		}
		return list
	}
}

func name(m Maker) any {
	return pick(m, "orders", "own", "a.b", "Own", "own-", m.text(1, 62, 246, 253))
}

var fields = map[string][]somewhere{
	"SignatureKey": {
		{"metadata.name", func(m Maker) any { return strings.Repeat("a", pick(m, 1, 2, 61, 62, 63, 253)) }},
		{"spec.type", anyOf("HMAC", "Basic", "AES", "PublicKey", "hmac")},
		{"spec.algorithm", anyOf("aes-128-cfb", "aes-256-cfb", "aes-128-cbc", nil)},
		{"spec.displayName", textOf(3, 64, 10)},
		{"spec.identifier", textOf(4, 8, 32)},
		{"spec.source.secretRef", func(m Maker) any { return map[string]any{"name": name(m)} }},
		{"spec.target.name", name},
		{"spec.target.template.labels", Maker.entries},
		{"spec.target.template.annotations", Maker.entries},
		{"spec.target.deletionPolicy", anyOf("Delete", "Retain", "retain", nil)},
		{"spec.rotation.intervalDays", func(m Maker) any { return m.number(1, 2, 3650) }},
		{"spec.rotation.stageSeconds", func(m Maker) any { return m.number(1, 120, 85500, 86400) }},
		{"spec.rotation.retireSeconds", func(m Maker) any { return m.number(1, 900, 86280, 604800) }},
		{"spec.rotation.trigger", textOf(1, 253)},
		{"spec.rotation.revokeTrigger", textOf(1, 253)},
	},
	"SignatureBinding": {
		{"spec.keyRef.name", name},
		{"spec.environment", textOf(3, 63, 8)},
		{"spec.apis", listOf(Maker.api, 1000)},
		{"spec.payload", anyOf("Signed", "Unsigned", "unsigned", nil)},
		{"spec.signedHeaders", listOf(func(m Maker) any { return m.headerName() }, 16)},
		{"spec.signatureHeader", func(m Maker) any { return m.headerName() }},
		{"spec.backendHost", func(m Maker) any {
			return pick[any](m, "a.example", "a.example:443", "a:123456", "[::1]:80", "::1", "a..b", m.text(1, 253, 259))
		}},
	},
}

// Base returns a valid object, in one of the variants that most fields are for.
func (m Maker) Base() *unstructured.Unstructured {
	kind := pick(m, "SignatureKey", "SignatureBinding")
	return Case{Kind: kind, Type: pick(m, "HMAC", "Basic", "AES", "PublicKey")}.Base()
}

// Change sets some fields and returns their paths.
func (m Maker) Change(t *testing.T, object *unstructured.Unstructured, times int) (changed *unstructured.Unstructured, paths []string) {
	t.Helper()
	changed = object.DeepCopy()
	for range times {
		where := pick(m, fields[object.GetKind()]...)
		steps := strings.Split(where.path, ".")
		value := where.make(m)
		if value == nil {
			removeField(changed.Object, steps)
		} else if err := unstructured.SetNestedField(changed.Object, value, steps...); err != nil {
			t.Fatalf("put %v into %s: %v", value, where.path, err)
		}
		paths = append(paths, where.path)
	}
	return changed, paths
}

// removeField removes a field, and the object that it leaves empty: that one is there or
// not makes no difference to the Go types, but to the ratcheting of the schema.
func removeField(object map[string]any, steps []string) {
	unstructured.RemoveNestedField(object, steps...)
	parent := steps[:len(steps)-1]
	if rest, found, _ := unstructured.NestedMap(object, parent...); found && len(rest) == 0 {
		unstructured.RemoveNestedField(object, parent...)
	}
}
