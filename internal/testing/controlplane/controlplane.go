// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// Options configure a control plane.
type Options struct {
	// ControllerManager starts kube-controller-manager too: garbage collector,
	// namespaces, ServiceAccounts, aggregated roles.
	ControllerManager bool
	// KeepHistory keeps every revision in etcd, for watches that must miss none.
	KeepHistory bool
	// StorageQuota is how many bytes etcd may store; zero for its default, 2 GiB.
	StorageQuota int64
	// Out receives the progress of building and starting. Defaults to standard error.
	Out io.Writer
}

// ControlPlane is a running control plane on loopback.
type ControlPlane struct {
	// Config is that of an administrator.
	Config *rest.Config
	// Kubeconfig is the path of a file with the same.
	Kubeconfig string
	// Kubectl is the path of the program.
	Kubectl string
	// Dir is a folder for files; it is removed when the control plane stops.
	Dir string

	env     *envtest.Environment
	assets  string
	manager *proc.Process
}

// Start starts a control plane. Call Stop when done with it.
func Start(ctx context.Context, options Options) (*ControlPlane, error) {
	if options.Out == nil {
		options.Out = os.Stderr
	}
	assets, err := Assets(ctx, options.Out)
	if err != nil {
		return nil, err
	}
	server, err := APIServer(ctx, assets, options.Out)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "signet-controlplane-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the control plane: %w", err)
	}
	cp := &ControlPlane{
		Dir: dir, Kubectl: filepath.Join(assets, "kubectl"), Kubeconfig: filepath.Join(dir, "admin.kubeconfig"), assets: assets,
	}
	cp.env = &envtest.Environment{
		BinaryAssetsDirectory:    assets,
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	cp.env.ControlPlane.GetAPIServer().Path = server
	cp.env.ControlPlane.GetAPIServer().Configure().
		Append("service-account-lookup", "true").
		Set("endpoint-reconciler-type", "none")
	if err := cp.keepFolders(); err != nil {
		cp.Stop()
		return nil, err
	}
	if options.KeepHistory {
		cp.env.ControlPlane.GetAPIServer().Configure().Set("etcd-compaction-interval", "0")
	}
	if options.StorageQuota > 0 {
		cp.env.ControlPlane.Etcd.Configure().Set("quota-backend-bytes", strconv.FormatInt(options.StorageQuota, 10))
	}
	if err := cp.start(ctx, options.ControllerManager); err != nil {
		cp.Stop()
		return nil, err
	}
	return cp, nil
}

func (cp *ControlPlane) start(ctx context.Context, manager bool) error {
	config, err := cp.env.Start()
	if err != nil {
		return fmt.Errorf("start etcd and kube-apiserver from %s: %w", cp.assets, err)
	}
	cp.Config = config
	if err := cp.WriteKubeconfig(config, cp.Kubeconfig); err != nil {
		return err
	}
	if !manager {
		return nil
	}
	return cp.StartControllerManager(ctx)
}

// StartControllerManager starts kube-controller-manager, for callers that have not
// asked Start for it. Its garbage collector knows the kinds that are installed by
// now, and learns others every 30 seconds only.
func (cp *ControlPlane) StartControllerManager(ctx context.Context) error {
	var err error
	cp.manager, err = proc.Start(proc.Command{
		Program: filepath.Join(cp.assets, "kube-controller-manager"),
		Log:     filepath.Join(cp.Dir, "kube-controller-manager.log"),
		Args: []string{
			"--kubeconfig=" + cp.Kubeconfig,
			"--authentication-kubeconfig=" + cp.Kubeconfig,
			"--authorization-kubeconfig=" + cp.Kubeconfig,
			"--bind-address=127.0.0.1", "--secure-port=0",
			"--leader-elect=false",
			"--use-service-account-credentials=false",
			"--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller,clusterrole-aggregation-controller",
		},
	})
	if err != nil {
		return err
	}
	return cp.waitForServiceAccounts(ctx)
}

// waitForServiceAccounts returns when kube-controller-manager is at work.
func (cp *ControlPlane) waitForServiceAccounts(ctx context.Context) error {
	clients, err := kubernetes.NewForConfig(cp.Config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	return proc.Until(ctx, proc.Soon, "kube-controller-manager to make the default ServiceAccount", func() error {
		_, err := clients.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// Version returns the version of Kubernetes that the API server reports.
func (cp *ControlPlane) Version() (*version.Version, error) {
	clients, err := kubernetes.NewForConfig(cp.Config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	info, err := clients.Discovery().ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("read the version of the API server: %w", err)
	}
	return version.ParseSemantic(info.GitVersion)
}

// Stop ends every program that Start has started.
func (cp *ControlPlane) Stop() {
	if cp.manager != nil {
		_ = cp.manager.Stop()
	}
	if cp.env != nil {
		_ = cp.env.Stop()
	}
	_ = os.RemoveAll(cp.Dir)
}

// ServiceAccountConfig is the configuration of a client that comes as a
// ServiceAccount, with a token of the API server's own.
func (cp *ControlPlane) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	clients, err := kubernetes.NewForConfig(cp.Config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	seconds := int64(24 * 60 * 60)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	token, err := clients.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("request a token of ServiceAccount %s/%s: %w", namespace, name, err)
	}
	config := rest.AnonymousClientConfig(cp.Config)
	config.BearerToken = token.Status.Token
	return config, nil
}

// WriteKubeconfig writes the configuration to a file that kubectl reads.
func (cp *ControlPlane) WriteKubeconfig(config *rest.Config, path string) error {
	const name = "signet"
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken,
	}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: metav1.NamespaceDefault}
	file.CurrentContext = name
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
