package admission

import (
	"fmt"
	"slices"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
)

// What is said here is pure: objects in, sentences out. Each says what to do,
// and begins with what matters, since the API server may cut it short.

// maxNamed is how many objects an answer names.
const maxNamed = 10

// components says which halves of a key's material its source supplies.
type components struct{ key, secret bool }

// keyWarnings are what is allowed but worth a second thought.
func keyWarnings(key *signetv1alpha1.SignatureKey, supplied components) []string {
	var warnings []string
	if key.Spec.Type == signetv1alpha1.KeyTypeAES {
		warnings = append(warnings, "spec.type: AES gains nothing over HMAC, and both of its halves are secret: prefer HMAC")
	}
	rotation := key.Spec.Rotation
	if rotation == nil {
		return warnings
	}
	if stage := rotation.StageSeconds; stage != nil && *stage < signetv1alpha1.DefaultStageSeconds {
		warnings = append(warnings, fmt.Sprintf("spec.rotation.stageSeconds: a kubelet may need %d seconds to refresh a mounted Secret, and %d are less: "+
			"backends that mount it would refuse requests after a rotation. Leave it out, or set at least %d",
			signetv1alpha1.DefaultStageSeconds, *stage, signetv1alpha1.DefaultStageSeconds))
	}
	if rotates(rotation) && !generates(key, supplied) {
		warnings = append(warnings, "spec.rotation: nothing to rotate, since key and secret are both supplied and only generated halves are renewed: "+
			"leave one of them out, or intervalDays, trigger and revokeTrigger")
	}
	return warnings
}

// revokeWarning says that an update drops at once what backends accept.
// Empty: there is nothing to say.
func revokeWarning(key, old *signetv1alpha1.SignatureKey) string {
	if key.RevokeTrigger() == "" || key.RevokeTrigger() == old.RevokeTrigger() {
		return ""
	}
	return "spec.rotation.revokeTrigger: the old version is dropped at once, so requests may fail until every backend has seen the new one, " +
		"up to two minutes where it mounts the Secret. Unless the key has leaked, change spec.rotation.trigger instead"
}

// rotates says that the settings ask for a rotation.
func rotates(rotation *signetv1alpha1.Rotation) bool {
	return rotation.IntervalDays != nil || rotation.Trigger != "" || rotation.RevokeTrigger != ""
}

// generates says that Signet generates at least one half.
func generates(key *signetv1alpha1.SignatureKey, supplied components) bool {
	keyGenerated := key.Spec.Identifier == "" && !supplied.key
	return keyGenerated || !supplied.secret
}

// assumedComponents are what a source supplies that cannot be seen yet. Beside
// spec.identifier it is there for the secret; without, one cannot know.
func assumedComponents(key *signetv1alpha1.SignatureKey) components {
	switch {
	case key.Spec.Source == nil:
		return components{}
	case key.Spec.Type == signetv1alpha1.KeyTypePublicKey:
		return components{key: true, secret: true}
	default:
		return components{secret: key.Spec.Identifier != ""}
	}
}

// boundWarning says that a key is held by bindings.
func boundWarning(key string, bindings []string) string {
	names := status.EnumerateNames(slices.Sorted(slices.Values(bindings)), maxNamed)
	return fmt.Sprintf("SignatureKey %s is in use and goes on signing until no SignatureBinding uses it. To let it go, delete these bindings or change their spec.keyRef: %s",
		key, names)
}

// keyStateWarning says that a binding will wait for its key; nil is one that
// does not exist. Empty: there is nothing to say.
func keyStateWarning(binding *signetv1alpha1.SignatureBinding, key *signetv1alpha1.SignatureKey) string {
	name := binding.Spec.KeyRef.Name
	switch {
	case key == nil:
		return fmt.Sprintf("spec.keyRef.name: there is no SignatureKey %s in this namespace: the binding waits until you create it, or correct the name", name)
	case slots.CreatedAfterDeletion(binding, key) || slots.TerminatingUnprotected(key):
		return fmt.Sprintf("spec.keyRef.name: SignatureKey %s is being deleted and takes no new bindings: name another key", name)
	case key.Status.KeyID == "":
		return fmt.Sprintf("spec.keyRef.name: SignatureKey %s has no material to sign with: the binding waits. The key's condition Ready says for what", name)
	default:
		return ""
	}
}

// taken is an API of a binding that another binding visibly has.
type taken struct {
	// at is the API's place in spec.apis.
	at  int
	api signetv1alpha1.APIReference
	// holder is the name of the other binding.
	holder string
}

func (t taken) message(environment string) string {
	return fmt.Sprintf("SignatureBinding %s has %s %s in environment %s, and keeps it: take the API out of one of the two",
		t.holder, t.api.Kind, t.api.Name, environment)
}

// takenWarnings name the holders of APIs that are taken.
func takenWarnings(found []taken, environment string) []string {
	var warnings []string
	for i, t := range found {
		if i == maxNamed {
			return append(warnings, fmt.Sprintf("spec.apis: taken by other SignatureBindings, too: %d more. See status.apis", len(found)-maxNamed))
		}
		warnings = append(warnings, fmt.Sprintf("spec.apis[%d]: %s", t.at, t.message(environment)))
	}
	return warnings
}
