// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"errors"
	"time"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
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

// permissions returns what the signer needs to watch the objects that it signs
// with.
func (o *Options) permissions() []kubeclient.Permission {
	group, watch := signetv1alpha1.GroupVersion.Group, []string{"list", "watch"}
	return kubeclient.ForNamespaces(o.Namespaces,
		kubeclient.Permission{Group: group, Resource: "signaturekeys", Verbs: watch},
		kubeclient.Permission{Group: group, Resource: "signaturebindings", Verbs: watch},
		kubeclient.Permission{Resource: "secrets", Verbs: watch},
	)
}
