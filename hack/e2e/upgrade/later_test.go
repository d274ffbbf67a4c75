// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// meetsLater has today's manager meet what only a later version knows, as after
// a way back: a state of an API, a field of a status, a field of a spec.
func meetsLater(t *testing.T, c *Cluster, m *Manager) {
	t.Helper()
	g := NewWithT(t)
	const schema = "/spec/versions/0/schema/openAPIV3Schema/properties"
	kubectl(t, c, "patch", "crd", "signaturebindings.signet.dev", "--type=json", "-p", `[
		{"op": "add", "path": "`+schema+`/status/properties/apis/items/properties/state/enum/-", "value": "Later"},
		{"op": "add", "path": "`+schema+`/status/properties/later", "value": {"type": "string"}}]`)
	kubectl(t, c, "patch", "crd", "signaturekeys.signet.dev", "--type=json", "-p", `[
		{"op": "add", "path": "`+schema+`/spec/properties/later", "value": {"type": "string"}}]`)
	field := func(object, path string) string {
		return kubectl(t, c, "-n", Recorded, "get", object, "-o", "jsonpath={"+path+"}")
	}
	// Until the API server serves the new schema, it prunes the field.
	g.Eventually(func() string {
		kubectl(t, c, "-n", Recorded, "patch", "signaturekey", "basic", "--type=merge", "-p", `{"spec":{"later":"kept"}}`)
		return field("signaturekey/basic", ".spec.later")
	}, proc.Long, proc.Poll).Should(Equal("kept"))
	g.Expect(m.Stop()).To(Succeed())

	before := look(t, c)
	later := map[string]string{"basic": "Bound", "a-contender": "Conflicted"}
	for name, state := range later {
		g.Expect(field("signaturebinding/"+name, ".status.apis[0].state")).To(Equal(state))
		g.Eventually(func() string {
			_, err := c.Run(t.Context(), "-n", Recorded, "patch", "signaturebinding", name, "--subresource=status", "--type=json", "-p", `[
				{"op": "replace", "path": "/status/apis/0/state", "value": "Later"},
				{"op": "add", "path": "/status/later", "value": "dropped"}]`)
			g.Expect(err).NotTo(HaveOccurred())
			return field("signaturebinding/"+name, ".status.later")
		}, proc.Long, proc.Poll).Should(Equal("dropped"))
	}
	m, err := c.StartManager(t.Context(), today)
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func(g Gomega) {
		for name, state := range later {
			now := fmt.Sprint(field("signaturebinding/"+name, ".status.apis[0].state"), field("signaturebinding/"+name, ".status.later"))
			g.Expect(now).To(Equal(state))
		}
	}, proc.Long, proc.Poll).Should(Succeed())
	g.Expect(look(t, c).Holders()).To(Equal(before.Holders()))
	g.Expect(field("signaturekey/basic", ".spec.later")).To(Equal("kept"))
	g.Expect(m.Stop()).To(Succeed())
}
