// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// lastRoutes returns the recorded state, so that the result shows which one it received.
type lastRoutes struct{ calls int }

func (*lastRoutes) WaitForSync(context.Context) error { return nil }

func (*lastRoutes) Subscribe(func(gatewayapi.RouteRef)) {}

func (r *lastRoutes) Publication(_ signetv1alpha1.APIKind, _, _, _ string, last *int32) publication.State {
	r.calls++
	return publication.KeepLast(last)
}

func (*lastRoutes) Cause(_ signetv1alpha1.APIKind, _, _, environment string) publication.Cause {
	return publication.Cause{Finding: publication.NotRead, Kind: "Gateway", Namespace: environment}
}

func (*lastRoutes) Rewrites(signetv1alpha1.APIKind, string, string) []publication.Rewrite {
	return []publication.Rewrite{{Field: "spec.rules[0].filters[0]", Path: true}}
}

// The number of Gateways that stands while nothing is known is that of the binding
// which holds the slot. Where no binding holds it, it was never published.
func TestObserveAPI(t *testing.T) {
	binding := gen.SignatureBinding("orders", "orders", gen.InNamespace("shop"))
	route := slots.Slot{Namespace: "shop", Environment: "RELEASE", Kind: kindRoute, Name: "a"}
	api := route
	api.Kind = kindAPI
	recorded := &signetv1alpha1.APIStatus{Gateways: ptr.To[int32](3)}
	holder := &signetv1alpha1.APIStatus{Gateways: ptr.To[int32](2)}
	rewrites := (&lastRoutes{}).Rewrites("", "", "")
	published := publication.State{Published: true}
	for name, test := range map[string]struct {
		slot       slots.Slot
		evaluation slots.Evaluation
		recorded   *signetv1alpha1.APIStatus
		want       publication.State
		rewrites   []publication.Rewrite
		calls      int
	}{
		"an API is known to its gateway only":    {api, heldMine, recorded, published, nil, 0},
		"a route that the binding holds":         {route, heldMine, recorded, publication.KeepLast(recorded.Gateways), rewrites, 1},
		"a route that the binding gets":          {route, mine, recorded, publication.KeepLast(nil), rewrites, 1},
		"a route of another environment before":  {route, heldMine, nil, publication.KeepLast(nil), rewrites, 1},
		"a route on Standby":                     {route, standby(holder), recorded, publication.KeepLast(holder.Gateways), nil, 1},
		"a route on Standby, not held yet":       {route, standby(nil), recorded, published, nil, 0},
		"a route that another binding holds":     {route, taken, recorded, published, nil, 0},
		"a route that the binding may not claim": {route, late, nil, published, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			routes := &lastRoutes{}
			s := &session{
				Reconciler: &Reconciler{Routes: routes, refusedWrites: kubeclient.NewFailingWrites(clocktesting.NewFakePassiveClock(now))},
				claims:     slots.NewNamespaceCache("shop"),
			}
			got := s.observeAPI(binding, test.slot, test.recorded, test.evaluation)
			want := apiObservation{
				api: test.slot.API(), evaluation: test.evaluation, recorded: test.recorded,
				publication: test.want, rewrites: test.rewrites,
			}
			if !want.publication.Published {
				want.cause = routes.Cause("", "", "", test.slot.Environment)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(apiObservation{})); diff != "" {
				t.Errorf("observation (-want +got):\n%s", diff)
			}
			if routes.calls != test.calls {
				t.Errorf("called for the publication %d times, want %d", routes.calls, test.calls)
			}
		})
	}
}

// The status counts only if it describes the environment that the spec names.
func TestRecordedStatuses(t *testing.T) {
	binding := gen.SignatureBinding("orders", "orders", gen.WithAPIs("a"), gen.Holding(before))
	if got := recordedStatuses(binding); len(got) != 1 || got[binding.Spec.APIs[0]] != &binding.Status.APIs[0] {
		t.Errorf("recordedStatuses = %v, want the entry of a", got)
	}
	binding.Spec.Environment = "STAGING"
	if got := recordedStatuses(binding); len(got) != 0 {
		t.Errorf("recordedStatuses of another environment = %v, want none", got)
	}
}
