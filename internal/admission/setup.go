// Package admission answers the API server's questions about SignatureKeys,
// SignatureBindings and source Secrets: rules refuse, and what depends on other
// objects only warns, since GitOps applies in any order.
package admission

import (
	"k8s.io/utils/clock"
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
func Setup(mgr ctrl.Manager, options Options) {
	reader, scheme, server := mgr.GetClient(), mgr.GetScheme(), mgr.GetWebhookServer()
	keys := &keyValidator{reader: reader, publicKeyEnabled: options.PublicKeyEnabled}
	bindings := &bindingValidator{reader: reader, clock: clock.RealClock{}, rejectTaken: options.RejectTakenSlots}
	server.Register(keyPath, admission.WithValidator(scheme, keys))
	server.Register(bindingPath, admission.WithValidator(scheme, bindings))
	server.Register(sourcePath, admission.WithValidator(scheme, &sourceValidator{reader: reader}))
}
