package controllers_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/slots"
)

// installGatewayAPI installs the Gateway API's kinds. They stay: other specs
// script what they need of routes.
func installGatewayAPI() {
	GinkgoHelper()
	Expect(gwapiv1.Install(scheme)).To(Succeed())
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	Expect(err).NotTo(HaveOccurred())
	options := envtest.CRDInstallOptions{MaxTime: soon, PollInterval: poll, ErrorIfPathMissing: true}
	for _, resource := range []string{"gateways", "httproutes", "grpcroutes", "listenersets"} {
		options.Paths = append(options.Paths, filepath.Join(
			strings.TrimSpace(string(module)), "config", "crd", "standard", "gateway.networking.k8s.io_"+resource+".yaml"))
	}
	_, err = envtest.InstallCRDs(plane.Config, options)
	Expect(err).NotTo(HaveOccurred())
}

// withObservedRoutes adds the controller of bindings with what observes the
// Gateway API.
func withObservedRoutes(mgr ctrl.Manager, book *slots.ClaimCache) error {
	observer, err := gatewayapi.New(mgr.GetConfig(), gatewayapi.Options{})
	if err != nil {
		return err
	}
	if err := mgr.Add(observer); err != nil {
		return err
	}
	return bindingReconciler(mgr, book, observer, clock.RealClock{}).SetupWithManager(mgr, 4)
}

// acceptRoutes does what a gateway's controller does: it accepts the routes of
// the namespace whose Gateway is there.
func acceptRoutes(ctx context.Context, namespace string) {
	GinkgoHelper()
	var routes gwapiv1.HTTPRouteList
	Expect(admin.List(ctx, &routes, client.InNamespace(namespace))).To(Succeed())
	for i := range routes.Items {
		route := &routes.Items[i]
		parent := route.Spec.ParentRefs[0]
		if admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: string(parent.Name)}, &gwapiv1.Gateway{}) != nil {
			continue
		}
		changeStatus(ctx, route, func(r *gwapiv1.HTTPRoute) {
			r.Status.Parents = []gwapiv1.RouteParentStatus{{
				ParentRef: parent, ControllerName: "example.com/controller",
				Conditions: []metav1.Condition{{
					Type: "Accepted", Status: metav1.ConditionTrue, Reason: "Accepted",
					ObservedGeneration: r.Generation, LastTransitionTime: metav1.Now(),
				}},
			}}
		})
	}
}
