// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// cluster is a client of the cluster that the flags select.
type cluster struct {
	client.WithWatch
	// namespace that the flags or the context select.
	namespace string
}

func (p *plugin) cluster() (*cluster, error) {
	config, err := p.restConfig()
	if err != nil {
		return nil, err
	}
	// As many requests as kubectl itself may send: doctor reviews permissions one by one.
	config.QPS, config.Burst = 50, 300
	// Admission warnings are shown to the user.
	config.WarningHandler = rest.NewWarningWriter(p.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
	namespace, _, err := p.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("read namespace from kubeconfig: %w", err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, signetv1alpha1.AddToScheme, gwapiv1.Install} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register API types: %w", err)
		}
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("create client: %w", err)
	}
	return &cluster{WithWatch: withReviews(c, config), namespace: namespace}, nil
}

// restConfig loads the configuration from kubeconfig and flags. Without any
// kubeconfig, kubectl's library would try localhost.
func (p *plugin) restConfig() (*rest.Config, error) {
	raw, err := p.config.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, fmt.Errorf("load kubeconfig: %w", err)
	}
	config, err := p.config.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("load kubeconfig: %w", err)
	}
	configured := *p.config.APIServer != "" || len(raw.Clusters) > 0 || config.BearerTokenFile != ""
	if !configured {
		return nil, errors.New("no cluster is configured: set --kubeconfig, KUBECONFIG or ~/.kube/config")
	}
	return config, nil
}

// reachable returns an error if the API server does not respond. A refusal is a
// response.
func (p *plugin) reachable() error {
	discovery, err := p.config.ToDiscoveryClient()
	if err != nil {
		return fmt.Errorf("create client: %w", err)
	}
	if _, err := discovery.ServerVersion(); err != nil && !apierrors.IsForbidden(err) {
		return fmt.Errorf("read API server version: %w", err)
	}
	return nil
}

// keys lists keys. An empty namespace means all namespaces.
func (c *cluster) keys(ctx context.Context, namespace string) ([]signetv1alpha1.SignatureKey, error) {
	var list signetv1alpha1.SignatureKeyList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list SignatureKeys: %w", err)
	}
	return list.Items, nil
}

// bindings lists bindings. An empty namespace means all namespaces.
func (c *cluster) bindings(ctx context.Context, namespace string) ([]signetv1alpha1.SignatureBinding, error) {
	var list signetv1alpha1.SignatureBindingList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list SignatureBindings: %w", err)
	}
	return list.Items, nil
}

// key reads a key of the namespace.
func (c *cluster) key(ctx context.Context, name string) (*signetv1alpha1.SignatureKey, error) {
	key := &signetv1alpha1.SignatureKey{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, key); err != nil {
		return nil, fmt.Errorf("read SignatureKey %q in namespace %q: %w", name, c.namespace, err)
	}
	return key, nil
}
