// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"errors"
	"time"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/signer"
)

// Run runs a signer until the context ends.
func Run(ctx context.Context, options Options) error {
	if err := options.Validate(); err != nil {
		return err
	}
	logger := options.Logger()
	ctrl.SetLogger(logger)
	klog.SetLogger(logger.WithName("client-go"))
	config, err := kubeclient.DaemonConfig(options.Kubeconfig, "signet-signer")
	if err != nil {
		return err
	}
	// The signer waits for an unavailable API server, but not for permissions.
	var missing *kubeclient.MissingPermissionsError
	if err := kubeclient.CheckAccess(ctx, config, options.permissions()); errors.As(err, &missing) {
		return err
	} else if err != nil {
		logger.Error(err, "Failed to check permissions")
	}
	server, err := signer.NewServer(ctx, config, options.Config, time.Now, logger)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// permissions returns those that the signer cannot start without. With --namespaces,
// each namespace is checked alone, and again while the signer runs.
func (o *Options) permissions() []kubeclient.Permission {
	if len(o.Namespaces) > 0 {
		return nil
	}
	return signer.Permissions()
}
