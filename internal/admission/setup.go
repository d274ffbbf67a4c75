// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/signet-dev/signet/internal/namespaces"
)

// The paths that the webhook configuration names.
const (
	keyPath     = "/validate-signet-dev-v1alpha1-signaturekey"
	bindingPath = "/validate-signet-dev-v1alpha1-signaturebinding"
	sourcePath  = "/validate-v1-secret"
)

// Options are the manager's flags that concern admission.
type Options struct {
	// PublicKeyEnabled allows the creation of keys of type PublicKey.
	PublicKeyEnabled bool
	// RejectTakenSlots refuses bindings that list an API which another binding
	// visibly holds, instead of warning.
	RejectTakenSlots bool
	// Served are the namespaces that are served; nil means all.
	Served *namespaces.Cache
	// Claims are those of all bindings.
	Claims Claims
}

// Setup registers the webhooks with the manager. The indexes of package index
// must be registered with its caches.
func Setup(mgr ctrl.Manager, options Options) error {
	// Every replica answers, but only the leader's controllers watch Secrets, so
	// this informer has to be started here. Those of the kinds start with their
	// indexes.
	if _, err := mgr.GetCache().GetInformer(context.Background(), &corev1.Secret{}); err != nil {
		return fmt.Errorf("cache Secrets for the webhooks: %w", err)
	}
	reader, scheme, server := mgr.GetClient(), mgr.GetScheme(), mgr.GetWebhookServer()
	keys := &keyValidator{reader: reader, claims: options.Claims, publicKeyEnabled: options.PublicKeyEnabled, stateOf: options.Served.State}
	bindings := &bindingValidator{reader: reader, claims: options.Claims, rejectTaken: options.RejectTakenSlots, stateOf: options.Served.State}
	server.Register(keyPath, admission.WithValidator(scheme, keys))
	server.Register(bindingPath, admission.WithValidator(scheme, bindings))
	server.Register(sourcePath, admission.WithValidator(scheme, &sourceValidator{reader: reader}))
	return nil
}
