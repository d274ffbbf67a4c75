// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/proc"
)

func (d *demo) startControlPlane(ctx context.Context) error {
	d.screen.chapter("A Kubernetes control plane")
	d.screen.say("etcd, kube-apiserver and kube-controller-manager, as local processes. There are no nodes, so no Pod runs.")
	started, err := controlplane.Start(ctx, controlplane.Options{ControllerManager: true, Out: d.screen.w})
	if err != nil {
		return fmt.Errorf("start control plane: %w", err)
	}
	d.cluster = started
	d.kubectl = kubectl{path: started.Kubectl, kubeconfig: started.Kubeconfig, screen: d.screen}
	if d.admin, err = newAdmin(started.Config); err != nil {
		return fmt.Errorf("create the administrator's client: %w", err)
	}
	return d.kubectl.show(ctx, "version")
}

func newAdmin(config *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, signetv1alpha1.AddToScheme, gwapiv1.Install,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return client.New(config, client.Options{Scheme: scheme})
}

// install applies the Gateway API's CRDs and config/default.
func (d *demo) install(ctx context.Context) error {
	d.screen.chapter("Installing Signet")
	d.screen.say("The Gateway API's CRDs, then all of config/default, as `kubectl apply --server-side -k config/default` does. " +
		"The one change: since there is no Pod behind their Service, the webhooks are called at the address of the process " +
		"that is started next.")
	crds, err := controlplane.GatewayAPICRDs(ctx)
	if err != nil {
		return err
	}
	if output, err := d.kubectl.run(ctx, nil, "apply", "--server-side", "-f", crds); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	if d.webhooks, err = proc.FindAddress(); err != nil {
		return err
	}
	objects, err := d.cluster.Render(ctx, "config/default")
	if err != nil {
		return fmt.Errorf("render config/default: %w", err)
	}
	if err := d.cluster.Apply(ctx, objects, controlplane.InstallOptions{WebhookURL: "https://" + d.webhooks}); err != nil {
		return fmt.Errorf("install config/default: %w", err)
	}
	d.screen.gap()
	for _, object := range objects {
		name := object.GetName()
		if object.GetNamespace() != "" {
			name = object.GetNamespace() + "/" + name
		}
		d.screen.output(fmt.Sprintf("%-34s %s", object.GetKind(), name))
	}
	return nil
}
