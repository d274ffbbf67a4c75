// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	kindKey     = "SignatureKey"
	kindBinding = "SignatureBinding"
)

// scene brings objects into states, in a namespace of its own.
type scene struct {
	// gateOpen is played while type PublicKey is enabled, unguarded while there
	// are no webhooks, no manager and looser CRDs, play in the end.
	gateOpen, unguarded, play func(*testing.T, stage)
	states                    []state
}

// state is one that an object is to be in.
type state struct {
	kind, ready, reason string
	// deleted says that the object is being deleted: then no script is asked.
	deleted bool
	// waits says that it turns to False after five minutes.
	waits bool
	// file in testdata; left out: named after what Argo CD says and the reason.
	file string
}

func apply(yaml ...string) func(*testing.T, stage) {
	return func(t *testing.T, s stage) { s.apply(t, s.namespace, strings.Join(yaml, "---\n")) }
}

// sequence plays one after another.
func sequence(acts ...func(*testing.T, stage)) func(*testing.T, stage) {
	return func(t *testing.T, s stage) {
		for _, act := range acts {
			act(t, s)
		}
	}
}

func expect(kind, name, ready, reason string) func(*testing.T, stage) {
	return func(t *testing.T, s stage) { s.expectReady(t, kind, name, ready, reason) }
}

func kubectl(args ...string) func(*testing.T, stage) {
	return func(t *testing.T, s stage) { s.in(t, args...) }
}

// finalizers replaces those of the Secret orders; without any it goes.
func finalizers(names ...string) func(*testing.T, stage) {
	list := "[]"
	if len(names) > 0 {
		list = `["` + strings.Join(names, `","`) + `"]`
	}
	return kubectl("patch", "secret", "orders", "--type=merge", "-p", `{"metadata":{"finalizers":`+list+`}}`)
}

const (
	ours   = "signet.dev/in-use"
	theirs = "example.com/keep"
)

var (
	bound        = sequence(apply(key("orders", ""), binding("orders", "orders", "API/orders")), expect(kindBinding, "orders", "True", "Bound"))
	deleteSecret = kubectl("delete", "secret", "orders", "--wait=false")
	orphanKey    = key("orders", ", source: {secretRef: {name: orders-own}}")
)

// scenes are by namespace. The objects that they are about are named orders.
var scenes = map[string]scene{
	"bound": {play: bound, states: []state{
		{kind: kindKey, ready: "True", reason: "Ready"},
		{kind: kindBinding, ready: "True", reason: "Bound"},
	}},
	"secret-held": {play: sequence(bound, deleteSecret), states: []state{
		{kind: kindKey, ready: "True", reason: "SecretTerminating"},
	}},
	"secret-unbound": {
		play: sequence(apply(key("orders", "")), expect(kindKey, "orders", "True", "Ready"), finalizers(theirs), deleteSecret),
		states: []state{
			{kind: kindKey, ready: "Unknown", reason: "SecretTerminating", waits: true},
		},
	},
	"secret-unheld": {play: sequence(bound, finalizers(ours, theirs), deleteSecret, finalizers(theirs)), states: []state{
		{kind: kindKey, ready: "False", reason: "SecretTerminating", file: "degraded_secretNotHeld.yaml"},
	}},
	"secret-lost": {play: sequence(bound, deleteSecret, finalizers()), states: []state{
		{kind: kindKey, ready: "False", reason: "SecretLost"},
		{kind: kindBinding, ready: "False", reason: "SecretLost"},
	}},
	"gate-closed": {
		gateOpen: sequence(apply(publicKey("orders", "")), expect(kindKey, "orders", "True", "Ready")),
		states: []state{
			{kind: kindKey, ready: "True", reason: "TypeNotEnabled"},
		},
	},
	"gate-closed-before": {
		gateOpen: sequence(apply(publicKey("orders", ", source: {secretRef: {name: orders-own}}"), binding("orders", "orders", "API/orders")),
			expect(kindKey, "orders", "Unknown", "SourceNotFound")),
		states: []state{
			{kind: kindKey, ready: "False", reason: "TypeNotEnabled"},
			{kind: kindBinding, ready: "False", reason: "TypeNotEnabled"},
		},
	},
	"source-missing": {play: apply(orphanKey, binding("orders", "orders", "API/orders")), states: []state{
		{kind: kindKey, ready: "Unknown", reason: "SourceNotFound", waits: true},
		{kind: kindBinding, ready: "Unknown", reason: "KeyNotReady", waits: true},
	}},
	"source-managed": {
		play: sequence(apply(key("payments", "")), expect(kindKey, "payments", "True", "Ready"), apply(key("orders", ", source: {secretRef: {name: payments}}"))),
		states: []state{
			{kind: kindKey, ready: "False", reason: "InvalidSource"},
		},
	},
	"source-invalid": {play: sequence(apply(invalidSource), apply(orphanKey)), states: []state{
		{kind: kindKey, ready: "False", reason: "InvalidMaterial"},
	}},
	"spec-invalid": {
		unguarded: apply(invalidKey, invalidBinding),
		states: []state{
			{kind: kindKey, ready: "False", reason: "InvalidSpec"},
			{kind: kindBinding, ready: "False", reason: "InvalidSpec"},
		},
	},
	"name-taken": {play: sequence(kubectl("create", "secret", "generic", "orders"), apply(key("orders", ""))), states: []state{
		{kind: kindKey, ready: "False", reason: "SecretOwnedByOther"},
	}},
	"deleted-without-material": {
		play: sequence(kubectl("create", "secret", "generic", "orders"), apply(key("orders", ""), binding("orders", "orders", "API/orders")),
			kubectl("patch", "signaturekey", "orders", "--type=merge", "-p", `{"metadata":{"finalizers":["example.com/other"]}}`),
			expect(kindKey, "orders", "False", "SecretOwnedByOther"), kubectl("delete", "signaturekey", "orders", "--wait=false")),
		states: []state{
			{kind: kindKey, ready: "False", reason: "KeyTerminating", deleted: true},
		},
	},
	"namespace-going": {
		play: sequence(apply(key("orders", "")), expect(kindKey, "orders", "True", "Ready"), keepKeys, deleteNamespace),
		states: []state{
			{kind: kindKey, ready: "Unknown", reason: "NamespaceTerminating", waits: true},
		},
	},
	"route-offline": {
		play: sequence(apply(gateway, route, key("orders", ""), binding("orders", "orders", "HTTPRoute/orders")),
			kubectl("patch", "httproute", "orders", "--subresource=status", "--type=merge", "-p", accepted),
			expect(kindBinding, "orders", "True", "Bound"), kubectl("delete", "httproute", "orders")),
		states: []state{
			{kind: kindBinding, ready: "True", reason: "PartlyOffline"},
		},
	},
	"route-missing": {play: apply(key("orders", ""), binding("orders", "orders", "HTTPRoute/orders")), states: []state{
		{kind: kindBinding, ready: "Unknown", reason: "NotPublished", waits: true},
	}},
	"key-missing": {play: apply(binding("orders", "orders", "API/orders")), states: []state{
		{kind: kindBinding, ready: "Unknown", reason: "KeyNotFound", waits: true},
	}},
	"key-going": {
		play: sequence(apply(key("orders", ""), binding("shop", "orders", "API/shop")), expect(kindBinding, "shop", "True", "Bound"),
			kubectl("delete", "signaturekey", "orders", "--wait=false"), passSecond, apply(binding("orders", "orders", "API/orders"))),
		states: []state{
			{kind: kindBinding, ready: "False", reason: "KeyTerminating"},
		},
	},
	"api-taken": {
		play: sequence(apply(key("orders", ""), key("shop", ""), binding("shop", "shop", "API/orders")),
			expect(kindBinding, "shop", "True", "Bound"), apply(binding("orders", "orders", "API/orders"))),
		states: []state{
			{kind: kindBinding, ready: "False", reason: "Conflicted"},
		},
	},
	"api-taken-with-the-same-key": {
		play: sequence(apply(key("orders", ""), binding("shop", "orders", "API/orders")),
			expect(kindBinding, "shop", "True", "Bound"), apply(binding("orders", "orders", "API/orders"))),
		states: []state{
			{kind: kindBinding, ready: "True", reason: "Standby"},
		},
	},
}

// passSecond waits for another second than that of the key's deletion: times in
// objects are whole seconds, and a binding of the same one is not too late.
func passSecond(t *testing.T, s stage) {
	deleted := s.read(t, kindKey, "orders").GetDeletionTimestamp()
	proc.EventuallyLong(t, "another second", func() error {
		if time.Now().Before(deleted.Add(time.Second)) {
			return fmt.Errorf("it is the same")
		}
		return nil
	})
}

// keepKeys has a policy of somebody else refuse the deletion of keys, so that
// the namespace goes on being deleted with its key in it.
func keepKeys(t *testing.T, s stage) {
	s.apply(t, s.namespace, strings.ReplaceAll(keepKeysPolicy, "NAMESPACE", s.namespace))
	proc.EventuallyLong(t, "the policy to be in force", func() error {
		if err := s.try(t.Context(), "", "delete", "-n", s.namespace, "signaturekey", "orders", "--dry-run=server"); err == nil {
			return fmt.Errorf("the key can be deleted")
		}
		return nil
	})
}

func deleteNamespace(t *testing.T, s stage) {
	s.kubectl(t, "delete", "namespace", s.namespace, "--wait=false")
}

func sixMinutesAgo() string { return time.Now().Add(-6 * time.Minute).UTC().Format(time.RFC3339) }
