// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// warnings records what the API server warns a client of.
type warnings struct {
	mu   sync.Mutex
	seen []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, text)
}

// take returns the warnings since the last call.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.seen = nil }()
	return w.seen
}

// tenant returns a client that records warnings.
func tenant() (client.Client, *warnings) {
	GinkgoHelper()
	seen := &warnings{}
	config := rest.CopyConfig(cluster.Config)
	config.WarningHandler = seen
	c, err := client.New(config, client.Options{Scheme: cluster.Scheme})
	Expect(err).NotTo(HaveOccurred())
	return c, seen
}

var _ = DescribeTable("A namespace that is not in --namespaces",
	func(ctx context.Context, flags ...string) {
		inside := env.NewNamespace(ctx, admin)
		grant(ctx, inside)
		elsewhere := env.NewNamespace(ctx, admin)
		startManager(ctx, []string{inside}, flags...)
		_, bound := apply(ctx, inside, "orders")
		expectBound(ctx, bound)

		c, seen := tenant()
		in := gen.InNamespace(elsewhere)
		By("admitting Secrets")
		Expect(c.Create(ctx, gen.SourceSecret("labeled", map[string]string{"secret": "short"}, in))).To(Succeed())
		secret := env.Create(ctx, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere, Name: "later"}})
		secret.Labels = gen.SourceSecret("later", nil).Labels
		Expect(c.Update(ctx, secret)).To(Succeed())
		Expect(seen.take()).To(BeEmpty())

		By("warning about keys and bindings")
		want := ConsistOf(And(ContainSubstring(`Namespace "`+elsewhere+`" is not served by Signet`), ContainSubstring("it is not in --namespaces")))
		key := env.Create(ctx, c, gen.SignatureKey("orders", in, gen.WithSource("labeled")))
		Expect(seen.take()).To(want)
		env.Create(ctx, c, gen.SignatureBinding("orders", "orders", in, gen.WithAPIs("orders")))
		Expect(seen.take()).To(want)
		Expect(c.Delete(ctx, key)).To(Succeed())
		Expect(seen.take()).To(BeEmpty())
	},
	Entry("with the flags as shipped"),
	Entry("where taken APIs are refused", "--reject-taken-slots"),
	Entry("where keys of type PublicKey are allowed, too", "--reject-taken-slots", "--public-key-enable"),
)
