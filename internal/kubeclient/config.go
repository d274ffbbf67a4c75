// Package kubeclient finds the API server that a command talks to.
package kubeclient

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Config is that of a kubeconfig file; without one, of KUBECONFIG, else of the
// Pod's ServiceAccount.
func Config(kubeconfig string) (*rest.Config, error) {
	find := ctrl.GetConfig
	if kubeconfig != "" {
		find = func() (*rest.Config, error) { return clientcmd.BuildConfigFromFlags("", kubeconfig) }
	}
	config, err := find()
	if err != nil {
		return nil, fmt.Errorf("find the API server (--kubeconfig, KUBECONFIG, or a Pod's ServiceAccount): %w", err)
	}
	return config, nil
}

// DaemonConfig is that of a command that goes on running. It has no rate limit
// of the client's own: the API server's priority and fairness knows better.
func DaemonConfig(kubeconfig, userAgent string) (*rest.Config, error) {
	config, err := Config(kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	config.UserAgent = userAgent
	return config, nil
}
