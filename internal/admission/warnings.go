// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"slices"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/namespaces"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
)

// The functions of this file are pure. Each warning starts with what matters,
// because the API server may truncate it, and ends with what to do.

// maxNamed is the number of objects that an answer names.
const maxNamed = 10

// stateOf returns what is known of a namespace; nil stands for a manager that works in
// all namespaces.
type stateOf func(namespace string) namespaces.State

// notServedWarnings warns if nothing happens to what is created in the namespace.
func notServedWarnings(namespace string, state stateOf) []string {
	if state == nil {
		return nil
	}
	known := state(namespace)
	if known.Served {
		return nil
	}
	return []string{fmt.Sprintf("metadata.namespace: Namespace %q is not served by Signet, so nothing happens to this object: %s.", namespace, known.Problem)}
}

// components records which components of a key's material its source supplies.
type components struct{ identifier, secret bool }

// keyWarnings returns warnings about what is allowed but rarely intended.
func keyWarnings(key *signetv1alpha1.SignatureKey, supplied components) []string {
	var warnings []string
	if key.Spec.Type == signetv1alpha1.KeyTypeAES {
		warnings = append(warnings, "spec.type: AES has no advantage over HMAC, and both of its components are secret. Use HMAC.")
	}
	rotation := key.Spec.Rotation
	if rotation == nil {
		return warnings
	}
	if stage := rotation.StageSeconds; stage != nil && *stage < signetv1alpha1.DefaultStageSeconds {
		warnings = append(warnings, fmt.Sprintf("spec.rotation.stageSeconds: %d is shorter than the %d seconds that a kubelet may need to refresh a mounted Secret: "+
			"backends that mount it may refuse requests after a rotation. Omit the field or set it to at least %d.",
			*stage, signetv1alpha1.DefaultStageSeconds, signetv1alpha1.DefaultStageSeconds))
	}
	if rotates(rotation) && !generates(key, supplied) {
		warnings = append(warnings, "spec.rotation: Nothing rotates, because both components are supplied and only generated components are renewed. "+
			"Omit one of them, or omit intervalDays, trigger and revokeTrigger.")
	}
	return warnings
}

// revokeWarning warns if an update drops at once what backends accept. It
// returns "" for other updates.
func revokeWarning(key, old *signetv1alpha1.SignatureKey) string {
	if key.RevokeTrigger() == "" || key.RevokeTrigger() == old.RevokeTrigger() {
		return ""
	}
	return "spec.rotation.revokeTrigger: The old version is dropped at once, so requests may fail until every backend has read the new one, " +
		"up to two minutes where it mounts the Secret. Unless the key has leaked, change spec.rotation.trigger instead."
}

// rotates reports whether the settings request a rotation.
func rotates(rotation *signetv1alpha1.Rotation) bool {
	return rotation.IntervalDays != nil || rotation.Trigger != "" || rotation.RevokeTrigger != ""
}

// generates reports whether Signet generates at least one component.
func generates(key *signetv1alpha1.SignatureKey, supplied components) bool {
	identifierGenerated := key.Spec.Identifier == "" && !supplied.identifier
	return identifierGenerated || !supplied.secret
}

// assumedComponents returns what a source that is not visible yet is assumed to
// supply. With spec.identifier it is there for the secret; otherwise nothing is
// known.
func assumedComponents(key *signetv1alpha1.SignatureKey) components {
	switch {
	case key.Spec.Source == nil:
		return components{}
	case key.Spec.Type == signetv1alpha1.KeyTypePublicKey:
		return components{identifier: true, secret: true}
	default:
		return components{secret: key.Spec.Identifier != ""}
	}
}

// boundWarning warns that bindings still use a key that is being deleted.
func boundWarning(key string, bindings []string) string {
	return fmt.Sprintf("SignatureKey %q is in use and keeps signing until no SignatureBinding uses it. To release it, delete these bindings or change their spec.keyRef: %s.",
		key, status.EnumerateNames(slices.Sorted(slices.Values(bindings)), maxNamed))
}

// keyStateWarning warns if a binding will wait for its key, which is nil if it
// does not exist. It returns "" if the key is ready.
func keyStateWarning(binding *signetv1alpha1.SignatureBinding, key *signetv1alpha1.SignatureKey) string {
	name := binding.Spec.KeyRef.Name
	switch {
	case key == nil:
		return fmt.Sprintf("spec.keyRef.name: SignatureKey %q does not exist in this namespace, so the binding waits. Create the key or fix the name.", name)
	case slots.CreatedAfterDeletion(binding, key) || slots.TerminatingUnprotected(key):
		return fmt.Sprintf("spec.keyRef.name: SignatureKey %q is being deleted and accepts no new bindings. Use another key.", name)
	case key.Status.KeyID == "":
		return fmt.Sprintf("spec.keyRef.name: SignatureKey %q has no material yet, so the binding waits. See the key's condition Ready.", name)
	default:
		return ""
	}
}

// taken is an API of a binding that another binding visibly holds.
type taken struct {
	// position of the API in spec.apis.
	position int
	api      signetv1alpha1.APIReference
	// holder is the name of the other binding.
	holder string
}

func (t taken) state(environment string) string {
	return fmt.Sprintf("%s %q in environment %q is taken by SignatureBinding %q", t.api.Kind, t.api.Name, environment, t.holder)
}

func moreTaken(number int) string {
	if number == 1 {
		return "1 more API is taken by another SignatureBinding"
	}
	return fmt.Sprintf("%d more APIs are taken by other SignatureBindings", number)
}

// takenWarnings returns warnings that name the holders of taken APIs.
func takenWarnings(found []taken, environment string) []string {
	var warnings []string
	for i, t := range found {
		if i == maxNamed {
			return append(warnings, "spec.apis: "+moreTaken(len(found)-maxNamed)+". See status.apis.")
		}
		warnings = append(warnings, fmt.Sprintf("spec.apis[%d]: %s. Remove the API from one of the two bindings.", t.position, t.state(environment)))
	}
	return warnings
}
