// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// oneKey reads the one key that all bindings name.
type oneKey struct{ client.Reader }

func (oneKey) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	if key, ok := object.(*signetv1alpha1.SignatureKey); ok {
		existingKey("orders").DeepCopyInto(key)
	}
	return nil
}

// budget is the longest p99, in milliseconds.
const budget = 5

// BenchmarkAdmission validates bindings all of whose APIs are held by other bindings,
// with 100,000 slots taken in their namespace: by one other binding, or each API by
// another one of the hundred.
func BenchmarkAdmission(b *testing.B) {
	const holders, each = 100, 1000
	objects := []client.Object{existingKey("orders")}
	for i := range holders {
		objects = append(objects, existingBinding(fmt.Sprintf("holder-%03d", i), gen.ReplacingAPIs(gen.WithAPIs(apiNames(i, each)...)), holding))
	}
	validator := &bindingValidator{reader: oneKey{}, claims: newClaims(objects...)}
	for _, apis := range []int{1, 10, each} {
		b.Run(fmt.Sprintf("apis=%d/holders=1", apis), func(b *testing.B) {
			benchmarkCreate(b, validator, apiNames(holders/2, apis))
		})
		b.Run(fmt.Sprintf("apis=%d/holders=%d", apis, min(apis, holders)), func(b *testing.B) {
			benchmarkCreate(b, validator, spreadNames(holders, apis))
		})
	}
}

func benchmarkCreate(b *testing.B, validator *bindingValidator, names []string) {
	binding := existingBinding("late", gen.ReplacingAPIs(gen.WithAPIs(names...)), createdAt(24*time.Hour), gen.WithSignatureHeader("X-Signature"))
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		warnings, err := validator.ValidateCreate(b.Context(), binding)
		if err != nil || len(warnings) == 0 {
			b.Fatalf("answered %v, %v", warnings, err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(budget, "p99-budget-ms")
}

// spreadNames returns the names of APIs that the holders hold in turn.
func spreadNames(holders, count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = apiName(i%holders, i/holders)
	}
	return names
}

func apiName(holder, api int) string { return fmt.Sprintf("api-%03d-%04d", holder, api) }

func apiNames(holder, count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = apiName(holder, i)
	}
	return names
}
