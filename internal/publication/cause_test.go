// SPDX-License-Identifier: Apache-2.0

package publication

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// causeCases are the causes of routes that are not published in RELEASE.
var causeCases = map[string]struct {
	refs     refs
	statuses statuses
	want     Cause
}{
	"no parents":              {want: Cause{Finding: NotAccepted}},
	"no condition yet":        {refs: refs{one}, want: Cause{Finding: NotAccepted}},
	"refused":                 {refs: refs{one}, statuses: statuses{refusedBy(one)}, want: Cause{Finding: NotAccepted}},
	"stale":                   {refs: refs{one}, statuses: statuses{staleBy(one)}, want: Cause{Finding: NotAccepted}},
	"another environment":     {refs: refs{ref("staging")}, statuses: statuses{acceptedBy(ref("staging"))}, want: Cause{Finding: NotAccepted}},
	"Gateway without label":   {refs: refs{ref("bare")}, statuses: statuses{acceptedBy(ref("bare"))}, want: Cause{Finding: NotAccepted}},
	"unread, but refused":     {refs: refs{ref("dark")}, statuses: statuses{refusedBy(ref("dark"))}, want: Cause{Finding: NotAccepted}},
	"Gateway gone":            {refs: refs{ref("gone")}, statuses: statuses{acceptedBy(ref("gone"))}, want: Cause{Finding: NotFound, Kind: "Gateway"}},
	"ListenerSet gone":        {refs: refs{listenerSet("set-gone")}, statuses: statuses{acceptedBy(listenerSet("set-gone"))}, want: Cause{Finding: NotFound, Kind: "ListenerSet"}},
	"ListenerSet's gone":      {refs: refs{listenerSet("set-nowhere")}, statuses: statuses{acceptedBy(listenerSet("set-nowhere"))}, want: Cause{Finding: NotFound, Kind: "Gateway"}},
	"kind not installed":      {refs: refs{listenerSet("set-gone", inNamespace("bare"))}, statuses: statuses{acceptedBy(listenerSet("set-gone", inNamespace("bare")))}, want: Cause{Finding: NotFound, Kind: "ListenerSet", Reason: ReasonNotInstalled}},
	"Gateway unread":          {refs: refs{ref("dark")}, statuses: statuses{acceptedBy(ref("dark"))}, want: Cause{Finding: NotRead, Kind: "Gateway", Namespace: "shop", Reason: "Forbidden"}},
	"Gateway unread, stale":   {refs: refs{ref("dark")}, statuses: statuses{staleBy(ref("dark"))}, want: Cause{Finding: NotRead, Kind: "Gateway", Namespace: "shop", Reason: "Forbidden"}},
	"ListenerSet unread":      {refs: refs{listenerSet("dark")}, statuses: statuses{acceptedBy(listenerSet("dark"))}, want: Cause{Finding: NotRead, Kind: "ListenerSet", Namespace: "shop", Reason: "Forbidden"}},
	"ListenerSet's unread":    {refs: refs{listenerSet("set-unread")}, statuses: statuses{acceptedBy(listenerSet("set-unread"))}, want: Cause{Finding: NotRead, Kind: "Gateway", Namespace: "shop", Reason: "Forbidden"}},
	"unread namespace":        {refs: refs{ref("dark", inNamespace("infra"))}, statuses: statuses{acceptedBy(ref("dark", inNamespace("infra")))}, want: Cause{Finding: NotRead, Kind: "Gateway", Namespace: "infra", Reason: ReasonNotWatched}},
	"a Service of a mesh":     {refs: refs{ref("one", ofKind("", "Service"))}, want: Cause{Finding: NotUnderstood, Kind: "Service"}},
	"another group":           {refs: refs{ref("one", ofKind("example.com", "Gateway"))}, want: Cause{Finding: NotUnderstood, Kind: "Gateway.example.com"}},
	"ListenerSet of a kind":   {refs: refs{listenerSet("set-odd")}, statuses: statuses{acceptedBy(listenerSet("set-odd"))}, want: Cause{Finding: NotUnderstood, Kind: "ListenerSet"}},
	"two unknown kinds":       {refs: refs{ref("b", ofKind("", "B")), ref("a", ofKind("", "A")), ref("c", ofKind("", "A"))}, want: Cause{Finding: NotUnderstood, Kind: "A"}},
	"gone, and not read":      {refs: refs{ref("gone"), ref("dark")}, statuses: statuses{acceptedBy(ref("gone")), acceptedBy(ref("dark"))}, want: Cause{Finding: NotRead, Kind: "Gateway", Namespace: "shop", Reason: "Forbidden"}},
	"gone, not understood":    {refs: refs{ref("gone"), ref("one", ofKind("", "Service"))}, statuses: statuses{acceptedBy(ref("gone"))}, want: Cause{Finding: NotUnderstood, Kind: "Service"}},
	"refused, not understood": {refs: refs{one, ref("one", ofKind("", "Service"))}, statuses: statuses{refusedBy(one)}, want: Cause{Finding: NotUnderstood, Kind: "Service"}},
}

// What is not there, not read and not understood are told apart.
func TestCause(t *testing.T) {
	for name, tc := range causeCases {
		t.Run(name, func(t *testing.T) {
			http := httpRoute(tc.refs, tc.statuses)
			grpc := &gwapiv1.GRPCRoute{ObjectMeta: http.ObjectMeta}
			grpc.Spec.ParentRefs, grpc.Status.Parents = tc.refs, tc.statuses
			for kind, route := range map[string]Route{"HTTPRoute": OfHTTPRoute(http), "GRPCRoute": OfGRPCRoute(grpc)} {
				if diff := cmp.Diff(tc.want, route.Cause("RELEASE", testTopology())); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", kind, diff)
				}
			}
		})
	}
}
