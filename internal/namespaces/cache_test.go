// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// steppable is a clock that only the test moves.
type steppable interface {
	clock.WithTicker
	HasWaiters() bool
	Step(d time.Duration)
}

func newClock() steppable { return clocktesting.NewFakeClock(time.Unix(0, 0)) }

func twoNamespaces() *fakeCluster {
	return &fakeCluster{
		keys: map[string][]string{"a": {"orders"}, "b": {"orders", "payments"}}, problems: map[string]string{}, hanging: map[string]bool{},
	}
}

func TestServesWhatCanBeServed(t *testing.T) {
	server := twoNamespaces()
	server.problems["b"] = "its permissions are missing"
	served, told := start(t, server, newClock(), "a", "b")
	if !served.WaitForCacheSync(t.Context()) {
		t.Fatal("the cache has not started")
	}
	if !told.isServed("a") || !told.has("a/orders") {
		t.Error("the handlers have not received the objects of namespace a")
	}
	var found signetv1alpha1.SignatureKeyList
	if err := served.List(t.Context(), &found); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a/orders"}, names(&found)); diff != "" {
		t.Error(diff)
	}
	const want = "namespace b is not served: its permissions are missing"
	for name, read := range map[string]func() error{
		"list": func() error { return served.List(t.Context(), &found, client.InNamespace("b")) },
		"get": func() error {
			return served.Get(t.Context(), client.ObjectKey{Namespace: "b", Name: "orders"}, &signetv1alpha1.SignatureKey{})
		},
	} {
		if err := read(); !IsNotServed(err) || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if err := served.List(t.Context(), &found, client.InNamespace("c")); !IsNotServed(err) {
		t.Errorf("namespace c is read: %v", err)
	}
}

func TestTakesUpANamespaceThatIsBack(t *testing.T) {
	server, clock := twoNamespaces(), newClock()
	server.problems["b"] = "it does not exist"
	served, told := start(t, server, clock, "a", "b")
	eventually(t, "the first check", func() bool { return served.State("b").Problem == "it does not exist" })
	server.set(func(c *fakeCluster) { delete(c.problems, "b") })
	eventually(t, "namespace b is served", func() bool { clock.Step(maxRetryInterval); return told.isServed("b") })
	var found signetv1alpha1.SignatureKeyList
	if err := served.List(t.Context(), &found, client.InNamespace("b"), client.MatchingFields{"name": "payments"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b/payments"}, names(&found)); diff != "" {
		t.Error(diff)
	}
	if !told.has("b/orders") || !told.has("b/payments") {
		t.Error("the handlers have not received the objects of namespace b")
	}
}

func TestLeavesANamespaceThatIsLost(t *testing.T) {
	server, clock := twoNamespaces(), newClock()
	served, told := start(t, server, clock, "a", "b")
	eventually(t, "both are served", func() bool { return told.isServed("a") && told.isServed("b") })
	server.set(func(c *fakeCluster) { c.problems["b"] = "its RoleBinding is gone"; c.keys["b"] = []string{"invoices"} })
	served.Recheck("b")
	eventually(t, "namespace b is not served", func() bool { return !told.isServed("b") })
	if told.has("b/orders") || told.has("b/payments") || !told.has("a/orders") {
		t.Error("the handlers have not received the deletion of the objects of namespace b, and of no others")
	}
	if got := served.State("b"); got.Served || got.Problem != "its RoleBinding is gone" {
		t.Errorf("state %+v", got)
	}
	server.set(func(c *fakeCluster) { delete(c.problems, "b") })
	eventually(t, "namespace b is served again", func() bool { clock.Step(maxRetryInterval); return told.isServed("b") })
	if !told.has("b/invoices") || told.has("b/orders") {
		t.Error("the handlers have not received what is in namespace b now")
	}
}

func TestDoesNotWaitForANamespaceThatHangs(t *testing.T) {
	server, clock := twoNamespaces(), newClock()
	server.hanging["b"] = true
	served, told := start(t, server, clock, "a", "b")
	eventually(t, "namespace a is served", func() bool { return told.isServed("a") })
	select {
	case <-served.settled:
		t.Fatal("namespace b has been given no time")
	default:
	}
	eventually(t, "the cache has started", func() bool {
		clock.Step(startTimeout)
		select {
		case <-served.settled:
			return true
		default:
			return false
		}
	})
	if got := served.State("b"); got.Served || !strings.HasPrefix(got.Problem, "its objects have not been listed yet") {
		t.Errorf("state %+v", got)
	}
}

func TestMetric(t *testing.T) {
	server := twoNamespaces()
	server.problems["b"] = "it does not exist"
	served, _ := start(t, server, newClock(), "a", "b")
	served.WaitForCacheSync(t.Context())
	const want = `
# HELP signet_namespace_served 1 if the namespace is served, 0 if it or a permission in it is missing. The namespace * stands for all.
# TYPE signet_namespace_served gauge
signet_namespace_served{namespace="a"} 1
signet_namespace_served{namespace="b"} 0
`
	if err := testutil.CollectAndCompare(served.Collector("signet_namespace_served"), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	var everywhere *Cache
	if !everywhere.IsServed("a") || testutil.CollectAndCount(everywhere.Collector("signet_namespace_served")) != 1 {
		t.Error("a command that works in all namespaces does not serve each")
	}
}
