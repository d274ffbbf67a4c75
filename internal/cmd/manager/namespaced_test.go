package manager_test

import (
	"context"
	"net/http"
	"os/exec"
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
		create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	objects, err := plane.Render(ctx, filepath.Join("..", "..", "..", "config", "namespaced"))
	Expect(err).NotTo(HaveOccurred())
	var ours []*unstructured.Unstructured
	for _, object := range objects {
		text, err := object.MarshalJSON()
		Expect(err).NotTo(HaveOccurred())
		moved := &unstructured.Unstructured{}
		Expect(moved.UnmarshalJSON([]byte(strings.ReplaceAll(string(text), systemNamespace, rolesNamespace)))).To(Succeed())
		ours = append(ours, moved)
	}
	Expect(plane.Apply(ctx, ours, controlplane.InstallOptions{})).To(Succeed())
}

// gatewayCRDs are the kinds of the Gateway API that Signet reads.
func gatewayCRDs() envtest.CRDInstallOptions {
	GinkgoHelper()
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	Expect(err).NotTo(HaveOccurred())
	options := envtest.CRDInstallOptions{MaxTime: soon, PollInterval: poll, ErrorIfPathMissing: true}
	for _, resource := range []string{"gateways", "httproutes", "grpcroutes", "listenersets"} {
		options.Paths = append(options.Paths, filepath.Join(
			strings.TrimSpace(string(module)), "config", "crd", "standard", "gateway.networking.k8s.io_"+resource+".yaml"))
	}
	return options
}

// publish makes a Gateway in its own namespace and a route that it has accepted.
func publish(ctx context.Context) {
	GinkgoHelper()
	gateway := &gwapiv1.Gateway{ObjectMeta: metav1.ObjectMeta{
		Namespace: "gateways", Name: "web", Labels: map[string]string{signetv1alpha1.LabelEnvironment: "RELEASE"},
	}}
	gateway.Spec.GatewayClassName = "example"
	gateway.Spec.Listeners = []gwapiv1.Listener{{Name: "http", Port: 80, Protocol: gwapiv1.HTTPProtocolType}}
	create(ctx, gateway)
	route := &gwapiv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "orders"}}
	parent := gwapiv1.ParentReference{Name: "web", Namespace: ptr.To[gwapiv1.Namespace]("gateways")}
	route.Spec.ParentRefs = []gwapiv1.ParentReference{parent}
	create(ctx, route)
	route.Status.Parents = []gwapiv1.RouteParentStatus{{
		ParentRef: parent, ControllerName: "example.com/controller",
		Conditions: []metav1.Condition{{
			Type: "Accepted", Status: metav1.ConditionTrue, Reason: "Accepted",
			ObservedGeneration: route.Generation, LastTransitionTime: metav1.Now(),
		}},
	}}
	Expect(admin.Status().Update(ctx, route)).To(Succeed())
}

// apply makes a key and a binding for one API in a namespace.
func apply(ctx context.Context, namespace string, kind signetv1alpha1.APIKind) *signetv1alpha1.SignatureBinding {
	GinkgoHelper()
	key := &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders"}}
	key.Spec.Type = signetv1alpha1.KeyTypeHMAC
	create(ctx, key)
	binding := &signetv1alpha1.SignatureBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders"}}
	binding.Spec.KeyRef.Name, binding.Spec.Environment = "orders", "RELEASE"
	binding.Spec.APIs = []signetv1alpha1.APIReference{signetv1alpha1.NewAPIReference(kind, "orders")}
	return create(ctx, binding)
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
		Expect(gwapiv1.Install(admin.Scheme())).To(Succeed())
		installNamespaced(ctx)
		process = startProcess(ctx, rolesNamespace, "--leader-elect", "--leader-elect-namespace="+rolesNamespace,
			"--namespaces=team-a,team-b", "--gateway-namespaces=gateways")
		route = apply(ctx, "team-a", signetv1alpha1.APIKindHTTPRoute)
		api = apply(ctx, "team-b", signetv1alpha1.APIKindAPI)
		outside = apply(ctx, "team-c", signetv1alpha1.APIKindAPI)
	})

	It("works in these, without the Gateway API", func(ctx SpecContext) {
		ready(ctx, api, signetv1alpha1.ReasonBound)
		ready(ctx, route, signetv1alpha1.ReasonNotPublished)
		heldSince = route.Status.APIs[0].BoundAt
		Expect(heldSince).NotTo(BeNil())
	})

	It("notices when the Gateway API comes, and when it goes", func(ctx SpecContext) {
		_, err := envtest.InstallCRDs(plane.Config, gatewayCRDs())
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() error { return admin.List(ctx, &gwapiv1.HTTPRouteList{}) }).Should(Succeed())
		publish(ctx)
		ready(ctx, route, signetv1alpha1.ReasonBound)
		Expect(envtest.UninstallCRDs(plane.Config, gatewayCRDs())).To(Succeed())
		Eventually(func() error { return admin.List(ctx, &gwapiv1.HTTPRouteList{}) }).WithTimeout(long).ShouldNot(Succeed())
		ready(ctx, route, signetv1alpha1.ReasonPartlyOffline)
		Expect(route.Status.APIs[0].BoundAt).To(Equal(heldSince), "a slot is held, published or not")
	})

	It("asks for nothing else, and needs no more than it has", func(ctx SpecContext) {
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
