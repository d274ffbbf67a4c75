// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"context"
	"encoding/json"
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/controlplane"
)

const (
	createRuns  = 1500
	updateRuns  = 500
	ratchetRuns = 500
)

var (
	seed  = flag.Uint64("layers.seed", 0, "seed of the generated objects (0 uses a new one each time)")
	times = flag.Int("layers.times", 1, "factor for the number of objects")
)

// server starts a control plane with the CRDs and returns a client for it.
func server(tb testing.TB) (*controlplane.ControlPlane, client.Client) {
	tb.Helper()
	cp, err := controlplane.Start(context.Background(), controlplane.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(cp.Stop)
	if err := cp.Install(context.Background(), "../../config/crd", controlplane.InstallOptions{}); err != nil {
		tb.Fatal(err)
	}
	cp.Config.QPS = -1
	c, err := client.New(cp.Config, client.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return cp, c
}

// TestLayersAgree compares the verdicts of both layers on generated objects: new ones,
// changed ones, and ones that were stored when the rules were laxer. It is not
// a fuzz target of the go command, because the API server's coverage cannot guide it.
func TestLayersAgree(t *testing.T) {
	cp, c := server(t)
	begin := *seed
	if begin == 0 {
		begin = uint64(time.Now().UnixNano())
	}
	t.Logf("-layers.seed=%d", begin)

	t.Run("create", func(t *testing.T) {
		run(t, *times*createRuns, begin, func(t *testing.T, seed uint64) bool { return agreeOnCreate(t, c, seed) })
	})
	t.Run("update", func(t *testing.T) {
		run(t, *times*updateRuns, begin, func(t *testing.T, seed uint64) bool { return agreeOnUpdate(t, c, seed) })
	})
	t.Run("ratchet", func(t *testing.T) { agreeOnRatchet(t, cp, c, begin) })
}

// run derives cases from the seeds. A comparison that only sees one verdict
// compares nothing.
func run(t *testing.T, objects int, begin uint64, compare func(*testing.T, uint64) bool) {
	t.Helper()
	verdicts := map[bool]int{}
	for i := range uint64(objects) {
		verdicts[compare(t, begin+i)]++
		if t.Failed() {
			t.Fatalf("seed %d", begin+i)
		}
	}
	t.Logf("%d valid, %d invalid", verdicts[true], verdicts[false])
	if verdicts[true] < objects/20 || verdicts[false] < objects/20 {
		t.Errorf("%d valid and %d invalid objects: the generator has lost its balance", verdicts[true], verdicts[false])
	}
}

func agreeOnCreate(t *testing.T, c client.Client, seed uint64) bool {
	t.Helper()
	m := newMaker(seed)
	object, paths := m.change(m.base(), m.IntN(4))
	return agree(t, c, nil, object, paths)
}

func agreeOnUpdate(t *testing.T, c client.Client, seed uint64) bool {
	t.Helper()
	m := newMaker(seed)
	old, _ := m.change(m.base(), m.IntN(3))
	old.SetName("update-" + strconv.FormatUint(seed, 36))
	if err := c.Create(t.Context(), old); apierrors.IsInvalid(err) {
		return false
	} else if err != nil {
		t.Fatal(err)
	}
	object, paths := m.change(old, 1+m.IntN(2))
	object.SetName(old.GetName())
	return agree(t, c, old, object, paths)
}

// agreeOnRatchet stores objects under CRDs without rules, and changes them
// under those with rules.
func agreeOnRatchet(t *testing.T, cp *controlplane.ControlPlane, c client.Client, begin uint64) {
	t.Helper()
	crds, err := cp.Render(t.Context(), "../../config/crd")
	if err != nil {
		t.Fatal(err)
	}
	var lax []*unstructured.Unstructured
	for _, crd := range crds {
		crd := crd.DeepCopy()
		withoutRules(crd.Object)
		lax = append(lax, crd)
	}
	install(t, cp, c, lax, false)
	stored := map[uint64]*unstructured.Unstructured{}
	for i := range uint64(*times * ratchetRuns) {
		m := newMaker(begin + i)
		old, _ := m.change(m.base(), m.IntN(4))
		old.SetName("ratchet-" + strconv.FormatUint(i, 36))
		// Lists of map type and sets keep their kind without rules, too.
		if err := c.Create(t.Context(), old); err == nil {
			stored[begin+i] = old
		} else if !apierrors.IsInvalid(err) {
			t.Fatal(err)
		}
	}
	install(t, cp, c, crds, true)
	run(t, *times*ratchetRuns, begin, func(t *testing.T, seed uint64) bool {
		old, there := stored[seed]
		if !there {
			return false
		}
		m := newMaker(^seed)
		object, paths := m.change(old, m.IntN(3))
		object.SetName(old.GetName())
		// A change of its own for each object: an update that changes nothing
		// is not validated.
		object.SetAnnotations(map[string]string{"example.com/touched": "true"})
		return agree(t, c, old, object, paths)
	})
}

// withoutRules removes what restricts values from a schema, and keeps its shape.
func withoutRules(node any) {
	switch node := node.(type) {
	case map[string]any:
		for _, rule := range []string{
			"enum", "pattern", "maxLength", "minLength", "maximum", "minimum", "maxItems", "minItems", "maxProperties", "x-kubernetes-validations",
		} {
			delete(node, rule)
		}
		for _, inner := range node {
			withoutRules(inner)
		}
	case []any:
		for _, inner := range node {
			withoutRules(inner)
		}
	}
}

// install applies the CRDs and waits until the API server enforces their rules, or
// no longer does: it follows some time after the write.
func install(t *testing.T, cp *controlplane.ControlPlane, c client.Client, crds []*unstructured.Unstructured, strict bool) {
	t.Helper()
	if err := cp.Apply(t.Context(), crds, controlplane.InstallOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"SignatureKey", "SignatureBinding"} {
		wrong := testCase{Kind: kind}.base()
		field := map[string][]string{"SignatureKey": {"spec", "displayName"}, "SignatureBinding": {"spec", "environment"}}[kind]
		if err := unstructured.SetNestedField(wrong.Object, "-", field...); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(30 * time.Second)
		// Several in a row, because not all handlers of a kind change at once.
		for right := 0; right < 5; {
			if apierrors.IsInvalid(c.Create(t.Context(), wrong.DeepCopy(), client.DryRunAll)) == strict {
				right++
				continue
			}
			right = 0
			if time.Now().After(deadline) {
				t.Fatalf("the rules of %s: enforced is not %t after 30 s", kind, strict)
			}
		}
	}
}

// agree compares the verdicts and, where one field of a new object was changed,
// the paths: what the API server finds, Go finds too, there or above. Of several
// faults in one field the API server may leave out some, since others keep it
// from asking, and Go what is in a list that is too long.
// It returns whether the object is valid.
func agree(t *testing.T, c client.Client, old, object *unstructured.Unstructured, changed []string) bool {
	t.Helper()
	var answer error
	if old == nil {
		answer = c.Create(t.Context(), object.DeepCopy(), client.DryRunAll)
	} else {
		answer = c.Update(t.Context(), object.DeepCopy(), client.DryRunAll)
	}
	found := causes(t, answer)
	sameAsSchema(t, old, object, found)
	return agreeWithGo(t, found, old, object, changed)
}

// agreeWithGo is agree for what the API server, or the schema in process, found.
func agreeWithGo(t *testing.T, found []string, old, object *unstructured.Unstructured, changed []string) bool {
	t.Helper()
	var errs []string
	for _, err := range validateInGo(t, old, object) {
		errs = append(errs, err.Field)
	}
	same := (len(errs) == 0) == (len(found) == 0)
	if same && len(changed) == 1 && old == nil {
		reported := distinct(errs)
		same = !slices.ContainsFunc(distinct(found), func(path string) bool {
			return !slices.ContainsFunc(reported, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
		})
	}
	if !same {
		t.Errorf("the layers disagree on a change of %q\n  Go: %.1000q\n  API server: %.1000q\n  old: %.1000s\n  object: %.1000s",
			changed, errs, found, specOf(t, old), specOf(t, object))
	}
	return len(errs) == 0
}

// distinct are the paths, each once, without what is said of them.
func distinct(found []string) []string {
	paths := make([]string, len(found))
	for i, text := range found {
		paths[i], _, _ = strings.Cut(text, ": ")
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// specOf is what can be read of an object.
func specOf(t *testing.T, object *unstructured.Unstructured) []byte {
	t.Helper()
	if object == nil {
		return nil
	}
	text, err := json.Marshal(object.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	return text
}
