// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/utils/ptr"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/publication"
)

var (
	notWatched    = publication.Cause{Finding: publication.NotRead, Kind: "Gateway", Namespace: "infra", Reason: publication.ReasonNotWatched}
	notAllowed    = publication.Cause{Finding: publication.NotRead, Kind: "Gateway", Namespace: "infra", Reason: "Forbidden"}
	notUnderstood = publication.Cause{Finding: publication.NotUnderstood, Kind: "Service"}
	notFound      = publication.Cause{Finding: publication.NotFound, Kind: "HTTPRoute"}
)

// causeMessages are the messages of an API whose route is not published.
var causeMessages = map[string]struct {
	cause publication.Cause
	want  string
}{
	"not accepted":         {publication.Cause{Finding: publication.NotAccepted}, ""},
	"namespace of Gateway": {notWatched, `namespace "infra" is not read; add it to --gateway-namespaces`},
	"namespace of route": {
		publication.Cause{Finding: publication.NotRead, Kind: "HTTPRoute", Namespace: "shop", Reason: publication.ReasonNotWatched},
		`namespace "shop" is not read; add it to --namespaces`,
	},
	"forbidden": {notAllowed, `the manager may not read Gateways in "infra"; grant list and watch`},
	"failing": {
		publication.Cause{Finding: publication.NotRead, Kind: "ListenerSet", Namespace: "infra", Reason: "ServiceUnavailable"},
		`ListenerSets in "infra" cannot be read now (ServiceUnavailable)`,
	},
	"not yet read": {
		publication.Cause{Finding: publication.NotRead, Kind: "GRPCRoute", Namespace: "shop"},
		`GRPCRoutes in "shop" are not read yet`,
	},
	"unknown kind": {notUnderstood, "no Gateway accepts it, and its parent kind is not understood: Service"},
	"ListenerSet of unknown kind": {
		publication.Cause{Finding: publication.NotUnderstood, Kind: "ListenerSet"},
		"the parent of its ListenerSet is not understood; attach the ListenerSet to a Gateway",
	},
	"no route":   {notFound, "the HTTPRoute does not exist"},
	"no Gateway": {publication.Cause{Finding: publication.NotFound, Kind: "Gateway"}, "the route was accepted by a Gateway that does not exist"},
	"no kind": {
		publication.Cause{Finding: publication.NotFound, Kind: "ListenerSet", Reason: publication.ReasonNotInstalled},
		"the cluster does not serve ListenerSet in version v1 of the Gateway API; install it",
	},
}

func TestCauseMessage(t *testing.T) {
	for name, test := range causeMessages {
		t.Run(name, func(t *testing.T) {
			if got := causeMessage(test.cause); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// The longest names leave room for what to change.
func TestCauseMessageFitsIntoTheStatus(t *testing.T) {
	for name, test := range causeMessages {
		longest := test.cause
		longest.Namespace = strings.Repeat("n", 63)
		switch {
		case longest.Finding == publication.NotUnderstood && longest.Kind != "ListenerSet":
			longest.Kind = strings.Repeat("K", 63) + "." + strings.Repeat("g", 253)
		case isParent(longest.Kind):
			longest.Kind = "ListenerSet"
		}
		got := causeMessage(longest)
		if utf8.RuneCountInString(got) > 128 || strings.HasSuffix(got, "…") != (name == "unknown kind") {
			t.Errorf("%s: %d characters: %s", name, utf8.RuneCountInString(got), got)
		}
	}
}

func causedBy(cause publication.Cause) func(*apiObservation) {
	return func(seen *apiObservation) { seen.cause = cause }
}

// The condition repeats what is not read, and asks for a label only where that helps.
func TestConditionNamesTheCause(t *testing.T) {
	const never = ` APIs were never published in environment "RELEASE": `
	const attach = " to a Gateway that has the label signet.dev/environment: RELEASE and accepts it."
	route := func(name string, cause publication.Cause) func(*observation) {
		return withRoute(name, mine, neverPublished, causedBy(cause))
	}
	for name, test := range map[string]struct {
		options []func(*observation)
		want    string
	}{
		"not read": {
			[]func(*observation){route("a", notWatched)},
			"1 of 1" + never + `HTTPRoute "a" (namespace "infra" is not read; add it to --gateway-namespaces). The key signs for them already.`,
		},
		"not read, and without a label": {
			[]func(*observation){route("a", publication.Cause{Finding: publication.NotAccepted}), route("b", notAllowed)},
			"2 of 2" + never + `HTTPRoute "b" (the manager may not read Gateways in "infra"; grant list and watch), HTTPRoute "a". ` +
				"The key signs for them already. Attach the others" + attach,
		},
		"not understood": {
			[]func(*observation){route("a", notUnderstood)},
			"1 of 1" + never + `HTTPRoute "a" (no Gateway accepts it, and its parent kind is not understood: Service). ` +
				"The key signs for them already. Attach each" + attach,
		},
		"not there": {
			[]func(*observation){route("a", notFound)},
			"1 of 1" + never + `HTTPRoute "a" (the HTTPRoute does not exist). The key signs for them already. Attach each` + attach,
		},
		"on Standby": {
			[]func(*observation){withRoute("a", standby(held), neverPublished, causedBy(notWatched))},
			"1 of 1" + never + `HTTPRoute "a" (namespace "infra" is not read; add it to --gateway-namespaces). The key signs for them already.`,
		},
		"offline": {
			[]func(*observation){withRoute("a", heldMine, offline, recorded(ptr.To[int32](2)), causedBy(notWatched))},
			`1 of 1 APIs are offline in environment "RELEASE": HTTPRoute "a" (namespace "infra" is not read; add it to --gateway-namespaces). ` +
				"They keep their key and are Bound again when a Gateway serves them.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decide(observed(test.options...)).status.Conditions[0].Message; got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// The state of an API does not depend on the cause; its message does.
func TestMessageNamesTheCause(t *testing.T) {
	for name, test := range map[string]struct {
		seen func(*observation)
		want signetv1alpha1.APIState
	}{
		"never published": {withRoute("a", mine, neverPublished, causedBy(notWatched)), signetv1alpha1.APINotPublished},
		"offline":         {withRoute("a", heldMine, offline, recorded(ptr.To[int32](2)), causedBy(notWatched)), signetv1alpha1.APIOffline},
	} {
		got := decide(observed(test.seen)).status.APIs[0]
		if got.State != test.want || got.Message != causeMessage(notWatched) {
			t.Errorf("%s: %s: %s", name, got.State, got.Message)
		}
	}
}
