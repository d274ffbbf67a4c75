// Package admission answers the API server's questions about SignatureKeys,
// SignatureBindings and source Secrets: rules refuse, and what depends on other
// objects only warns, since GitOps applies in any order.
package admission

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// The paths that the webhook configuration names.
const (
	keyPath     = "/validate-signet-dev-v1alpha1-signaturekey"
	bindingPath = "/validate-signet-dev-v1alpha1-signaturebinding"
	sourcePath  = "/validate-v1-secret"
)

// Options are what the manager's flags say about admission.
type Options struct {
	// PublicKeyEnabled lets keys of type PublicKey be created.
	PublicKeyEnabled bool
	// RejectTakenSlots refuses bindings that list an API which another binding
	// visibly has, instead of warning.
	RejectTakenSlots bool
}

// Setup registers the webhooks with the manager. The indexes of package index
// must be registered with its caches.
func Setup(mgr ctrl.Manager, options Options) error {
	// Every replica answers, and only the leader's controllers watch: this
	// cache has to be there in any case. Those of the kinds have indexes.
	if _, err := mgr.GetCache().GetInformer(context.Background(), &corev1.Secret{}); err != nil {
		return fmt.Errorf("cache Secrets for the webhooks: %w", err)
	}
	reader, scheme, server := mgr.GetClient(), mgr.GetScheme(), mgr.GetWebhookServer()
	keys := &keyValidator{reader: reader, publicKeyEnabled: options.PublicKeyEnabled}
	bindings := &bindingValidator{reader: reader, rejectTaken: options.RejectTakenSlots}
	server.Register(keyPath, admission.WithValidator(scheme, keys))
	server.Register(bindingPath, admission.WithValidator(scheme, bindings))
	server.Register(sourcePath, admission.WithValidator(scheme, &sourceValidator{reader: reader}))
	return nil
}
