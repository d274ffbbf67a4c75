// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Config loads the configuration from a kubeconfig file. Without one it uses
// KUBECONFIG, else the Pod's ServiceAccount.
func Config(kubeconfig string) (*rest.Config, error) {
	load := ctrl.GetConfig
	if kubeconfig != "" {
		load = func() (*rest.Config, error) { return clientcmd.BuildConfigFromFlags("", kubeconfig) }
	}
	config, err := load()
	if err != nil {
		return nil, fmt.Errorf("load kubeconfig (--kubeconfig, KUBECONFIG, or a Pod's ServiceAccount): %w", err)
	}
	return config, nil
}

// DaemonConfig loads the configuration of a long-running command. It has no
// client-side rate limit: the API server's priority and fairness takes its place.
func DaemonConfig(kubeconfig, userAgent string) (*rest.Config, error) {
	config, err := Config(kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	config.UserAgent = userAgent
	// Warnings of the API server are not logged: admission policies may quote the data
	// of a Secret in them.
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}
