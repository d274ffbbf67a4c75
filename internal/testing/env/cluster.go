// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	// SystemNamespace is where config/ installs Signet.
	SystemNamespace = "signet-system"
	// ManagerAccount is the manager's ServiceAccount in config/.
	ManagerAccount = "signet-controller-manager"
	// SignerAccount is the signer's ServiceAccount in config/.
	SignerAccount = "signet-signer"
)

var (
	// SelectableFieldsNeed is the oldest Kubernetes that keeps selectableFields in CRDs.
	SelectableFieldsNeed = version.MustParseSemantic("v1.31.0")
	// tlsRouteNeeds is the oldest Kubernetes that accepts the CRD of TLSRoute.
	tlsRouteNeeds = version.MustParseSemantic("v1.31.0")
)

// Options configure a cluster.
type Options struct {
	// ControllerManager starts kube-controller-manager as well.
	ControllerManager bool
	// KeepHistory keeps every revision in etcd.
	KeepHistory bool
	// GatewayAPI installs the kinds of the Gateway API, as InstallGatewayAPI does.
	GatewayAPI bool
	// Install are the folders of config/ to install, in this order.
	Install []string
	// Webhooks is the address of the manager that the API server calls; empty:
	// webhooks stay as they are in config/.
	Webhooks string
	// Out gets the progress of building the control plane; nil: standard error.
	Out io.Writer
}

// Cluster is a control plane for Signet. The CRDs and roles on it are those of
// the checkout that the test runs in.
type Cluster struct {
	*controlplane.ControlPlane
	// Root is the root of the checkout.
	Root string
	// Scheme has the kinds of Kubernetes, Signet and the Gateway API.
	Scheme *runtime.Scheme
	// Admin is a client of a cluster administrator.
	Admin client.WithWatch
}

// Start starts a cluster. The caller calls Stop.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	root, err := proc.Root()
	if err != nil {
		return nil, err
	}
	plane, err := controlplane.Start(ctx, controlplane.Options{
		ControllerManager: options.ControllerManager, KeepHistory: options.KeepHistory, Out: options.Out,
	})
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{ControlPlane: plane, Root: root, Scheme: runtime.NewScheme()}
	if err := cluster.prepare(ctx, options); err != nil {
		plane.Stop()
		return nil, err
	}
	return cluster, nil
}

func (c *Cluster) prepare(ctx context.Context, options Options) error {
	err := errors.Join(clientgoscheme.AddToScheme(c.Scheme), signetv1alpha1.AddToScheme(c.Scheme), gwapiv1.Install(c.Scheme))
	if err != nil {
		return fmt.Errorf("register API types: %w", err)
	}
	c.Config.QPS = -1
	if c.Admin, err = client.NewWithWatch(c.Config, client.Options{Scheme: c.Scheme}); err != nil {
		return fmt.Errorf("create the administrator's client: %w", err)
	}
	if options.GatewayAPI {
		if err := c.InstallGatewayAPI(ctx); err != nil {
			return err
		}
	}
	for _, folder := range options.Install {
		if err := c.InstallConfig(ctx, folder, options.Webhooks); err != nil {
			return err
		}
	}
	return nil
}

// InstallConfig installs a folder of config/. The API server calls webhooks at
// the address, if there is one.
func (c *Cluster) InstallConfig(ctx context.Context, folder, webhooks string) error {
	options := controlplane.InstallOptions{}
	if webhooks != "" {
		options.WebhookURL = "https://" + webhooks
	}
	return c.Install(ctx, filepath.Join(c.Root, "config", folder), options)
}

// InstallGatewayAPI installs the kinds of the Gateway API: all but TLSRoute where
// Kubernetes is older than 1.31, which is what the rules of that CRD need. Signet does
// not use it.
func (c *Cluster) InstallGatewayAPI(ctx context.Context) error {
	folder, err := controlplane.GatewayAPICRDs(ctx)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return fmt.Errorf("list the kinds of the Gateway API: %w", err)
	}
	server, err := c.Version()
	if err != nil {
		return err
	}
	if server.LessThan(tlsRouteNeeds) {
		files = slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, "_tlsroutes.yaml") })
	}
	_, err = envtest.InstallCRDs(c.Config, envtest.CRDInstallOptions{
		Paths: files, MaxTime: proc.Soon, PollInterval: proc.Poll, ErrorIfPathMissing: true,
	})
	if err != nil {
		return fmt.Errorf("install the kinds of the Gateway API: %w", err)
	}
	return nil
}

// GatewayAPIOptions returns the options to install or remove the CRDs of some
// resources of the Gateway API: httproutes, gateways and so on.
func GatewayAPIOptions(ctx context.Context, resources ...string) (envtest.CRDInstallOptions, error) {
	folder, err := controlplane.GatewayAPICRDs(ctx)
	options := envtest.CRDInstallOptions{MaxTime: proc.Soon, PollInterval: proc.Poll, ErrorIfPathMissing: true}
	for _, resource := range resources {
		options.Paths = append(options.Paths, filepath.Join(folder, "gateway.networking.k8s.io_"+resource+".yaml"))
	}
	return options, err
}

// Run runs kubectl as the administrator and returns what it prints.
func (c *Cluster) Run(ctx context.Context, args ...string) (string, error) {
	output, err := exec.CommandContext(ctx, c.Kubectl, append([]string{"--kubeconfig=" + c.Kubeconfig}, args...)...).CombinedOutput()
	if err != nil {
		return string(output), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, output)
	}
	return string(output), nil
}

// Identity writes a kubeconfig with a token of a ServiceAccount and returns its
// path.
func (c *Cluster) Identity(ctx context.Context, namespace, account string) (string, error) {
	config, err := c.ServiceAccountConfig(ctx, namespace, account)
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.Dir, namespace+"-"+account+".kubeconfig")
	return path, c.WriteKubeconfig(config, path)
}
