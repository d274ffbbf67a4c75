// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// rolesNamespace is the home of a manager that has Roles alone: the one of the
// same name in signet-system has ClusterRoles here.
const rolesNamespace = "signet-roles"

// acrossNamespaces are requests for all objects of a kind, wherever they are.
const acrossNamespaces = `^GET /apis?/([^/]+/)?v[^/]+/(namespaces|secrets|configmaps|signature[a-z]+|[a-z]+routes|gateways|listenersets)$`

// installNamespaced installs config/namespaced for that manager.
func installNamespaced(ctx context.Context) {
	GinkgoHelper()
	for _, name := range []string{rolesNamespace, "team-a", "team-b", "team-c", "gateways"} {
		env.Create(ctx, admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	objects, err := cluster.Render(ctx, filepath.Join(cluster.Root, "config", "namespaced"))
	Expect(err).NotTo(HaveOccurred())
	var copies []*unstructured.Unstructured
	for _, object := range objects {
		text, err := object.MarshalJSON()
		Expect(err).NotTo(HaveOccurred())
		moved := &unstructured.Unstructured{}
		Expect(moved.UnmarshalJSON([]byte(strings.ReplaceAll(string(text), env.SystemNamespace, rolesNamespace)))).To(Succeed())
		copies = append(copies, moved)
	}
	Expect(cluster.Apply(ctx, copies, controlplane.InstallOptions{})).To(Succeed())
}

// gatewayCRDs are the kinds of the Gateway API that Signet reads.
func gatewayCRDs(ctx context.Context) envtest.CRDInstallOptions {
	GinkgoHelper()
	options, err := env.GatewayAPIOptions(ctx, "gateways", "httproutes", "grpcroutes", "listenersets")
	Expect(err).NotTo(HaveOccurred())
	return options
}

// publish creates a Gateway in a namespace of its own and a route that it has
// accepted.
func publish(ctx context.Context) {
	GinkgoHelper()
	env.Create(ctx, admin, gen.Gateway("web", gen.InNamespace("gateways")))
	parent := gwapiv1.ParentReference{Name: "web", Namespace: ptr.To[gwapiv1.Namespace]("gateways")}
	route := env.Create(ctx, admin, gen.HTTPRoute("orders", gen.InNamespace("team-a"), gen.WithParentRefs(parent)))
	env.UpdateStatus(ctx, admin, route, gen.Accepted)
}

// apply creates a key and a binding for one API in a namespace.
func apply(ctx context.Context, namespace string, api gen.BindingFunc) *signetv1alpha1.SignatureBinding {
	GinkgoHelper()
	in := gen.InNamespace(namespace)
	env.Create(ctx, admin, gen.SignatureKey("orders", in))
	return env.Create(ctx, admin, gen.SignatureBinding("orders", "orders", in, api))
}

// ready waits for the reason of the binding's condition Ready.
func ready(ctx context.Context, binding *signetv1alpha1.SignatureBinding, reason string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(binding), binding)).To(Succeed())
		condition := meta.FindStatusCondition(binding.Status.Conditions, signetv1alpha1.ConditionReady)
		g.Expect(condition).To(HaveValue(HaveField("Reason", reason)))
	}).Should(Succeed())
}

var _ = Describe("A manager that has Roles in some namespaces alone", Ordered, func() {
	var (
		process    *process
		api, route *signetv1alpha1.SignatureBinding
		outside    *signetv1alpha1.SignatureBinding
		heldSince  *metav1.Time
	)
	BeforeAll(func(ctx SpecContext) {
		installNamespaced(ctx)
		process = startProcess(ctx, rolesNamespace, "--leader-elect", "--leader-elect-namespace="+rolesNamespace,
			"--namespaces=team-a,team-b", "--gateway-namespaces=gateways")
		route = apply(ctx, "team-a", gen.WithHTTPRoutes("orders"))
		api = apply(ctx, "team-b", gen.WithAPIs("orders"))
		outside = apply(ctx, "team-c", gen.WithAPIs("orders"))
	})

	It("works in these, without the Gateway API", func(ctx SpecContext) {
		ready(ctx, api, signetv1alpha1.ReasonBound)
		ready(ctx, route, signetv1alpha1.ReasonNotPublished)
		heldSince = route.Status.APIs[0].BoundAt
		Expect(heldSince).NotTo(BeNil())
	})

	It("notices when the Gateway API comes, and when it goes", func(ctx SpecContext) {
		_, err := envtest.InstallCRDs(cluster.Config, gatewayCRDs(ctx))
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() error { return admin.List(ctx, &gwapiv1.HTTPRouteList{}) }).Should(Succeed())
		publish(ctx)
		ready(ctx, route, signetv1alpha1.ReasonBound)
		Expect(envtest.UninstallCRDs(cluster.Config, gatewayCRDs(ctx))).To(Succeed())
		Eventually(func() error { return admin.List(ctx, &gwapiv1.HTTPRouteList{}) }).WithTimeout(proc.Long).ShouldNot(Succeed())
		ready(ctx, route, signetv1alpha1.ReasonPartlyOffline)
		Expect(route.Status.APIs[0].BoundAt).To(Equal(heldSince), "a slot is held, published or not")
	})

	It("requests nothing else, and needs no more than it has", func(ctx SpecContext) {
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(outside), outside)).To(Succeed())
		Expect(outside.Status.Conditions).To(BeEmpty())
		for _, request := range process.gate.all() {
			Expect(request).NotTo(Or(ContainSubstring("/namespaces/team-c"), ContainSubstring("/namespaces/signet-system")))
			Expect(request).NotTo(MatchRegexp(acrossNamespaces))
		}
		// Its webhook configuration takes a right in the cluster, which it was
		// not given here.
		Expect(process.gate.answeredWith(http.StatusForbidden)).To(HaveEach(ContainSubstring("/validatingwebhookconfigurations/signet")))
	})
})
