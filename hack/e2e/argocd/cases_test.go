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

// stateCase brings objects into states, in a namespace of its own.
type stateCase struct {
	// gateOpen runs while type PublicKey is enabled, unguarded while there are no
	// webhooks, no manager and more permissive CRDs, setUp after that.
	gateOpen, unguarded, setUp func(*testing.T, testNamespace)
	states                     []state
}

// state is a state that the case must produce.
type state struct {
	kind, ready, reason string
	// deleted is true if the object is being deleted: then health.lua is not run.
	deleted bool
	// waits is true if Ready turns to False after five minutes.
	waits bool
	// file is the name in testdata. Defaults to Argo CD's assessment and the reason.
	file string
}

func apply(yaml ...string) func(*testing.T, testNamespace) {
	return func(t *testing.T, s testNamespace) { s.apply(t, s.namespace, strings.Join(yaml, "---\n")) }
}

// sequence runs the steps one after another.
func sequence(steps ...func(*testing.T, testNamespace)) func(*testing.T, testNamespace) {
	return func(t *testing.T, s testNamespace) {
		for _, step := range steps {
			step(t, s)
		}
	}
}

func expect(kind, name, ready, reason string) func(*testing.T, testNamespace) {
	return func(t *testing.T, s testNamespace) { s.expectReady(t, kind, name, ready, reason) }
}

func kubectl(args ...string) func(*testing.T, testNamespace) {
	return func(t *testing.T, s testNamespace) { s.in(t, args...) }
}

// finalizers replaces the finalizers of the Secret orders; without any it is removed.
func finalizers(names ...string) func(*testing.T, testNamespace) {
	list := "[]"
	if len(names) > 0 {
		list = `["` + strings.Join(names, `","`) + `"]`
	}
	return kubectl("patch", "secret", "orders", "--type=merge", "-p", `{"metadata":{"finalizers":`+list+`}}`)
}

const (
	protection     = "signet.dev/in-use"
	otherFinalizer = "example.com/keep"
)

var (
	bound        = sequence(apply(key("orders", ""), binding("orders", "orders", "API/orders")), expect(kindBinding, "orders", "True", "Bound"))
	deleteSecret = kubectl("delete", "secret", "orders", "--wait=false")
	orphanKey    = key("orders", ", source: {secretRef: {name: orders-own}}")
)

// stateCases are by namespace. The objects that they check are named orders.
var stateCases = map[string]stateCase{
	"bound": {setUp: bound, states: []state{
		{kind: kindKey, ready: "True", reason: "Ready"},
		{kind: kindBinding, ready: "True", reason: "Bound"},
	}},
	"secret-held": {setUp: sequence(bound, deleteSecret), states: []state{
		{kind: kindKey, ready: "True", reason: "SecretTerminating"},
	}},
	"secret-unbound": {
		setUp: sequence(apply(key("orders", "")), expect(kindKey, "orders", "True", "Ready"), finalizers(otherFinalizer), deleteSecret),
		states: []state{
			{kind: kindKey, ready: "Unknown", reason: "SecretTerminating", waits: true},
		},
	},
	"secret-unheld": {setUp: sequence(bound, finalizers(protection, otherFinalizer), deleteSecret, finalizers(otherFinalizer)), states: []state{
		{kind: kindKey, ready: "False", reason: "SecretTerminating", file: "degraded_secretNotHeld.yaml"},
	}},
	"secret-lost": {setUp: sequence(bound, deleteSecret, finalizers()), states: []state{
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
	"source-missing": {setUp: apply(orphanKey, binding("orders", "orders", "API/orders")), states: []state{
		{kind: kindKey, ready: "Unknown", reason: "SourceNotFound", waits: true},
		{kind: kindBinding, ready: "Unknown", reason: "KeyNotReady", waits: true},
	}},
	"source-managed": {
		setUp: sequence(apply(key("payments", "")), expect(kindKey, "payments", "True", "Ready"), apply(key("orders", ", source: {secretRef: {name: payments}}"))),
		states: []state{
			{kind: kindKey, ready: "False", reason: "InvalidSource"},
		},
	},
	"source-invalid": {setUp: sequence(apply(invalidSource), apply(orphanKey)), states: []state{
		{kind: kindKey, ready: "False", reason: "InvalidMaterial"},
	}},
	"spec-invalid": {
		unguarded: apply(invalidKey, invalidBinding),
		states: []state{
			{kind: kindKey, ready: "False", reason: "InvalidSpec"},
			{kind: kindBinding, ready: "False", reason: "InvalidSpec"},
		},
	},
	"name-taken": {setUp: sequence(kubectl("create", "secret", "generic", "orders"), apply(key("orders", ""))), states: []state{
		{kind: kindKey, ready: "False", reason: "SecretOwnedByOther"},
	}},
	"deleted-without-material": {
		setUp: sequence(kubectl("create", "secret", "generic", "orders"), apply(key("orders", ""), binding("orders", "orders", "API/orders")),
			kubectl("patch", "signaturekey", "orders", "--type=merge", "-p", `{"metadata":{"finalizers":["example.com/other"]}}`),
			expect(kindKey, "orders", "False", "SecretOwnedByOther"), kubectl("delete", "signaturekey", "orders", "--wait=false")),
		states: []state{
			{kind: kindKey, ready: "False", reason: "KeyTerminating", deleted: true},
		},
	},
	"namespace-going": {
		setUp: sequence(apply(key("orders", "")), expect(kindKey, "orders", "True", "Ready"), keepKeys, deleteNamespace),
		states: []state{
			{kind: kindKey, ready: "Unknown", reason: "NamespaceTerminating", waits: true},
		},
	},
	"write-refused": {setUp: sequence(refuse("secrets"), apply(key("orders", ""))), states: []state{
		{kind: kindKey, ready: "Unknown", reason: "WriteRefused", waits: true},
	}},
	"write-failed": {setUp: sequence(fail("secrets"), apply(key("orders", ""))), states: []state{
		{kind: kindKey, ready: "Unknown", reason: "WriteFailed", waits: true},
	}},
	"protection-refused": {
		setUp: sequence(apply(key("orders", "")), expect(kindKey, "orders", "True", "Ready"), refuse("signaturekeys"),
			apply(binding("orders", "orders", "API/orders"))),
		states: []state{
			{kind: kindBinding, ready: "Unknown", reason: "WriteRefused", waits: true},
		},
	},
	"protection-fails": {
		setUp: sequence(apply(key("orders", "")), expect(kindKey, "orders", "True", "Ready"), fail("signaturekeys"),
			apply(binding("orders", "orders", "API/orders"))),
		states: []state{
			{kind: kindBinding, ready: "Unknown", reason: "WriteFailed", waits: true},
		},
	},
	"route-offline": {
		setUp: sequence(apply(gateway, route, key("orders", ""), binding("orders", "orders", "HTTPRoute/orders")),
			kubectl("patch", "httproute", "orders", "--subresource=status", "--type=merge", "-p", accepted),
			expect(kindBinding, "orders", "True", "Bound"), kubectl("delete", "httproute", "orders")),
		states: []state{
			{kind: kindBinding, ready: "True", reason: "PartlyOffline"},
		},
	},
	"route-missing": {setUp: apply(key("orders", ""), binding("orders", "orders", "HTTPRoute/orders")), states: []state{
		{kind: kindBinding, ready: "Unknown", reason: "NotPublished", waits: true},
	}},
	"key-missing": {setUp: apply(binding("orders", "orders", "API/orders")), states: []state{
		{kind: kindBinding, ready: "Unknown", reason: "KeyNotFound", waits: true},
	}},
	"key-going": {
		setUp: sequence(apply(key("orders", ""), binding("shop", "orders", "API/shop")), expect(kindBinding, "shop", "True", "Bound"),
			kubectl("delete", "signaturekey", "orders", "--wait=false"), passSecond, apply(binding("orders", "orders", "API/orders"))),
		states: []state{
			{kind: kindBinding, ready: "False", reason: "KeyTerminating"},
		},
	},
	"api-taken": {
		setUp: sequence(apply(key("orders", ""), key("shop", ""), binding("shop", "shop", "API/orders")),
			expect(kindBinding, "shop", "True", "Bound"), apply(binding("orders", "orders", "API/orders"))),
		states: []state{
			{kind: kindBinding, ready: "False", reason: "Conflicted"},
		},
	},
	"api-taken-with-the-same-key": {
		setUp: sequence(apply(key("orders", ""), binding("shop", "orders", "API/orders")),
			expect(kindBinding, "shop", "True", "Bound"), apply(binding("orders", "orders", "API/orders"))),
		states: []state{
			{kind: kindBinding, ready: "True", reason: "Standby"},
		},
	},
}

// passSecond waits until the second of the key's deletion is over: times in objects
// are whole seconds, and a binding created in the same second is not late.
func passSecond(t *testing.T, s testNamespace) {
	deleted := s.read(t, kindKey, "orders").GetDeletionTimestamp()
	proc.EventuallyLong(t, "another second", func() error {
		if time.Now().Before(deleted.Add(time.Second)) {
			return fmt.Errorf("it is the same")
		}
		return nil
	})
}

// keepKeys installs a policy that refuses the deletion of keys, so that the
// namespace stays in deletion with its key in it.
func keepKeys(t *testing.T, s testNamespace) {
	s.apply(t, s.namespace, strings.ReplaceAll(keepKeysPolicy, "NAMESPACE", s.namespace))
	proc.EventuallyLong(t, "the policy to take effect", func() error {
		if err := s.try(t.Context(), "", "delete", "-n", s.namespace, "signaturekey", "orders", "--dry-run=server"); err == nil {
			return fmt.Errorf("the key can be deleted")
		}
		return nil
	})
}

func deleteNamespace(t *testing.T, s testNamespace) {
	s.kubectl(t, "delete", "namespace", s.namespace, "--wait=false")
}

func sixMinutesAgo() string { return time.Now().Add(-6 * time.Minute).UTC().Format(time.RFC3339) }
